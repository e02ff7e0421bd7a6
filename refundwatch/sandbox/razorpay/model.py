"""Razorpay, one merchant: routes, keys, answers.

Invariant: under one key at most one refund is made while the key's window lasts;
without a key every call is another refund.
Source: gateways/razorpay.md sections 1, 2, 4, 5 and 8 (read 2026-11).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from refundwatch.sandbox.answers import Json, basic_credentials, json_bytes, json_reply
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.razorpay.life import SIX_MONTHS, RazorpayLife
from refundwatch.sandbox.razorpay.objects import (
    collection,
    payment_object,
    refund_object,
    settled_payment,
    settled_refund,
)
from refundwatch.sandbox.razorpay.orders import asked_minor, check_key, read_order
from refundwatch.sandbox.razorpay.refusals import (
    Refusal,
    access_denied,
    invalid_field,
    no_such_url,
    other_request,
    server_error,
    still_running,
    unauthorised,
    unknown_id,
)

_HALF = 0.5
_DEFAULT_COUNT, _MAX_COUNT, _MAX_ROWS = 10, 100, 1_000
_TOO_OLD = (
    "Refund is not supported by the bank because the payment is more than 6 months old"
)
_REFUSALS = (
    _TOO_OLD,
    "Your account does not have enough balance to carry out the refund operation.",
    "invalid request sent",
)
_INDIA = timedelta(hours=5, minutes=30)


class RazorpayModel(RazorpayLife):
    """Serve one Razorpay merchant."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if request.method == "POST" and request.path.endswith("/refund"):
            return Kind.MONEY
        return Kind.READ if request.path.startswith("/v1/") else Kind.QUIET

    def key_of(self, request: Request) -> str:
        """Return the idempotency key of a refund."""
        return request.header("x-refund-idempotency")

    def fingerprint(self, request: Request) -> str:
        """Digest path and body."""
        return hashlib.sha256(request.path.encode() + request.body).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        try:
            self._authorise(request)
            return self._keyed(request, now, busy_until)
        except Refusal as refusal:
            return refusal.reply()

    def _authorise(self, request: Request) -> None:
        header = request.header("authorization")
        # Only this spelling of the scheme is taken.
        pair = basic_credentials(header) if header.startswith("Basic ") else None
        if pair != (self.settings.key_id, self.settings.key_secret):
            raise unauthorised()
        if not self.settings.address_allowed:
            raise access_denied()

    def _keyed(self, request: Request, now: float, busy_until: float) -> Reply:
        key = self.key_of(request)
        if not key or self.kind_of(request) is not Kind.MONEY:
            return self._route(request, now)
        check_key(key)
        fingerprint = self.fingerprint(request)
        record = self.keys.find(key, now)
        if record is not None:
            if record.fingerprint != fingerprint:
                raise other_request()
            if record.busy(now):
                raise still_running()
            if record.reply is not None:
                return record.reply
        # What was refused is not kept: Razorpay does not say whether it is.
        reply = self._route(request, now)
        self.keys.put(
            KeyRecord(
                key=key,
                fingerprint=fingerprint,
                first_at=now if record is None else record.first_at,
                busy_until=busy_until,
                reply=reply,
            )
        )
        return reply

    def _route(self, request: Request, now: float) -> Reply:
        parts = request.path.strip("/").split("/")
        match (request.method, *parts):
            case ("POST", "v1", "payments", payment_id, "refund"):
                return self._create(request, payment_id, now)
            case ("PATCH", "v1", "refunds", refund_id):
                return self._note(request, refund_id, now)
            case ("GET", "v1", *rest):
                return self._read(request, rest, now)
            case _:
                raise no_such_url()

    # Reads.

    def _read(self, request: Request, rest: list[str], now: float) -> Reply:
        match rest:
            case ["refunds"]:
                return json_reply(200, self._page(request, None, now))
            case ["refunds", refund_id]:
                return json_reply(200, refund_object(self._refund(refund_id, now)))
            case ["payments", payment_id]:
                payment = self._payment(payment_id)
                return json_reply(200, payment_object(payment, self.books, now))
            case ["payments", payment_id, "refunds"]:
                payment = self._payment(payment_id)
                return json_reply(200, self._page(request, payment.reference, now))
            case ["payments", payment_id, "refunds", refund_id]:
                refund = self._refund(refund_id, now)
                if refund.payment != self._payment(payment_id).reference:
                    raise unknown_id()
                return json_reply(200, refund_object(refund))
            case ["settlements", "recon", "combined"]:
                return json_reply(200, self._recon(request, now))
            case _:
                raise no_such_url()

    def _payment(self, payment_id: str) -> Payment:
        found = self.books.payment(payment_id)
        if found is None:
            raise unknown_id()
        return found

    def _refund(self, refund_id: str, now: float) -> Refund:
        found = self.books.refunds.get(refund_id)
        if found is None or found.visible_at > now:
            raise unknown_id()
        return found

    def _page(self, request: Request, payment: str | None, now: float) -> Json:
        count = _whole(request, "count", _DEFAULT_COUNT)
        skip = _whole(request, "skip", 0)
        if not 1 <= count <= _MAX_COUNT:
            raise invalid_field("count", f"must be between 1 and {_MAX_COUNT}.")
        start = _whole(request, "from", 0)
        end = _whole(request, "to", int(now) + 1)
        found = [
            refund_object(refund)
            for refund in self.books.newest_refunds(payment, now)
            if start <= int(refund.created_at) <= end
        ]
        return collection(found[skip : skip + count])

    def _recon(self, request: Request, now: float) -> Json:
        year, month = _whole(request, "year", 0), _whole(request, "month", 0)
        day = _whole(request, "day", 0)
        if not year or not month:
            raise invalid_field("year", "and the month are required.")
        count = _whole(request, "count", _DEFAULT_COUNT)
        skip = _whole(request, "skip", 0)
        if not 1 <= count <= _MAX_ROWS:
            raise invalid_field("count", f"must be between 1 and {_MAX_ROWS}.")
        found = []
        for row in self._settled(now):
            # Settlement days are Indian.
            at = datetime.fromtimestamp(row["settled_at"], UTC) + _INDIA
            if (at.year, at.month) == (year, month) and day in (0, at.day):
                found.append(row)
        return collection(found[skip : skip + count])

    def _settled(self, now: float) -> Iterator[Json]:
        for payment in self.books.payments.values():
            if payment.captured and payment.created_at <= now:
                yield settled_payment(payment, payment.created_at)
            for refund in self.books.refunds_of(payment.reference):
                if refund.status == "processed" and refund.created_at <= now:
                    yield settled_refund(refund, payment, refund.created_at)

    # Changes.

    def _create(self, request: Request, payment_id: str, now: float) -> Reply:
        order = read_order(request.body)
        payment = self._payment(payment_id)
        earlier = self._with_receipt(payment, order.receipt)
        if earlier is not None and self.settings.receipt_guard == "return":
            return json_reply(200, refund_object(earlier))
        if earlier is not None and self.settings.receipt_guard == "refuse":
            raise Refusal(description="A refund with this receipt already exists.")
        left = self.books.remaining_minor(payment)
        asked = asked_minor(order, payment, left)
        if now - payment.created_at > SIX_MONTHS and self._every_other():
            raise Refusal(description=_TOO_OLD)
        if self.dice.rolls(Fault.REFUSAL):
            raise Refusal(description=self.dice.rng.choice(_REFUSALS))
        refund = self.open_refund(
            payment, asked, now, order, idempotency_key=self.key_of(request)
        )
        return json_reply(200, refund_object(refund))

    def _with_receipt(self, payment: Payment, receipt: str) -> Refund | None:
        for refund in self.books.refunds_of(payment.reference) if receipt else ():
            if refund.details.get("receipt") == receipt:
                return refund
        return None

    def _note(self, request: Request, refund_id: str, now: float) -> Reply:
        old = self._refund(refund_id, now)
        try:
            found = json.loads(request.body)["notes"]
            notes = {str(name): str(note) for name, note in found.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise invalid_field("notes", "are required.") from error
        new = replace(old, metadata={**old.metadata, **notes}, updated_at=now)
        self.books.put_refund(new)
        return json_reply(200, refund_object(new))

    def _every_other(self) -> bool:
        return self.dice.rng.random() < _HALF

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        match fault:
            case Fault.ERROR_BEFORE:
                return self._broken().reply()
            case Fault.STORED_ERROR:
                return self._stored_error(request, now)
            case Fault.RATE_LIMITED:
                return self._throttled()
            case Fault.UNAVAILABLE:
                return server_error(503).reply()
            case Fault.KEY_STORE_DOWN if self.key_of(request):
                message = "Failed to fetch idempotency record"
                code = "SERVER_ERROR"
                return Refusal(status=500, code=code, description=message).reply()
            case _:
                return None

    def _broken(self) -> Refusal:
        """Break down here or at the bank, there also under the status of a refusal."""
        status, code = self.dice.rng.choice(
            (
                (500, "SERVER_ERROR"),
                (504, "SERVER_ERROR"),
                (502, "GATEWAY_ERROR"),
                (400, "GATEWAY_ERROR"),
            )
        )
        return server_error(status, code)

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

    def _throttled(self) -> Reply:
        headers = (("Retry-After", "1"),) if self._every_other() else ()
        message = "Too many requests."
        return Refusal(status=429, description=message, headers=headers).reply()

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer with an error although the refund was made; the key knows better."""
        del request, reply, now
        return self._broken().reply()

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to an order."""
        found = json.loads(reply.body)
        match fault:
            case Fault.WRONG_AMOUNT:
                found["amount"] += self.dice.rng.choice((1, 100, -1))
            case Fault.UNKNOWN_STATUS:
                found["status"] = "in_transit"
            case Fault.SPARSE_ANSWER:
                # A status may be missing, and so may what nobody asked for.
                for name in ("status", "acquirer_data", "speed_processed"):
                    found.pop(name, None)
            case _:
                pass
        return replace(reply, body=json_bytes(found))


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_value(name) or str(default)
    if not (text.isascii() and text.isdigit()):
        raise invalid_field(name, "must be an integer.")
    return int(text)
