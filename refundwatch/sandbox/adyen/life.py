"""What becomes of Adyen's refunds, and the notifications that tell of it.

Invariant: nothing can be read back, so every end of a refund is told by a notification
that arrives in the end, however late.
Source: gateways/adyen.md sections 3 and 6 (read 2026-11).
"""

import base64
import json
from dataclasses import replace
from string import ascii_uppercase, digits

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.adyen.signing import item_signature
from refundwatch.sandbox.answers import Json, json_bytes, offset_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import ADYEN
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import AdyenSettings

NOT_CAPTURED = "Transaction hasn't been captured, refund not possible"
NO_BALANCE = "Insufficient balance on payment"
CHARGED_BACK = "Payment has been charged back"
OTHER_CURRENCY = "Currency differs from the authorised one"
REFUSALS = (
    NO_BALANCE,
    "Refund not supported by the acquirer",
    "Account of the shopper is closed",
)

_MINUTE, _HOUR = 60.0, 3_600.0
_IMMEDIATE = (2.0, 2.0, 2.0)
_QUEUE = tuple(minutes * _MINUTE for minutes in (2, 5, 10, 15, 30, 60, 120, 240))
_THIRTY_DAYS_OF_EIGHT_HOURS = (8 * _HOUR,) * 89


class AdyenLife(GatewayModel):
    """Let Adyen's modifications live, and tell of it."""

    gateway = "adyen"
    form = ADYEN
    webhook_may_vanish = False
    plan = RetryPlan(
        (*_IMMEDIATE, *_QUEUE, *_THIRTY_DAYS_OF_EIGHT_HOURS),
        queue=True,
        immediate=len(_IMMEDIATE),
        accepted=frozenset({200, 202}),
    )

    def __init__(self, settings: AdyenSettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings

    def new_id(self) -> str:
        """Draw a pspReference."""
        return self.dice.text(ascii_uppercase + digits, 16)

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        reference: str,
        currency: str = "",
        verdict: str = "",
        action: str = "",
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Take a refund for processing; ``verdict`` is why it will be refused."""
        refund = Refund(
            id=self.new_id(),
            payment=payment.reference,
            amount_minor=(
                asked if verdict else self.books.take_planted(payment, asked)
            ),
            currency=currency or payment.currency,
            status="rejected" if verdict else "received",
            created_at=now,
            updated_at=now,
            merchant_reference=reference,
            idempotency_key=idempotency_key,
            source=source,
            details={"verdict": verdict, "action": action},
        )
        self.take_refund(refund, asked)
        at = now + self.dice.wait(self.dice.profile.settle_seconds)
        self.schedule(at, "processes", refund.id)
        return refund

    def verdict(self, payment: Payment, wanted_minor: int, currency: str) -> str:
        """Say why a refund will be refused, or nothing."""
        if not payment.captured:
            return NOT_CAPTURED
        if payment.dispute:
            return CHARGED_BACK
        if currency != payment.currency:
            return OTHER_CURRENCY
        if wanted_minor > self.books.remaining_minor(payment):
            return NO_BALANCE
        if self.dice.rolls(Fault.REFUSAL) or self.dice.rolls(Fault.FAILS_LATE):
            return self.dice.rng.choice(REFUSALS)
        return ""

    def apply(self, effect: Effect) -> None:
        """Carry out what Adyen does by itself."""
        if effect.name == "cancels":
            self._cancel(effect)
            return
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "processes", "rejected":
                new = self.fail(refund.id, effect.at, "failed")
                self._tell_outcome(new, effect.at, paid=False)
            case "processes", "received":
                new = self.pay(refund.id, effect.at, "refunded")
                self._tell_outcome(new, effect.at, paid=True)
                if new.source == "api" and self.dice.rolls(Fault.BOUNCES):
                    at = effect.at + self.dice.wait(self.dice.profile.bounce_seconds)
                    self.schedule(at, "bounces", refund.id)
            case "bounces", "refunded":
                self._come_back(refund, effect.at)
            case _:
                pass

    def _tell_outcome(self, refund: Refund, at: float, *, paid: bool) -> None:
        action = refund.details["action"]
        extra = {"modification.action": action} if action else {}
        self.tell(
            "CANCEL_OR_REFUND" if action else "REFUND",
            refund.id,
            self.payment(refund.payment),
            at,
            amount_minor=refund.amount_minor,
            currency=refund.currency,
            reference=refund.merchant_reference,
            success=paid,
            reason=refund.details["verdict"],
            extra=extra,
        )

    def _come_back(self, refund: Refund, at: float) -> None:
        event, reason = self.dice.rng.choice(
            (
                ("REFUND_FAILED", "Refund Failed"),
                ("REFUNDED_REVERSED", "Invalid account"),
            )
        )
        self.fail(refund.id, at, "failed")
        self.tell(
            event,
            refund.id,
            self.payment(refund.payment),
            at,
            amount_minor=refund.amount_minor,
            currency=refund.currency,
            reference=refund.merchant_reference,
            success=True,
            reason=reason,
        )

    def _cancel(self, effect: Effect) -> None:
        modification: Json = json.loads(effect.detail)
        payment = self.payment(effect.subject)
        done = not payment.captured
        action = modification["action"]
        self.tell(
            "CANCEL_OR_REFUND" if action else "CANCELLATION",
            modification["id"],
            payment,
            effect.at,
            amount_minor=payment.amount_minor,
            reference=modification["reference"],
            success=done,
            reason="" if done else "Transaction has been captured",
            extra={"modification.action": action} if action else {},
        )

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a paid refund come back."""
        refund = self.refund(refund_id)
        if refund.status != "refunded":
            message = f"{refund_id} is {refund.status}, not refunded"
            raise UnknownSubjectError(message)
        self._come_back(refund, now)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Charge a payment back; Adyen's event is the same for every kind."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        self.tell(
            "CHARGEBACK",
            self.new_id(),
            payment,
            now,
            amount_minor=payment.amount_minor,
            reference=payment.merchant_reference,
            success=True,
            reason="Other Fraud-Card Absent Environment",
            extra={"chargebackReasonCode": "10.4", "defendable": "true"},
        )

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the Customer Area; ``note`` becomes the reference."""
        payment = self.payment(reference)
        return self.open_refund(
            payment,
            amount_minor,
            now,
            reference=note or payment.merchant_reference,
            source="dashboard",
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Leave a payment as it is: its pspReference is its only id."""
        return payment

    # Notifications.

    def tell(
        self,
        event: str,
        psp_reference: str,
        payment: Payment,
        at: float,
        *,
        amount_minor: int,
        reference: str,
        success: bool,
        currency: str = "",
        reason: str = "",
        extra: dict[str, str] | None = None,
    ) -> None:
        """Send one signed notification item."""
        code = currency or payment.currency
        # A dispute is no booking of ours.
        booked = {} if event == "CHARGEBACK" else {"bookingDate": offset_text(at, 0)}
        item: Json = {
            "additionalData": {**booked, **(extra or {})},
            "amount": {
                "currency": code,
                "value": ADYEN.to_gateway(amount_minor, code),
            },
            "eventCode": event,
            "eventDate": offset_text(at, 1),
            "merchantAccountCode": self.settings.merchant_account,
            "merchantReference": reference,
            "originalReference": payment.reference,
            "paymentMethod": "visa",
            "pspReference": psp_reference,
            "reason": reason,
            "success": "true" if success else "false",
        }
        self.emit(at, event, f"{event}:{psp_reference}", self._signed(item))

    def _signed(self, item: Json) -> bytes:
        key = self.settings.hmac_keys[0]
        item["additionalData"]["hmacSignature"] = item_signature(item, key)
        return notification(item)

    def emit_unknown(self, now: float) -> None:
        """Send a well-signed item of an event code that nobody has seen."""
        item: Json = {
            "additionalData": {},
            "amount": {"currency": "EUR", "value": 0},
            "eventCode": "REFUND_UNDER_REVIEW",
            "eventDate": offset_text(now, 1),
            "merchantAccountCode": self.settings.merchant_account,
            "merchantReference": "",
            "pspReference": self.new_id(),
            "reason": "",
            "success": "true",
        }
        event_id = f"REFUND_UNDER_REVIEW:{item['pspReference']}"
        self.outbox.add(now, "REFUND_UNDER_REVIEW", event_id, self._signed(item))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Return the headers; the signature is inside the body, so time is unused."""
        del entry, now
        headers = (("Content-Type", "application/json; charset=utf-8"),)
        if not self.settings.webhook_user:
            return headers
        pair = f"{self.settings.webhook_user}:{self.settings.webhook_password}"
        packed = base64.b64encode(pair.encode()).decode()
        return (*headers, ("Authorization", f"Basic {packed}"))

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim the opposite outcome under the old signature."""
        del event
        fake = json.loads(body)
        item = fake["notificationItems"][0]["NotificationRequestItem"]
        item["success"] = "false" if item["success"] == "true" else "true"
        item["amount"]["value"] += 1
        return json_bytes(fake)


def notification(item: Json) -> bytes:
    """Wrap one item into the body of a delivery."""
    return json_bytes(
        {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}
    )
