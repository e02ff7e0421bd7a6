"""What becomes of Worldpay's refunds, and the notifications that tell of it.

Invariant: every event of a refund is told, in the end, under a reference that the
account echoes; an inquiry shows the latest event of an order and nothing before it.
Source: gateways/worldpay.md sections 1, 3 and 6 (read 2026-11).
"""

from dataclasses import dataclass, replace
from urllib.parse import quote

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect, WebhookPost
from refundwatch.sandbox.money import WORLDPAY
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import WorldpaySettings
from refundwatch.sandbox.worldpay.notifications import Told, notification

RECEIVED, CANCEL_RECEIVED = "RECEIVED", "CANCEL_RECEIVED"
SENT, WEBFORM = "SENT_FOR_REFUND", "REFUND_WEBFORM_ISSUED"
REFUNDED, FAILED, EXPIRED = "REFUNDED", "REFUND_FAILED", "REFUND_EXPIRED"
VOIDED = "ORDER_CANCELLED"

_MINUTE = 60.0
_QUARTERS_OF_A_WEEK = 4 * 24 * 7
_WEEK = (*(5 * _MINUTE,) * 3, *(15 * _MINUTE,) * (_QUARTERS_OF_A_WEEK - 1))


@dataclass(frozen=True, slots=True)
class Latest:
    """Hold the latest event of an order, and the reference that it bears."""

    event: str
    reference: str
    at: float


class WorldpayLife(GatewayModel):
    """Let Worldpay's modifications live, and tell of them."""

    gateway = "worldpay"
    form = WORLDPAY
    # An inquiry shows one refund of an order: of the others only messages tell.
    webhook_may_vanish = False
    plan = RetryPlan(_WEEK, queue=True, accepted=frozenset({200}), answer=b"[OK]")

    def __init__(self, settings: WorldpaySettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books."""
        super().__init__(settings.name, settings.webhook_url, ledger, dice, 0.0)
        self.settings = settings

    # Refunds and voids.

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        reference: str,
        source: str = "api",
    ) -> Refund:
        """Take a refund for processing."""
        return self._open(
            payment,
            asked,
            now,
            amount_minor=self.books.take_planted(payment, asked),
            status=RECEIVED,
            reference=reference,
            source=source,
        )

    def open_void(self, payment: Payment, now: float, reference: str) -> Refund:
        """Take the cancellation of what was not captured: all of it goes back."""
        return self._open(
            payment,
            payment.amount_minor,
            now,
            amount_minor=payment.amount_minor,
            status=CANCEL_RECEIVED,
            reference=reference,
            source="api",
        )

    def _open(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        amount_minor: int,
        status: str,
        reference: str,
        source: str,
    ) -> Refund:
        self.last_number += 1
        refund = Refund(
            id=f"{payment.reference}#{self.last_number}",
            payment=payment.reference,
            amount_minor=amount_minor,
            currency=payment.currency,
            status=status,
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=reference,
            source=source,
        )
        self.take_refund(refund, asked)
        at = now + self.dice.wait(self.dice.profile.settle_seconds)
        self.schedule(at, "goes", refund.id)
        return refund

    def apply(self, effect: Effect) -> None:
        """Carry out what Worldpay does by itself."""
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "goes", "CANCEL_RECEIVED":
                self._moved(self.pay(refund.id, effect.at, VOIDED))
            case "goes", "RECEIVED" if self.dice.rolls(Fault.NEEDS_ACTION):
                self._moved(self.change(refund.id, effect.at, WEBFORM))
                self._later(effect.at, "answers", refund.id)
            case ("goes", "RECEIVED") | ("answers", "REFUND_WEBFORM_ISSUED"):
                self._send(refund, effect.at)
            case "ends", "SENT_FOR_REFUND":
                self._end(refund, effect.at)
            case "bounces", "REFUNDED":
                self._come_back(refund, effect.at)
            case _:
                pass

    def _send(self, refund: Refund, at: float) -> None:
        self._moved(self.change(refund.id, at, SENT))
        self._later(at, "ends", refund.id)

    def _later(self, at: float, name: str, refund_id: str) -> None:
        profile = self.dice.profile
        slow = self.dice.rolls(Fault.PENDING_FIRST)
        wait = profile.pending_seconds if slow else profile.settle_seconds
        self.schedule(at + self.dice.wait(wait), name, refund_id)

    def _end(self, refund: Refund, at: float) -> None:
        if refund.source == "api" and self.dice.rolls(Fault.FAILS_LATE):
            how = self.dice.rng.choice((FAILED, FAILED, EXPIRED))
            self._moved(self.fail(refund.id, at, how))
            return
        if self.settings.tells_refunded == "no":
            # Many accounts hear nothing after a refund was sent to the acquirer.
            self.pay(refund.id, at, SENT)
            return
        self._moved(self.pay(refund.id, at, REFUNDED))
        if refund.source == "api" and self.dice.rolls(Fault.BOUNCES):
            bounces_at = at + self.dice.wait(self.dice.profile.bounce_seconds)
            self.schedule(bounces_at, "bounces", refund.id)

    def _come_back(self, refund: Refund, at: float) -> None:
        self._moved(self.fail(refund.id, at, FAILED))

    def _moved(self, new: Refund) -> None:
        """Note from when an inquiry shows the change, and tell of it."""
        at = new.updated_at
        history = _history(new)
        seen_at = max([self.visible_at(at), *(seen for _, _, seen in history)])
        step = f"{new.status} {at!r} {seen_at!r}"
        told = "\n".join((new.details.get("history", ""), step)).strip()
        self.books.put_refund(replace(new, details={**new.details, "history": told}))
        event = "CANCELLED" if new.status == VOIDED else new.status
        self.tell(event, self.payment(new.payment), at, new)

    # What inquiries show.

    def latest(self, payment: Payment, now: float) -> Latest:
        """Give the latest event of an order as the copy for inquiries shows it."""
        if payment.dispute:
            event = "CHARGED_BACK"
            if payment.dispute != "chargeback":
                event = "INFORMATION_REQUESTED"
            return Latest(event, "", now)
        first = "CAPTURED" if payment.captured else "AUTHORISED"
        found = Latest(first, "", payment.created_at)
        for refund in self.books.refunds_of(payment.reference):
            for status, at, seen_at in _history(refund):
                if seen_at <= now and at >= found.at:
                    event = "CANCELLED" if status == VOIDED else status
                    found = Latest(event, self.echoed(refund), at)
        return found

    def echoed(self, refund: Refund) -> str:
        """Give the reference that messages and inquiries bear."""
        echoes = self.settings.echoes_reference != "no"
        return refund.merchant_reference if echoes else ""

    # What an operator does.

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a paid refund come back."""
        refund = self.refund(refund_id)
        if refund.status != REFUNDED:
            message = f"{refund_id} is {refund.status}, not {REFUNDED}"
            raise UnknownSubjectError(message)
        self._come_back(refund, now)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute on a payment."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        event = "CHARGED_BACK" if chargeback else "INFORMATION_REQUESTED"
        self.tell(event, payment, now)

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the merchant interface; ``note`` becomes the reference."""
        named = note or f"MAI-{self.last_number + 1}"
        payment = self.payment(reference)
        return self.open_refund(
            payment, amount_minor, now, reference=named, source="dashboard"
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Leave a payment as it is: its order code is its only id."""
        return payment

    # Notifications.

    def tell(
        self, event: str, payment: Payment, at: float, refund: Refund | None = None
    ) -> None:
        """Send one order notification."""
        told = Told(
            merchant=self.settings.merchant_code,
            event=event,
            payment=payment,
            at=at,
            amount_minor=refund.amount_minor if refund else payment.amount_minor,
            reference=self.echoed(refund) if refund else "",
            # Templates differ: in the type of the reference and in which amount.
            kind=self.dice.rng.choice(("refund", "capture")),
            echoes_payment=self.dice.rng.random() < 0.5,  # noqa: PLR2004 - half
            order_amount=self.dice.rng.random() < 0.5,  # noqa: PLR2004 - half
        )
        event_id = f"{event}:{refund.id if refund else payment.reference}"
        self.emit(at, event, event_id, notification(told))

    def emit_unknown(self, now: float) -> None:
        """Tell an event that nobody has seen, of an order that nobody knows."""
        self.last_number += 1
        stranger = Payment(
            account=self.account,
            reference=f"unknown-{self.last_number}",
            amount_minor=100,
            currency="GBP",
            created_at=now,
        )
        told = Told(
            merchant=self.settings.merchant_code,
            event="RESERVED_FOR_REVIEW",
            payment=stranger,
            at=now,
            amount_minor=100,
            reference="",
        )
        event_id = f"{told.event}:{stranger.reference}"
        self.outbox.add(now, told.event, event_id, notification(told))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Return the headers: Worldpay signs nothing."""
        del entry, now
        return (("Content-Type", "text/xml; charset=UTF-8"),)

    def _post(self, entry: Entry, now: float) -> WebhookPost:
        """Post to the address as the merchant wrote it down, secret and all.

        Who forges a notification does not know the secret.
        """
        post = super()._post(entry, now)
        if entry.forged or not self.settings.webhook_key:
            return post
        return replace(post, url=f"{post.url}?key={quote(self.settings.webhook_key)}")

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim the opposite outcome."""
        other = FAILED if event != FAILED else REFUNDED
        return body.replace(event.encode(), other.encode())


def _history(refund: Refund) -> list[tuple[str, float, float]]:
    """Give each status that was told of, its time, and from when inquiries show it."""
    lines = refund.details.get("history", "").splitlines()
    steps = [line.split(" ") for line in lines]
    return [(status, float(at), float(seen)) for status, at, seen in steps]
