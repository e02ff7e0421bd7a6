"""Authorize.Net, one account: one address, operations by name, duplicates by content.

Invariant: there are no keys. Within the window that a request asks for, a second equal
transaction is refused with code 11; after it, the same request is executed again.
Source: gateways/authorizenet.md sections 1, 2, 4 and 5 (read 2026-11).
"""

import hashlib
import json
from dataclasses import replace

from refundwatch.sandbox.answers import basic_credentials, json_bytes, json_reply
from refundwatch.sandbox.authorizenet import lists
from refundwatch.sandbox.authorizenet.life import (
    PENDING,
    REVIEWED,
    AuthorizenetLife,
)
from refundwatch.sandbox.authorizenet.objects import last_four
from refundwatch.sandbox.authorizenet.orders import (
    CREATE,
    VOID,
    Call,
    Order,
    read_call,
    read_order,
)
from refundwatch.sandbox.authorizenet.refusals import BOM, Refusal, good
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.money import AUTHORIZENET, AmountRefusedError, decimal_minor

_PATH = "/xml/v1/request.api"
_NOTICES = "/rest/v1/notifications"
_REFUSALS = (("128", "3"), ("155", "3"), ("2", "2"))
_SETTLED = "settledSuccessfully"
_VOIDABLE = ("capturedPendingSettlement", "authorizedPendingCapture")


class AuthorizenetModel(AuthorizenetLife):
    """Serve one Authorize.Net account."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does: its first member names the operation."""
        creates = f'"{CREATE}"'.encode() in request.body[:64]
        return Kind.MONEY if request.method == "POST" and creates else Kind.READ

    def key_of(self, request: Request) -> str:
        """Return nothing: there are no keys."""
        del request
        return ""

    def fingerprint(self, request: Request) -> str:
        """Digest the body."""
        return hashlib.sha256(request.body).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call; a call under way shows in nothing."""
        del busy_until
        if request.path.startswith(_NOTICES):
            return self._notices(request)
        if request.path != _PATH or request.method != "POST":
            return Reply(status=404, body=b"The resource cannot be found.")
        try:
            return self._served(read_call(request), now)
        except Refusal as refusal:
            return refusal.reply()

    def _served(self, call: Call, now: float) -> Reply:
        login, key = self.settings.api_login_id, self.settings.transaction_key
        if (call.login, call.key) != (login, key):
            raise Refusal(code="E00007", ref_id=call.ref_id)
        if call.name == CREATE:
            return self._transaction(call, now)
        if call.name == "authenticateTestRequest":
            return good({}, call.ref_id)
        if not self.settings.reporting:
            raise Refusal(code="E00011")
        match call.name:
            case "getTransactionDetailsRequest":
                return self._details(call, now)
            case "getUnsettledTransactionListRequest":
                return lists.unsettled(self, call.content, now)
            case "getSettledBatchListRequest":
                return lists.settled_batches(self, call.content, now)
            case _:
                return lists.of_batch(self, call.content, now)

    def _details(self, call: Call, now: float) -> Reply:
        transaction_id = str(call.content.get("transId", ""))
        found = lists.details(self, transaction_id, now)
        if found is None:
            raise Refusal(code="E00040")
        refund = self.books.refunds.get(transaction_id)
        ref_id = refund.details.get("ref_id", "") if refund is not None else ""
        known = {"transrefId": ref_id} if ref_id else {}
        return good({"transaction": found, **known})

    # Transactions.

    def _transaction(self, call: Call, now: float) -> Reply:
        order = read_order(call)
        if order.kind == VOID:
            return self._void(call, order, now)
        payment = self.books.payments.get(order.sale_id)
        if payment is None:
            raise self._refused("16", call, order)
        self._check_twin(call, order, now)
        asked = self._asked(call, order, payment, now)
        if self.dice.rolls(Fault.REFUSAL):
            reason, response = self.dice.rng.choice(_REFUSALS)
            raise self._refused(reason, call, order, response)
        refund = self.open_refund(
            payment, asked, now, invoice=order.invoice_number, ref_id=call.ref_id
        )
        self.keys.put(
            KeyRecord(
                key=_twin_key(call, order),
                fingerprint="",
                first_at=now,
                refund_id=refund.id,
            )
        )
        return self._approved(call, refund.id, order, held=refund.status == REVIEWED)

    def _refused(
        self, reason: str, call: Call, order: Order, response_code: str = "3"
    ) -> Refusal:
        return Refusal(
            reason=reason,
            response_code=response_code,
            sale_id=order.sale_id,
            account_number=f"XXXX{order.digits}",
            ref_id=call.ref_id,
        )

    def _check_twin(self, call: Call, order: Order, now: float) -> None:
        record = self.keys.find(_twin_key(call, order), now)
        if record is None or now - record.first_at >= order.window_seconds:
            return
        refusal = self._refused("11", call, order)
        # Told only where the window was asked for, and not always even then.
        if order.window_stated and self.dice.rng.random() < 0.5:  # noqa: PLR2004 - half
            refusal.twin = record.refund_id
        raise refusal

    def _asked(self, call: Call, order: Order, payment: Payment, now: float) -> int:
        if not order.digits:
            raise self._refused("33", call, order)
        if order.digits != last_four(payment):
            raise self._refused("6", call, order)
        try:
            asked = decimal_minor(order.amount, self.settings.currency, AUTHORIZENET)
        except AmountRefusedError:
            raise self._refused("5", call, order) from None
        if asked <= 0:
            raise self._refused("5", call, order)
        left = self.books.remaining_minor(payment)
        if not self._may_be_refunded(order, payment, now) or left <= 0:
            raise self._refused("54", call, order)
        if asked > left:
            raise self._refused("55", call, order)
        return asked

    def _may_be_refunded(self, order: Order, payment: Payment, now: float) -> bool:
        """Tell what one code refuses: unsettled, too old, or in another currency."""
        return (
            self.sale_status(payment, now) == _SETTLED
            and order.currency in ("", self.settings.currency)
            and payment.currency == self.settings.currency
            and now - payment.created_at <= self.settings.refund_limit_seconds
        )

    def _void(self, call: Call, order: Order, now: float) -> Reply:
        payment = self.books.payments.get(order.sale_id)
        if payment is not None:
            return self._void_of_sale(call, order, payment, now)
        refund = self.books.refunds.get(order.sale_id)
        if refund is None or refund.status not in (PENDING, REVIEWED, "voided"):
            raise self._refused("16", call, order)
        again = refund.status == "voided"
        if not again:
            self.void_refund(refund, now)
        return self._approved(call, refund.id, order, code="310" if again else "1")

    def _void_of_sale(
        self, call: Call, order: Order, payment: Payment, now: float
    ) -> Reply:
        status = self.sale_status(payment, now)
        if status == "voided":
            return self._approved(call, payment.reference, order, code="310")
        if status not in _VOIDABLE:
            raise self._refused("16", call, order)
        if self.dice.rolls(Fault.REFUSAL):
            raise self._refused("128", call, order)
        self.void_sale(payment, now, call.ref_id, "api")
        return self._approved(call, payment.reference, order)

    def _approved(
        self,
        call: Call,
        transaction_id: str,
        order: Order,
        *,
        code: str = "1",
        held: bool = False,
    ) -> Reply:
        text = "This transaction has been approved."
        shown = "252" if held else code
        transaction = {
            "responseCode": "4" if held else "1",
            "authCode": "",
            "avsResultCode": "P",
            "transId": transaction_id,
            "refTransID": order.sale_id,
            "testRequest": "0",
            "accountNumber": f"XXXX{order.digits}" if order.digits else "",
            "accountType": "Visa",
            "messages": [{"code": shown, "description": text}],
        }
        return good({"transactionResponse": transaction}, call.ref_id)

    # The history of notifications, to fill gaps from.

    def _notices(self, request: Request) -> Reply:
        login, key = self.settings.api_login_id, self.settings.transaction_key
        if basic_credentials(request.header("authorization")) != (login, key):
            return json_reply(401, {"status": 401, "reason": "MISSING_OR_INVALID"})
        wanted = request.path.removeprefix(_NOTICES).strip("/")
        if not wanted:
            start = int(request.query_value("offset") or "0")
            size = int(request.query_value("limit") or "100")
            listed = [json.loads(event.body) for event in self.events.values()]
            return json_reply(200, {"notifications": listed[start : start + size]})
        event = self.events.get(wanted)
        if event is None:
            return json_reply(404, {"status": 404, "reason": "NOT_FOUND"})
        done = event.id in self.outbox.delivered_ids
        status = "Delivered" if done else "RetryPending"
        return json_reply(200, {**json.loads(event.body), "deliveryStatus": status})

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        del request, now
        match fault:
            case Fault.ERROR_BEFORE:
                return self._server_error()
            case Fault.RATE_LIMITED:
                return Refusal(code="E00053").reply()
            case Fault.UNAVAILABLE:
                return Refusal(code="E00104").reply()
            case _:
                return None

    def _server_error(self) -> Reply:
        status = self.dice.rng.choice((200, 502, 503))
        if status == 200:  # noqa: PLR2004 - errors come as good answers, too
            return Refusal(code="E00001").reply()
        page = b"<html><body>The service is unavailable.</body></html>"
        return Reply(status=status, headers=(("Content-Type", "text/html"),), body=page)

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer an error although the transaction was made."""
        del request, reply, now
        return self._server_error()

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to a transaction; it states no amount to be wrong."""
        found = json.loads(reply.body.removeprefix(BOM))
        transaction = found.get("transactionResponse", {})
        match fault:
            case Fault.WRONG_AMOUNT if transaction.get("refTransID"):
                transaction["refTransID"] = self.new_id()
            case Fault.UNKNOWN_STATUS:
                transaction["responseCode"] = "9"
            case Fault.SPARSE_ANSWER:
                transaction["refTransID"] = ""
                transaction.pop("messages", None)
                found.pop("refId", None)
            case _:
                pass
        return replace(reply, body=BOM + json_bytes(found))


def _twin_key(call: Call, order: Order) -> str:
    """Digest what makes two transactions equal; the sale is no part of it."""
    parts = (
        call.login,
        order.digits,
        order.kind,
        order.amount.rstrip("0").rstrip(".") if "." in order.amount else order.amount,
        order.invoice_number,
    )
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
