"""What becomes of Cybersource's refunds, and the notifications that tell of it.

Invariant: money leaves when a refund is in a batch; what comes back after that is told
by the report alone, except for electronic checks.
Source: gateways/cybersource.md sections 3 and 6 (read 2026-11).
"""

import json
from dataclasses import replace
from string import ascii_uppercase, digits
from uuid import UUID

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.answers import Json, json_bytes, utc_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.cybersource import objects, proving
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.model import Effect, WebhookPost
from refundwatch.sandbox.money import CYBERSOURCE
from refundwatch.sandbox.outbox import Entry, RetryPlan
from refundwatch.sandbox.settings import CybersourceSettings

ACCEPTED = "payments.refund.status.accepted"
UPDATED = "payments.refund.status.updated"
CREDIT_FAILED = "payments.credits.failed"
VERDICTS = (
    (objects.DECLINED, "PROCESSOR_DECLINED"),
    (objects.DECLINED, "EXPIRED_CARD"),
    (objects.DECLINED, "INSUFFICIENT_FUND"),
    (objects.DECLINED, "DECISION_PROFILE_REJECT"),
    ("INVALID_REQUEST", "INVALID_DATA"),
)
_SOMEBODY_ELSES_KEY = "c29tZWJvZHkgZWxzZSdzIHdlYmhvb2sga2V5"


class CybersourceLife(GatewayModel):
    """Let Cybersource's refunds live, and tell of it."""

    gateway = "cybersource"
    form = CYBERSOURCE
    # Three retries, a minute apart.
    plan = RetryPlan((60.0, 60.0, 60.0), accepted=frozenset({200}))

    def __init__(
        self, settings: CybersourceSettings, ledger: Ledger, dice: Dice
    ) -> None:
        """Start with empty books."""
        # Nothing is remembered under any key, so the window is none.
        super().__init__(settings.name, settings.webhook_url, ledger, dice, 0.0)
        self.settings = settings

    def new_id(self) -> str:
        """Draw an id of 22 digits."""
        return "7" + self.dice.text(digits, 21)

    # Refunds.

    def open_refund(
        self,
        payment: Payment,
        asked: int,
        now: float,
        *,
        code: str,
        attempt: str = "",
        verdict: tuple[str, str] = ("", ""),
        source: str = "api",
    ) -> Refund:
        """Take a refund for the next batch, or write down that it was refused."""
        amount = asked if verdict[0] else self.books.take_planted(payment, asked)
        refund = Refund(
            id=self.new_id(),
            payment=payment.reference,
            amount_minor=amount,
            currency=payment.currency,
            status="PENDING",
            created_at=now,
            updated_at=now,
            visible_at=self.visible_at(now),
            merchant_reference=code,
            source=source,
            details={
                "attempt": attempt,
                "kind": payment.method,
                "reconciliation": "RW" + self.dice.text(ascii_uppercase + digits, 11),
                "verdict": verdict[0],
                "reason": verdict[1],
            },
        )
        self.take_refund(refund, asked)
        if verdict[0]:
            return self.fail(refund.id, now, "FAILED")
        self.tell(ACCEPTED, refund, "PENDING", now)
        self._plan(refund, now)
        return refund

    def _plan(self, refund: Refund, now: float) -> None:
        fails = refund.source == "api" and self.dice.rolls(Fault.FAILS_LATE)
        slow = self.dice.rolls(Fault.PENDING_FIRST)
        profile = self.dice.profile
        wait = profile.pending_seconds if slow else profile.settle_seconds
        at = now + self.dice.wait(wait)
        self.schedule(at, "fails" if fails else "is_batched", refund.id)

    def apply(self, effect: Effect) -> None:
        """Carry out what Cybersource does by itself."""
        refund = self.refund(effect.subject)
        match effect.name, refund.status:
            case "is_batched", "PENDING":
                new = self.pay(refund.id, effect.at, "TRANSMITTED")
                self.tell(UPDATED, new, "BATCHED", effect.at)
                self._may_bounce(new, effect.at)
            case "fails", "PENDING":
                new = self.fail(refund.id, effect.at, "FAILED")
                if new.details["kind"] == objects.CHECK:
                    self.tell(CREDIT_FAILED, new, "FAILED", effect.at)
            case "bounces", "TRANSMITTED":
                self._come_back(refund, effect.at)
            case _:
                pass

    def _may_bounce(self, refund: Refund, at: float) -> None:
        """A card's bounce stands in the report alone: only people order those."""
        is_check = refund.details["kind"] == objects.CHECK
        if is_check and refund.source == "api" and self.dice.rolls(Fault.BOUNCES):
            later = at + self.dice.wait(self.dice.profile.bounce_seconds)
            self.schedule(later, "bounces", refund.id)

    def _come_back(self, refund: Refund, at: float) -> None:
        if refund.details["kind"] == objects.CHECK:
            new = self.fail(refund.id, at, "FAILED", came_back="1")
            self.tell(CREDIT_FAILED, new, "FAILED", at)
        else:
            self.fail(refund.id, at, "TRANSMITTED", came_back="1")

    def void(self, refund: Refund, code: str, now: float) -> Refund:
        """Take back a refund that is in no batch yet."""
        void = {"void": self.new_id(), "void_code": code}
        return self.fail(refund.id, now, "CANCELLED", **void)

    def bounce(self, refund_id: str, now: float) -> None:
        """Let a transmitted refund come back."""
        refund = self.refund(refund_id)
        if refund.status != "TRANSMITTED" or refund.details.get("came_back"):
            message = f"{refund_id} is {refund.status}, or has come back already"
            raise UnknownSubjectError(message)
        self._come_back(refund, now)

    def dispute(self, reference: str, now: float, *, chargeback: bool) -> None:
        """Open a dispute, of which only the acquirer tells."""
        del now
        state = "chargeback" if chargeback else "open"
        self.books.change_payment(replace(self.payment(reference), dispute=state))

    def external_refund(
        self, reference: str, amount_minor: int, now: float, note: str = ""
    ) -> Refund:
        """Refund in the Business Center; ``note`` becomes the reference."""
        payment = self.payment(reference)
        code = note or payment.merchant_reference
        return self.open_refund(
            payment, amount_minor, now, code=code, source="dashboard"
        )

    def complete_payment(self, payment: Payment) -> Payment:
        """Give a separate capture its authorisation's id, derived from its own."""
        if payment.order_id or not objects.is_separate(payment):
            return payment
        return replace(payment, order_id=objects.derived_id("auth", payment.reference))

    # Notifications.

    def tell(self, kind: str, refund: Refund, status: str, at: float) -> None:
        """Send one notification; the parts of an attempt are filled in when it goes."""
        payload: Json = {
            "id": refund.id,
            "status": status,
            "clientReferenceInformation": {"code": refund.merchant_reference},
        }
        event = self._event(kind, payload, at)
        self.emit(at, kind, f"{kind}:{refund.id}", json_bytes(event))

    def _event(self, kind: str, payload: Json, at: float) -> Json:
        return {
            "eventType": kind,
            "webhookId": self.settings.webhook_id,
            "productId": "payments",
            "organizationId": self.settings.merchant_id,
            "eventDate": utc_text(at).removesuffix("Z"),
            "payload": payload,
        }

    def emit_unknown(self, now: float) -> None:
        """Send a well-signed event of a type that no receiver knows."""
        kind = "payments.refund.review.opened"
        event = self._event(kind, {"reviewId": self.new_id()}, now)
        self.outbox.add(now, kind, f"{kind}:{now}", json_bytes(event))

    def forged(self, event: str, body: bytes) -> bytes:
        """Claim that another refund failed."""
        del event
        fake = json.loads(body)
        fake["payload"] |= {"id": self.new_id(), "status": "FAILED"}
        return json_bytes(fake)

    def _post(self, entry: Entry, now: float) -> WebhookPost:
        """Write an attempt anew: only then it is known which one it is."""
        plain = self._attempted(entry)
        certificate = self.settings.encryption_certificate
        sent = plain
        if certificate:
            sealed = proving.sealed(plain, certificate, self.dice.rng)
            sent = json_bytes({"encData": sealed})
        return WebhookPost(
            post_id=entry.id,
            account=self.account,
            url=self.webhook_url,
            headers=self._headers(entry, plain, sent, now),
            body=sent,
            event=entry.event,
            attempt=entry.attempt,
            forged=entry.forged,
        )

    def _attempted(self, entry: Entry) -> bytes:
        event = json.loads(entry.body)
        event["transactionTraceId"] = self._uuid()
        event["retryNumber"] = entry.attempt - 1
        event["requestType"] = "NEW" if entry.attempt == 1 else "RETRY"
        # Blanks tell the raw payload from one that was written again.
        return json.dumps(event, ensure_ascii=False).encode()

    def _uuid(self) -> str:
        return str(UUID(bytes=self.dice.rng.randbytes(16), version=4))

    def signed_headers(self, entry: Entry, now: float) -> tuple[tuple[str, str], ...]:
        """Sign a body as it stands."""
        return self._headers(entry, entry.body, entry.body, now)

    def _headers(
        self, entry: Entry, plain: bytes, sent: bytes, now: float
    ) -> tuple[tuple[str, str], ...]:
        key = _SOMEBODY_ELSES_KEY if entry.forged else self.settings.webhook_key
        signature = proving.webhook_signature(
            key, self.settings.webhook_key_id, int(now * 1000), self._text(plain, sent)
        )
        # Some deliveries end in characters that belong to nothing.
        end = '";' if entry.id % 2 else ""
        return (
            ("Content-Type", "application/json"),
            ("v-c-signature", signature + end),
            ("v-c-event-type", entry.event),
            ("v-c-organization-id", self.settings.merchant_id),
            ("v-c-product-name", "payments"),
            ("v-c-request-type", "NEW" if entry.attempt == 1 else "RETRY"),
            ("v-c-retry-count", str(entry.attempt - 1)),
            ("v-c-webhook-id", self.settings.webhook_id),
        )

    def _text(self, plain: bytes, sent: bytes) -> bytes:
        """Give what is signed: official sources differ about it."""
        payload = json.loads(plain)["payload"]
        match self.settings.webhook_signs:
            case "payload":
                return json.dumps(payload, ensure_ascii=False).encode()
            case "compact":
                return json_bytes(payload)
            case "decrypted":
                return plain
            case _:
                return sent
