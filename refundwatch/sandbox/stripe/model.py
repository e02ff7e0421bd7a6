"""Stripe, one account: routes, keys, life of refunds, events.

Invariant: under one idempotency key at most one refund is ever made while the key's
window lasts, and its first stored answer is repeated, errors included.
Source: gateways/stripe.md sections 1 to 6 (read 2026-11).
"""

import hashlib
import json
from dataclasses import replace

from refundwatch.sandbox.answers import Json, basic_credentials, json_bytes, json_reply
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.stripe import lists, refunds
from refundwatch.sandbox.stripe.form import Form, MalformedFormError, form_of, read_form
from refundwatch.sandbox.stripe.life import StripeLife
from refundwatch.sandbox.stripe.objects import (
    balance_object,
    charge_object,
    intent_object,
    refund_object,
)
from refundwatch.sandbox.stripe.refusals import (
    Refusal,
    key_in_use,
    missing,
    other_parameters,
    server_error,
)

_MAX_KEY = 255
_EVENT_DAYS = 30 * 86_400
_HISTORY = frozenset({"type", "types", "delivery_success"})


class StripeModel(StripeLife):
    """Serve one Stripe account."""

    # Requests.

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if request.method == "POST" and request.path == "/v1/refunds":
            return Kind.MONEY
        return Kind.READ if request.path.startswith("/v1/") else Kind.QUIET

    def key_of(self, request: Request) -> str:
        """Return the idempotency key; only POST has one."""
        return request.header("idempotency-key") if request.method == "POST" else ""

    def fingerprint(self, request: Request) -> str:
        """Digest method, path and sorted parameters."""
        text = request.body.decode("utf-8", "replace")
        parts = [request.method, request.path, *sorted(text.split("&"))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        self.request_id = refunds.new_id(self.dice, "req")
        try:
            self._authorise(request)
            reply = self._keyed(request, now, busy_until)
        except Refusal as refusal:
            reply = refusal.reply()
        except MalformedFormError as malformed:
            reply = Refusal(status=400, message=str(malformed)).reply()
        version = request.header("stripe-version") or self.settings.api_version
        common = (("Request-Id", self.request_id), ("Stripe-Version", version))
        return replace(reply, headers=(*reply.headers, *common))

    def _authorise(self, request: Request) -> None:
        header = request.header("authorization")
        basic = basic_credentials(header)
        key = basic[0] if basic else header.removeprefix("Bearer ").strip()
        if key == self.settings.secret_key:
            return
        message = f"Invalid API Key provided: {key[:7]}***" if key else "No API key."
        raise Refusal(status=401, message=message)

    def _keyed(self, request: Request, now: float, busy_until: float) -> Reply:
        key = self.key_of(request)
        if not key:
            return self._route(request, now)
        if len(key) > _MAX_KEY:
            raise Refusal(status=400, message="Idempotency-Key is too long.")
        fingerprint = self.fingerprint(request)
        record = self.keys.find(key, now)
        if record is not None:
            if record.fingerprint != fingerprint:
                raise other_parameters(key)
            if record.busy(now):
                raise key_in_use()
            if record.reply is not None:
                return _replayed(record.reply)
        first_at = now if record is None else record.first_at
        fresh = KeyRecord(key=key, fingerprint=fingerprint, first_at=first_at)
        return self._first_call(request, fresh, now, busy_until)

    def _first_call(
        self, request: Request, record: KeyRecord, now: float, busy_until: float
    ) -> Reply:
        try:
            reply = self._route(request, now)
        except Refusal as refusal:
            if not refusal.stored:
                self.keys.forget(record.key)
                raise
            reply = refusal.reply()
        original = ("Original-Request", self.request_id)
        stored = replace(reply, headers=(*reply.headers, original))
        self.keys.put(replace(record, reply=stored, busy_until=busy_until))
        return stored

    def _route(self, request: Request, now: float) -> Reply:
        parts = request.path.strip("/").split("/")
        match (request.method, *parts):
            case ("POST", "v1", "refunds"):
                return self._create(request, now)
            case ("POST", "v1", "refunds", refund_id):
                return self._update(request, refund_id, now)
            case ("POST", "v1", "refunds", refund_id, "cancel"):
                return self._cancel(refund_id, now)
            case ("GET", "v1", *rest):
                return self._read(request, rest, now)
            case _:
                raise _no_such_url(request)

    # Reads.

    def _read(self, request: Request, rest: list[str], now: float) -> Reply:
        match rest:
            case ["refunds"]:
                return self._list_refunds(request, now)
            case ["refunds", refund_id]:
                return self._read_refund(refund_id, now)
            case ["payment_intents", reference]:
                return self._read_intent(request, reference, now)
            case ["charges", reference]:
                found = self._payment(reference, "charge")
                return json_reply(200, charge_object(found, self.books, now))
            case ["balance"]:
                return json_reply(200, balance_object(self.books))
            case ["events"]:
                return self._list_events(request, now)
            case ["events", event_id]:
                return self._read_event(event_id, now)
            case _:
                raise _no_such_url(request)

    def _payment(self, reference: str, kind: str) -> Payment:
        found = self.books.payment(reference)
        if found is None:
            param = "intent" if kind == "payment_intent" else kind
            raise missing(kind, reference, param)
        return found

    def _visible(self, refund_id: str, now: float) -> Refund:
        found = self.books.refunds.get(refund_id)
        if found is None or found.visible_at > now:
            raise missing("refund", refund_id, "id")
        return found

    def _read_refund(self, refund_id: str, now: float) -> Reply:
        return json_reply(200, refund_object(self._visible(refund_id, now)))

    def _read_intent(self, request: Request, reference: str, now: float) -> Reply:
        payment = self._payment(reference, "payment_intent")
        expand = form_of(list(request.query)).lists.get("expand", [])
        expanded = "latest_charge" in expand
        found = intent_object(payment, self.books, now, expanded=expanded)
        return json_reply(200, found)

    def _list_refunds(self, request: Request, now: float) -> Reply:
        form = form_of(list(request.query))
        wanted = form.values.get("payment_intent") or form.values.get("charge")
        payment = None
        if wanted:
            kind = "payment_intent" if form.values.get("payment_intent") else "charge"
            payment = self._payment(wanted, kind).reference
        found = map(refund_object, self.books.newest_refunds(payment, now))
        extra = frozenset({"charge", "payment_intent"})
        return json_reply(200, lists.page("/v1/refunds", form, found, extra))

    def _list_events(self, request: Request, now: float) -> Reply:
        form = form_of(list(request.query))
        kinds = {*form.lists.get("types", ()), form.values.get("type", "")} - {""}
        delivered = form.values.get("delivery_success")
        found = (
            json.loads(event.body)
            for event in reversed(self.events.values())
            if event.created_at > now - _EVENT_DAYS
            and (not kinds or event.type in kinds)
            and delivered in (None, self._delivered(event.id))
        )
        return json_reply(200, lists.page("/v1/events", form, found, _HISTORY))

    def _delivered(self, event_id: str) -> str:
        return "true" if event_id in self.outbox.delivered_ids else "false"

    def _read_event(self, event_id: str, now: float) -> Reply:
        event = self.events.get(event_id)
        if event is None or event.created_at <= now - _EVENT_DAYS:
            raise missing("event", event_id, "id")
        return json_reply(200, json.loads(event.body))

    # Changes.

    def _create(self, request: Request, now: float) -> Reply:
        order = refunds.read_order(_body_form(request))
        payment = self.books.payment(order.reference)
        left = self.books.remaining_minor(payment) if payment else 0
        asked = refunds.asked_minor(order, payment, left)
        found = self.payment(order.reference)
        refunds.maybe_refuse(self.dice, found)
        refund = self.open_refund(
            found,
            asked,
            now,
            reason=order.reason,
            metadata=order.metadata,
            idempotency_key=self.key_of(request),
        )
        return json_reply(200, self._expanded(refund, order.expand, now))

    def _expanded(self, refund: Refund, expand: tuple[str, ...], now: float) -> Json:
        found = refund_object(refund)
        payment = self.payment(refund.payment)
        if "charge" in expand:
            found["charge"] = charge_object(payment, self.books, now)
        if "payment_intent" in expand:
            found["payment_intent"] = intent_object(
                payment, self.books, now, expanded=False
            )
        return found

    def _update(self, request: Request, refund_id: str, now: float) -> Reply:
        old = self._visible(refund_id, now)
        form = _body_form(request)
        refunds.check_names(form, frozenset({"metadata", "expand"}))
        changes = refunds.checked_metadata(form)
        merged = {**old.metadata, **changes}
        kept = {key: value for key, value in merged.items() if value}
        new = replace(old, metadata=kept, updated_at=now)
        self.books.put_refund(new)
        previous = {"metadata": {key: old.metadata.get(key) for key in changes}}
        self.log_refund("refund.updated", new, now, previous=previous, caused=True)
        return json_reply(200, refund_object(new))

    def _cancel(self, refund_id: str, now: float) -> Reply:
        old = self._visible(refund_id, now)
        if old.status != "requires_action":
            raise Refusal(
                status=400,
                message=f"A refund with status {old.status} cannot be canceled.",
                stored=True,
            )
        self.end_refund(old, now, "canceled", "merchant_request")
        return json_reply(200, refund_object(self.refund(refund_id)))

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        match fault:
            case Fault.ERROR_BEFORE:
                return self._error_before()
            case Fault.STORED_ERROR:
                return self._stored_error(request, now)
            case Fault.RATE_LIMITED:
                return self._rate_limited()
            case Fault.UNAVAILABLE:
                return self._unavailable()
            case _:
                return None

    def _error_before(self) -> Reply:
        return server_error(self.dice.rng.choice((500, 502, 503, 504))).reply()

    def _stored_error(self, request: Request, now: float) -> Reply | None:
        key = self.key_of(request)
        if not key or self.keys.find(key, now) is not None:
            return None
        reply = server_error().reply()
        fingerprint = self.fingerprint(request)
        self.keys.put(
            KeyRecord(key=key, fingerprint=fingerprint, first_at=now, reply=reply)
        )
        return reply

    def _rate_limited(self) -> Reply:
        code = self.dice.rng.choice(("rate_limit", "lock_timeout"))
        headers: tuple[tuple[str, str], ...] = ()
        if code == "rate_limit":
            headers = (("Stripe-Rate-Limited-Reason", "global-rate"),)
        if self.dice.rng.random() < 0.5:  # noqa: PLR2004 - every other answer
            headers = (*headers, ("Retry-After", "1"))
        message = "Too many requests. Please retry after some time."
        return Refusal(status=429, code=code, message=message, headers=headers).reply()

    def _unavailable(self) -> Reply:
        reply = server_error(503).reply()
        return replace(reply, headers=(*reply.headers, ("Retry-After", "1")))

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer 500 and keep that answer under the key, although money moved."""
        error = server_error().reply()
        record = self.keys.find(self.key_of(request), now)
        if record is not None:
            self.keys.put(replace(record, reply=error))
        return replace(error, headers=(*error.headers, *reply.headers[1:]))

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to a create call."""
        found = json.loads(reply.body)
        match fault:
            case Fault.WRONG_AMOUNT:
                found["amount"] += self.dice.rng.choice((1, 100, -1))
            case Fault.UNKNOWN_STATUS:
                found["status"] = "in_transit"
            case Fault.SPARSE_ANSWER:
                # An id may arrive expanded, and what nobody asked for may be missing.
                found["charge"] = {"id": found["charge"], "object": "charge"}
                del found["destination_details"], found["receipt_number"]
            case _:
                pass
        return replace(reply, body=json_bytes(found))


def _no_such_url(request: Request) -> Refusal:
    where = f"{request.method}: {request.path}"
    return Refusal(status=404, message=f"Unrecognized request URL ({where}).")


def _replayed(reply: Reply) -> Reply:
    return replace(reply, headers=(*reply.headers, ("Idempotent-Replayed", "true")))


def _body_form(request: Request) -> Form:
    kind = request.header("content-type")
    if request.body and not kind.startswith("application/x-www-form-urlencoded"):
        raise Refusal(status=400, message=f"Content type {kind} is not accepted.")
    return read_form(request.body.decode("utf-8", "replace"))
