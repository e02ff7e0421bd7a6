"""Mollie, one profile: routes, keys, the guard of equal amounts, lists.

Invariant: under one key at most one refund is made while the key's hour lasts, and of
one payment no two refunds of an equal amount are made within the guard's hour.
Source: gateways/mollie.md sections 1, 2, 4, 5 and 8 (read 2026-11).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import dropwhile, islice
from wsgiref.handlers import format_date_time

from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.mollie import objects, refusals
from refundwatch.sandbox.mollie.life import CANCELLABLE, MollieLife
from refundwatch.sandbox.mollie.orders import (
    Order,
    check_covered,
    read_order,
    says_test,
)
from refundwatch.sandbox.mollie.refusals import Refusal, hal_reply, missing
from refundwatch.sandbox.money import MOLLIE, decimal_minor, decimal_text

_MAX_LIMIT, _DEFAULT_LIMIT = 250, 50
_REFUSALS = (
    "The payment is too old to be refunded",
    "Your balance does not cover this refund",
    "The account of the consumer does not accept refunds",
)
_TROUBLES = (500, 502, 504)


class MollieModel(MollieLife):
    """Serve one Mollie profile, and the organization that owns it."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        return Kind.READ if request.method == "GET" else Kind.MONEY

    def key_of(self, request: Request) -> str:
        """Return the idempotency key; only POST has one."""
        return request.header("idempotency-key") if request.method == "POST" else ""

    def fingerprint(self, request: Request) -> str:
        """Digest path and body."""
        return hashlib.sha256(request.path.encode() + b"\n" + request.body).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        try:
            by_token = self._authorise(request)
            reply = self._keyed(request, now, busy_until, by_token=by_token)
        except Refusal as refusal:
            reply = refusal.reply()
        date = ("Date", format_date_time(now))
        return replace(reply, headers=(*reply.headers, date))

    def _authorise(self, request: Request) -> bool:
        """Tell whether it is a token that calls; it must name the mode, a key not."""
        given = request.header("authorization").removeprefix("Bearer ").strip()
        if given == self.settings.api_key:
            if request.query_value("testmode"):
                raise refusals.invalid("A key has its own mode", "testmode")
            return False
        if given == self.settings.access_token:
            return True
        detail = "Missing authentication, or failed to authenticate"
        raise Refusal(status=401, detail=detail)

    def _keyed(
        self, request: Request, now: float, busy_until: float, *, by_token: bool
    ) -> Reply:
        key = self.key_of(request)
        if not key:
            return self._route(request, now, busy_until, by_token=by_token)
        fingerprint = self.fingerprint(request)
        record = self.keys.find(key, now)
        if record is not None:
            if record.fingerprint != fingerprint:
                raise refusals.other_request()
            if record.busy(now):
                raise refusals.key_in_use()
            if record.reply is not None:
                again = ("Idempotent-Replayed", "true")
                return replace(record.reply, headers=(*record.reply.headers, again))
        first_at = now if record is None else record.first_at
        fresh = KeyRecord(key=key, fingerprint=fingerprint, first_at=first_at)
        try:
            reply = self._route(request, now, busy_until, by_token=by_token)
        except Refusal as refusal:
            if not refusal.stored:
                self.keys.forget(key)
                raise
            reply = refusal.reply()
        self.keys.put(replace(fresh, reply=reply, busy_until=busy_until))
        return reply

    def _route(
        self, request: Request, now: float, busy_until: float, *, by_token: bool
    ) -> Reply:
        match (request.method, *request.path.strip("/").split("/")):
            case ("GET", "v2", "profiles", "me") if not by_token:
                return hal_reply(200, objects.profile_object())
            case ("GET", "v2", "organizations", "me") if by_token:
                return hal_reply(200, objects.organization_object())
            case ("GET", "v2", "events", event_id) if by_token:
                return self._event(event_id)
            case ("GET", "v2", "balances", _, "transactions") if by_token:
                return self._bookings(request)
            case (_, "v2", "payments" | "refunds", *_):
                self._check_mode(request, by_token=by_token)
            case _:
                raise Refusal(status=404, detail="The requested URL does not exist")
        return self._route_money(request, now, busy_until, by_token=by_token)

    def _check_mode(self, request: Request, *, by_token: bool) -> None:
        if by_token and not says_test(request):
            # Without a word the token speaks of live money, of which there is none.
            raise missing("live object", request.path)

    def _route_money(
        self, request: Request, now: float, busy_until: float, *, by_token: bool
    ) -> Reply:
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", _, "payments", reference, "refunds"):
                order = read_order(request, by_token=by_token)
                return self._create(request, reference, order, now, busy_until)
            case ("DELETE", _, "payments", reference, "refunds", refund_id):
                return self._cancel(reference, refund_id, now)
            case ("GET", _, "payments", reference, "refunds", refund_id):
                found = self._visible(reference, refund_id, now)
                return hal_reply(200, objects.refund_object(found))
            case ("GET", _, "payments", reference, "refunds"):
                self._payment(reference)
                return self._list(request, reference, now)
            case ("GET", _, "payments", reference):
                return self._read_payment(request, reference, now)
            case ("GET", _, "refunds"):
                return self._list(request, None, now)
            case _:
                raise Refusal(status=405, detail="The method is not supported")

    # Reads.

    def _payment(self, reference: str) -> Payment:
        found = self.books.payment(reference)
        if found is None:
            raise missing("payment", reference)
        return found

    def _seen(self, reference: str | None, now: float) -> Iterable[Refund]:
        """Walk what reads show, newest first: a cancelled refund is gone."""
        newest = self.books.newest_refunds(reference, now)
        return (refund for refund in newest if refund.status != "canceled")

    def _visible(self, reference: str, refund_id: str, now: float) -> Refund:
        self._payment(reference)
        for refund in self._seen(reference, now):
            if refund.id == refund_id:
                return refund
        raise missing("refund", refund_id)

    def _read_payment(self, request: Request, reference: str, now: float) -> Reply:
        payment = self._payment(reference)
        embedded = "refunds" in request.query_value("embed").split(",")
        refunds = list(self._seen(reference, now)) if embedded else None
        found = objects.payment_object(payment, self.books, now, refunds=refunds)
        return hal_reply(200, found)

    def _list(self, request: Request, reference: str | None, now: float) -> Reply:
        limit = _limit(request.query_value("limit"))
        first = request.query_value("from")
        refunds = list(self._seen(reference, now))
        if first:
            if all(refund.id != first for refund in refunds):
                raise Refusal(status=400, detail="Invalid cursor", field="from")
            refunds = list(dropwhile(lambda refund: refund.id != first, refunds))
        shown = [objects.refund_object(refund) for refund in islice(refunds, limit)]
        following = refunds[limit].id if len(refunds) > limit else None
        page = objects.page("refunds", request.path, shown, following, limit)
        return hal_reply(200, page)

    def _event(self, event_id: str) -> Reply:
        event = self.events.get(event_id)
        if event is None:
            raise missing("event", event_id)
        return hal_reply(200, json.loads(event.body))

    def _bookings(self, request: Request) -> Reply:
        """List what refunds did to the balance, newest first, on one page."""
        moved: list[tuple[float, Json]] = []
        for row in self.ledger.rows(self.account):
            if row.executed_at is not None:
                booking = objects.booking_object(row, returned=False)
                moved.append((row.executed_at, booking))
            if row.bounced_at is not None:
                booking = objects.booking_object(row, returned=True)
                moved.append((row.bounced_at, booking))
        moved.sort(key=lambda one: -one[0])
        entries = [booking for _, booking in moved]
        page = objects.page(
            "balance_transactions", request.path, entries, None, len(entries)
        )
        return hal_reply(200, page)

    # Changes.

    def _create(
        self,
        request: Request,
        reference: str,
        order: Order,
        now: float,
        busy_until: float,
    ) -> Reply:
        payment = self._payment(reference)
        if self.being_made.get(reference, 0.0) > now:
            raise refusals.in_parallel()
        check_covered(order, payment, self.books.remaining_minor(payment))
        if self._guarded(reference, order, now):
            raise refusals.duplicate()
        if self.dice.rolls(Fault.REFUSAL):
            raise refusals.invalid(self.dice.rng.choice(_REFUSALS))
        self.being_made[reference] = busy_until
        refund = self.open_refund(
            payment,
            order.amount_minor,
            now,
            description=order.description,
            metadata=order.metadata,
            idempotency_key=self.key_of(request),
        )
        return hal_reply(201, objects.refund_object(refund))

    def _guarded(self, reference: str, order: Order, now: float) -> bool:
        """Tell whether an equal amount was refunded lately, whatever became of it."""
        since = now - self.settings.guard_seconds
        return any(
            refund.amount_minor == order.amount_minor and refund.created_at > since
            for refund in self.books.refunds_of(reference)
        )

    def _cancel(self, reference: str, refund_id: str, now: float) -> Reply:
        refund = self._visible(reference, refund_id, now)
        if refund.status not in CANCELLABLE:
            raise Refusal(status=422, detail="The refund cannot be canceled anymore")
        self.cancel_refund(refund, now)
        return Reply(status=204)

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        match fault:
            case Fault.ERROR_BEFORE:
                return self._broken().reply()
            case Fault.STORED_ERROR:
                return self._stored_error(request, now)
            case Fault.RATE_LIMITED:
                return Refusal(
                    status=429, detail="Too many requests", headers=self._pause()
                ).reply()
            case Fault.UNAVAILABLE:
                reply = refusals.in_parallel().reply()
                return replace(reply, headers=(*reply.headers, *self._pause()))
            case _:
                return None

    def _broken(self) -> Refusal:
        """Say that something broke; 503 would promise that nothing was done."""
        status = self.dice.rng.choice(_TROUBLES)
        return Refusal(status=status, detail="Something went wrong at our side")

    def _pause(self) -> tuple[tuple[str, str], ...]:
        often = self.dice.rng.random() < 0.5  # noqa: PLR2004 - every other answer
        return (("Retry-After", "1"),) if often else ()

    def _stored_error(self, request: Request, now: float) -> Reply | None:
        key = self.key_of(request)
        if not key or self.keys.find(key, now) is not None:
            return None
        reply = self._broken().reply()
        fingerprint = self.fingerprint(request)
        record = KeyRecord(key=key, fingerprint=fingerprint, first_at=now, reply=reply)
        self.keys.put(record)
        return reply

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer with an error although the refund was taken; its key still tells."""
        del request, reply, now
        return self._broken().reply()

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to an order."""
        found = json.loads(reply.body)
        match fault:
            case Fault.WRONG_AMOUNT:
                found["amount"] = self._off_by_some(found["amount"])
            case Fault.UNKNOWN_STATUS:
                found["status"] = "in_transit"
            case Fault.SPARSE_ANSWER:
                # Old members come along, and new ones may be missing.
                found["settlementAmount"] = found["amount"]
                del found["description"], found["_links"]
            case _:
                pass
        return replace(reply, body=json_bytes(found))

    def _off_by_some(self, amount: Json) -> Json:
        minor = decimal_minor(amount["value"], amount["currency"], MOLLIE)
        minor += self.dice.rng.choice((1, 100))
        return {**amount, "value": decimal_text(minor, amount["currency"], MOLLIE)}


def _limit(text: str) -> int:
    if not text:
        return _DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MAX_LIMIT:
        raise Refusal(status=400, detail="Invalid limit", field="limit")
    return int(text)
