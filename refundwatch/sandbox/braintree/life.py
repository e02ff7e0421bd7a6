"""What becomes of Braintree's sales and refunds, and the webhooks that tell some of it.

Invariant: a card's refund settles without a word and can only be read; a bank's tells
of it, and may be declined after it had settled. A void gives a sale back once.
Source: gateways/braintree.md sections 1, 3 and 6 (read 2026-11).
"""

from dataclasses import replace
from string import ascii_lowercase, digits

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.braintree import notices
from refundwatch.sandbox.braintree.objects import SALE_VOIDED, history_text
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.money import BRAINTREE
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import BraintreeSettings

BANKS = frozenset({"us_bank_account", "sepa_direct_debit"})
OPEN = frozenset({"SUBMITTED_FOR_SETTLEMENT", "SETTLING"})

_STRANGER = "rw_foreign_key:not_the_private_key"
_HALF = 0.5


class BraintreeLife(GatewayModel):
    """Let Braintree's sales settle and its refunds live, and tell of it."""

    gateway = "braintree"
    form = BRAINTREE
    # A sandbox destination is tried every hour for three hours.
    plan = RetryPlan((3_600.0, 3_600.0, 3_600.0))
    # What fails after it had settled is told by its webhook alone.
    webhook_may_vanish = False

    def __init__(self, settings: BraintreeSettings, ledger: Ledger, dice: Dice) -> None:
        """Start with empty books."""
        super().__init__(
            settings.name,
            settings.webhook_url,
            ledger,
            dice,
            settings.key_window_seconds,
        )
        self.settings = settings

    # Sales.

    def sale_status(self, payment: Payment, now: float, seen_at: float) -> str:
        """Return a sale's status at ``now``; a void shows only from ``seen_at`` on."""
        void = self.books.refunds.get(payment.reference)
        if void is not None and void.visible_at <= seen_at:
            return "VOIDED"
        if not payment.captured:
            return "AUTHORIZED"
        left = self._settles_at(payment) - now
        if left > 0:
            return "SUBMITTED_FOR_SETTLEMENT"
        settling = self.settings.settling_seconds * self.dice.time_scale
        return "SETTLING" if left > -settling else "SETTLED"

    def _settles_at(self, payment: Payment) -> float:
        wait = self.settings.sale_settles_seconds * self.dice.time_scale
        return payment.created_at + wait

    def is_beginning(self, payment: Payment, now: float) -> bool:
        """Tell whether settling has begun although the status does not show it."""
        hidden = self.settings.hidden_seconds * self.dice.time_scale
        return self._settles_at(payment) - hidden <= now < self._settles_at(payment)

    def settle_sale(self, payment: Payment, now: float) -> Payment:
        """Let a sale be settled now, as if it had been taken long ago."""
        over = self.settings.sale_settles_seconds + self.settings.settling_seconds
        at = min(payment.created_at, now - over * self.dice.time_scale)
        settled = replace(payment, created_at=at, captured=True)
        self.books.change_payment(settled)
        return settled

    def void_sale(
        self,
        payment: Payment,
        now: float,
        *,
        reference: str = "",
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Void a sale: all of it stays with the payer."""
        void = Refund(
            id=payment.reference,
            payment=payment.reference,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            status=SALE_VOIDED,
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=reference,
            idempotency_key=idempotency_key,
            source=source,
        )
        self.take_refund(void, payment.amount_minor)
        return self.pay(void.id, now, SALE_VOIDED)

    # Refunds.

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        order_id: str,
        reference: str = "",
        idempotency_key: str = "",
        source: str = "api",
    ) -> Refund:
        """Make a refund; its money leaves when it settles."""
        fails = source == "api" and self.dice.rolls(Fault.FAILS_LATE)
        at_once = fails and self.dice.rng.random() < _HALF
        status = "PROCESSOR_DECLINED" if at_once else "SUBMITTED_FOR_SETTLEMENT"
        refund = Refund(
            id=self.dice.text(ascii_lowercase + digits, 8),
            payment=payment.reference,
            amount_minor=self.books.take_planted(payment, asked),
            currency=payment.currency,
            status=status,
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=reference,
            idempotency_key=idempotency_key,
            source=source,
            details={
                "order_id": order_id,
                "history": history_text(None, status, now),
            },
        )
        self.take_refund(refund, asked)
        if at_once:
            return self.fail(refund.id, now, status)
        self._plan(refund, now, fails=fails)
        return refund

    def _plan(self, refund: Refund, now: float, *, fails: bool) -> None:
        profile = self.dice.profile
        slow = fails or self.dice.rolls(Fault.PENDING_FIRST)
        wait = self.dice.wait(
            profile.pending_seconds if slow else profile.settle_seconds
        )
        self.schedule(now + wait / 2, "begins", refund.id)
        ends = "SETTLEMENT_DECLINED" if fails else "SETTLED"
        self.schedule(now + wait, "settles", refund.id, ends)

    def _dated(self, refund: Refund, status: str, at: float) -> dict[str, str]:
        return {"history": history_text(refund, status, at)}

    def apply(self, effect: Effect) -> None:
        """Carry out what Braintree does by itself."""
        refund = self.refund(effect.subject)
        at, ends = effect.at, effect.detail
        match effect.name:
            case "begins" if refund.status in OPEN:
                told = self._dated(refund, "SETTLING", at)
                self.change(refund.id, at, "SETTLING", **told)
            case "settles" if refund.status in OPEN and ends == "SETTLED":
                self._settle(refund, at)
            case "settles" if refund.status in OPEN:
                self._decline(refund, at)
            case "bounces" if refund.status == "SETTLED":
                self._decline(refund, at)
            case _:
                pass

    def _settle(self, refund: Refund, at: float) -> None:
        self.change(refund.id, at, "SETTLED", **self._dated(refund, "SETTLED", at))
        new = self.pay(refund.id, at, "SETTLED")
        if self.payment(refund.payment).method not in BANKS:
            return
        self.tell("transaction_settled", at, notices.credit(new))
        if refund.source == "api" and self.dice.rolls(Fault.BOUNCES):
            back_at = at + self.dice.wait(self.dice.profile.bounce_seconds)
            self.schedule(back_at, "bounces", refund.id)

    def _decline(self, refund: Refund, at: float) -> None:
        status = "SETTLEMENT_DECLINED"
        new = self.fail(refund.id, at, status, **self._dated(refund, status, at))
        if self.payment(refund.payment).method in BANKS:
            self.tell("transaction_settlement_declined", at, notices.credit(new))
        self.tell("refund_failed", at, notices.credit(new))

    def take_back(self, refund: Refund, now: float) -> Refund:
        """Void a refund before it settles."""
        return self.fail(refund.id, now, "VOIDED", **self._dated(refund, "VOIDED", now))

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a settled refund come back."""
        refund = self.refund(refund_id)
        if refund.status != "SETTLED":
            message = f"{refund_id} is {refund.status}, not SETTLED"
            raise UnknownSubjectError(message)
        self._decline(refund, now)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute on a sale."""
        state = "chargeback" if chargeback else "open"
        payment = replace(self.payment(reference), dispute=state)
        self.books.change_payment(payment)
        kind = "chargeback" if chargeback else "retrieval"
        dispute_id = self.dice.text(ascii_lowercase + digits, 16)
        subject = notices.dispute(payment, dispute_id, now, kind)
        self.tell("dispute_opened", now, subject)

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund or void in the Control Panel; a refund inherits the order id."""
        del note
        payment = self.payment(reference)
        if self.sale_status(payment, now, now) == "SETTLED":
            return self.open_refund(
                payment,
                amount_minor,
                now,
                order_id=payment.merchant_reference,
                source="dashboard",
            )
        if amount_minor != payment.amount_minor:
            message = f"{reference} is not settled: only all of it can be voided"
            raise UnknownSubjectError(message)
        return self.void_sale(payment, now, source="dashboard")

    def complete_payment(self, payment: Payment) -> Payment:
        """Leave a payment as it is: its GraphQL id follows from its own."""
        return payment

    # Webhooks.

    def tell(self, kind: str, at: float, subject: str) -> None:
        """Hand a signed notification to the outbox."""
        document = notices.notification(kind, at, subject)
        body = notices.form_body(document, self.settings.key_pairs)
        self.emit(at, kind, self.dice.text(ascii_lowercase + digits, 20), body)

    def emit_unknown(self, now: float) -> None:
        """Send a notification of a kind that no receiver knows."""
        subject = "<refund-review><id>1</id></refund-review>"
        document = notices.notification("refund_reviewed", now, subject)
        body = notices.form_body(document, self.settings.key_pairs)
        event_id = self.dice.text(ascii_lowercase + digits, 20)
        self.outbox.add(now, "refund_reviewed", event_id, body)

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Name the form: the signature stands in it and is the same at each attempt."""
        del entry, now
        return (
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("User-Agent", "Braintree-Webhooks"),
        )

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim that the refund failed, signed under keys of a stranger."""
        del event
        document = notices.document_of(body)
        for status in ("settled", "settlement_declined"):
            document = document.replace(f"<status>{status}<", "<status>failed<")
        return notices.form_body(document, (_STRANGER,))
