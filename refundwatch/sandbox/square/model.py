"""Square, one account: routes, keys, faults.

Invariant: under one idempotency key at most one refund is ever made while the key
lives; its first success is repeated as it was, and no failure is kept.
Source: Square "Idempotency", "Refund Payments", "Handling errors",
https://developer.squareup.com (read 2026-11).
"""

import hashlib
import json
import re
from dataclasses import replace

from refundwatch.sandbox.answers import Json, edited, json_bytes, json_reply
from refundwatch.sandbox.books import Refund
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.square import lists
from refundwatch.sandbox.square.life import SquareLife
from refundwatch.sandbox.square.objects import (
    earlier_refund,
    object_of,
    payment_object,
    refund_object,
)
from refundwatch.sandbox.square.orders import Order, read_order, refundable
from refundwatch.sandbox.square.payouts import Payouts, movements
from refundwatch.sandbox.square.refusals import Refusal

_ORDER = ("POST", "/v2/refunds")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FAILED_AT_ONCE = ""
_REFUSALS = (
    "REFUND_DECLINED",
    "GENERIC_DECLINE",
    "CARD_PRESENCE_REQUIRED",
    _FAILED_AT_ONCE,
)


class SquareModel(SquareLife):
    """Serve one Square account."""

    # Requests.

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if (request.method, request.path) == _ORDER:
            return Kind.MONEY
        return Kind.READ if request.path.startswith("/v2/") else Kind.QUIET

    def key_of(self, request: Request) -> str:
        """Return the idempotency key, which is a part of the body."""
        key = object_of(request.body).get("idempotency_key")
        return key if isinstance(key, str) else ""

    def fingerprint(self, request: Request) -> str:
        """Digest what the body says, however it is written."""
        said = json.dumps(object_of(request.body), sort_keys=True)
        return hashlib.sha256(f"{request.path}\n{said}".encode()).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        version = request.header("square-version") or self.settings.api_version
        try:
            self._authorise(request, version)
            reply = self._route(request, now, busy_until)
        except Refusal as refusal:
            reply = refusal.reply()
        return replace(reply, headers=(*reply.headers, ("Square-Version", version)))

    def _authorise(self, request: Request, version: str) -> None:
        token = request.header("authorization").removeprefix("Bearer ").strip()
        if token != self.settings.access_token:
            raise Refusal(
                status=401, category="AUTHENTICATION_ERROR", code="UNAUTHORIZED"
            )
        if not _VERSION.fullmatch(version):
            raise Refusal(status=400, code="INVALID_SQUARE_VERSION_FORMAT")

    def _route(self, request: Request, now: float, busy_until: float) -> Reply:
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "v2", "refunds"):
                return self._keyed(request, now, busy_until)
            case ("GET", "v2", "refunds"):
                return self._list(request, now)
            case ("GET", "v2", "refunds", refund_id):
                return self._refund(refund_id, now)
            case ("GET", "v2", "payments", payment_id):
                return self._payment(payment_id, now)
            case ("GET", "v2", "payouts"):
                return json_reply(200, self._payouts(now).listed(request))
            case ("GET", "v2", "payouts", payout_id, "payout-entries"):
                found = self._payouts(now).entries(request, payout_id)
                return json_reply(200, found)
            case _:
                raise Refusal.not_found()

    def _payouts(self, now: float) -> Payouts:
        moved = movements(self.books, self.ledger.rows(self.account))
        return Payouts(self.settings, moved, now)

    # Orders.

    def _keyed(self, request: Request, now: float, busy_until: float) -> Reply:
        order = read_order(request.body)
        record = self.keys.find(order.key, now)
        fingerprint = self.fingerprint(request)
        if record is not None:
            if record.fingerprint != fingerprint:
                raise Refusal(status=400, code="IDEMPOTENCY_KEY_REUSED")
            if record.busy(now):
                raise Refusal(status=409, category="API_ERROR", code="CONFLICT")
            if record.reply is not None:
                # As it was then: its status may be an old one by now.
                return record.reply
        try:
            reply = self._create(order, now)
        except Refusal:
            self.keys.forget(order.key)
            raise
        self.keys.put(
            KeyRecord(
                key=order.key,
                fingerprint=fingerprint,
                first_at=now if record is None else record.first_at,
                busy_until=busy_until,
                reply=reply,
            )
        )
        return reply

    def _create(self, order: Order, now: float) -> Reply:
        payment = refundable(order, self.books, self.settings, now)
        code = self._refusal()
        if code:
            raise Refusal.business(code)
        refund = self.open_refund(
            payment,
            order.amount_minor,
            now,
            reason=order.reason,
            idempotency_key=order.key,
            fails_at_once=code == _FAILED_AT_ONCE,
        )
        found: Json = {"refund": refund_object(refund, self.settings)}
        if code == _FAILED_AT_ONCE:
            # A 200 all the same, with errors beside the refund.
            found["errors"] = Refusal.business("REFUND_DECLINED").errors()
        return json_reply(200, found)

    def _refusal(self) -> str | None:
        """Draw a refusal; the empty one is a refund that is made and fails at once."""
        if not self.dice.rolls(Fault.REFUSAL):
            return None
        return self.dice.rng.choice(_REFUSALS)

    # Reads.

    def _visible(self, refund_id: str, now: float) -> Refund:
        found = self.books.refunds.get(refund_id)
        if found is None:
            found = earlier_refund(refund_id, self.books)
        if found is None or found.visible_at > now:
            raise Refusal.not_found()
        return found

    def _refund(self, refund_id: str, now: float) -> Reply:
        refund = self._visible(refund_id, now)
        return json_reply(200, {"refund": refund_object(refund, self.settings)})

    def _list(self, request: Request, now: float) -> Reply:
        visible = self.books.newest_refunds(None, now)
        refunds, cursor = lists.page(request, visible, self.settings.location_id, now)
        found: Json = {}
        if refunds:
            found["refunds"] = [refund_object(one, self.settings) for one in refunds]
        if cursor:
            found["cursor"] = cursor
        return json_reply(200, found)

    def _payment(self, payment_id: str, now: float) -> Reply:
        payment = self.books.payment(payment_id)
        if payment is None:
            raise Refusal.not_found()
        found = payment_object(payment, self.books, self.settings, now)
        return json_reply(200, {"payment": found})

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        del request, now
        match fault:
            case Fault.ERROR_BEFORE:
                return self._down()
            case Fault.RATE_LIMITED:
                return self._limited()
            case Fault.UNAVAILABLE:
                reply = Refusal.down(503).reply()
                return replace(reply, headers=(*reply.headers, ("Retry-After", "1")))
            case _:
                return None

    def _down(self) -> Reply:
        return Refusal.down(self.dice.rng.choice((500, 502, 503, 504))).reply()

    def _limited(self) -> Reply:
        headers: tuple[tuple[str, str], ...] = ()
        if self.dice.rng.random() < 0.5:  # noqa: PLR2004 - every other answer
            headers = (("Retry-After", "1"),)
        return Refusal(
            status=429,
            category="RATE_LIMIT_ERROR",
            code="RATE_LIMITED",
            headers=headers,
        ).reply()

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer with an error; the success is kept under the key all the same."""
        del request, reply, now
        return self._down()

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to an order."""
        refund = json.loads(reply.body)["refund"]
        match fault:
            case Fault.WRONG_AMOUNT:
                refund["amount_money"]["amount"] += self.dice.rng.choice((1, 100, -1))
            case Fault.UNKNOWN_STATUS:
                refund["status"] = "IN_TRANSIT"
            case Fault.SPARSE_ANSWER:
                # The schema asks for the id and the amount alone.
                for name in ("order_id", "location_id", "reason", "unlinked"):
                    refund.pop(name, None)
            case _:
                pass
        return replace(reply, body=json_bytes(edited(reply, {"refund": refund})))
