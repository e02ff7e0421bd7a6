"""A refund that was accepted is cancelled where its gateway takes it back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.running import running_sandbox
from refundwatch.sandbox.settings import MollieSettings
from tests.daemon.furnishing import config_text
from tests.daemon.living import Living, free_port, living, until
from tests.sandbox.hands import config as sandbox_config
from tests.sandbox.hands import signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRETS = {"mollie.key": "test_sandbox", "mollie.old": "old", "mollie.new": "new"}
LONG = 1_000_000.0
ACCOUNT = """
[accounts.mollie-nl]
gateway = "mollie"
timezone = "Europe/Amsterdam"
webhook_secrets = ["file:mollie.{secret}"]

[accounts.mollie-nl.connections.main]
endpoint = "{endpoint}"
credentials = {{ api_key = "file:mollie.key" }}
timeout_seconds = 5
"""


@asynccontextmanager
async def at_mollie(
    folder: Path, *, secret: str = "new", **settings: Any
) -> AsyncIterator[Living]:
    """A daemon beside a Mollie that is changing its secret."""
    port = free_port()
    account = MollieSettings(
        name="mollie-nl",
        webhook_url=f"http://127.0.0.1:{port}/webhooks/mollie-nl",
        webhook_secrets=("old", "new"),
        **settings,
    )
    wanted = replace(sandbox_config(time_scale=0.01), accounts=(account,))
    with mock.patch.object(WebhookSigner, "made", return_value=signer()):
        running = running_sandbox(wanted)
        box = await running.__aenter__()
    try:
        more = ACCOUNT.format(endpoint=box.base_url("mollie-nl"), secret=secret)
        text = config_text(webhook_port=port, more=more)
        async with living(folder, text=text, sandbox=box, secrets=SECRETS) as found:
            yield found
    finally:
        await running.__aexit__(None, None, None)


async def refund(daemon: Living, **fields: Any) -> dict[str, Any]:
    assert daemon.sandbox is not None
    daemon.sandbox.add_payment("mollie-nl", "tr_daemon0001", 10_000, "EUR")
    payment = await daemon.payment(
        10_000,
        account="mollie-nl",
        gateway_reference="tr_daemon0001",
        currency="EUR",
    )
    return await daemon.refund(1_000, payment=payment, currency="EUR", **fields)


def cancelling(detail: Any) -> Any:
    return next(one for one in detail["actions"] if one["action"] == "cancel")


async def whole(daemon: Living, one: dict[str, Any]) -> Any:
    found = await daemon.call("GET", f"/v1/refunds/{one['id']}")
    return found.body


async def test_a_refund_is_paid_and_heard_of_by_both_kinds_of_webhooks(
    tmp_path: Path,
) -> None:
    for secret in ("old", "new"):
        folder = tmp_path / secret
        folder.mkdir()
        async with at_mollie(folder, secret=secret) as daemon:
            await daemon.becomes(await refund(daemon), "succeeded")
            assert daemon.sandbox is not None
            [row] = daemon.sandbox.ledger.rows("mollie-nl")
            assert row.net_minor == 1_000
            counted = daemon.parts.house.receptionist.counted
            await until(
                lambda c=counted: sum(n for (_, k), n in c.items() if k != "forged") > 3
            )
            assert ("mollie-nl", "forged") not in counted


async def test_a_pending_refund_is_cancelled_by_the_gateways_word(
    tmp_path: Path,
) -> None:
    async with at_mollie(tmp_path, batch_seconds=LONG) as daemon:
        pending = await daemon.becomes(await refund(daemon), "pending")
        assert cancelling(await whole(daemon, pending))["allowed"]
        answer = await daemon.decide(
            pending, "cancel", by="operator", reason_code="customer_withdrew"
        )
        assert answer.body["refund"]["state"] == "declined"
        detail = await whole(daemon, pending)
        (decision,) = detail["decisions"]
        assert (decision["decision"], decision["reason_code"]) == (
            "cancel",
            "customer_withdrew",
        )
        kinds = [one["kind"] for one in await daemon.audit()]
        asked = kinds.index("refund:cancel:asked")
        assert kinds.index("refund:gateway:failed") > asked
        found = await daemon.call("GET", f"/v1/payments/{pending['payment_id']}")
        assert found.body["reserved"]["minor"] == 0
        assert daemon.sandbox is not None
        assert [row.status for row in daemon.sandbox.ledger.rows()] == ["canceled"]


async def test_a_refund_on_its_way_stays_what_it_is(tmp_path: Path) -> None:
    async with at_mollie(tmp_path) as daemon:
        assert daemon.sandbox is not None
        daemon.sandbox.set_faults("none", {"settle_seconds": LONG})
        pending = await daemon.becomes(await refund(daemon), "pending")
        model = daemon.sandbox.world.models["mollie-nl"]
        await until(
            lambda: (
                [r.status for r in model.books.refunds.values()][-1:] == ["processing"]
            )
        )
        answer = await daemon.decide(pending, "cancel", by="operator")
        assert (answer.status, answer.code) == (409, "refund.not_cancelled")
        assert "it is processing there" in answer.body["detail"]
        assert (await daemon.shown(pending))["state"] == "pending"


async def test_an_answer_that_does_not_come_ends_nothing(tmp_path: Path) -> None:
    async with at_mollie(tmp_path, batch_seconds=LONG) as daemon:
        assert daemon.sandbox is not None
        pending = await daemon.becomes(await refund(daemon), "pending")
        daemon.sandbox.set_faults("none", {"dropped_before": 1.0, "hang_seconds": 1.0})
        answer = await daemon.decide(pending, "cancel", by="operator")
        assert (answer.status, answer.code) == (409, "refund.not_cancelled")
        assert (await daemon.shown(pending))["state"] == "pending"
        calls = daemon.query("SELECT operation, outcome FROM gateway_call ORDER BY id")
        assert tuple(calls[-1]) == ("cancel", "transport")
        daemon.sandbox.set_faults("none", {})
        again = await daemon.decide(pending, "cancel", by="operator")
        assert again.body["refund"]["state"] == "declined"


async def test_who_may_not_cancel_does_not_make_us_ask(tmp_path: Path) -> None:
    async with at_mollie(tmp_path, batch_seconds=LONG) as daemon:
        pending = await daemon.becomes(await refund(daemon), "pending")
        denied = await daemon.decide(pending, "cancel", by="viewer")
        assert denied.code == "policy.role_missing"
        stale = await daemon.decide({**pending, "revision": 9}, "cancel", by="operator")
        assert stale.code == "refund.stale_revision"
        kinds = [one["kind"] for one in await daemon.audit()]
        assert "refund:cancel:asked" not in kinds
        assert (await daemon.shown(pending))["state"] == "pending"
