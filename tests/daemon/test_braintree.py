"""Refunds at Braintree through the whole daemon, over a real connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.settings import BraintreeSettings
from tests.daemon.furnishing import config_text
from tests.daemon.living import Living, _sandbox, free_port, living, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ACCOUNT = "braintree-us"
KEYS = {"braintree.public": "sandbox_public", "braintree.private": "sandbox_private"}
CONNECTED = """
[[bands]]
currency = "USD"
auto_below = "50.01"
one_approval_below = "500.00"

[accounts.braintree-us]
gateway = "braintree"
timezone = "America/Chicago"
webhook_secrets = ["file:braintree.webhook"]

[accounts.braintree-us.connections.main]
endpoint = "ENDPOINT"
timeout_seconds = 5
credentials = { public_key = "file:braintree.public", private_key = "file:braintree.private" }
"""  # noqa: E501 - a table in a line


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Living]:
    port = free_port()
    account = BraintreeSettings(
        name=ACCOUNT,
        webhook_url=f"http://127.0.0.1:{port}/webhooks/{ACCOUNT}",
        sale_settles_seconds=360_000.0,
    )
    config = SandboxConfig(accounts=(account,), time_scale=0.01)
    async with _sandbox(config) as box:
        more = CONNECTED.replace("ENDPOINT", box.base_url(ACCOUNT))
        text = config_text(more=more, webhook_port=port)
        text = text.replace("[resolve]", "[resolve]\npoll_first_seconds = 1")
        secrets = {**KEYS, "braintree.webhook": "sandbox_public:sandbox_private"}
        async with living(tmp_path, text=text, sandbox=box, secrets=secrets) as found:
            yield found


async def sold(daemon: Living, reference: str, *, settled: bool, **facts: Any) -> str:
    box = daemon.sandbox
    assert box is not None
    box.add_payment(ACCOUNT, reference, 5_000, "USD", **facts)
    if settled:
        model: Any = box.world.model(ACCOUNT)
        model.settle_sale(model.payment(reference), box.clock.now())
    return await daemon.payment(
        5_000, account=ACCOUNT, gateway_reference=reference, currency="USD"
    )


def executed(daemon: Living, reference: str) -> list[int]:
    assert daemon.sandbox is not None
    rows = daemon.sandbox.ledger.rows(ACCOUNT, reference)
    return [row.net_minor for row in rows if row.executed_at]


async def test_a_refund_of_a_settled_sale_is_polled_to_its_end(daemon: Living) -> None:
    payment = await sold(daemon, "settled1", settled=True)
    refund = await daemon.refund(1_250, payment=payment, currency="USD")
    done = await daemon.becomes(refund, "succeeded")
    assert executed(daemon, "settled1") == [1_250]
    assert done["gateway_reference"]


async def test_the_whole_of_an_unsettled_sale_is_voided(daemon: Living) -> None:
    payment = await sold(daemon, "unsettled1", settled=False)
    refund = await daemon.refund(5_000, payment=payment, currency="USD")
    done = await daemon.becomes(refund, "succeeded")
    assert done["gateway_reference"] == "unsettled1"
    assert executed(daemon, "unsettled1") == [5_000]


async def test_a_part_of_an_unsettled_sale_stays_unsent(daemon: Living) -> None:
    payment = await sold(daemon, "unsettled2", settled=False)
    refund = await daemon.refund(1_250, payment=payment, currency="USD")
    asked = "SELECT count(*) FROM gateway_call WHERE operation = 'read_payment'"
    # Two reads of the original, two before the order that does not come.
    await until(lambda: daemon.query(asked)[0][0] >= 4)
    assert await daemon.is_in(refund, "queued")
    assert daemon.query("SELECT count(*) FROM attempt") == [(0,)]
    assert executed(daemon, "unsettled2") == []


async def test_a_void_whose_answer_was_lost_is_found(daemon: Living) -> None:
    assert daemon.sandbox is not None
    payment = await sold(daemon, "unsettled3", settled=False)
    daemon.sandbox.set_faults(None, {"reset_after": 1.0})
    refund = await daemon.refund(5_000, payment=payment, currency="USD")
    done = await daemon.becomes(refund, "succeeded")
    assert done["gateway_reference"] == "unsettled3"
    assert executed(daemon, "unsettled3") == [5_000]


async def test_a_banks_refund_that_comes_back_is_told_by_webhook(
    daemon: Living,
) -> None:
    payment = await sold(daemon, "bank1", settled=True, method="sepa_direct_debit")
    refund = await daemon.refund(1_250, payment=payment, currency="USD")
    done = await daemon.becomes(refund, "succeeded")
    assert daemon.sandbox is not None
    daemon.sandbox.bounce(ACCOUNT, done["gateway_reference"])
    await daemon.becomes(refund, "reversed")


async def test_a_refund_that_has_not_settled_is_taken_back(daemon: Living) -> None:
    assert daemon.sandbox is not None
    daemon.sandbox.set_faults(None, {"settle_seconds": 360_000.0})
    payment = await sold(daemon, "settled2", settled=True)
    refund = await daemon.refund(1_250, payment=payment, currency="USD")
    pending = await daemon.becomes(refund, "pending")
    answer = await daemon.decide(pending, "cancel", by="operator")
    assert answer.body["refund"]["state"] == "declined"
    (row,) = daemon.sandbox.ledger.rows(ACCOUNT, "settled2")
    assert row.status == "VOIDED"
