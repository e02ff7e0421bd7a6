"""What becomes of Checkout.com's refunds and voids, and the events that tell of it.

Invariant: nothing is done when it is accepted; money leaves when an action is
approved, and comes back when the same action is declined later.
Source: gateways/checkout.md sections 3 and 6 (read 2026-11).
"""

import json
from dataclasses import replace
from string import ascii_lowercase, digits

from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.checkout.objects import (
    PAID,
    action_event,
    balances,
    dispute_event,
    event_object,
    stamp,
)
from refundwatch.sandbox.checkout.signing import signature
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import CHECKOUT
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import CheckoutSettings

_IDS = ascii_lowercase + "234567"
DECLINES = (
    ("20005", "Declined - Do not honour"),
    ("20051", "Insufficient funds"),
    ("30004", "Pick up card"),
)
_SAYS = {
    ("Refund", True): "payment_refunded",
    ("Refund", False): "payment_refund_declined",
    ("Void", True): "payment_voided",
    ("Void", False): "payment_void_declined",
}


class CheckoutLife(GatewayModel):
    """Let Checkout.com's actions live, and tell of it."""

    gateway = "checkout"
    form = CHECKOUT
    # How often it repeats is not documented.
    plan = RetryPlan((60.0, 300.0, 900.0, 3_600.0, 3_600.0, 14_400.0, 43_200.0))

    def __init__(self, settings: CheckoutSettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books and no token."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings
        self.tokens: dict[str, float] = {}

    def new_id(self, prefix: str) -> str:
        """Draw an id of Checkout.com's form: exactly 26 characters after the prefix."""
        return f"{prefix}_{self.dice.text(_IDS, 26)}"

    def open_action(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        kind: str = "Refund",
        reference: str = "",
        metadata: dict[str, str] | None = None,
        merchant_reference: str = "",
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Accept a refund or a void; what comes of it is told later."""
        api = source == "api"
        declined = api and self.dice.rolls(Fault.FAILS_LATE)
        code, summary = self.dice.rng.choice(DECLINES)
        amount = asked if declined else self.books.take_planted(payment, asked)
        refund = Refund(
            id=self.new_id("act"),
            payment=payment.reference,
            amount_minor=amount,
            currency=payment.currency,
            status="pending",
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=merchant_reference,
            idempotency_key=idempotency_key,
            source=source,
            details={
                "type": kind,
                "reference": reference,
                "code": code,
                "summary": summary,
                "arn": self.dice.text(digits, 23),
            },
            metadata=metadata or {},
        )
        self.take_refund(refund, asked)
        wait = self.dice.profile.settle_seconds
        if api and self.dice.rolls(Fault.PENDING_FIRST):
            wait = self.dice.profile.pending_seconds
            if kind == "Refund":
                self._tell("payment_refund_pending", refund, now)
        at = now + self.dice.wait(wait)
        self.schedule(at, "processes", refund.id, "declined" if declined else "")
        return refund

    def apply(self, effect: Effect) -> None:
        """Carry out what Checkout.com does by itself."""
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "processes", "pending" if effect.detail == "declined":
                self._decline(refund, effect.at)
            case "processes", "pending":
                new = self.pay(refund.id, effect.at, PAID)
                self._tell(_SAYS[new.details["type"], True], new, effect.at)
                if new.source == "api" and self.dice.rolls(Fault.BOUNCES):
                    at = effect.at + self.dice.wait(self.dice.profile.bounce_seconds)
                    self.schedule(at, "bounces", refund.id)
            case "bounces", "refunded":
                self._decline(refund, effect.at)
            case _:
                pass

    def _decline(self, refund: Refund, at: float) -> None:
        new = self.fail(refund.id, at, "failed")
        self._tell(_SAYS[new.details["type"], False], new, at)

    def bounce(self, refund_id: str, now: float) -> None:
        """Let an approved refund be declined after all."""
        refund = self.refund(refund_id)
        if refund.status != PAID:
            message = f"{refund_id} is {refund.status}, not {PAID}"
            raise UnknownSubjectError(message)
        self._decline(refund, now)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute on a payment."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        data = dispute_event(payment, f"dsp_{self.dice.text(_IDS, 20)}", now)
        kind = "dispute_evidence_required" if chargeback else "dispute_received"
        self._log(kind, now, {"timestamp": stamp(now, "+00:00")}, data)

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the dashboard, where no reference of ours is known."""
        payment = self.payment(reference)
        return self.open_action(
            payment, amount_minor, now, reference=note, source="dashboard"
        )

    def capture(self, reference: str, now: float) -> Payment:
        """Take the money of an authorized payment.

        Raises: UnknownSubjectError.
        """
        payment = replace(self.payment(reference), captured=True)
        self.books.change_payment(payment)
        held = balances(payment, self.books, now)
        data = {
            "id": reference,
            "amount": held["total_captured"],
            "currency": payment.currency,
            "balances": held,
        }
        self._log("payment_captured", now, {"created_on": stamp(now, "Z")}, data)
        return payment

    def complete_payment(self, payment: Payment) -> Payment:
        """Take a payment as it is: it has one id only."""
        return payment

    # Events.

    def _tell(self, kind: str, refund: Refund, at: float) -> None:
        ending = self.dice.rng.choice(("Z", "+00:00"))
        held = balances(self.payment(refund.payment), self.books, at)
        data = action_event(kind, refund, held, ending)
        self._log(kind, at, {"created_on": stamp(at, ending)}, data)

    def _log(self, kind: str, at: float, when: Json, data: Json) -> None:
        event_id = self.new_id("evt")
        body = json_bytes(event_object(event_id, kind, when, data))
        self.events[event_id] = LoggedEvent(
            id=event_id, type=kind, created_at=at, body=body
        )
        self.emit(at, kind, event_id, body)

    def emit_unknown(self, now: float) -> None:
        """Send an event of a type that no receiver knows."""
        event_id = self.new_id("evt")
        kind = "payment_refund_reviewed"
        data = {"id": self.new_id("pay"), "status": "Reviewed"}
        event = event_object(event_id, kind, {"created_on": stamp(now, "Z")}, data)
        self.outbox.add(now, kind, event_id, json_bytes(event))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign an attempt; a forgery has the wrong key or no signature at all."""
        del now
        key = self.settings.signature_keys[0]
        headers = [("Content-Type", "application/json; charset=utf-8")]
        if self.settings.webhook_authorization:
            headers.append(("Authorization", self.settings.webhook_authorization))
        if not entry.forged:
            headers.append(("Cko-Signature", signature(key, entry.body)))
        elif self.dice.rng.random() < 0.5:  # noqa: PLR2004 - half
            other = signature("key-of-somebody-else", entry.body)
            headers.append(("Cko-Signature", other))
        return tuple(headers)

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim that the refund was declined, under a new event id."""
        fake = json.loads(body)
        fake["id"] = self.new_id("evt")
        fake["type"] = (
            "payment_refund_declined" if event.startswith("payment_refund") else event
        )
        fake["data"]["response_code"] = "20006"
        return json_bytes(fake)
