"""What becomes of Klarna's refunds, and the events of its other product.

Invariant: a refund is booked and paid with its 201, and never changes again; no
webhook tells of it, except where the account is on the Klarna Network.
Source: gateways/klarna.md sections 3 and 6 (read 2026-11).
"""

import json
from dataclasses import replace
from uuid import UUID

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes, utc_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.klarna.signing import signature
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import KLARNA
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import KlarnaSettings

BOOKED = "booked"
_COMPLETED = "payment.request.state-change.completed"
_DISPUTED = "payment.dispute.state-change.initiated"
_UNKNOWN = "payment.review.state-change.opened"


class KlarnaLife(GatewayModel):
    """Book Klarna's refunds, and tell the Network where there is one."""

    gateway = "klarna"
    form = KLARNA
    plan = RetryPlan((60.0, 600.0, 3_600.0))

    def __init__(self, settings: KlarnaSettings, ledger: Ledger, dice: Dice) -> None:
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
        """Draw an id."""
        return str(UUID(int=self.dice.rng.getrandbits(128), version=4))

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        reference: str = "",
        details: dict[str, str] | None = None,
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Book a refund: its money leaves at once."""
        refund = Refund(
            id=self.new_id(),
            payment=payment.reference,
            amount_minor=self.books.take_planted(payment, asked),
            currency=payment.currency,
            status=BOOKED,
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=reference,
            idempotency_key=idempotency_key,
            source=source,
            details=details or {},
        )
        self.take_refund(refund, asked)
        self._tell(_COMPLETED, payment, now)
        return self.pay(refund.id, now, BOOKED)

    def apply(self, effect: Effect) -> None:
        """Do nothing: at Klarna nothing happens by itself."""

    def bounce(self, refund_id: str, now: float) -> None:
        """Refuse: no failure of a booked refund is documented."""
        del now
        self.refund(refund_id)
        message = f"{refund_id} is booked, and Klarna takes no booking back"
        raise UnknownSubjectError(message)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute; only the Klarna Network tells of it."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        self._tell(_DISPUTED, payment, now)

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the merchant portal; ``note`` becomes the description."""
        details = {"description": note} if note else None
        payment = self.payment(reference)
        return self.open_refund(
            payment, amount_minor, now, details=details, source="dashboard"
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Leave a payment as it is: its order id is its only id."""
        return payment

    # Events of the Klarna Network.

    def _tell(self, event: str, payment: Payment, at: float) -> None:
        if self.settings.network:
            event_id = self.new_id()
            body = self._event(event, event_id, at, payment.reference)
            self.emit(at, event, event_id, body)

    def _event(self, event: str, event_id: str, at: float, order_id: str) -> bytes:
        region = self.settings.network
        found: Json = {
            "metadata": {
                "event_type": event,
                "event_id": event_id,
                "event_version": "v2",
                "occurred_at": utc_text(at),
                "correlation_id": self.new_id(),
                "webhook_id": f"krn:notification:webhook:{self.account}",
                "live": False,
            },
            "payload": {"payment_request_id": f"krn:payment:{region}:{order_id}"},
        }
        return json_bytes(found)

    def emit_unknown(self, now: float) -> None:
        """Send an event of a type that no receiver knows."""
        event_id = self.new_id()
        body = self._event(_UNKNOWN, event_id, now, self.new_id())
        self.outbox.add(now, _UNKNOWN, event_id, body)

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign the body, always alike; a forgery with a wrong key."""
        del now
        key = "somebody_elses_key" if entry.forged else self.settings.signing_keys[0]
        return (
            ("Content-Type", "application/json"),
            ("Klarna-Signature", signature(key, entry.body)),
            ("Klarna-Signing-Key-Id", "krn:notification:signing-key:sandbox-1"),
        )

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim a dispute under a new event id."""
        del event
        fake = json.loads(body)
        fake["metadata"] |= {"event_id": self.new_id(), "event_type": _DISPUTED}
        return json_bytes(fake)
