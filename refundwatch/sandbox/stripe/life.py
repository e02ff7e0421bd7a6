"""What becomes of Stripe's refunds, and the events that tell of it.

Invariant: every change of a refund is logged as an event with the object as it then
was; money leaves with ``succeeded`` and comes back with a later ``failed``.
Source: gateways/stripe.md sections 3 and 6 (read 2026-11).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import STRIPE
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import StripeSettings
from refundwatch.sandbox.stripe import refunds
from refundwatch.sandbox.stripe.objects import (
    charge_object,
    dispute_object,
    event_object,
    refund_object,
)
from refundwatch.sandbox.stripe.signing import signature_header


class StripeLife(GatewayModel):
    """Let Stripe's refunds live, and tell of it."""

    gateway = "stripe"
    form = STRIPE
    # A sandbox endpoint is tried three more times over some hours.
    plan = RetryPlan((600.0, 3_600.0, 10_800.0))

    def __init__(self, settings: StripeSettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings
        self.request_id = ""

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        reason: str = "",
        metadata: dict[str, str] | None = None,
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Make a refund, pay it or leave it pending, and tell of it."""
        status, fails = refunds.first_status(self.dice, payment, source)
        refund = refunds.new_refund(
            self.dice,
            payment,
            amount_minor=self.books.take_planted(payment, asked),
            status=status,
            now=now,
            visible_at=self.visible_at(now),
            reason=reason,
            metadata=metadata,
            idempotency_key=idempotency_key,
            source=source,
        )
        self.take_refund(refund, asked)
        if status == "succeeded":
            self.pay(refund.id, now, status)
        self.log_refund("refund.created", refund, now, caused=source == "api")
        if status == "succeeded":
            self._paid_out(refund, now)
        else:
            self._plan(refund, now, fails=fails)
        return refund

    def _plan(self, refund: Refund, now: float, *, fails: bool) -> None:
        name = "answers" if refund.status == "requires_action" else "settles"
        outcome = "failed" if fails else "succeeded"
        at = now + self.dice.wait(self.dice.profile.pending_seconds)
        self.schedule(at, name, refund.id, outcome)

    def _paid_out(self, refund: Refund, now: float) -> None:
        payment = self.payment(refund.payment)
        charge = charge_object(payment, self.books, now)
        self._log("charge.refunded", charge, now)
        if refund.source == "api" and self.dice.rolls(Fault.BOUNCES):
            at = now + self.dice.wait(self.dice.profile.bounce_seconds)
            self.schedule(at, "bounces", refund.id)

    # Life of a refund.

    def apply(self, effect: Effect) -> None:
        """Carry out what Stripe does by itself."""
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "answers", "requires_action":
                new = self.change(refund.id, effect.at, "pending")
                previous = {"status": "requires_action"}
                self.log_refund("refund.updated", new, effect.at, previous=previous)
                self._plan(new, effect.at, fails=False)
            case "settles", "pending" if effect.detail == "succeeded":
                new = self.pay(refund.id, effect.at, "succeeded")
                previous = {"status": "pending"}
                self.log_refund("refund.updated", new, effect.at, previous=previous)
                self._paid_out(new, effect.at)
            case "settles", "pending":
                short = refund.details["pending_reason"] == "insufficient_funds"
                reason = "insufficient_funds" if short else self._failure()
                self.end_refund(refund, effect.at, "failed", reason)
            case "bounces", "succeeded":
                self.end_refund(refund, effect.at, "failed", self._failure())
            case _:
                pass

    def _failure(self) -> str:
        return self.dice.rng.choice(refunds.FAILURES)

    def end_refund(self, refund: Refund, at: float, status: str, reason: str) -> None:
        """End a refund without money out, and tell of it."""
        new = self.fail(
            refund.id,
            at,
            status,
            failure_reason=reason,
            failure_balance_transaction=refunds.new_id(self.dice, "txn"),
        )
        previous = {"status": refund.status}
        self.log_refund("refund.updated", new, at, previous=previous)
        if status == "failed":
            self.log_refund("refund.failed", new, at)

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a succeeded refund come back."""
        refund = self.refund(refund_id)
        if refund.status != "succeeded":
            message = f"{refund_id} is {refund.status}, not succeeded"
            raise UnknownSubjectError(message)
        self.end_refund(refund, now, "failed", "expired_or_canceled_card")

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute on a charge."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        subject = dispute_object(payment, refunds.new_id(self.dice, "dp"), now)
        self._log("charge.dispute.created", subject, now)

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the Dashboard; ``note`` becomes metadata."""
        metadata = {"note": note} if note else None
        payment = self.payment(reference)
        return self.open_refund(
            payment, amount_minor, now, metadata=metadata, source="dashboard"
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Give a payment its charge id, derived from its reference."""
        if payment.charge_id:
            return payment
        charge = payment.reference.removeprefix("pi_")
        return replace(payment, charge_id=f"ch_{charge}")

    # Events.

    def log_refund(
        self,
        kind: str,
        refund: Refund,
        at: float,
        *,
        previous: Mapping[str, Any] | None = None,
        caused: bool = False,
    ) -> None:
        """Write down an event about a refund; ``caused`` by the call under way."""
        self._log(
            kind,
            refund_object(refund),
            at,
            previous=previous,
            request_id=self.request_id if caused else None,
            key=(refund.idempotency_key or None) if caused else None,
        )

    def _log(
        self,
        kind: str,
        subject: Json,
        at: float,
        *,
        previous: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        key: str | None = None,
    ) -> None:
        event_id = refunds.new_id(self.dice, "evt")
        body = json_bytes(
            event_object(
                event_id=event_id,
                kind=kind,
                created_at=at,
                subject=subject,
                api_version=self.settings.api_version,
                request_id=request_id,
                idempotency_key=key,
                previous=previous,
            )
        )
        self.events[event_id] = LoggedEvent(
            id=event_id, type=kind, created_at=at, body=body
        )
        if kind in self.settings.events:
            self.emit(at, kind, event_id, body)

    def emit_unknown(self, now: float) -> None:
        """Send an event of a type that no receiver knows."""
        event_id = refunds.new_id(self.dice, "evt")
        subject = {"id": refunds.new_id(self.dice, "rv"), "object": "refund.review"}
        body = json_bytes(
            event_object(
                event_id=event_id,
                kind="refund.review.opened",
                created_at=now,
                subject=subject,
                api_version=self.settings.api_version,
            )
        )
        self.outbox.add(now, "refund.review.opened", event_id, body)

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign an attempt with a fresh time stamp; a forgery with a wrong secret."""
        secrets = self.settings.webhook_secrets
        if entry.forged:
            secrets = ("whsec_of_somebody_else",)
        return (
            ("Content-Type", "application/json; charset=utf-8"),
            ("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
            ("Stripe-Signature", signature_header(secrets, int(now), entry.body)),
        )

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim a failure under a new event id."""
        fake = json.loads(body)
        fake["id"] = refunds.new_id(self.dice, "evt")
        fake["type"] = "refund.failed" if event.startswith("refund.") else event
        if "status" in fake["data"]["object"]:
            fake["data"]["object"]["status"] = "failed"
        return json_bytes(fake)
