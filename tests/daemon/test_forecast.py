"""The history that forecasts are made from, over the API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.daemon.living import Living


async def test_history_is_told_in_minor_units_without_numerics(daemon: Living) -> None:
    before = set(sys.modules)
    payment = await daemon.payment(10_000)
    await daemon.refund(700, payment=payment)
    answer = await daemon.call("GET", "/v1/forecast/history?days=30", by="viewer")
    (item,) = answer.body["items"]
    assert (item["currency"], item["exponent"]) == ("GBP", 2)
    (open_now,) = item["open_by_age"]
    assert (open_now["days"], open_now["count"], open_now["minor"]) == (0, 1, 700)
    other = await daemon.call("GET", "/v1/forecast/history?currency=EUR", by="viewer")
    assert other.body["items"] == []
    assert not {"numpy", "holidays"} & (set(sys.modules) - before)


async def test_days_out_of_bounds_are_refused(daemon: Living) -> None:
    answer = await daemon.call("GET", "/v1/forecast/history?days=0", by="viewer")
    assert answer.status in {400, 422}
    assert answer.body["field"] == "days"
