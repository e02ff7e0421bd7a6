"""Views such as the daemon answers with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from refundwatch.api import models as m

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SHA = "ab" * 32


def status() -> m.StatusView:
    return m.StatusView(
        instance="hub.test",
        mode="sandbox",
        version="1",
        policy_version="p",
        started_at=AT,
        now=AT,
        draining=False,
        last_seq=0,
    )


def gbp(minor: int) -> m.AmountView:
    return m.AmountView(minor=minor, currency="GBP", exponent=2)


def refund(**changes: Any) -> m.RefundView:
    values: dict[str, Any] = {
        "id": "rf_zyu2ea5dtys6qgtmgc",
        "request_id": "C1/536365",
        "account": "stripe-uk",
        "gateway": "stripe",
        "connection": None,
        "payment_id": "pay_fjx6zst3bmtgodco6j",
        "payment_reference": "536365",
        "amount": gbp(1250),
        "state": "awaiting_approval",
        "state_word": "needs approval",
        "revision": 3,
        "request_sha256": SHA,
        "reason_code": "goods_returned",
        "merchant_reference": "rwzyu2ea5dtys6qgtmgc",
        "gateway_reference": None,
        "required_approvals": 1,
        "approvals": 0,
        "approvals_expire_at": AT,
        "hold_reason": None,
        "review_reason": None,
        "refused_code": None,
        "requires_action": False,
        "last_status": None,
        "frozen": None,
        "attempts": 0,
        "lookups": 0,
        "generation": 0,
        "created_at": AT,
        "created_by": "machine:shop",
        "updated_at": AT,
        "first_sent_at": None,
        "last_sent_at": None,
        "accepted_at": None,
        "succeeded_at": None,
        "final_at": None,
        "due_at": None,
        "seq": 7,
    }
    return m.RefundView(**(values | changes))


def payment() -> m.PaymentView:
    return m.PaymentView(
        id="pay_fjx6zst3bmtgodco6j",
        account="stripe-uk",
        gateway="stripe",
        gateway_reference="536365",
        captured=gbp(13912),
        refunded=gbp(0),
        reserved=gbp(1250),
        external=gbp(0),
        refundable=gbp(12662),
        frozen=None,
        frozen_at=None,
        knowledge="read",
        captured_at=AT,
        created_at=AT,
        order_reference=None,
        invoices=[m.InvoiceShareView(number="536365", amount=gbp(13912))],
    )


def detail(**changes: Any) -> m.RefundDetailView:
    return m.RefundDetailView(
        refund=refund(**changes),
        payment=payment(),
        idempotency_key="key1",
        reason_text="broken \x1b[31mred\nnext",
        invoice="536365",
        decisions=[
            m.DecisionView(
                decision="approve",
                actor="person:ann",
                at=AT,
                revision=3,
                reason_code="approved",
                reason_text=None,
                valid=False,
                statement="{}",
            )
        ],
        attempts=[
            m.AttemptView(
                number=1,
                connection="stripe-uk/main",
                opened_at=AT,
                closed_at=AT,
                outcome="unknown",
                reason="timeout",
                status=None,
                duration_ms=5000,
            )
        ],
        deliveries=[
            m.DeliveryView(
                id=1,
                account="stripe-uk",
                type="refund.updated",
                received_at=AT,
                state="applied",
                reason=None,
            )
        ],
        timeline=[
            m.EntryView(
                seq=7,
                at=AT,
                kind="refund:created",
                actor="machine:shop",
                refund_id="rf_zyu2ea5dtys6qgtmgc",
                data={"after": "awaiting_approval", "amount_minor": 1250},
            )
        ],
        actions=[m.ActionView(action="lookup", allowed=False, reason="It waits.")],
    )


def numbers(**changes: Any) -> m.NumbersView:
    percentiles = m.PercentilesView(count=4, p50=1.5, p95=90.0, p99=7300.0)
    values: dict[str, Any] = {
        "connection": "stripe-uk/main",
        "currency": None,
        "processing": {"paid_out": percentiles},
        "requested": 10,
        "succeeded": 3,
        "declined": 1,
        "bounced": 0,
        "declined_by": {"lost_or_stolen_card": 1},
        "success_rate": 0.75,
        "uptime": 0.99999,
        "observed_seconds": 3600,
        "down_seconds": 0,
    }
    return m.NumbersView(**(values | changes))


def connection(**changes: Any) -> m.ConnectionView:
    values: dict[str, Any] = {
        "id": "stripe-uk/primary",
        "account": "stripe-uk",
        "gateway": "stripe",
        "endpoint": "https://gateway.example",
        "health": "up",
        "paused": None,
        "consecutive_failures": 0,
        "last_ok_at": None,
        "last_failure_at": None,
        "last_failure": None,
        "down_since": None,
        "queued": 0,
        "sending": 0,
        "unknown": 0,
    }
    return m.ConnectionView.model_validate({**values, **changes})
