"""Braintree, one gateway account: the GraphQL endpoint, its keys and its faults.

Invariant: under one apiRequestKey at most one refund or void is made while its window
lasts; a repeat shows what was made as it now is, and a request that failed stays
failed under its key.
Source: gateways/braintree.md sections 1, 2, 4 and 5 (read 2026-11).
"""

import hashlib
import json
from dataclasses import replace
from uuid import UUID

from refundwatch.sandbox.answers import Json, basic_credentials, json_bytes, json_reply
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.braintree import orders
from refundwatch.sandbox.braintree.calls import input_of, read_call
from refundwatch.sandbox.braintree.documents import (
    Document,
    Field,
    MalformedDocumentError,
    Operation,
    given,
)
from refundwatch.sandbox.braintree.execution import fields_of, shown
from refundwatch.sandbox.braintree.objects import SALE_VOIDED, global_id, legacy_of
from refundwatch.sandbox.braintree.reads import REPORTS, BraintreeReads
from refundwatch.sandbox.braintree.refusals import Refusal
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request

_MAX_KEY = 255
_ORDERS = ("refundTransaction", "reverseTransaction", "reverseRefund")
_REFUSALS = ("915200", "915201", "91547")
_HEX = "0123456789abcdef"
_HALF = 0.5


class BraintreeModel(BraintreeReads):
    """Serve one gateway account of Braintree."""

    # Requests.

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if request.path.startswith(REPORTS):
            return Kind.QUIET
        return Kind.READ if self._order_of(request) is None else Kind.MONEY

    def key_of(self, request: Request) -> str:
        """Return the key of an order, or the empty string."""
        order = self._order_of(request)
        key = order[1].get("apiRequestKey") if order else None
        return key if isinstance(key, str) else ""

    def fingerprint(self, request: Request) -> str:
        """Digest what is ordered and with which input."""
        order = self._order_of(request)
        text = json.dumps(order, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _order_of(self, request: Request) -> tuple[str, Json] | None:
        """Return the name and input of the first order in a request."""
        try:
            document, operation, variables = read_call(request)
            for field in fields_of(document, operation.selections, "Mutation"):
                if field.name in _ORDERS:
                    return field.name, input_of(field, variables)
        except MalformedDocumentError:
            pass
        return None

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        if request.path.startswith(REPORTS):
            return self.report(request)
        if (request.method, request.path) != ("POST", "/graphql"):
            return Reply(status=404)
        refused = self._unwelcome(request)
        if refused is not None:
            return self._answer(None, [refused.entry("query")])
        try:
            document, operation, variables = read_call(request)
            return self._execute(
                request, document, operation, variables, (now, busy_until)
            )
        except MalformedDocumentError as malformed:
            return self._answer(None, [{"message": str(malformed)}])

    def _unwelcome(self, request: Request) -> Refusal | None:
        pair = basic_credentials(request.header("authorization"))
        if pair is None or ":".join(pair) not in self.settings.key_pairs:
            return Refusal(kind="AUTHENTICATION", message="Authentication failed.")
        if not request.header("braintree-version"):
            message = "Braintree-Version header is required."
            return Refusal(kind="UNSUPPORTED_CLIENT", message=message)
        return None

    def _answer(self, data: Json | None, errors: list[Json]) -> Reply:
        whole: Json = {"data": data}
        if errors:
            whole["errors"] = errors
        request_id = str(UUID(self.dice.text(_HEX, 32)))
        whole["extensions"] = {"requestId": request_id}
        return json_reply(200, whole)

    def _execute(
        self,
        request: Request,
        document: Document,
        operation: Operation,
        variables: Json,
        times: tuple[float, float],
    ) -> Reply:
        """Resolve each field at the root by itself; one that fails is null."""
        data: Json = {}
        errors: list[Json] = []
        root = operation.kind.capitalize()
        for field in fields_of(document, operation.selections, root):
            try:
                found = self._root(request, document, field, variables, times)
                part = shown(document, field.selections, found, field.name)
                data[field.shown_as] = part
            except Refusal as refusal:
                data[field.shown_as] = None
                errors.append(refusal.entry(field.shown_as))
        return self._answer(data, errors)

    def _root(
        self,
        request: Request,
        document: Document,
        field: Field,
        variables: Json,
        times: tuple[float, float],
    ) -> object:
        now = times[0]
        arguments = {
            name: given(value, variables) for name, value in field.arguments.items()
        }
        match field.name:
            case "ping":
                return "pong"
            case "node":
                return self.node(arguments.get("id"), now)
            case "idFromLegacyId":
                kind = str(arguments.get("type")).lower()
                return global_id(kind, str(arguments.get("legacyId")))
            case "search":
                return self.search(document, field, variables, now)
            case "report":
                return self.reports(document, field, variables)
            case "sandboxSettleTransaction":
                payment = self.sale(input_of(field, variables).get("transactionId"))
                payment = self.settle_sale(payment, now)
                return {"transaction": self.sale_seen(payment, now)}
            case name if name in _ORDERS:
                return self._ordered(request, field, variables, times)
            case name:
                raise MalformedDocumentError(f"Field '{name}' is undefined")

    # Orders.

    def _ordered(
        self,
        request: Request,
        field: Field,
        variables: Json,
        times: tuple[float, float],
    ) -> Json:
        now, busy_until = times
        told = input_of(field, variables)
        key = self._checked_key(told)
        record = self.keys.find(key, now) if key else None
        made = None if record is None else self._repeated(request, record, now)
        if made is None:
            first_at = now if record is None else record.first_at
            made = self._first(
                request,
                field.name,
                told,
                KeyRecord(
                    key=key,
                    fingerprint=self.fingerprint(request),
                    first_at=first_at,
                    busy_until=busy_until,
                ),
                now,
            )
        return self._payload(field.name, told, made, now)

    def _checked_key(self, told: Json) -> str:
        key = told.get("apiRequestKey") or ""
        if key and not self.settings.request_keys:
            message = "API request keys are not allowed."
            raise Refusal(kind="VALIDATION", code="915231", message=message)
        if not isinstance(key, str) or len(key) > _MAX_KEY:
            raise Refusal.invalid("915230")
        return key

    def _repeated(
        self, request: Request, record: KeyRecord, now: float
    ) -> Refund | None:
        """Return what a key has made; None where it has not yet been tried."""
        if record.fingerprint != self.fingerprint(request):
            raise Refusal.invalid("915232")
        if record.busy(now):
            raise Refusal.invalid("915233")
        if record.reply is not None:
            raise Refusal.invalid("915234")
        return self.books.refunds.get(record.refund_id)

    def _first(
        self, request: Request, name: str, told: Json, record: KeyRecord, now: float
    ) -> Refund:
        try:
            made = self._carry_out(name, told, now)
        except Refusal as refusal:
            if record.key and refusal.spends_key:
                self._spend(request, now)
            raise
        if record.key:
            self.keys.put(replace(record, refund_id=made.id))
        return made

    def _spend(self, request: Request, now: float) -> None:
        """Let the key remember that its request failed."""
        record = KeyRecord(
            key=self.key_of(request),
            fingerprint=self.fingerprint(request),
            first_at=now,
            reply=Reply(status=200),
        )
        self.keys.put(record)

    def _carry_out(self, name: str, told: Json, now: float) -> Refund:
        if name == "reverseRefund":
            return self._cancel(told, now)
        payment = self.sale(told.get("transactionId"))
        # What was voided is voided, whether reads show it yet or not.
        status = self.sale_status(payment, now, float("inf"))
        if name == "reverseTransaction" and status != "SETTLED":
            return self._void(payment, status, told, now)
        wanted = told.get("refund") if name == "refundTransaction" else {}
        refund = wanted if isinstance(wanted, dict) else {}
        asked = orders.asked_minor(refund, payment, self.books, status)
        order_id = orders.order_id_of(refund, payment)
        self._maybe_refuse()
        reference = order_id if refund.get("orderId") else _echo(told)
        return self.open_refund(
            payment,
            asked,
            now,
            order_id=order_id,
            reference=reference,
            idempotency_key=str(told.get("apiRequestKey") or ""),
        )

    def _maybe_refuse(self) -> None:
        if self.dice.rolls(Fault.REFUSAL):
            raise Refusal.invalid(self.dice.rng.choice(_REFUSALS))

    def _void(self, payment: Payment, status: str, told: Json, now: float) -> Refund:
        if status == "VOIDED":
            raise Refusal.invalid("91504")
        if status == "SETTLING" or self.is_beginning(payment, now):
            raise Refusal.invalid("915282")
        self._maybe_refuse()
        return self.void_sale(
            payment,
            now,
            reference=_echo(told),
            idempotency_key=str(told.get("apiRequestKey") or ""),
        )

    def _cancel(self, told: Json, now: float) -> Refund:
        found = self.books.refunds.get(legacy_of("refund", told.get("refundId")) or "")
        if found is None:
            raise Refusal.not_found()
        if found.status != "SUBMITTED_FOR_SETTLEMENT":
            raise Refusal.invalid("91504")
        return self.take_back(found, now)

    def _payload(self, name: str, told: Json, made: Refund, now: float) -> Json:
        echo: Json = {"clientMutationId": told.get("clientMutationId")}
        if made.status == SALE_VOIDED:
            payment = self.payment(made.payment)
            return {**echo, "reversal": self.sale_as(payment, now, "VOIDED")}
        found = self.refund_seen(self.refund(made.id), now)
        return {**echo, "reversal" if name == "reverseTransaction" else "refund": found}

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        match fault:
            case Fault.ERROR_BEFORE:
                return self._server_error(request)
            case Fault.STORED_ERROR:
                key = self.key_of(request)
                if not key or self.keys.find(key, now) is not None:
                    return None
                self._spend(request, now)
                return self._failed(Refusal(kind="INTERNAL"))
            case Fault.RATE_LIMITED:
                if self.dice.rng.random() < _HALF:
                    return Reply(status=429, headers=(("Retry-After", "1"),))
                return self._failed(Refusal(kind="RESOURCE_LIMIT"))
            case Fault.UNAVAILABLE:
                if self.dice.rng.random() < _HALF:
                    return Reply(status=503, headers=(("Retry-After", "1"),))
                return self._failed(Refusal(kind="SERVICE_AVAILABILITY"))
            case Fault.KEY_STORE_DOWN:
                return self._failed(Refusal.invalid("915235"))
            case _:
                return None

    def _failed(self, refusal: Refusal) -> Reply:
        return self._answer(None, [refusal.entry("refundTransaction")])

    def _server_error(self, request: Request) -> Reply:
        del request
        status = self.dice.rng.choice((200, 500, 502, 504))
        if status == 200:  # noqa: PLR2004 - GraphQL's own way to fail
            return self._failed(Refusal(kind="INTERNAL"))
        page = b"<html><body>Gateway error</body></html>"
        return Reply(status=status, headers=(("Content-Type", "text/html"),), body=page)

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer an error although the refund was made; a repeat will show it."""
        del reply, now
        return self._server_error(request)

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to an order."""
        whole = json.loads(reply.body)
        for payload in (whole.get("data") or {}).values():
            made = (payload or {}).get("refund") or (payload or {}).get("reversal")
            if isinstance(made, dict):
                _falsify(fault, made)
        return replace(reply, body=json_bytes(whole))


def _falsify(fault: Fault, made: Json) -> None:
    match fault:
        case Fault.WRONG_AMOUNT if made.get("amount"):
            value = made["amount"]["value"]
            made["amount"]["value"] = f"{value[:-1]}{(int(value[-1]) + 1) % 10}"
        case Fault.UNKNOWN_STATUS:
            made["status"] = "SETTLEMENT_QUEUED"
        case Fault.SPARSE_ANSWER:
            for name in ("orderId", "refundedTransaction", "statusHistory"):
                made.pop(name, None)
        case _:
            pass


def _echo(told: Json) -> str:
    """What the client calls the order: the ledger knows a void by it alone."""
    echo = told.get("clientMutationId")
    return echo if isinstance(echo, str) else ""
