"""What becomes of Square's refunds, and the events that tell of it.

Invariant: money leaves when a refund becomes ``COMPLETED``; one that ends ``FAILED``
blocks every later refund of its payment.
Source: Square "Refund Payments", "Payments API and Refunds API Webhooks", "Notification
Delivery", https://developer.squareup.com (read 2026-11).
"""

import json
from dataclasses import replace
from string import ascii_letters, digits, hexdigits

from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import SQUARE
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import SquareSettings
from refundwatch.sandbox.square.objects import (
    RECORDED_ONLY,
    dispute_object,
    event_object,
    payment_object,
    refund_object,
)
from refundwatch.sandbox.square.signing import legacy_signature, signature

_HEX = hexdigits[:16]
_IDS = ascii_letters + digits
# Minutes, doubling, then hourly until a day is over.
_RETRIES = (60.0, 120.0, 240.0, 480.0, 960.0, 1_920.0, *((3_600.0,) * 22))


class SquareLife(GatewayModel):
    """Let Square's refunds live, and tell of it."""

    gateway = "square"
    form = SQUARE
    plan = RetryPlan(_RETRIES)

    def __init__(self, settings: SquareSettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        reason: str,
        idempotency_key: str = "",
        source: str = "api",
        fails_at_once: bool = False,
    ) -> Refund:
        """Make a refund that waits for its money, and tell of it."""
        refund = Refund(
            id=f"{payment.reference}_{self.dice.text(_IDS, 22)}",
            payment=payment.reference,
            amount_minor=self.books.take_planted(payment, asked),
            currency=payment.currency,
            status="PENDING",
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=reason if source == "api" else "",
            idempotency_key=idempotency_key,
            source=source,
            details={
                "reason": reason,
                "version": "1",
                "destination": payment.method.upper(),
            },
        )
        self.take_refund(refund, asked)
        self.tell("refund.created", refund, now)
        if fails_at_once:
            self.end(refund, now, "FAILED")
        elif payment.method in RECORDED_ONLY:
            self.complete(refund, now)
        else:
            self._plan(refund, now)
        return self.refund(refund.id)

    def _plan(self, refund: Refund, now: float) -> None:
        """Draw how long the money takes, and whether it is found at all."""
        profile, outcome = self.dice.profile, "COMPLETED"
        wait = profile.settle_seconds
        if refund.source == "api" and self.dice.rolls(Fault.FAILS_LATE):
            outcome = self.dice.rng.choice(("FAILED", "REJECTED"))
            wait = profile.pending_seconds
        elif self.dice.rolls(Fault.PENDING_FIRST):
            wait = profile.pending_seconds
        self.schedule(now + self.dice.wait(wait), "ends", refund.id, outcome)

    # Life of a refund.

    def apply(self, effect: Effect) -> None:
        """Carry out what Square does by itself."""
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "ends", "PENDING" if effect.detail == "COMPLETED":
                self.complete(refund, effect.at)
            case "ends", "PENDING":
                self.end(refund, effect.at, effect.detail)
            case "fees", "COMPLETED":
                self._give_fee_back(refund, effect.at)
            case _:
                pass

    def complete(self, refund: Refund, at: float) -> None:
        """Let the money leave; its fee is told later, by one more event."""
        self.pay(refund.id, at, "COMPLETED")
        self._changed(refund, at)
        later = at + self.dice.wait(self.dice.profile.settle_seconds)
        self.schedule(later, "fees", refund.id)

    def end(self, refund: Refund, at: float, status: str) -> None:
        """End a refund without money out, and tell of it."""
        self.fail(refund.id, at, status)
        self._changed(refund, at)

    def _give_fee_back(self, refund: Refund, at: float) -> None:
        fee = str(refund.amount_minor * 3 // 100)
        self.change(refund.id, at, refund.status, fee=fee, fee_at=str(at))
        self._changed(refund, at)

    def _changed(self, refund: Refund, at: float) -> None:
        now = self.refund(refund.id)
        version = str(int(now.details["version"]) + 1)
        new = self.change(refund.id, at, now.status, version=version)
        self.tell("refund.updated", new, at)
        self._tell_payment(self.payment(refund.payment), at)

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a completed refund fail; Square does not say that this happens."""
        refund = self.refund(refund_id)
        if refund.status != "COMPLETED":
            message = f"{refund_id} is {refund.status}, not COMPLETED"
            raise UnknownSubjectError(message)
        self.end(refund, now, "FAILED")

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute; a chargeback is one that is lost at once."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        dispute_id = self.dice.text(_IDS, 22)
        for kind, word in (
            ("dispute.created", "EVIDENCE_REQUIRED"),
            ("dispute.state.updated", "LOST"),
        )[: 2 if chargeback else 1]:
            subject = dispute_object(payment, self.settings, dispute_id, word, now)
            self._log(kind, now, {"dispute": subject})

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the seller's own app; ``note`` becomes the reason."""
        payment = self.payment(reference)
        return self.open_refund(
            payment, amount_minor, now, reason=note, source="dashboard"
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Leave a payment as it is: its id is its only one."""
        return payment

    # Events.

    def tell(self, kind: str, refund: Refund, at: float) -> None:
        """Write down an event about a refund as it is now."""
        found = refund_object(refund, self.settings)
        found["version"] = int(refund.details["version"])
        self._log(kind, at, {"refund": found})

    def _tell_payment(self, payment: Payment, at: float) -> None:
        found = payment_object(payment, self.books, self.settings, at)
        self._log("payment.updated", at, {"payment": found})

    def _log(self, kind: str, at: float, subject: Json) -> None:
        event_id = self._event_id()
        merchant_id = self.settings.merchant_id
        body = json_bytes(event_object(event_id, kind, at, merchant_id, subject))
        self.events[event_id] = LoggedEvent(
            id=event_id, type=kind, created_at=at, body=body
        )
        if kind in self.settings.events:
            self.emit(at, kind, event_id, body)

    def _event_id(self) -> str:
        text = self.dice.text(_HEX, 32)
        parts = (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
        return "-".join(parts)

    def emit_unknown(self, now: float) -> None:
        """Send an event of a type that no receiver knows."""
        event_id, kind = self._event_id(), "refund.review.opened"
        subject = {"refund_review": {"id": self.dice.text(_IDS, 22)}}
        event = event_object(event_id, kind, now, self.settings.merchant_id, subject)
        self.outbox.add(now, kind, event_id, json_bytes(event))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign an attempt over the registered address; a forgery over another key."""
        del now
        address = self.settings.notification_url or self.webhook_url
        key = "of_somebody_else" if entry.forged else self.settings.signature_key
        headers = (
            ("Content-Type", "application/json"),
            ("User-Agent", "Square Connect v2"),
            ("Square-Environment", "Sandbox"),
            ("X-Square-Signature", legacy_signature(key, address, entry.body)),
            ("X-Square-HmacSha256-Signature", signature(key, address, entry.body)),
        )
        if entry.attempt > 1:
            retry = ("Square-Retry-Number", str(entry.attempt - 1))
            return (*headers, retry, ("Square-Retry-Reason", "http_error"))
        return headers

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim that the refund failed, under a new event id."""
        del event
        fake = json.loads(body)
        fake["event_id"] = self._event_id()
        subject = fake["data"]["object"]
        if "refund" in subject:
            subject["refund"]["status"] = "FAILED"
        return json_bytes(fake)
