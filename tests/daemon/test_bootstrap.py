"""The machine's owner opens the door once, over the Unix socket, and leaves a trace."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.living import living

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.daemon.living import Answered, Living

ROOT = {"principal": "person:root", "roles": ["admin"]}


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Living]:
    """A daemon that nobody has a token for."""
    async with living(tmp_path, people=False) as found:
        yield found


async def ask(daemon: Living, body: dict[str, Any] = ROOT, **how: Any) -> Answered:
    return await daemon.call("POST", "/v1/tokens", body, by=None, **how)


async def test_owner_makes_the_first_admin_over_the_socket(empty: Living) -> None:
    made = await ask(empty)
    assert made.status == 201
    assert made.body["token"]["created_by"] == "system"
    me = await empty.call("GET", "/v1/me", token=made.body["secret"])
    assert me.body["principal"] == "person:root"
    (entry,) = [row for row in await empty.audit() if row["kind"] == "token:created"]
    assert entry["actor"] == "system"
    assert entry["data"]["first_admin"] is True


async def test_second_admin_needs_the_first(empty: Living) -> None:
    admin = (await ask(empty)).body["secret"]
    again = await ask(empty, {**ROOT, "principal": "person:eve"})
    assert (again.status, again.code) == (409, "token.conflict")
    second = await empty.call(
        "POST", "/v1/tokens", {**ROOT, "principal": "person:eve"}, token=admin
    )
    assert second.status == 201


async def test_one_of_many_at_once_makes_the_first_admin(empty: Living) -> None:
    answers = await asyncio.gather(*(ask(empty) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19


async def test_first_admin_is_never_made_over_tcp(empty: Living) -> None:
    answer = await ask(empty, base=empty.tcp, http=empty.tcp_http)
    assert (answer.status, answer.code) == (401, "auth.required")
    assert "token:created" not in empty.kinds()


@pytest.mark.parametrize(
    "body",
    [
        {"principal": "person:root", "roles": ["operator"]},
        {"principal": "person:root", "roles": ["admin", "approver"]},
        {"principal": "machine:root", "roles": ["admin"]},
        {"principal": "person:root", "roles": ["viewer"]},
    ],
)
async def test_owner_makes_nothing_but_an_admin(
    empty: Living, body: dict[str, Any]
) -> None:
    answer = await ask(empty, body)
    assert (answer.status, answer.code) == (403, "policy.first_admin_only")
    assert "token:created" not in empty.kinds()


async def test_owner_reads_nothing_without_a_token(empty: Living) -> None:
    for path in ("/v1/status", "/v1/tokens", "/v1/refunds"):
        answer = await empty.call("GET", path, by=None)
        assert answer.status == 401, path


async def test_other_user_of_the_machine_is_not_the_owner(
    empty: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.auth.os.getuid", lambda: os.geteuid() + 1)
    answer = await ask(empty)
    assert (answer.status, answer.code) == (401, "auth.required")


async def test_wrong_token_does_not_fall_back_to_the_owner(empty: Living) -> None:
    for header in ("Bearer rwk_wrong", "Basic x", ""):
        answer = await ask(empty, headers={"Authorization": header})
        assert answer.status == 401, header


async def test_owner_may_open_the_door_again_once_no_admin_is_left(
    empty: Living,
) -> None:
    first = (await ask(empty)).body
    gone = await empty.call(
        "DELETE", f"/v1/tokens/{first['token']['id']}", token=first["secret"]
    )
    assert gone.status == 200
    assert (await ask(empty)).status == 201


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"principal": "machine:x", "roles": ["approver"]}, "policy.people_only"),
        ({"principal": "machine:x", "roles": ["admin"]}, "policy.people_only"),
        ({"principal": "person:root", "roles": ["approver"]}, "policy.own_promotion"),
        ({"principal": "system", "roles": ["viewer"]}, "request.invalid"),
        ({"principal": "person:Ann", "roles": ["viewer"]}, "request.invalid"),
        ({"principal": "person:x", "roles": ["boss"]}, "request.invalid"),
        ({"principal": "person:x", "roles": []}, "value.text_invalid"),
        (
            {"principal": "person:x", "roles": ["viewer"], "expires_in_days": 0},
            "request.invalid",
        ),
    ],
)
async def test_admin_cannot_grant_everything(
    empty: Living, body: dict[str, Any], code: str
) -> None:
    admin = (await ask(empty)).body["secret"]
    before = empty.state()
    answer = await empty.call("POST", "/v1/tokens", body, token=admin)
    assert answer.code == code
    assert empty.state() == before


async def test_secret_of_a_token_is_shown_once(empty: Living) -> None:
    made = await ask(empty)
    secret = made.body["secret"]
    listed = await empty.call("GET", "/v1/tokens", token=secret)
    assert secret.split("_", 2)[2] not in listed.content.decode()
    assert [one["principal"] for one in listed.body["items"]] == ["person:root"]
    assert made.headers["Cache-Control"] == "no-store"


async def test_token_that_never_was_cannot_be_revoked(empty: Living) -> None:
    admin = (await ask(empty)).body["secret"]
    answer = await empty.call("DELETE", "/v1/tokens/nothing", token=admin)
    assert (answer.status, answer.code) == (404, "token.unknown")
