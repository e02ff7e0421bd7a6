"""What becomes of Razorpay's refunds, and the events that tell of it.

Invariant: money leaves once, when a refund becomes ``processed``, and comes back once,
when a processed one becomes ``failed``.
Source: gateways/razorpay.md sections 3 and 6 (read 2026-11).
"""

import json
from dataclasses import replace
from string import ascii_letters, digits

from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import RAZORPAY
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.razorpay.objects import (
    dispute_object,
    event_object,
    payment_object,
    refund_object,
)
from refundwatch.sandbox.razorpay.orders import Order
from refundwatch.sandbox.razorpay.signing import signature
from refundwatch.sandbox.settings import RazorpaySettings

SIX_MONTHS = 183 * 86_400.0
_HALF = 0.5
_HOUR = 3_600.0
# Exponential, for 24 hours in all.
_DELAYS = (60.0, 300.0, 900.0, 2_700.0, 2 * _HOUR, 6 * _HOUR, 14 * _HOUR)


class RazorpayLife(GatewayModel):
    """Let Razorpay's refunds live, and tell of it."""

    gateway = "razorpay"
    form = RAZORPAY
    plan = RetryPlan(_DELAYS)

    def __init__(self, settings: RazorpaySettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings

    def new_id(self, prefix: str) -> str:
        """Draw an id of Razorpay's form."""
        return f"{prefix}_{self.dice.text(ascii_letters + digits, 14)}"

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        order: Order,
        *,
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Take a refund, pay it or leave it pending, and tell of it."""
        fails = source == "api" and self._will_fail(payment, now)
        waits = fails or (source == "api" and self.dice.rolls(Fault.PENDING_FIRST))
        instant = order.speed == "optimum" and not waits
        refund = Refund(
            id=self.new_id("rfnd"),
            payment=payment.reference,
            amount_minor=self.books.take_planted(payment, asked),
            currency=payment.currency,
            status="pending" if waits else "processed",
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=order.receipt or order.notes.get("rw_refund_id", ""),
            idempotency_key=idempotency_key,
            source=source,
            details={
                "receipt": order.receipt,
                "speed_requested": order.speed,
                "speed_processed": "instant" if instant else "normal",
            },
            metadata=order.notes,
        )
        self.take_refund(refund, asked)
        self.tell("refund.created", refund, now)
        if waits:
            self._plan(refund, now, "failed" if fails else "processed")
            return refund
        return self._processed(refund, now)

    def _will_fail(self, payment: Payment, now: float) -> bool:
        """Tell whether a refund will fail: an old payment's does so without a word."""
        old = now - payment.created_at > SIX_MONTHS
        return old or self.dice.rolls(Fault.FAILS_LATE)

    def _plan(self, refund: Refund, now: float, outcome: str) -> None:
        at = now + self.dice.wait(self.dice.profile.pending_seconds)
        if refund.details["speed_requested"] == "optimum":
            # The bank could not do it at once, so it goes the normal way.
            half = now + (at - now) / 2
            self.schedule(half, "slows", refund.id)
        self.schedule(at, "ends", refund.id, outcome)

    def _processed(self, refund: Refund, at: float) -> Refund:
        new = self.pay(refund.id, at, "processed")
        self.tell("refund.processed", new, at)
        # The bank's reference comes after the status.
        later = at + self.dice.wait(self.dice.profile.settle_seconds)
        self.schedule(later, "confirms", refund.id)
        if new.source == "api" and self.dice.rolls(Fault.BOUNCES):
            back = at + self.dice.wait(self.dice.profile.bounce_seconds)
            self.schedule(back, "bounces", refund.id)
        return new

    def apply(self, effect: Effect) -> None:
        """Carry out what Razorpay does by itself."""
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "slows", "pending":
                new = self.change(
                    refund.id, effect.at, "pending", speed_processed="normal"
                )
                self.tell("refund.speed_changed", new, effect.at)
            case "ends", "pending" if effect.detail == "processed":
                self._processed(refund, effect.at)
            case "ends", "pending":
                self._failed(refund, effect.at)
            case "confirms", "processed":
                arn = self.dice.text(digits, 14)
                self.change(refund.id, effect.at, "processed", arn=arn)
            case "bounces", "processed":
                self._failed(refund, effect.at)
            case _:
                pass

    def _failed(self, refund: Refund, at: float) -> None:
        new = self.fail(refund.id, at, "failed")
        self.tell("refund.failed", new, at)

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a processed refund come back."""
        refund = self.refund(refund_id)
        if refund.status != "processed":
            message = f"{refund_id} is {refund.status}, not processed"
            raise UnknownSubjectError(message)
        self._failed(refund, now)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute on a payment."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        payload = {
            "payment": payment_object(payment, self.books, now),
            "dispute": dispute_object(payment, self.new_id("disp"), now),
        }
        self._log("payment.dispute.created", payload, now)

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the dashboard: without receipt; ``note`` becomes a note."""
        notes = {"comment": note} if note else {}
        order = Order(amount=None, speed="normal", receipt="", notes=notes)
        payment = self.payment(reference)
        return self.open_refund(payment, amount_minor, now, order, source="dashboard")

    def complete_payment(self, payment: Payment) -> Payment:
        """Leave a payment as it is: its id is its only one."""
        return payment

    # Events.

    def tell(self, name: str, refund: Refund, at: float) -> None:
        """Send an event about a refund; the payment's part may be missing."""
        payload = {"refund": refund_object(refund)}
        if self.dice.rng.random() < _HALF:
            payment = self.payment(refund.payment)
            payload["payment"] = payment_object(payment, self.books, at)
        self._log(name, payload, at)

    def _log(self, name: str, payload: dict[str, Json], at: float) -> None:
        event = event_object(name, self.settings.account_id, payload, at)
        body = json_bytes(event)
        event_id = self.new_id("evt").removeprefix("evt_")
        self.events[event_id] = LoggedEvent(
            id=event_id, type=name, created_at=at, body=body
        )
        self.emit(at, name, event_id, body)

    def webhook_answered(
        self,
        post_id: int,
        status: int | None,
        now: float,
        body: bytes | None = None,
    ) -> None:
        """Take the end of a delivery; after 24 hours of failures all is switched off.

        Nothing more is sent until an operator resumes the webhook.
        """
        before = self.outbox.exhausted
        super().webhook_answered(post_id, status, now, body)
        if self.outbox.exhausted > before:
            self.outbox.paused = True

    def emit_unknown(self, now: float) -> None:
        """Send an event of a kind that no receiver knows."""
        name = "refund.review.opened"
        entity: Json = {"id": self.new_id("rvw"), "entity": "review"}
        event = event_object(name, self.settings.account_id, {"review": entity}, now)
        event_id = self.new_id("evt").removeprefix("evt_")
        self.outbox.add(now, name, event_id, json_bytes(event))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign an attempt; retries keep the secret from before a change."""
        del now
        secrets = self.settings.webhook_secrets
        secret = secrets[0] if entry.attempt <= 1 else secrets[-1]
        if entry.forged:
            secret = "somebody_elses_secret"  # noqa: S105 - a forger's
        return (
            ("Content-Type", "application/json"),
            ("X-Razorpay-Event-Id", entry.event_id),
            ("X-Razorpay-Signature", signature(secret, entry.body)),
        )

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim a failure."""
        del event
        fake = json.loads(body)
        fake["event"] = "refund.failed"
        refund = fake["payload"].get("refund")
        if refund is not None:
            refund["entity"]["status"] = "failed"
        return json_bytes(fake)
