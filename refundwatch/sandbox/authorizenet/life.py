"""What becomes of Authorize.Net's sales and refunds, and the events of some of it.

Invariant: money of a refund leaves when a batch closes, and no event tells of that; a
void gives back a whole sale that no batch has settled, at once and once.
Source: gateways/authorizenet.md sections 3, 6 and 8 (read 2026-11).
"""

import json
from dataclasses import replace
from string import digits, hexdigits

from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.answers import json_bytes, utc_text
from refundwatch.sandbox.authorizenet import objects
from refundwatch.sandbox.authorizenet.signing import mistaken_signature, signature
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import AUTHORIZENET
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import AuthorizenetSettings

PENDING = "refundPendingSettlement"
PAID = "refundSettledSuccessfully"
REVIEWED = "FDSPendingReview"
GAVE_BACK = "saleVoided"
"""Our own word for the void of a sale: it counts, unlike a refund that is voided."""

_EVENT = "net.authorize.payment."
_MINUTES, _HOURS = 180.0, 8 * 3600.0
_RETRIES = ((_MINUTES,) * 3) + ((_HOURS,) * 3) + ((6 * _HOURS,) * 4)
_FIRST_BATCH = 8_000_000


class AuthorizenetLife(GatewayModel):
    """Let Authorize.Net's transactions live, and tell of it."""

    gateway = "authorizenet"
    form = AUTHORIZENET
    plan = RetryPlan(_RETRIES, accepted=frozenset({200}))

    def __init__(
        self, settings: AuthorizenetSettings, ledger: Ledger, dice: Dice
    ) -> None:
        """Start with empty books."""
        super().__init__(
            settings.name, settings.webhook_url, ledger, dice, float("inf")
        )
        self.settings = settings

    def new_id(self) -> str:
        """Draw the id of a transaction."""
        return "6" + self.dice.text(digits, 10)

    # Sales and batches.

    @property
    def period(self) -> float:
        """Return how often a batch closes."""
        return self.settings.batch_seconds * self.dice.time_scale

    def next_batch_at(self, now: float) -> float:
        """Return when the batch that is open now closes."""
        return (now // self.period + 1) * self.period

    def batch_of(self, at: float) -> str:
        """Name the batch that settles what settled then."""
        return str(_FIRST_BATCH + int(at // self.period))

    def settles_at(self, payment: Payment) -> float:
        """Return when a sale settles."""
        wait = self.settings.sale_settles_seconds * self.dice.time_scale
        return payment.created_at + wait

    def sale_status(self, payment: Payment, now: float) -> str:
        """Return the status of a sale."""
        void = self.books.refunds.get(payment.reference)
        if void is not None:
            return "voided"
        if payment.dispute == "chargeback":
            return "chargeback"
        if not payment.captured:
            return "authorizedPendingCapture"
        settled = now >= self.settles_at(payment)
        return "settledSuccessfully" if settled else "capturedPendingSettlement"

    # Refunds.

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        invoice: str = "",
        ref_id: str = "",
        source: str = "api",
    ) -> Refund:
        """Take a refund that the next batch will settle."""
        held = source == "api" and self.dice.rolls(Fault.NEEDS_ACTION)
        refund = Refund(
            id=self.new_id(),
            payment=payment.reference,
            amount_minor=self.books.take_planted(payment, asked),
            currency=payment.currency,
            status=REVIEWED if held else PENDING,
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=invoice,
            source=source,
            details={"invoice": invoice, "ref_id": ref_id},
        )
        self.take_refund(refund, asked)
        if held:
            self._tell("fraud.held", refund, now)
            at = now + self.dice.wait(self.dice.profile.pending_seconds)
            self.schedule(at, "reviewed", refund.id)
        else:
            self._await_batch(refund, now)
        self._tell("refund.created", refund, now)
        return refund

    def _await_batch(self, refund: Refund, now: float) -> None:
        api = refund.source == "api"
        at = self.next_batch_at(now)
        if api and self.dice.rolls(Fault.PENDING_FIRST):
            at += self.period
        ends = "generalError" if api and self.dice.rolls(Fault.FAILS_LATE) else PAID
        self.schedule(at, "settles", refund.id, ends)

    def apply(self, effect: Effect) -> None:
        """Carry out what a batch or a reviewer does."""
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "reviewed", "FDSPendingReview":
                approved = self.change(refund.id, effect.at, PENDING)
                self._tell("fraud.approved", approved, effect.at)
                self._await_batch(approved, effect.at)
            case "settles", "refundPendingSettlement":
                settled = {
                    "batch": self.batch_of(effect.at),
                    "settled_at": repr(effect.at),
                }
                if effect.detail == PAID:
                    self.change(refund.id, effect.at, PAID, **settled)
                    self.pay(refund.id, effect.at, PAID)
                else:
                    self.fail(refund.id, effect.at, effect.detail)
            case _:
                pass

    def void_sale(self, payment: Payment, now: float, ref_id: str, source: str) -> None:
        """Give a whole sale back before its batch; a void has no id of its own."""
        void = Refund(
            id=payment.reference,
            payment=payment.reference,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            status=GAVE_BACK,
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=ref_id,
            source=source,
            details={"invoice": payment.merchant_reference, "ref_id": ref_id},
        )
        self.take_refund(void, payment.amount_minor)
        self.pay(void.id, now, GAVE_BACK)
        self._tell("void.created", void, now)

    def void_refund(self, refund: Refund, now: float) -> None:
        """Take a refund back before its batch."""
        voided = self.fail(refund.id, now, "voided")
        self._tell("void.created", voided, now)

    # What an operator of the sandbox calls.

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a settled refund to a bank account come back; no event tells of it."""
        refund = self.refund(refund_id)
        if refund.status != PAID:
            message = f"{refund_id} is {refund.status}, not {PAID}"
            raise UnknownSubjectError(message)
        self.fail(refund_id, now, "returnedItem")

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Dispute a sale: only its status shows it, and only a chargeback."""
        del now
        state = "chargeback" if chargeback else "open"
        self.books.change_payment(replace(self.payment(reference), dispute=state))

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund or void in the merchant interface; ``note`` is the invoice number."""
        payment = self.payment(reference)
        if self.sale_status(payment, now) == "settledSuccessfully":
            return self.open_refund(
                payment, amount_minor, now, invoice=note[:20], source="dashboard"
            )
        if amount_minor != payment.amount_minor or payment.reference in (
            self.books.refunds
        ):
            message = f"{reference} is not settled: it can only be voided, whole, once"
            raise UnknownSubjectError(message)
        self.void_sale(payment, now, "", "dashboard")
        return self.refund(payment.reference)

    def complete_payment(self, payment: Payment) -> Payment:
        """Leave a sale as it is: its transaction is its only id."""
        return payment

    # Webhooks.

    def _tell(self, event: str, refund: Refund, at: float) -> None:
        hexed = self.dice.text(hexdigits[:16], 32)
        parts = (hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:])
        notification_id = "-".join(parts)
        body = json_bytes(
            objects.notice(
                notification_id,
                _EVENT + event,
                utc_text(at),
                amount=objects.number(refund.amount_minor, refund.currency),
                transaction_id=refund.id,
                invoice=refund.details.get("invoice", ""),
                ref_id=refund.details.get("ref_id", ""),
            )
        )
        self.events[notification_id] = LoggedEvent(
            id=notification_id, type=_EVENT + event, created_at=at, body=body
        )
        self.emit(at, _EVENT + event, notification_id, body)

    def emit_unknown(self, now: float) -> None:
        """Send a well-signed event of a type that nobody has seen."""
        notification_id = self.dice.text(hexdigits[:16], 32)
        event = _EVENT + "refund.reviewed"
        body = objects.notice(
            notification_id,
            event,
            utc_text(now),
            amount=0.0,
            transaction_id=self.new_id(),
            invoice="",
            ref_id="",
        )
        self.outbox.add(now, event, notification_id, json_bytes(body))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign a delivery; a forgery has another body's digest or another key's."""
        del now
        key = self.settings.signature_keys[0]
        signed = signature(key, entry.body)
        if entry.forged:
            fake = signature(key, entry.body + b" ")
            other = mistaken_signature(key, entry.body)
            signed = self.dice.rng.choice((fake, other))
        return (
            ("Content-Type", "application/json; charset=utf-8"),
            ("X-ANET-Signature", signed),
        )

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim another amount of another transaction."""
        del event
        fake = json.loads(body)
        fake["notificationId"] = self.dice.text(hexdigits[:16], 32)
        fake["payload"]["id"] = self.new_id()
        fake["payload"]["authAmount"] = 0.01
        return json_bytes(fake)
