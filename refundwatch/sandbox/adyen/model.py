"""Adyen, one merchant account: routes, keys, answers.

Invariant: every accepted modification is answered 201 ``received`` and nothing more;
under one key at most one modification is made while the key's window lasts.
Source: gateways/adyen.md sections 1, 2, 4 and 5 (read 2026-11).
"""

import hashlib
import json
import re
from dataclasses import replace

from refundwatch.sandbox.adyen.life import AdyenLife
from refundwatch.sandbox.adyen.orders import (
    Order,
    invalid_amount,
    read_object,
    read_refund,
    read_reversal,
)
from refundwatch.sandbox.adyen.refusals import (
    Refusal,
    in_progress,
    key_store_down,
    unauthorised,
    wrong_merchant,
)
from refundwatch.sandbox.answers import Json, basic_credentials, json_bytes, json_reply
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.money import ADYEN, AmountRefusedError

_PATH = re.compile(r"^(?:/checkout)?/v(?:6[7-9]|7\d)/(.+)$")
_MODIFICATION = re.compile(r"^payments/([^/]+)/(refunds|reversals|cancels)$")
_MAX_KEY = 64
_CREATED = 201


class AdyenModel(AdyenLife):
    """Serve one Adyen merchant account."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if request.path.endswith(("/refunds", "/reversals")):
            return Kind.MONEY
        return Kind.READ

    def key_of(self, request: Request) -> str:
        """Return the idempotency key."""
        return request.header("idempotency-key")

    def fingerprint(self, request: Request) -> str:
        """Digest the call; Adyen documents no comparison, so none is made."""
        return hashlib.sha256(request.path.encode() + request.body).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        try:
            self._authorise(request)
            return self._keyed(request, now, busy_until)
        except Refusal as refusal:
            return refusal.reply()

    def _authorise(self, request: Request) -> None:
        if request.header("x-api-key") == self.settings.api_key:
            return
        pair = (self.settings.username, self.settings.password)
        if basic_credentials(request.header("authorization")) != pair:
            raise unauthorised()

    def _keyed(self, request: Request, now: float, busy_until: float) -> Reply:
        key = self.key_of(request)
        if not key:
            return self._route(request, now)
        if len(key) > _MAX_KEY:
            raise Refusal(status=422, code="704", message="Idempotency-Key too long")
        record = self.keys.find(key, now)
        if record is not None and record.busy(now):
            raise in_progress(self.dice.rng.choice((422, 409)))
        if record is not None and record.reply is not None:
            return record.reply
        reply = self._route(request, now)
        reply = replace(reply, headers=(*reply.headers, ("Idempotency-Key", key)))
        self.keys.put(
            KeyRecord(
                key=key,
                fingerprint=self.fingerprint(request),
                first_at=now if record is None else record.first_at,
                busy_until=busy_until,
                reply=reply,
            )
        )
        return reply

    def _route(self, request: Request, now: float) -> Reply:
        try:
            return self._dispatch(request, now)
        except Refusal as refusal:
            refusal.psp_reference = self.new_id()
            return refusal.reply()

    def _dispatch(self, request: Request, now: float) -> Reply:
        found = _PATH.match(request.path)
        rest = found[1] if found else ""
        modification = _MODIFICATION.match(rest)
        if request.method != "POST" or not (modification or rest == "paymentMethods"):
            return Reply(status=404, headers=(("Content-Type", "text/plain"),))
        body = read_object(request.body)
        if body.get("merchantAccount") != self.settings.merchant_account:
            raise wrong_merchant()
        if modification is None:
            methods = [{"name": "Cards", "type": "scheme", "brands": ["visa", "mc"]}]
            return json_reply(200, {"paymentMethods": methods})
        return self._modify(request, body, modification[1], modification[2], now)

    def _modify(
        self, request: Request, body: Json, reference: str, what: str, now: float
    ) -> Reply:
        order = read_refund(body) if what == "refunds" else read_reversal(body)
        payment = self.books.payment(reference)
        if payment is None:
            message = "Original pspReference required for this operation"
            raise Refusal(status=422, code="167", message=message)
        if what == "refunds":
            psp_reference = self._take_refund(request, order, payment, now)
        else:
            psp_reference = self._take_other(request, order, payment, what, now)
        answer: Json = {
            "merchantAccount": self.settings.merchant_account,
            "paymentPspReference": payment.reference,
            "pspReference": psp_reference,
            "reference": order.reference,
            "status": "received",
        }
        if what == "refunds":
            answer["amount"] = {"currency": order.currency, "value": order.value}
        if order.reason:
            answer["merchantRefundReason"] = order.reason
        return json_reply(_CREATED, answer)

    def _take_refund(
        self, request: Request, order: Order, payment: Payment, now: float
    ) -> str:
        try:
            wanted = ADYEN.from_gateway(order.value, order.currency)
        except AmountRefusedError as refused:
            raise invalid_amount() from refused
        refund = self.open_refund(
            payment,
            wanted,
            now,
            reference=order.reference,
            currency=order.currency,
            verdict=self.verdict(payment, wanted, order.currency),
            idempotency_key=self.key_of(request),
        )
        return refund.id

    def _take_other(
        self, request: Request, order: Order, payment: Payment, what: str, now: float
    ) -> str:
        if what == "reversals" and payment.captured:
            verdict = self.verdict(payment, payment.amount_minor, payment.currency)
            return self.open_refund(
                payment,
                payment.amount_minor,
                now,
                reference=order.reference,
                verdict=verdict,
                action="refund",
                idempotency_key=self.key_of(request),
            ).id
        psp_reference = self.new_id()
        action = "cancel" if what == "reversals" else ""
        detail = json.dumps(
            {"id": psp_reference, "reference": order.reference, "action": action}
        )
        at = now + self.dice.wait(self.dice.profile.settle_seconds)
        self.schedule(at, "cancels", payment.reference, detail)
        return psp_reference

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        del now
        retry_after = (("Retry-After", "1"),)
        match fault:
            case Fault.ERROR_BEFORE:
                return _edge_page(self.dice.rng.choice((502, 503, 504)))
            case Fault.UNAVAILABLE:
                return _edge_page(503, retry_after)
            case Fault.RATE_LIMITED:
                headers = self.dice.rng.choice((retry_after, ()))
                body = {"status": 429, "message": "Too many requests"}
                return json_reply(429, body, headers)
            case Fault.KEY_STORE_DOWN if self.key_of(request):
                return key_store_down(self.dice.rng.choice((503, 503, 500))).reply()
            case _:
                return None

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer 500 and keep that answer under the key, although it was accepted."""
        del reply
        error = Refusal(
            status=500,
            code="905",
            message="Internal error",
            type="internal",
            psp_reference=self.new_id(),
        ).reply()
        key = self.key_of(request)
        record = self.keys.find(key, now) if key else None
        if record is not None:
            error = replace(error, headers=(*error.headers, ("Idempotency-Key", key)))
            self.keys.put(replace(record, reply=error))
        return error

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify a 201."""
        found = json.loads(reply.body)
        match fault:
            case Fault.WRONG_AMOUNT if "amount" in found:
                found["amount"]["value"] += self.dice.rng.choice((1, 100, -1))
            case Fault.UNKNOWN_STATUS:
                found["status"] = "in_review"
            case Fault.SPARSE_ANSWER:
                found.pop("amount", None)
            case _:
                pass
        return replace(reply, body=json_bytes(found))


def _edge_page(status: int, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    page = f"<html><body><h1>{status}</h1></body></html>".encode()
    return Reply(
        status=status, headers=(("Content-Type", "text/html"), *headers), body=page
    )
