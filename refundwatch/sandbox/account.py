"""One account of a look-alike: its books, its ledger rows, its clockwork, its events.

Invariant: whatever happens by itself happens at its own time and in order, and every
change of a refund reaches the books and the ledger together.
"""

import heapq
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.keys import KeyStore
from refundwatch.sandbox.ledger import Ledger, LedgerRow
from refundwatch.sandbox.model import Effect, Reply, Request, WebhookPost
from refundwatch.sandbox.money import AmountForm
from refundwatch.sandbox.outbox import Entry, Outbox, RetryPlan

ARRIVES = "arrives"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """Hold an event as its gateway lists it later."""

    id: str
    type: str
    created_at: float
    body: bytes = field(repr=False)


class UnknownSubjectError(LookupError):
    """Say that an account holds no such payment or refund."""


class Account(ABC):
    """Keep the state of one account and let its waiting effects happen."""

    gateway: str
    plan: RetryPlan
    form: AmountForm
    # Where a webhook is the only way to the truth it is late, never lost.
    webhook_may_vanish = True

    def __init__(
        self,
        account: str,
        webhook_url: str,
        ledger: Ledger,
        dice: Dice,
        key_window_seconds: float,
    ) -> None:
        """Start with empty books."""
        self.account = account
        self.webhook_url = webhook_url
        # Where a server listens for this account; a simulation has no such place.
        self.base_url = ""
        self.ledger = ledger
        self.dice = dice
        self.books = Books()
        self.keys = KeyStore(key_window_seconds)
        self.outbox = Outbox(self.plan, dice.time_scale)
        self.events: dict[str, LoggedEvent] = {}
        self.effects: list[Effect] = []
        self.last_number = 0

    def due(self, now: float) -> list[WebhookPost]:
        """Carry out what is due and return the webhooks to post now."""
        self.advance(now)
        return [self._post(entry, now) for entry in self.outbox.take(now)]

    def next_due(self) -> float | None:
        """Return when ``due`` has work next, or None."""
        times = [self.outbox.next_due()]
        if self.effects:
            times.append(self.effects[0].at)
        return min((at for at in times if at is not None), default=None)

    def webhook_answered(
        self,
        post_id: int,
        status: int | None,
        now: float,
        body: bytes | None = None,
    ) -> None:
        """Take the end of a delivery; ``status`` is None when nothing answered.

        ``body`` is the receiver's answer, None where nobody looked at it.
        """
        self.outbox.answered(post_id, status, now, body)

    # What an operator of the sandbox calls.

    def add_payment(self, payment: Payment) -> Payment:
        """Take a payment and give it the ids of this gateway.

        Raises: AmountRefusedError when the gateway cannot hold the amount.
        """
        self.form.to_gateway(payment.amount_minor, payment.currency)
        self.form.to_gateway(payment.already_refunded_minor, payment.currency)
        complete = self.complete_payment(payment)
        self.books.add_payment(complete)
        return complete

    def payment(self, reference: str) -> Payment:
        """Return a payment.

        Raises: UnknownSubjectError.
        """
        found = self.books.payment(reference)
        if found is None:
            message = f"{self.account} has no payment {reference}"
            raise UnknownSubjectError(message)
        return found

    def refund(self, refund_id: str) -> Refund:
        """Return a refund.

        Raises: UnknownSubjectError.
        """
        found = self.books.refunds.get(refund_id)
        if found is None:
            message = f"{self.account} has no refund {refund_id}"
            raise UnknownSubjectError(message)
        return found

    def hurry(self, now: float) -> int:
        """Let every waiting effect happen now. Return how many there were."""
        waiting = len(self.effects)
        self.effects = [
            replace(effect, at=min(effect.at, now)) for effect in self.effects
        ]
        heapq.heapify(self.effects)
        self.advance(now)
        return waiting

    @abstractmethod
    def bounce(self, refund_id: str, now: float) -> None:
        """Let a paid refund come back. Raises: UnknownSubjectError."""

    @abstractmethod
    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute on a payment. Raises: UnknownSubjectError."""

    @abstractmethod
    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the gateway's own dashboard. Raises: UnknownSubjectError."""

    # What a gateway implements.

    @abstractmethod
    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer as the gateway does when nothing goes wrong.

        Until ``busy_until`` a key of this call is in use.
        """

    @abstractmethod
    def complete_payment(self, payment: Payment) -> Payment:
        """Give a payment the other ids that this gateway knows it by."""

    @abstractmethod
    def apply(self, effect: Effect) -> None:
        """Carry out an effect of this gateway at its own time."""

    @abstractmethod
    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign one delivery attempt."""

    @abstractmethod
    def forged(self, event: str, body: bytes) -> bytes:
        """Make the body of a forgery out of a real one."""

    @abstractmethod
    def emit_unknown(self, now: float) -> None:
        """Send a well-signed event of a kind that nobody has seen."""

    # Effects.

    def advance(self, now: float) -> None:
        """Carry out every effect that is due, each at its own time, in order."""
        while self.effects and self.effects[0].at <= now:
            effect = heapq.heappop(self.effects)
            if effect.name == ARRIVES and effect.request is not None:
                self.serve(effect.request, effect.at, effect.at)
            else:
                self.apply(effect)

    def schedule(
        self,
        at: float,
        name: str,
        subject: str = "",
        detail: str = "",
        request: Request | None = None,
    ) -> None:
        """Let something happen later."""
        self.last_number += 1
        effect = Effect(
            at=at,
            number=self.last_number,
            name=name,
            subject=subject,
            detail=detail,
            request=request,
        )
        heapq.heappush(self.effects, effect)

    # Books and ledger.

    def visible_at(self, now: float) -> float:
        """Draw from when reads show a new refund."""
        if not self.dice.rolls(Fault.LOOKUP_LAGS):
            return now
        return now + self.dice.wait(self.dice.profile.lag_seconds)

    def take_refund(self, refund: Refund, asked_minor: int) -> Refund:
        """Write a new refund into the books and the ledger; no money moves yet."""
        self.books.put_refund(refund)
        self.ledger.accept(
            LedgerRow(
                gateway=self.gateway,
                account=self.account,
                payment=refund.payment,
                refund_id=refund.id,
                merchant_reference=refund.merchant_reference,
                idempotency_key=refund.idempotency_key,
                amount_minor=refund.amount_minor,
                asked_minor=asked_minor,
                currency=refund.currency,
                accepted_at=refund.created_at,
                source=refund.source,
                status=refund.status,
            )
        )
        return refund

    def pay(self, refund_id: str, at: float, status: str) -> Refund:
        """Let the money of a refund leave."""
        refund = self.change(refund_id, at, status)
        self.ledger.execute(self.account, refund_id, at, status)
        return refund

    def fail(self, refund_id: str, at: float, status: str, **details: str) -> Refund:
        """End a refund without money out: never left, or back again."""
        refund = self.change(refund_id, at, status, **details)
        self.ledger.fail(self.account, refund_id, at, status)
        return refund

    def change(self, refund_id: str, at: float, status: str, **details: str) -> Refund:
        """Give a refund another status and further details; no money moves."""
        old = self.refund(refund_id)
        new = replace(
            old,
            status=status,
            updated_at=at,
            details={**old.details, **details},
        )
        self.books.put_refund(new)
        self.ledger.restate(self.account, refund_id, status)
        return new

    # Webhooks.

    def emit(self, now: float, event: str, event_id: str, body: bytes) -> None:
        """Hand an event to the outbox, as late or as often as the faults say."""
        if not self.webhook_url:
            return
        profile = self.dice.profile
        due_at = now + self.dice.wait(profile.webhook_seconds)
        if self.dice.rolls(Fault.WEBHOOK_SILENT):
            if self.webhook_may_vanish:
                return
            due_at += self.dice.wait(2 * profile.slow_webhook_seconds)
        if self.dice.rolls(Fault.WEBHOOK_SLOW):
            due_at += self.dice.wait(profile.slow_webhook_seconds)
        if self.dice.rolls(Fault.WEBHOOK_REORDERED):
            due_at += self.dice.wait(6 * profile.webhook_seconds)
        self.outbox.add(due_at, event, event_id, body)
        if self.dice.rolls(Fault.WEBHOOK_DUPLICATED):
            again_at = due_at + self.dice.wait(4 * profile.webhook_seconds)
            self.outbox.add(again_at, event, event_id, body)
        if self.dice.rolls(Fault.WEBHOOK_FORGED):
            self.outbox.add(
                due_at, event, event_id, self.forged(event, body), forged=True
            )
        if self.dice.rolls(Fault.WEBHOOK_UNKNOWN):
            self.emit_unknown(now)

    def _post(self, entry: Entry, now: float) -> WebhookPost:
        return WebhookPost(
            post_id=entry.id,
            account=self.account,
            url=self.webhook_url,
            headers=self.signed_headers(entry, now),
            body=entry.body,
            event=entry.event,
            attempt=entry.attempt,
            forged=entry.forged,
        )
