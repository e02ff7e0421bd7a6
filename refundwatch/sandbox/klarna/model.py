"""Klarna, one merchant: routes, keys, answers.

Invariant: under one key at most one refund is booked while the key's window lasts, and
its first answer is repeated whatever the later body says.
Source: gateways/klarna.md sections 1, 2, 4, 5 and 9 (read 2026-11).
"""

import hashlib
import json
from dataclasses import replace

from refundwatch.sandbox.answers import Json, basic_credentials, json_reply
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.klarna import settlements
from refundwatch.sandbox.klarna.life import KlarnaLife
from refundwatch.sandbox.klarna.orders import (
    Order,
    capture_object,
    order_object,
    read_order,
    refund_object,
)
from refundwatch.sandbox.klarna.refusals import (
    Refusal,
    bad_value,
    edge_page,
    no_such_order,
    not_allowed,
    not_found,
    still_running,
    unauthorised,
)
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.money import KLARNA, AmountRefusedError

_HOST = "https://api.playground.klarna.com"
_CREATED = 201
_HALF = 0.5
_REFUSALS = (
    "Refund not allowed for this order.",
    "Order is too old to be refunded.",
)


class KlarnaModel(KlarnaLife):
    """Serve one Klarna merchant in one region."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if request.method == "POST" and request.path.endswith("/refunds"):
            return Kind.MONEY
        return Kind.READ

    def key_of(self, request: Request) -> str:
        """Return the idempotency key; only POST has one."""
        name = "klarna-idempotency-key"
        return request.header(name) if request.method == "POST" else ""

    def fingerprint(self, request: Request) -> str:
        """Digest the call; Klarna compares nothing."""
        return hashlib.sha256(request.path.encode() + request.body).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        correlation_id = self.new_id()
        try:
            self._authorise(request)
            reply = self._keyed(request, now, busy_until)
        except Refusal as refusal:
            reply = refusal.reply(correlation_id)
        common = ("Klarna-Correlation-Id", correlation_id)
        return replace(reply, headers=(*reply.headers, common))

    def _authorise(self, request: Request) -> None:
        pair = (self.settings.username, self.settings.password)
        if basic_credentials(request.header("authorization")) != pair:
            raise unauthorised()

    def _keyed(self, request: Request, now: float, busy_until: float) -> Reply:
        key = self.key_of(request)
        record = self.keys.find(key, now) if key else None
        if record is not None and record.busy(now):
            raise still_running()
        if record is not None and record.reply is not None:
            return record.reply
        reply = self._route(request, now)
        if key:
            # What was refused is not kept: Klarna does not say whether it is.
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
        parts = request.path.strip("/").split("/")
        match (request.method, *parts):
            case ("POST", "ordermanagement", "v1", "orders", order_id, "refunds"):
                return self._create(request, order_id, now)
            case ("GET", "ordermanagement", "v1", "orders", order_id, *rest):
                return self._read(order_id, rest, now)
            case ("GET", "settlements", "v1", *rest):
                return self._settled(request, rest, now)
            case _:
                raise not_found(request.path)

    # Reads.

    def _payment(self, order_id: str) -> Payment:
        found = self.books.payment(order_id)
        if found is None:
            raise no_such_order(order_id)
        return found

    def _read(self, order_id: str, rest: list[str], now: float) -> Reply:
        payment = self._payment(order_id)
        captures = [capture_object(payment, self.books, now)] * payment.captured
        match rest:
            case []:
                reply = json_reply(200, order_object(payment, self.books, now))
                self._tell_the_truth_again(payment, now)
                return reply
            case ["refunds", refund_id]:
                return json_reply(200, refund_object(self._refund(refund_id, now)))
            case ["captures"]:
                return json_reply(200, captures)
            case ["captures", capture_id]:
                for capture in captures:
                    if capture["capture_id"] == capture_id:
                        return json_reply(200, capture)
                raise not_found(f"Capture {capture_id}")
            case _:
                raise not_found("/".join(rest))

    def _refund(self, refund_id: str, now: float) -> Refund:
        found = self.books.refunds.get(refund_id)
        if found is None or found.visible_at > now:
            raise not_found(f"Refund {refund_id}")
        return found

    def _tell_the_truth_again(self, payment: Payment, now: float) -> None:
        """Forget falsified amounts: each is told by one read."""
        for refund in list(self.books.newest_refunds(payment.reference, now)):
            if "told_minor" in refund.details:
                kept = {k: v for k, v in refund.details.items() if k != "told_minor"}
                self.books.put_refund(replace(refund, details=kept))

    def _settled(self, request: Request, rest: list[str], now: float) -> Reply:
        if not self.settings.settlement_permission:
            message = "The credentials have no permission for settlements."
            raise Refusal(status=403, code="ACCESS_NOT_ALLOWED", message=message)
        host = self.base_url or _HOST
        until = now - self.dice.profile.settle_seconds * self.dice.time_scale
        rows = settlements.transactions(self.books, until, host)
        payouts = settlements.payouts(rows, self.settings.username, host)
        wanted = request.query_value("payment_reference")
        of_payout = [row for row in rows if wanted in ("", row["payment_reference"])]
        match rest:
            case ["payouts"]:
                found = settlements.chosen_payouts(payouts, request)
                return json_reply(200, settlements.page("payouts", found, request))
            case ["payouts", name]:
                return json_reply(200, _named(payouts, name))
            case ["transactions"]:
                order_id = request.query_value("order_id")
                found = [r for r in of_payout if order_id in ("", r["order_id"])]
                return json_reply(200, settlements.page("transactions", found, request))
            case ["reports", "payout-with-transactions"]:
                if not wanted:
                    raise bad_value("payment_reference: is missing")
                _named(payouts, wanted)
                kind = (("Content-Type", "text/csv"),)
                report = settlements.report(of_payout)
                return Reply(status=200, headers=kind, body=report)
            case _:
                raise not_found(request.path)

    # Refunds.

    def _create(self, request: Request, order_id: str, now: float) -> Reply:
        order = read_order(request.body)
        payment = self._payment(order_id)
        refund = self.open_refund(
            payment,
            self._asked_minor(order, payment),
            now,
            reference=order.reference,
            details={
                "description": order.description,
                "order_lines": order.order_lines,
            },
            idempotency_key=self.key_of(request),
        )
        path = f"{request.path}/{refund.id}"
        host = (self.base_url or _HOST) if self._every_other() else ""
        # The body of a 201 is empty or a bare string; the id is in the headers.
        body = json.dumps(refund.id).encode() if self._every_other() else b""
        headers = (("Location", host + path), ("Refund-Id", refund.id))
        return Reply(status=_CREATED, headers=headers, body=body)

    def _every_other(self) -> bool:
        return self.dice.rng.random() < _HALF

    def _asked_minor(self, order: Order, payment: Payment) -> int:
        if not payment.captured:
            raise not_allowed("Order has no captures. Refund not possible.")
        try:
            wanted = KLARNA.from_gateway(order.amount, payment.currency)
        except AmountRefusedError as refused:
            raise bad_value("refunded_amount: has no such unit") from refused
        if wanted > self.books.remaining_minor(payment):
            raise not_allowed("Refund amount is higher than the captured amount.")
        if self.dice.rolls(Fault.REFUSAL):
            raise not_allowed(self.dice.rng.choice(_REFUSALS))
        return wanted

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        match fault:
            case Fault.ERROR_BEFORE:
                return self._error(self.dice.rng.choice((500, 502, 504)))
            case Fault.STORED_ERROR:
                return self._stored_error(request, now)
            case Fault.RATE_LIMITED:
                return self._throttled()
            case Fault.UNAVAILABLE:
                return self._error(503, "TEMPORARILY_UNAVAILABLE")
            case _:
                return None

    def _error(self, status: int, code: str = "INTERNAL_SERVER_ERROR") -> Reply:
        refusal = Refusal(status=status, code=code, message="Something went wrong.")
        return refusal.reply(self.new_id())

    def _stored_error(self, request: Request, now: float) -> Reply | None:
        key = self.key_of(request)
        if not key or self.keys.find(key, now) is not None:
            return None
        reply = self._error(500, "UNEXPECTED_ERROR")
        fingerprint = self.fingerprint(request)
        self.keys.put(
            KeyRecord(key=key, fingerprint=fingerprint, first_at=now, reply=reply)
        )
        return reply

    def _throttled(self) -> Reply:
        """Answer as the limit does, or as the edge does before it."""
        if self._every_other():
            return edge_page()
        message = "Too many requests."
        limit = (("X-Ratelimit-Limit", "50"), ("X-Ratelimit-Remaining", "0"))
        reset = (("X-Ratelimit-Reset", "1"),) if self._every_other() else ()
        return Refusal(
            status=429,
            code="TOO_MANY_REQUESTS",
            message=message,
            headers=(*limit, *reset),
        ).reply(self.new_id())

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer 500 although the refund is booked; the key still knows better."""
        del request, reply, now
        return self._error(500, "UNEXPECTED_ERROR")

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify what the client is told; the books stay right.

        A 201 states no amount, so the next read of the order tells a false one.
        """
        kept = dict(reply.headers)
        match fault:
            case Fault.WRONG_AMOUNT:
                self._misread(kept.get("Refund-Id", ""))
            case Fault.SPARSE_ANSWER:
                kept.pop(self.dice.rng.choice(("Location", "Refund-Id")))
                if self._every_other():
                    kept.pop("Location", None)
                    kept.pop("Refund-Id", None)
            case _:
                pass
        return replace(reply, headers=tuple(kept.items()))

    def _misread(self, refund_id: str) -> None:
        refund = self.books.refunds.get(refund_id)
        if refund is not None:
            told = refund.amount_minor + self.dice.rng.choice((1, 100))
            details = {**refund.details, "told_minor": str(told)}
            self.books.put_refund(replace(refund, details=details))


def _named(payouts: list[Json], name: str) -> Json:
    for payout in payouts:
        if payout["payment_reference"] == name:
            return payout
    raise not_found(f"Payout {name}")
