"""Worldpay, one merchant code: one URL, every answer with status 200.

Invariant: nothing protects a refund from being ordered twice but the amount that is
left; each document that is understood is carried out.
Source: gateways/worldpay.md sections 1, 2, 4 and 5 (read 2026-11).
"""

import hashlib
import re

from refundwatch.sandbox.answers import basic_credentials
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.money import AmountForm, AmountRefusedError
from refundwatch.sandbox.worldpay.documents import Order, read_order
from refundwatch.sandbox.worldpay.life import WorldpayLife
from refundwatch.sandbox.worldpay.refusals import Refusal, page
from refundwatch.sandbox.worldpay.writing import (
    amount,
    date,
    document,
    element,
    text_of,
    xml_reply,
)

PATH = "/jsp/merchant/xml/paymentService.jsp"
UNKNOWN_ORDER = "Could not find payment for order"
TOO_HIGH = "Refund amount too high"
REFUSALS = (
    ("5", "Invalid refund amount"),
    ("5", "Refund not supported for this payment method"),
    ("7", "Invalid payment details"),
    # An error without a code, as some releases send it.
    ("", TOO_HIGH),
)
_VALUE = re.compile(rb'(<refundReceived[^>]*><amount value=")(\d+)')


class WorldpayModel(WorldpayLife):
    """Serve one merchant code."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        return Kind.MONEY if b"<modify>" in request.body else Kind.READ

    def key_of(self, request: Request) -> str:
        """Return nothing: without its extra service Worldpay knows no keys."""
        del request
        return ""

    def fingerprint(self, request: Request) -> str:
        """Digest the document."""
        return hashlib.sha256(request.body).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one document."""
        del busy_until
        if request.method != "POST" or request.path != PATH:
            return page(404)
        pair = (self.settings.username, self.settings.password)
        if basic_credentials(request.header("authorization")) != pair:
            return page(401, (("WWW-Authenticate", 'Basic realm="Worldpay"'),))
        try:
            return self._carried_out(read_order(request.body), now)
        except Refusal as refusal:
            return refusal.reply(self.settings.merchant_code)

    def _carried_out(self, order: Order, now: float) -> Reply:
        if order.merchant != self.settings.merchant_code:
            raise Refusal("4", "Security violation")
        payment = self.books.payment(order.order_code)
        if payment is None:
            raise Refusal("5", UNKNOWN_ORDER)
        match order.what:
            case "orderInquiry":
                return self._answer(self._status(payment, now))
            case "refundableAmountInquiry":
                return self._answer(self._refundable(payment, now))
            case "refund":
                return self._refund(order, payment, now)
            case "cancelOrRefund" if payment.captured:
                left = self.books.remaining_minor(payment)
                return self._taken(order, payment, left, now)
            case _:
                return self._cancel(order, payment, now)

    def _answer(self, content: str) -> Reply:
        code = self.settings.merchant_code
        return xml_reply(document(code, element("reply", {}, content)))

    # Inquiries.

    def _status(self, payment: Payment, now: float) -> str:
        latest = self.latest(payment, now)
        seen = element(
            "payment",
            {},
            text_of("paymentMethod", "VISA-SSL"),
            amount(payment.amount_minor, payment.currency),
            text_of("lastEvent", latest.event),
            text_of("refundReference", latest.reference) if latest.reference else "",
            element(
                "balance",
                {"accountType": "IN_PROCESS_CAPTURED"},
                # Some accounts write it as credit even after a refund.
                amount(self._balance(payment), payment.currency),
            ),
            text_of("cardNumber", "4444********1111"),
        )
        named = {"orderCode": payment.reference}
        return element("orderStatus", named, seen, date(latest.at, clock=True))

    def _balance(self, payment: Payment) -> int:
        return self.books.refunded_minor(payment) or payment.amount_minor

    def _refundable(self, payment: Payment, now: float) -> str:
        if self.settings.refundable_inquiry != "yes":
            raise Refusal("5", "Inquiry not enabled for this merchant")
        refunded = self.books.refunded_minor(payment, seen_at=now)
        left = payment.amount_minor - refunded if payment.captured else 0
        named = {"orderCode": payment.reference}
        return element("refundableAmount", named, amount(left, payment.currency))

    # Modifications.

    def _refund(self, order: Order, payment: Payment, now: float) -> Reply:
        if not payment.captured or payment.dispute:
            raise self._refusal("Payment is not refundable", payment)
        settled_at = payment.created_at + self.settings.capture_settle_seconds
        if now < settled_at:
            raise self._refusal("Capture has not been settled yet", payment)
        if order.currency != payment.currency:
            raise self._refusal("Invalid refund currency", payment)
        # The exponent counts as it is written: a wrong one asks for another amount.
        form = AmountForm({order.currency: order.exponent}, {})
        try:
            wanted = form.from_gateway(order.value, order.currency)
        except AmountRefusedError as refused:
            raise self._refusal("Invalid refund amount", payment) from refused
        return self._taken(order, payment, wanted, now)

    def _taken(self, order: Order, payment: Payment, wanted: int, now: float) -> Reply:
        if not 0 < wanted <= self.books.remaining_minor(payment):
            raise self._refusal(TOO_HIGH, payment)
        if self.dice.rolls(Fault.REFUSAL):
            code, text = self.dice.rng.choice(REFUSALS)
            raise Refusal(code, text, payment.reference)
        self.open_refund(payment, wanted, now, reference=order.reference)
        stated = amount(wanted, payment.currency)
        return self._received("refundReceived", payment, stated)

    def _cancel(self, order: Order, payment: Payment, now: float) -> Reply:
        if payment.captured or self.books.refunds_of(payment.reference):
            raise self._refusal("Payment cannot be cancelled", payment)
        self.open_void(payment, now, order.reference)
        return self._received("cancelReceived", payment)

    def _received(self, tag: str, payment: Payment, *inside: str) -> Reply:
        receipt = element(tag, {"orderCode": payment.reference}, *inside)
        return self._answer(element("ok", {}, receipt))

    def _refusal(self, text: str, payment: Payment) -> Refusal:
        return Refusal("5", text, payment.reference)

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        del request, now
        merchant = self.settings.merchant_code
        match fault:
            case Fault.ERROR_BEFORE:
                return page(self.dice.rng.choice((502, 503, 504)))
            case Fault.UNAVAILABLE:
                gone = Refusal("8", "Service temporarily not available")
                edge = page(503, (("Retry-After", "1"),))
                return self.dice.rng.choice((gone.reply(merchant), edge))
            case Fault.RATE_LIMITED:
                return page(429)
            case _:
                return None

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer with an error that says nothing, although it was carried out."""
        del request, reply, now
        inside = Refusal("1", "Internal error, a report has been filed")
        return self.dice.rng.choice(
            (inside.reply(self.settings.merchant_code), page(500))
        )

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify a receipt."""
        body = reply.body
        match fault:
            case Fault.WRONG_AMOUNT:
                more = self.dice.rng.choice((1, 100, -1))
                body = _VALUE.sub(
                    lambda found: found[1] + str(int(found[2]) + more).encode(), body
                )
            case Fault.UNKNOWN_STATUS:
                body = body.replace(b"refundReceived", b"refundDeferred")
            case Fault.SPARSE_ANSWER:
                return self._sparse(reply)
            case _:
                pass
        return Reply(status=reply.status, headers=reply.headers, body=body)

    def _sparse(self, reply: Reply) -> Reply:
        """Answer with the order's state in place of a receipt, as some accounts do."""
        found = re.search(rb'<refundReceived orderCode="([^"]*)"', reply.body)
        payment = self.books.payment(found[1].decode()) if found else None
        if payment is None:
            return reply
        seen = element(
            "payment",
            {},
            text_of("paymentMethod", "VISA-SSL"),
            amount(payment.amount_minor, payment.currency),
            text_of("lastEvent", "SENT_FOR_REFUND"),
        )
        named = {"orderCode": payment.reference}
        return self._answer(element("orderStatus", named, seen))
