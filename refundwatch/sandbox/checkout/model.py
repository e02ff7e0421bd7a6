"""Checkout.com, one account: bearers, routes, keys.

Invariant: under one key at most one order is accepted while its window lasts, and that
answer is repeated whatever the repeat says; what was refused or failed is forgotten,
even where it was carried out.
Source: gateways/checkout.md sections 1, 2, 4, 5 and 11 (read 2026-11).
"""

import json
from dataclasses import replace
from string import ascii_letters, digits
from urllib.parse import parse_qsl

from refundwatch.sandbox.answers import basic_credentials, json_bytes, json_reply
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.checkout.life import CheckoutLife
from refundwatch.sandbox.checkout.objects import (
    accepted_object,
    action_objects,
    payment_object,
)
from refundwatch.sandbox.checkout.orders import (
    Order,
    asked_minor,
    maybe_refuse,
    read_order,
    voided_minor,
)
from refundwatch.sandbox.checkout.refusals import Refusal, not_found
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request

_ORDERS = ("/refunds", "/voids", "/reversals")
_VERSION = "1.1342.0"
_ACCEPTED = 202


class CheckoutModel(CheckoutLife):
    """Serve one Checkout.com account."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if request.method == "POST" and request.path.endswith(_ORDERS):
            return Kind.MONEY
        return Kind.READ

    def key_of(self, request: Request) -> str:
        """Return the key; reversals have none, whatever a client sends."""
        if request.path.endswith("/reversals"):
            return ""
        return request.header("cko-idempotency-key")

    def fingerprint(self, request: Request) -> str:
        """Return the path: that a body is compared is not documented."""
        return request.path

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        request_id = self._request_id()
        try:
            if (request.method, request.path) == ("POST", "/connect/token"):
                return self._token(request, now)
            self._authorise(request, now)
            reply = self._keyed(request, now, busy_until)
        except Refusal as refusal:
            refusal.request_id = request_id
            reply = refusal.reply()
        return self._marked(reply, request_id)

    def _request_id(self) -> str:
        return self.dice.text("0123456789abcdef", 32)

    def _marked(self, reply: Reply, request_id: str) -> Reply:
        marks = (("Cko-Request-Id", request_id), ("Cko-Version", _VERSION))
        return replace(reply, headers=(*reply.headers, *marks))

    # Bearers.

    def _token(self, request: Request, now: float) -> Reply:
        settings = self.settings
        pair = (settings.access_key_id, settings.access_key_secret)
        if basic_credentials(request.header("authorization")) != pair:
            return json_reply(400, {"error": "invalid_client"})
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            return json_reply(400, {"error": "unsupported_grant_type"})
        scope = form.get("scope", "gateway")
        if not all(one.startswith("gateway") for one in scope.split()):
            return json_reply(400, {"error": "invalid_scope"})
        parts = (20, 90, 43)
        token = ".".join(self.dice.text(ascii_letters + digits, n) for n in parts)
        self.tokens[token] = now + settings.token_seconds
        return json_reply(
            200,
            {
                "access_token": token,
                "expires_in": settings.token_seconds,
                "token_type": "Bearer",
                "scope": scope,
            },
        )

    def _authorise(self, request: Request, now: float) -> None:
        bearer = _bearer(request)
        if bearer == self.settings.secret_key or self.tokens.get(bearer, 0.0) > now:
            return
        raise Refusal(status=401)

    # Keys.

    def _keyed(self, request: Request, now: float, busy_until: float) -> Reply:
        key = self.key_of(request)
        if not key or request.method != "POST":
            return self._route(request, now)
        record = self.keys.find(key, now)
        if record is not None and record.busy(now):
            raise Refusal(status=409)
        if record is not None and record.reply is not None:
            return record.reply
        try:
            reply = self._route(request, now)
        except Refusal:
            self.keys.forget(key)
            raise
        fresh = KeyRecord(
            key=key,
            fingerprint=self.fingerprint(request),
            first_at=now if record is None else record.first_at,
            busy_until=busy_until,
            reply=reply,
        )
        self.keys.put(fresh)
        return reply

    # Routes.

    def _route(self, request: Request, now: float) -> Reply:
        parts = request.path.strip("/").split("/")
        match (request.method, *parts):
            case ("GET", "payments", payment_id):
                found = self._payment(payment_id)
                return json_reply(200, payment_object(found, self.books, now))
            case ("GET", "payments", payment_id, "actions"):
                found = self._payment(payment_id)
                return json_reply(200, action_objects(found, self.books, now))
            case ("POST", "payments", payment_id, "refunds"):
                return self._refund(request, self._payment(payment_id), now)
            case ("POST", "payments", payment_id, "voids"):
                return self._void(request, self._payment(payment_id), now)
            case ("POST", "payments", payment_id, "reversals"):
                return self._reverse(request, self._payment(payment_id), now)
            case ("GET", "workflows", "events", "subject", payment_id):
                return self._events_of(self._payment(payment_id))
            case ("POST", "workflows", "events", event_id, "reflow"):
                return self._reflow(event_id, now)
            case _:
                raise not_found()

    def _payment(self, payment_id: str) -> Payment:
        found = self.books.payments.get(payment_id)
        if found is None:
            raise not_found()
        return found

    def _refund(self, request: Request, payment: Payment, now: float) -> Reply:
        order = read_order(request)
        asked = asked_minor(order, payment, self.books)
        maybe_refuse(self.dice)
        refund = self._ordered(request, payment, order, now, kind="Refund", asked=asked)
        return json_reply(_ACCEPTED, accepted_object(refund))

    def _void(self, request: Request, payment: Payment, now: float) -> Reply:
        order = read_order(request)
        asked = voided_minor(payment, self.books)
        maybe_refuse(self.dice)
        void = self._ordered(request, payment, order, now, kind="Void", asked=asked)
        return json_reply(_ACCEPTED, accepted_object(void))

    def _reverse(self, request: Request, payment: Payment, now: float) -> Reply:
        """Void or refund the whole; what was reversed before needs no words."""
        order = replace(read_order(request), amount=None)
        if self.books.remaining_minor(payment) <= 0:
            return Reply(status=204)
        if payment.captured:
            kind, asked = "Refund", asked_minor(order, payment, self.books)
        else:
            kind, asked = "Void", voided_minor(payment, self.books)
        refund = self._ordered(request, payment, order, now, kind=kind, asked=asked)
        found = accepted_object(refund)
        if self.dice.rng.random() < 0.5:  # noqa: PLR2004 - every other answer
            found["action_type"] = kind
        return json_reply(_ACCEPTED, found)

    def _ordered(
        self,
        request: Request,
        payment: Payment,
        order: Order,
        now: float,
        *,
        kind: str,
        asked: int,
    ) -> Refund:
        return self.open_action(
            payment,
            asked,
            now,
            kind=kind,
            reference=order.reference,
            metadata=order.metadata,
            merchant_reference=order.merchant_reference,
            idempotency_key=self.key_of(request),
        )

    def _events_of(self, payment: Payment) -> Reply:
        """List a payment's events; each says by a link whose it is."""
        subject = f"/workflows/events/subject/{payment.reference}"
        rows = []
        for event in self.events.values():
            told = json.loads(event.body)
            if told["_links"]["subject"]["href"].endswith(subject):
                at = told.get("created_on") or told["timestamp"]
                rows.append({"id": event.id, "type": event.type, "timestamp": at})
        return json_reply(200, {"data": rows})

    def _reflow(self, event_id: str, now: float) -> Reply:
        event = self.events.get(event_id)
        if event is None:
            raise not_found()
        self.outbox.add(now, event.type, event.id, event.body)
        return Reply(status=_ACCEPTED)

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        del now
        match fault:
            case Fault.ERROR_BEFORE:
                return self._server_error()
            case Fault.UNAVAILABLE:
                return self._error(503, "service_unavailable")
            case Fault.RATE_LIMITED:
                return self._error(429, "api_calls_quota_exceeded")
            case Fault.TOKEN_EXPIRED if self.tokens.pop(_bearer(request), None):
                return self._marked(Reply(status=401), self._request_id())
            case _:
                return None

    def _error(self, status: int, code: str) -> Reply:
        request_id = self._request_id()
        refusal = Refusal(status=status, codes=(code,), request_id=request_id)
        return self._marked(refusal.reply(), request_id)

    def _server_error(self) -> Reply:
        status = self.dice.rng.choice((500, 502, 504))
        if status == 500:  # noqa: PLR2004 - the one with Checkout.com's own body
            return self._error(status, "processing_error")
        page = b"<html><body>Bad gateway</body></html>"
        return Reply(status=status, headers=(("Content-Type", "text/html"),), body=page)

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer an error although the order runs, and forget its key with it."""
        del reply, now
        self.keys.forget(self.key_of(request))
        return self._server_error()

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify what is answered, or what the list of actions says later."""
        found = json.loads(reply.body)
        refund = self.books.refunds[found["action_id"]]
        match fault:
            case Fault.WRONG_AMOUNT:
                self._note(refund, misstated=str(self.dice.rng.choice((1, 100, -1))))
            case Fault.UNKNOWN_STATUS:
                self._note(refund, unseen="in_transit")
            case Fault.SPARSE_ANSWER:
                return replace(reply, body=json_bytes({"action_id": refund.id}))
            case _:
                pass
        return reply

    def _note(self, refund: Refund, **details: str) -> None:
        self.change(refund.id, refund.updated_at, refund.status, **details)


def _bearer(request: Request) -> str:
    scheme, _, value = request.header("authorization").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
