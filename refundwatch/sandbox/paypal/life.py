"""What becomes of PayPal's refunds, and the events that tell of some of it.

Invariant: the end of a pending refund is told by no event; it can only be read.
Source: gateways/paypal.md sections 3 and 6 (read 2026-11).
"""

import hashlib
import json
from dataclasses import replace
from string import ascii_uppercase, digits, hexdigits

from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes, utc_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import PAYPAL
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.paypal.objects import (
    API,
    dispute_object,
    event_object,
    refund_object,
)
from refundwatch.sandbox.paypal.signing import ALGORITHM, signed_message
from refundwatch.sandbox.settings import PaypalSettings

_IDS = ascii_uppercase + digits
_HEX = hexdigits[:16]
# Up to 25 more attempts within three days: minutes at first, hours later.
_RETRIES = (60.0, 120.0, 300.0, 600.0, 1_800.0, *((3_600.0,) * 5), *((14_400.0,) * 15))
_ELSEWHERE = "https://api-m.sandbox.paypal.com.example.net"


class PaypalLife(GatewayModel):
    """Let PayPal's refunds live, and tell of it."""

    gateway = "paypal"
    form = PAYPAL
    plan = RetryPlan(_RETRIES)

    def __init__(
        self,
        settings: PaypalSettings,
        ledger: Ledger,
        dice: Dice,
        signer: WebhookSigner,
    ) -> None:
        """Start with empty books and no token."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings
        self.signer = signer
        self.tokens: dict[str, float] = {}

    def new_id(self, length: int = 17) -> str:
        """Draw an id of PayPal's form."""
        return self.dice.text(_IDS, length)

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        texts: dict[str, str],
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Make a refund, mostly completed at once."""
        api = source == "api"
        fails = api and self.dice.rolls(Fault.FAILS_LATE)
        pending = fails or (api and self.dice.rolls(Fault.PENDING_FIRST))
        refund = Refund(
            id=self.new_id(),
            payment=payment.reference,
            amount_minor=self.books.take_planted(payment, asked),
            currency=payment.currency,
            status="PENDING" if pending else "COMPLETED",
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=texts.get("custom_id") or texts.get("invoice_id", ""),
            idempotency_key=idempotency_key,
            source=source,
            details=texts,
        )
        self.take_refund(refund, asked)
        if pending:
            at = now + self.dice.wait(self.dice.profile.pending_seconds)
            ends = self.dice.rng.choice(("FAILED", "CANCELLED"))
            self.schedule(at, "settles", refund.id, ends if fails else "COMPLETED")
        else:
            self.pay(refund.id, now, "COMPLETED")
        resource = refund_object(refund, self.books)
        self.log("PAYMENT.CAPTURE.REFUNDED", now, resource, resource_type="refund")
        return refund

    def apply(self, effect: Effect) -> None:
        """Carry out what PayPal does by itself, without a word."""
        refund = self.refund(effect.subject)
        if refund.status != "PENDING":
            return
        if effect.detail == "COMPLETED":
            self.pay(refund.id, effect.at, effect.detail)
        else:
            self.fail(refund.id, effect.at, effect.detail)

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a completed refund come back, told by an event outside the list."""
        refund = self.refund(refund_id)
        if refund.status != "COMPLETED":
            message = f"{refund_id} is {refund.status}, not COMPLETED"
            raise UnknownSubjectError(message)
        new = self.fail(refund_id, now, "FAILED")
        resource = refund_object(new, self.books)
        self.log("PAYMENT.REFUND.FAILED", now, resource, resource_type="refund")

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute, or reverse the capture at once."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        if chargeback:
            self._reverse(payment, now)
            return
        subject = dispute_object(payment, f"PP-D-{self.dice.text(digits, 5)}", now)
        self.log("CUSTOMER.DISPUTE.CREATED", now, subject, resource_type="dispute")

    def _reverse(self, payment: Payment, now: float) -> None:
        reversal = Refund(
            id=self.new_id(),
            payment=payment.reference,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            status="COMPLETED",
            created_at=now,
            updated_at=now,
        )
        resource = refund_object(reversal, self.books)
        self.log("PAYMENT.CAPTURE.REVERSED", now, resource, resource_type="refund")

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund on paypal.com; ``note`` becomes the note to the payer."""
        texts = {"note_to_payer": note} if note else {}
        payment = self.payment(reference)
        return self.open_refund(
            payment, amount_minor, now, texts=texts, source="dashboard"
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Give a capture its order id, derived from its own."""
        if payment.order_id:
            return payment
        digest = hashlib.sha256(payment.reference.encode()).hexdigest()
        return replace(payment, order_id=digest[:17].upper())

    # Events.

    def log(self, kind: str, at: float, resource: Json, *, resource_type: str) -> None:
        """Write down an event and hand it to the outbox."""
        event_id = f"WH-{self.new_id()}-{self.new_id()}"
        event = event_object(event_id, kind, at, resource, resource_type=resource_type)
        body = json_bytes(event)
        self.events[event_id] = LoggedEvent(
            id=event_id, type=kind, created_at=at, body=body
        )
        self.emit(at, kind, event_id, body)

    def emit_unknown(self, now: float) -> None:
        """Send an event of a type that no receiver knows."""
        event_id = f"WH-{self.new_id()}-{self.new_id()}"
        kind = "PAYMENT.CAPTURE.REFUND-REVIEWED"
        resource = {"id": self.new_id(), "state": "REVIEWED"}
        event = event_object(event_id, kind, now, resource, resource_type="review")
        self.outbox.add(now, kind, event_id, json_bytes(event))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign an attempt; a forgery is signed over another body or names no host."""
        text = self.dice.text(_HEX, 32)
        transmission_id = "-".join(
            (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
        )
        at = utc_text(now)
        body = entry.body + b" " if entry.forged else entry.body
        message = signed_message(transmission_id, at, self.settings.webhook_id, body)
        base = self.settings.cert_url_base or self.base_url or API
        if entry.forged and self.dice.rng.random() < 0.5:  # noqa: PLR2004 - half
            base = _ELSEWHERE
        path = f"/v1/notifications/certs/{self.signer.certificate_id}"
        return (
            ("Content-Type", "application/json"),
            ("User-Agent", "PayPal/AUHR-1.0-1"),
            ("PAYPAL-TRANSMISSION-ID", transmission_id),
            ("PAYPAL-TRANSMISSION-TIME", at),
            ("PAYPAL-TRANSMISSION-SIG", self.signer.sign(message)),
            ("PAYPAL-CERT-URL", f"{base}{path}"),
            ("PAYPAL-AUTH-ALGO", ALGORITHM),
            ("PAYPAL-AUTH-VERSION", "v2"),
        )

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim that the refund failed, under a new event id."""
        del event
        fake = json.loads(body)
        fake["id"] = f"WH-{self.new_id()}-{self.new_id()}"
        fake["resource"]["status"] = "FAILED"
        return json_bytes(fake)
