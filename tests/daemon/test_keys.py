"""The vault's keys are replaced in time or at once; what they sealed still opens."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from refundwatch.domain.policy import SYSTEM
from refundwatch.security.datakey import KeyState, KeyWrapper, WrappedKey
from refundwatch.security.keyfile import parse_key_file
from refundwatch.store.contract.keys import (
    LatestRotation,
    ResealSome,
    StartRotation,
)
from tests.daemon.furnishing import SECRETS
from tests.daemon.living import ShiftedClock, living, until
from tests.making import START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.living import Living

DAY_SECONDS = 86_400


def states(daemon: Living) -> list[str]:
    rows = daemon.query("SELECT state FROM data_key ORDER BY dek_id")
    return [state for (state,) in rows]


async def test_data_key_is_replaced_after_ninety_days(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:
        calendar = daemon.parts.house.calendar
        assert "vault:roll" in await calendar.run_due(clock.now())
        assert states(daemon) == ["current", "index"]
        clock.ahead = 89 * DAY_SECONDS
        assert "vault:roll" in await calendar.run_due(clock.now())
        assert states(daemon) == ["current", "index"]
        clock.ahead = 91 * DAY_SECONDS
        await calendar.run_due(clock.now())
        await until(lambda: states(daemon) == ["destroyed", "index", "current"])


async def test_old_values_are_sealed_anew_and_open_after_a_restart(
    tmp_path: Path,
) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:
        old = await daemon.refund(reason_text="old words", request_id="r-old")
        clock.ahead = 91 * DAY_SECONDS
        await daemon.parts.house.calendar.run_due(clock.now())
        await daemon.renew_tokens()
        new = await daemon.refund(reason_text="new words", request_id="r-new")
        await until(lambda: set(keys_of(daemon).values()) == {3})
    async with living(tmp_path, clock=clock, people=False) as daemon:
        await daemon.renew_tokens()
        for refund, words in ((old, "old words"), (new, "new words")):
            shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
            assert shown.body["reason_text"] == words


def keys_of(daemon: Living) -> dict[str, int]:
    """Which data key sealed the reason of each request."""
    sealed = daemon.query("SELECT request_id, reason_text FROM refund")
    return {name: int.from_bytes(it[1:5], "big") for name, it in sealed}


def wrapped(daemon: Living) -> list[WrappedKey]:
    rows = daemon.query("SELECT dek_id, kek_id, wrapped, uses, state FROM data_key")
    return [
        WrappedKey(dek_id, kek_id, key, START, uses, KeyState(state))
        for dek_id, kek_id, key, uses, state in rows
    ]


async def rotated(daemon: Living) -> dict[str, Any]:
    """Rotate, and wait until the walk has ended; give the keys then."""
    began = await daemon.call("POST", "/v1/keys/rotate", {"kind": "data"}, by="admin")
    assert began.status == 202, began

    async def ended() -> Any:
        shown = await daemon.call("GET", "/v1/keys?count=true", by="admin")
        return shown.body if shown.body["rotation"]["finished_at"] else None

    found: dict[str, Any] = await until(ended)
    return found


async def test_rotation_leaves_nothing_under_the_old_key_and_destroys_it(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        refund = await daemon.refund(
            reason_text="words",
            payment=await daemon.payment(customer={"name": "Jane", "email": "j@e.uk"}),
        )
        await daemon.decide(refund, "hold", by="operator", reason_text="wait")
        old = next(it for it in wrapped(daemon) if it.state is KeyState.CURRENT)
        ring = parse_key_file(SECRETS["vault.key"].encode())
        old_key = KeyWrapper(ring, lambda _: b"").unwrap(old)
        shown = await rotated(daemon)
        assert shown["remaining"] == 0
        assert shown["rotation"]["destroyed"] == [1]
        assert {it["id"]: it["state"] for it in shown["keys"]} == {
            1: "destroyed",
            2: "index",
            3: "current",
        }
        assert [it.wrapped for it in wrapped(daemon) if it.dek_id == 1] == [b""]
        assert old.wrapped not in (tmp_path / "hub.db-wal").read_bytes()[-4096:]
        shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
        assert shown.body["reason_text"] == "words"
        for (sealed,) in daemon.query("SELECT customer_name FROM payment"):
            with pytest.raises(InvalidTag):
                AESGCMSIV(old_key).decrypt(sealed[5:17], sealed[17:], None)
        kinds = [it for it in daemon.kinds() if it.startswith("vault:rotation")]
        assert kinds == ["vault:rotation:started", "vault:rotation:finished"]
        entry = [it for it in await daemon.audit() if "rotation:started" in it["kind"]]
        assert entry[0]["actor"] == "person:root"


async def test_second_rotation_is_refused_while_one_runs(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.payment(customer={"name": "Jane"})
        with mock.patch.object(daemon.hub.keys, "_walk", return_value=None):
            first = await daemon.call(
                "POST", "/v1/keys/rotate", {"kind": "data"}, by="admin"
            )
            second = await daemon.call(
                "POST", "/v1/keys/rotate", {"kind": "data"}, by="admin"
            )
        assert first.status == 202
        assert (second.status, second.code) == (409, "vault.rotation_running")
        assert states(daemon) == ["decrypt_only", "index", "current"]


async def test_value_that_was_tampered_with_keeps_its_key_and_alarms(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        await daemon.payment(customer={"name": "Jane", "email": "j@e.uk"})
        await daemon.tamper("UPDATE payment SET customer_name = customer_email")
        shown = await rotated(daemon)
        assert shown["rotation"]["unreadable"] == 1
        assert shown["rotation"]["destroyed"] == []
        assert shown["remaining"] == 1
        alarms = await daemon.call("GET", "/v1/alarms")
        assert "sealed_unreadable" in {it["kind"] for it in alarms.body["items"]}


async def test_other_key_encrypting_key_takes_over_while_it_runs(
    tmp_path: Path,
) -> None:
    new_line = f"k2 {base64.b64encode(bytes(range(32, 64))).decode()}\n"
    async with living(tmp_path) as daemon:
        refund = await daemon.refund(reason_text="words")
        (tmp_path / "vault.key").write_text(new_line + SECRETS["vault.key"])
        answer = await daemon.call(
            "POST", "/v1/keys/rotate", {"kind": "kek"}, by="admin"
        )
        assert (answer.status, answer.body["rewrapped"]) == (202, 2)
        assert answer.body["key_encrypting_keys"] == ["k2", "k1"]
        assert {it.kek_id for it in wrapped(daemon)} == {"k2"}
    async with living(
        tmp_path, people=False, secrets={**SECRETS, "vault.key": new_line}
    ) as daemon:
        await daemon.renew_tokens()
        shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
        assert shown.body["reason_text"] == "words"


async def test_key_file_that_lacks_a_key_in_use_changes_nothing(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        before = wrapped(daemon)
        other = f"k9 {base64.b64encode(bytes(32)).decode()}\n"
        (tmp_path / "vault.key").write_text(other)
        answer = await daemon.call(
            "POST", "/v1/keys/rotate", {"kind": "kek"}, by="admin"
        )
        assert (answer.status, answer.code) == (409, "vault.key_file_refused")
        assert "k1" in answer.body["detail"]
        assert wrapped(daemon) == before


async def test_keys_are_for_an_admin_alone(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        for by in ("viewer", "operator", "approver", "machine"):
            for method, path, body in (
                ("GET", "/v1/keys", None),
                ("POST", "/v1/keys/rotate", {"kind": "data"}),
            ):
                answer = await daemon.call(method, path, body, by=by)
                assert answer.status == 403, (by, path)
        assert states(daemon) == ["current", "index"]


async def test_rotation_starts_where_a_kill_left_it(tmp_path: Path) -> None:
    """A walk is a place in the database: whoever starts next goes on from it."""
    async with living(tmp_path) as daemon:
        for number in range(5):
            await daemon.payment(
                gateway_reference=f"pi_k{number}", customer={"name": "Jane"}
            )
        keeper = daemon.hub.keys
        plan = keeper._vault.plan(daemon.hub.clock.now(), renew=True)
        current = next(it for it in plan.rows if it.state is KeyState.CURRENT)
        async with keeper._changing:
            await daemon.hub.store.execute(
                StartRotation(
                    daemon.hub.clock.now(),
                    SYSTEM,
                    "asked",
                    current.dek_id,
                    plan.rows,
                    plan.checks,
                )
            )
            keeper._vault.adopt(plan)
            half = await daemon.hub.store.execute(ResealSome(daemon.hub.clock.now(), 2))
            assert half is not None
            assert half.resealed == 2
    async with living(tmp_path, people=False) as daemon:
        await daemon.renew_tokens()
        await until(lambda: states(daemon) == ["destroyed", "index", "current"])
        row = await daemon.hub.store.read(LatestRotation())
        assert row is not None
        assert row.resealed == 5
