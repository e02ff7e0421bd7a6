"""Cybersource, one merchant: routes, orders without keys, a lagging search.

Invariant: every order that is taken is another refund, whatever it repeats; a refusal
of the processor is answered 201.
Source: gateways/cybersource.md sections 1, 2, 4 and 5 (read 2026-11).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from refundwatch.sandbox.answers import Json, json_bytes, json_reply, moment, utc_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.cybersource import objects, orders, proving, searching
from refundwatch.sandbox.cybersource.life import VERDICTS, CybersourceLife
from refundwatch.sandbox.cybersource.refusals import (
    Refusal,
    no_transaction,
    unauthenticated,
)
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.model import Reply, Request

_CREATED = 201
_GOOD = ("", "")
_MAX_LIMIT = 2500
_MAX_PAGE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Hold what the index knows of a transaction, and how to tell the rest."""

    id: str
    code: str
    at: float
    make: Callable[[], Json]


def _fits(row: _Row, terms: Mapping[str, str], now: float) -> bool:
    """Tell whether a transaction is searched for.

    Raises: Refusal for a term that no index has.
    """
    for name, wanted in terms.items():
        match name:
            case "clientReferenceInformation.code":
                fits: bool | None = searching.names(row.code, wanted)
            case "id":
                fits = row.id == wanted
            case "submitTimeUtc":
                fits = searching.in_range(wanted, row.at, now)
            case _:
                fits = None
        if fits is None:
            raise Refusal(reason="INVALID_DATA", field="query")
        if not fits:
            return False
    return True


class CybersourceModel(CybersourceLife):
    """Serve one Cybersource merchant."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        moves = request.path.endswith(("/refunds", "/voids", "/voids/"))
        return Kind.MONEY if request.method == "POST" and moves else Kind.READ

    def key_of(self, request: Request) -> str:
        """Return nothing: no header of Cybersource's protects an order."""
        del request
        return ""

    def fingerprint(self, request: Request) -> str:
        """Return nothing: nothing is compared."""
        del request
        return ""

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        del busy_until
        if not proving.is_proven(request, self.settings, now):
            return unauthenticated()
        try:
            return self._route(request, now)
        except Refusal as refusal:
            return refusal.reply(now)

    def _route(self, request: Request, now: float) -> Reply:
        parts = request.path.strip("/").split("/")
        match (request.method, *parts):
            case ("POST", "pts", "v2", "captures", reference, "refunds"):
                return self._refund(request, reference, now, separate=True)
            case ("POST", "pts", "v2", "payments", reference, "refunds"):
                return self._refund(request, reference, now, separate=False)
            case ("POST", "pts", "v2", "refunds", refund_id, "voids"):
                return self._void(request, self.books.refunds.get(refund_id), now)
            case ("POST", "pts", "v2", "voids"):
                return self._timeout_void(request, now)
            case ("GET", "tss", "v2", "transactions", transaction_id):
                found = self._transaction(transaction_id, now)
                return no_transaction() if found is None else json_reply(200, found)
            case ("POST", "tss", "v2", "searches"):
                return self._search(request, now)
            case ("GET", "reporting", "v3", "purchase-refund-details"):
                return self._report(request)
            case _:
                raise Refusal(reason="RESOURCE_NOT_FOUND", status=404)

    # Orders.

    def _refund(
        self, request: Request, reference: str, now: float, *, separate: bool
    ) -> Reply:
        order = orders.read_refund(request)
        payment = self.books.payments.get(reference)
        if (
            payment is None
            or not payment.captured
            or objects.is_separate(payment) is not separate
        ):
            raise Refusal(reason="INVALID_DATA", message="No capture by this id")
        if order.is_check is not (payment.method == objects.CHECK):
            raise Refusal(
                reason="INVALID_DATA", field="paymentInformation.paymentType.name"
            )
        if order.currency != payment.currency:
            raise Refusal(
                reason="INVALID_DATA", field="orderInformation.amountDetails.currency"
            )
        verdict = self._verdict(payment, order.amount_minor, now)
        refund = self.open_refund(
            payment,
            order.amount_minor,
            now,
            code=order.code,
            attempt=order.attempt,
            verdict=verdict,
        )
        if verdict[0]:
            return json_reply(_CREATED, objects.declined(refund))
        currency = self.dice.rng.choice((refund.currency, refund.currency.lower()))
        return json_reply(_CREATED, objects.accepted(refund, currency))

    def _verdict(self, payment: Payment, asked: int, now: float) -> tuple[str, str]:
        """Say why an order will be refused in an answer of 201.

        Raises: Refusal.
        """
        over = asked > self.books.remaining_minor(payment)
        if over and self.settings.bounds_refunds:
            raise orders.invalid_amount()
        if now - payment.created_at > self.settings.refund_limit_seconds:
            return VERDICTS[0]
        if self.dice.rolls(Fault.REFUSAL):
            return self.dice.rng.choice(VERDICTS)
        return _GOOD

    def _void(self, request: Request, refund: Refund | None, now: float) -> Reply:
        code, _ = orders.read_reference(orders.read_body(request))
        if refund is None:
            raise Refusal(reason="INVALID_DATA", message="No refund by this id")
        if refund.status != "PENDING":
            raise Refusal(reason="NOT_VOIDABLE", message="The refund cannot be voided")
        return json_reply(_CREATED, objects.voided(self.void(refund, code, now), now))

    def _timeout_void(self, request: Request, now: float) -> Reply:
        _, attempt = orders.read_reference(orders.read_body(request))
        found = [
            refund
            for refund in self.books.refunds.values()
            if attempt and refund.details["attempt"] == attempt
        ]
        return self._void(request, found[-1] if found else None, now)

    # Reads.

    def _transaction(self, transaction_id: str, now: float) -> Json | None:
        refund = self.books.refunds.get(transaction_id)
        if refund is not None:
            if refund.visible_at > now:
                return None
            told = objects.refund_transaction(refund)
            return self._linked(told, self.payment(refund.payment), now)
        payment = self.books.payments.get(transaction_id)
        if payment is not None:
            return self._linked(objects.payment_transaction(payment), payment, now)
        return self._beside(transaction_id, now)

    def _beside(self, transaction_id: str, now: float) -> Json | None:
        """Find what the books do not hold by an id of its own."""
        for payment in self.books.payments_of_order(transaction_id):
            return self._linked(objects.authorization(payment), payment, now)
        earlier = self.books.payments.get(transaction_id.removesuffix(objects.EARLIER))
        if earlier is not None and earlier.already_refunded_minor:
            return self._linked(objects.earlier_refund(earlier), earlier, now)
        for refund in self.books.refunds.values():
            if refund.details.get("void") == transaction_id:
                payment = self.payment(refund.payment)
                return self._linked(objects.void_transaction(refund), payment, now)
        return None

    def _linked(self, transaction: Json, payment: Payment, now: float) -> Json:
        others = [payment.reference]
        if payment.order_id:
            others.insert(0, payment.order_id)
        if payment.already_refunded_minor:
            others.append(objects.earlier_id(payment))
        for refund in self.books.refunds_of(payment.reference):
            if refund.visible_at <= now:
                others.append(refund.id)
                others += [refund.details["void"]] if "void" in refund.details else []
        root = payment.order_id or payment.reference
        return objects.linked(transaction, root, self.settings.merchant_id, others)

    def _search(self, request: Request, now: float) -> Reply:
        body = orders.read_body(request)
        terms = searching.read_query(str(body.get("query", "")))
        limit, offset = body.get("limit", 20), body.get("offset", 0)
        if terms is None or not isinstance(limit, int) or limit > _MAX_LIMIT:
            raise Refusal(reason="INVALID_DATA", field="query")
        found = [row for row in self._indexed(now) if _fits(row, terms, now)]
        found.sort(key=lambda row: (row.at, row.id), reverse=True)
        page = [
            objects.summed_up(row.make(), self.settings.merchant_id)
            for row in found[offset : offset + limit]
        ]
        answer: Json = {
            "searchId": self.dice.text("0123456789abcdef", 32),
            **{name: body[name] for name in ("save", "name", "query") if name in body},
            "offset": offset,
            "limit": limit,
            "count": len(page),
            "totalCount": len(found),
            "status": "COMPLETED",
            "submitTimeUtc": utc_text(now),
        }
        if page:
            answer["_embedded"] = {"transactionSummaries": page}
        return json_reply(_CREATED, answer)

    def _indexed(self, now: float) -> Iterator[_Row]:
        """Walk everything that the index holds by now: it lags behind the books."""
        until = now - self.settings.index_seconds * self.dice.time_scale
        for payment in self.books.payments.values():
            yield _Row(
                id=payment.reference,
                code=payment.merchant_reference,
                at=payment.created_at,
                make=partial(objects.payment_transaction, payment),
            )
        for refund in self.books.refunds.values():
            if refund.visible_at <= now and refund.created_at <= until:
                yield _Row(
                    id=refund.id,
                    code=refund.merchant_reference,
                    at=refund.created_at,
                    make=partial(objects.refund_transaction, refund),
                )
            if "void" in refund.details and refund.updated_at <= until:
                yield _Row(
                    id=refund.details["void"],
                    code=refund.details["void_code"],
                    at=refund.updated_at,
                    make=partial(objects.void_transaction, refund),
                )

    def _report(self, request: Request) -> Reply:
        start, end = (
            moment(request.query_value(name)) for name in ("startTime", "endTime")
        )
        if start is None or end is None:
            raise Refusal(reason="INVALID_REQUEST", field="startTime")
        limit, offset = (
            int(value) if (value := request.query_value(name)).isdigit() else default
            for name, default in (("limit", _MAX_PAGE), ("offset", 0))
        )
        batched = [
            refund
            for refund in self.books.refunds.values()
            if refund.status == "TRANSMITTED" or refund.details.get("came_back")
            if start <= refund.updated_at < end
        ]
        page = objects.report_page(batched, offset, min(limit, _MAX_PAGE))
        return json_reply(200, page)

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        del request
        match fault:
            case Fault.ERROR_BEFORE:
                return self._server_error(now)
            case Fault.UNAVAILABLE:
                return Reply(status=503, headers=(("Retry-After", "1"),))
            case Fault.RATE_LIMITED:
                headers = self.dice.rng.choice(((("Retry-After", "1"),), ()))
                return Reply(status=429, headers=headers)
            case Fault.TOKEN_EXPIRED:
                # The clocks do not agree any more.
                return unauthenticated()
            case _:
                return None

    def _server_error(self, now: float) -> Reply:
        status = self.dice.rng.choice((500, 502, 502, 504))
        if status != 502:  # noqa: PLR2004 - the one with Cybersource's own body
            page = b"<html><body>Gateway error</body></html>"
            headers = (("Content-Type", "text/html"),)
            return Reply(status=status, headers=headers, body=page)
        reason = self.dice.rng.choice(
            ("SYSTEM_ERROR", "SERVER_TIMEOUT", "SERVICE_TIMEOUT")
        )
        return Refusal(status=502, reason=reason, message="Error").reply(now)

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer an error although the refund was taken."""
        del request, reply
        return self._server_error(now)

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to an order."""
        found = json.loads(reply.body)
        match fault:
            case Fault.WRONG_AMOUNT if "refundAmountDetails" in found:
                details = found["refundAmountDetails"]
                written = details["refundAmount"]
                last = (int(written[-1]) + 1) % 10
                details["refundAmount"] = f"{written[:-1]}{last}"
            case Fault.UNKNOWN_STATUS:
                found["status"] = "IN_PROCESS"
            case Fault.SPARSE_ANSWER:
                found.pop("refundAmountDetails", None)
                found.pop("orderInformation", None)
            case _:
                pass
        return replace(reply, body=json_bytes(found))
