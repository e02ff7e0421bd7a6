"""What becomes of Mollie's refunds, and the two kinds of webhooks that tell of it.

Invariant: an order is never paid at once; money leaves with ``refunded``, and comes
back with a later ``failed``. A cancelled refund disappears from every read.
Source: gateways/mollie.md sections 3 and 6 (read 2026-11).
"""

import json
from dataclasses import replace
from string import ascii_letters, digits
from urllib.parse import urlencode

from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.mollie.objects import (
    chargeback_object,
    event_object,
    refund_object,
)
from refundwatch.sandbox.mollie.signing import signature
from refundwatch.sandbox.money import MOLLIE
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import MollieSettings

CANCELLABLE = frozenset({"queued", "pending"})
REFERENCE_KEYS = ("rw_refund_id", "merchant_reference", "reference")

_MINUTES = (1, 2, 4, 8, 16, 29, 60, 120, 1_320)
# Changes that the unsigned webhook tells of; of a queue it never speaks.
_CLASSIC = frozenset({"processing", "refunded", "failed", "canceled"})
_FORM = b"id="


class MollieLife(GatewayModel):
    """Let Mollie's refunds live, and tell of it."""

    gateway = "mollie"
    form = MOLLIE
    # Ten attempts: after 1, 3, 7, 15, 31 minutes, then 1, 2, 4 and 26 hours.
    plan = RetryPlan(tuple(60.0 * minutes for minutes in _MINUTES))

    def __init__(self, settings: MollieSettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings
        # Until when the call under way works on a payment.
        self.being_made: dict[str, float] = {}

    def new_id(self, prefix: str) -> str:
        """Draw an id of Mollie's form."""
        return f"{prefix}_{self.dice.text(ascii_letters + digits, 10)}"

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        description: str = "",
        metadata: object = None,
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Take a refund into the queue, or into the next batch."""
        queued = source == "api" and self.dice.rolls(Fault.PENDING_FIRST)
        refund = Refund(
            id=self.new_id("re"),
            payment=payment.reference,
            amount_minor=self.books.take_planted(payment, asked),
            currency=payment.currency,
            status="queued" if queued else "pending",
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=_reference(metadata),
            idempotency_key=idempotency_key,
            source=source,
            details={
                "description": description,
                "metadata": json.dumps(metadata),
                "acquirer_reference": self.dice.text(digits, 23),
            },
        )
        self.take_refund(refund, asked)
        self._tell(refund, now)
        self._plan(refund, now)
        return refund

    # Life of a refund.

    def _plan(self, refund: Refund, now: float) -> None:
        profile = self.dice.profile
        match refund.status:
            case "queued":
                at = now + self.dice.wait(profile.pending_seconds)
                self.schedule(at, "moves", refund.id, "pending")
            case "pending":
                at = now + self.dice.wait(self.settings.batch_seconds)
                self.schedule(at, "moves", refund.id, "processing")
            case "processing":
                at = now + self.dice.wait(profile.settle_seconds)
                fails = refund.source == "api" and self.dice.rolls(Fault.FAILS_LATE)
                ends = "failed" if fails else "refunded"
                self.schedule(at, "moves", refund.id, ends)
            case "refunded" if refund.source == "api":
                if self.dice.rolls(Fault.BOUNCES):
                    at = now + self.dice.wait(profile.bounce_seconds)
                    self.schedule(at, "moves", refund.id, "failed")
            case _:
                pass

    def apply(self, effect: Effect) -> None:
        """Carry out what Mollie does by itself."""
        refund = self.refund(effect.subject)
        if not refund.counts:
            return
        match effect.detail:
            case "refunded":
                new = self.pay(refund.id, effect.at, "refunded")
            case "failed":
                new = self.fail(refund.id, effect.at, "failed")
            case status:
                new = self.change(refund.id, effect.at, status)
        self._tell(new, effect.at)
        self._plan(new, effect.at)

    def cancel_refund(self, refund: Refund, now: float) -> None:
        """Cancel a refund that is still waiting; it disappears."""
        self._tell(self.fail(refund.id, now, "canceled"), now)

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a paid refund come back."""
        refund = self.refund(refund_id)
        if refund.status != "refunded":
            message = f"{refund_id} is {refund.status}, not refunded"
            raise UnknownSubjectError(message)
        self._tell(self.fail(refund_id, now, "failed"), now)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Charge a payment back; nothing comes before that."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        entity = chargeback_object(payment, self.new_id("chb"), now)
        self._signed("chargeback.received", entity, now)
        self._classic(payment.reference, now)

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the dashboard, which the guard of equal amounts does not stop."""
        payment = self.payment(reference)
        return self.open_refund(
            payment, amount_minor, now, description=note, source="dashboard"
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Return the payment: Mollie knows it by one id."""
        return payment

    # Events.

    def _tell(self, refund: Refund, at: float) -> None:
        self._signed(f"refund.{refund.status}", refund_object(refund), at)
        if refund.status in _CLASSIC:
            self._classic(refund.payment, at)

    def _signed(self, kind: str, entity: Json, at: float) -> None:
        """Write down an event, and hand it out if somebody asked for it."""
        event_id = self.new_id("event")
        simple = "simple" in self.settings.webhooks
        event = event_object(event_id, kind, at, entity, simple=simple)
        body = json_bytes(event)
        self.events[event_id] = LoggedEvent(
            id=event_id, type=kind, created_at=at, body=body
        )
        if simple or "signed" in self.settings.webhooks:
            self.emit(at, kind, event_id, body)

    def _classic(self, payment: str, at: float) -> None:
        """Name the payment, and nothing else; only its own ids can be named."""
        if "classic" in self.settings.webhooks and payment.startswith("tr_"):
            body = urlencode({"id": payment}).encode()
            self.emit(at, "payment", self.new_id("call"), body)

    def emit_unknown(self, now: float) -> None:
        """Send an event that nobody has seen, or name a payment of a stranger."""
        if self.dice.rng.random() < 0.5:  # noqa: PLR2004 - every other one
            body = urlencode({"id": self.new_id("tr")}).encode()
            self.outbox.add(now, "stranger", self.new_id("call"), body)
            return
        event_id = self.new_id("event")
        entity = {"resource": "refund-review", "id": self.new_id("rev")}
        event = event_object(event_id, "review.opened", now, entity, simple=False)
        self.outbox.add(now, "review.opened", event_id, json_bytes(event))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign an event under every secret, in a line each; a form is not signed."""
        del now
        agent = ("User-Agent", "Mollie/2.0")
        if entry.body.startswith(_FORM):
            form = "application/x-www-form-urlencoded"
            return (("Content-Type", form), agent)
        secrets = self.settings.webhook_secrets
        if entry.forged:
            secrets = ("secret-of-somebody-else",)
        lines = tuple(
            ("X-Mollie-Signature", signature(secret, entry.body)) for secret in secrets
        )
        return (("Content-Type", "application/json"), agent, *lines)

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim that a refund failed, under a new event id."""
        del event
        fake: Json = {}
        if not body.startswith(_FORM):
            fake = json.loads(body)
            entity = fake.get("_embedded", {}).get("entity", {})
            if "status" in entity:
                entity["status"] = "failed"
        claim = {"resource": "event", "id": self.new_id("event")}
        return json_bytes({**fake, **claim, "type": "refund.failed"})


def _reference(metadata: object) -> str:
    if isinstance(metadata, str):
        return metadata
    if not isinstance(metadata, dict):
        return ""
    return next((str(metadata[key]) for key in REFERENCE_KEYS if key in metadata), "")
