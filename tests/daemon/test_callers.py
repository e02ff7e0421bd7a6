"""A caller whom nobody knows, or who may not, gets nothing and changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refundwatch.domain.policy import Role
from refundwatch.security import tokens
from refundwatch.store.contract import CreateToken
from tests.daemon.living import Living, give_token, refund_body
from tests.daemon.refusals import REFUNDS, refused


@pytest.fixture
async def payment(daemon: Living) -> str:
    return await daemon.payment(10_000)


async def expired_token(daemon: Living) -> str:
    minted, now = tokens.mint(), daemon.hub.clock.now()
    await daemon.hub.store.execute(
        CreateToken(
            at=now,
            actor="person:root",
            token_id=minted.id,
            secret_sha256=minted.secret_sha256,
            principal="person:old",
            roles=frozenset({Role.OPERATOR}),
            expires_at=now - timedelta(seconds=1),
        )
    )
    return minted.text


async def revoked_token(daemon: Living) -> str:
    text = await give_token(daemon.hub, "person:gone", frozenset({Role.OPERATOR}))
    path = f"/v1/tokens/{tokens.parse(text).id}"
    assert (await daemon.call("DELETE", path, by="admin")).status == 200
    return text


async def foreign_secret(daemon: Living) -> str:
    """Another secret under an id that exists, its checksum right."""
    known = tokens.parse(daemon.secrets["operator"]).id
    while True:
        other = tokens.mint(lambda size: bytes([7]) * size)
        signed = f"rwk_{known}_" + other.text.split("_", 2)[2][:43]
        return signed + tokens._checksum(signed)


async def unknown_token(daemon: Living) -> str:
    return tokens.mint().text


async def malformed_token(daemon: Living) -> str:
    return "rwk_nonsense"


async def mistyped_token(daemon: Living) -> str:
    text = daemon.secrets["operator"]
    return text[:-1] + ("A" if text[-1] != "A" else "B")


@pytest.mark.parametrize(
    "make",
    [
        expired_token,
        revoked_token,
        foreign_secret,
        unknown_token,
        malformed_token,
        mistyped_token,
    ],
)
async def test_wrong_token_is_refused_without_saying_why(
    daemon: Living, payment: str, make: Any
) -> None:
    token = await make(daemon)
    before = daemon.state()
    missing = await daemon.call("POST", REFUNDS, refund_body(payment), by=None)
    answer = await daemon.call("POST", REFUNDS, refund_body(payment), token=token)
    refused(missing, 401, "auth.required")
    refused(answer, 401, "auth.required")
    assert answer.body == missing.body
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert daemon.state() == before


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "bearer\tx", ""])
async def test_authorization_of_another_form_is_refused(
    daemon: Living, header: str
) -> None:
    answer = await daemon.call(
        "GET", "/v1/status", by=None, headers={"Authorization": header}
    )
    refused(answer, 401, "auth.required")


async def test_guessing_is_throttled_and_does_not_lock_others_out(
    daemon: Living,
) -> None:
    codes = [
        (await daemon.call("GET", "/v1/status", token="rwk_x", base=daemon.tcp)).code
        for _ in range(25)
    ]
    assert codes[:20] == ["auth.required"] * 20
    assert codes[-1] == "auth.throttled"
    answer = await daemon.call("GET", "/v1/status")
    assert answer.status == 200


async def test_without_root_operators_nobody_is_told_to_sign(daemon: Living) -> None:
    """No key is known there, so that a signature could only be refused."""
    for role in ("approver", "viewer"):
        me = await daemon.call("GET", "/v1/me", by=role)
        assert (me.status, me.body["signs"]) == (200, False)


async def test_wrong_role_is_refused_and_audited(daemon: Living, payment: str) -> None:
    before = daemon.state()
    answer = await daemon.call("POST", REFUNDS, refund_body(payment), by="viewer")
    refused(answer, 403, "policy.role_missing")
    assert daemon.state() == before
    assert daemon.kinds()[-1] == "access:denied"


async def test_permission_is_checked_before_the_body_is_read(daemon: Living) -> None:
    answer = await daemon.call("POST", REFUNDS, raw=b"nonsense", by="viewer")
    refused(answer, 403, "policy.role_missing")
    answer = await daemon.call("POST", REFUNDS, raw=b"nonsense", by=None)
    refused(answer, 401, "auth.required")
