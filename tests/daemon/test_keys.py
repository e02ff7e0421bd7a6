"""The vault's keys are replaced in time, and what they sealed still opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.daemon.living import ShiftedClock, living

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
        assert states(daemon) == ["decrypt_only", "index", "current"]


async def test_values_of_both_keys_open_after_a_restart(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:
        old = await daemon.refund(reason_text="old words", request_id="r-old")
        clock.ahead = 91 * DAY_SECONDS
        await daemon.parts.house.calendar.run_due(clock.now())
        await daemon.renew_tokens()
        new = await daemon.refund(reason_text="new words", request_id="r-new")
        sealed = dict(daemon.query("SELECT request_id, reason_text FROM refund"))
        keys = {name: int.from_bytes(it[1:5], "big") for name, it in sealed.items()}
        assert keys == {"r-old": 1, "r-new": 3}
    async with living(tmp_path, clock=clock, people=False) as daemon:
        await daemon.renew_tokens()
        for refund, words in ((old, "old words"), (new, "new words")):
            shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
            assert shown.body["reason_text"] == words
