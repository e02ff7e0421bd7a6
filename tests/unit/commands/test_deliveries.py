from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api import models as m
from tests.unit.commands.views import AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

ITEM = m.DeliveryView(
    id=7,
    account="stripe-uk",
    type="refund.updated",
    received_at=AT,
    state="applied",
    reason="refund:gateway:succeeded",
    refund_id="rf_a",
)
DETAIL = m.DeliveryDetailView(
    delivery=ITEM, dedupe_id="evt_1", meaning={"word": "succeeded"}
)


def test_list_passes_its_filters_on(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("deliveries.list", m.DeliveryPage(items=[ITEM], next_cursor="5"))
    ran = run("deliveries", "list", "--account", "stripe-uk", "--state", "applied")
    assert ran.code == 0
    assert "refund.updated" in ran.out
    assert "--cursor 5" in ran.err
    (call,) = hub.named("deliveries.list")
    assert (call.query["account"], call.query["state"]) == ("stripe-uk", "applied")


def test_show_tells_what_it_means(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("deliveries.show", DETAIL)
    ran = run("deliveries", "show", "7")
    assert ran.code == 0
    assert "evt_1" in ran.out
    assert "succeeded" in ran.out


def test_replay_asks_for_the_one(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("deliveries.replay", DETAIL)
    ran = run("deliveries", "replay", "7")
    assert ran.out == "7 refund.updated: applied\n"
    assert [call.parts for call in hub.named("deliveries.replay")] == [
        {"delivery": "7"}
    ]
