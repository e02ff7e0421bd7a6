"""What Worldpay says in tests: documents written as its recorded ones are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from refundwatch.gateways.contract import (
    AccountView,
    HttpResponse,
    RawDelivery,
    RefundInstruction,
)
from refundwatch.gateways.worldpay.adapter import Worldpay
from tests.unit.gateways.driving import VECTORS, drive

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, Outcome

GATEWAY = Worldpay()
MERCHANT = "RWTESTGBP"
ORDER = "rw-order-10042"
SECRET = "wp-hidden-0001"
WORLDPAY = AccountView(
    "worldpay-uk",
    "sandbox",
    "https://secure-test.worldpay.com",
    {"merchant_code": MERCHANT},
)
REFUND = RefundInstruction(
    account=WORLDPAY,
    payment_reference=ORDER,
    merchant_reference="rw-000123-1",
    idempotency_key="a" * 32,
    amount_minor=595,
    currency="GBP",
    reason_code="goods_returned",
)
DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE paymentService PUBLIC'
    ' "-//WorldPay//DTD WorldPay PaymentService v1//EN"'
    ' "http://dtd.worldpay.com/paymentService_v1.dtd">\n'
)
SENT = (VECTORS / "worldpay_sent_for_refund.xml").read_bytes()
FAILED = (VECTORS / "worldpay_refund_failed.xml").read_bytes()


def with_settings(**settings: str) -> AccountView:
    return replace(WORLDPAY, settings={**WORLDPAY.settings, **settings})


def document(content: str, merchant: str = MERCHANT) -> bytes:
    root = f'<paymentService version="1.4" merchantCode="{merchant}">'
    return f"{DOCTYPE}{root}{content}</paymentService>".encode()


def replied(content: str, merchant: str = MERCHANT) -> HttpResponse:
    return HttpResponse(200, {}, document(f"<reply>{content}</reply>", merchant))


def amount(
    value: object = 595,
    currency: str = "GBP",
    exponent: object = 2,
    way: str = "credit",
) -> str:
    return (
        f'<amount value="{value}" currencyCode="{currency}" exponent="{exponent}"'
        f' debitCreditIndicator="{way}"/>'
    )


def error(code: str | None, text: str = "x", *, inside: bool = False) -> HttpResponse:
    named = "" if code is None else f' code="{code}"'
    stated = f"<error{named}><![CDATA[  {text}  ]]></error>"
    if inside:
        stated = f'<orderStatus orderCode="{ORDER}">{stated}</orderStatus>'
    return replied(stated)


def order(
    event: str | None = "CAPTURED",
    *,
    total: str | None = None,
    references: str = "",
    journals: str = "",
    code: str = ORDER,
) -> HttpResponse:
    """Answer an order inquiry."""
    last = "" if event is None else f"<lastEvent>{event}</lastEvent>"
    return replied(
        f"<orderStatus orderCode={quoteattr(code)}><payment>"
        f"<paymentMethod>VISA-SSL</paymentMethod>{total or amount(12000)}{last}"
        f"{references}<cardNumber>4444********1111</cardNumber></payment>{journals}"
        '<date dayOfMonth="02" month="03" year="2026" hour="10" minute="21"'
        ' second="04"/></orderStatus>'
    )


def shown(reference: str = "rw-000123-1") -> str:
    return f"<refundReference>{reference}</refundReference>"


def received(
    stated: str | None = None, *, tag: str = "refundReceived", code: str = ORDER
) -> HttpResponse:
    inside = amount() if stated is None else stated
    return replied(f'<ok><{tag} orderCode="{code}">{inside}</{tag}></ok>')


def left(value: int, currency: str = "GBP") -> HttpResponse:
    return replied(
        f'<refundableAmount orderCode="{ORDER}">{amount(value, currency)}'
        "</refundableAmount>"
    )


def order_request(before: HttpResponse, **changes: Any) -> HttpRequest:
    """Give what is ordered after an inquiry was answered so."""
    operation = GATEWAY.refund(replace(REFUND, **changes))
    look = next(operation)
    assert not look.moves_money
    request = operation.send(before)
    operation.close()
    assert request.moves_money
    return request


def outcome(response: HttpResponse, before: HttpResponse | None = None) -> Outcome:
    """Give the outcome of an order that is answered so."""
    driven = drive(GATEWAY.refund(REFUND), before or order(), response)
    assert [one.moves_money for one in driven.requests] == [False, True]
    return driven.result  # type: ignore[no-any-return]


def notification(
    event: str = "REFUNDED",
    *,
    references: str = '<journalReference type="refund" reference="rw-000123-1"/>',
    bookings: str | None = None,
    code: str = ORDER,
    total: str | None = None,
    payment: str = "",
) -> str:
    booked = bookings
    if booked is None:
        booked = (
            '<accountTx accountType="IN_PROCESS_CAPTURED" batchId="31">'
            f"{amount(way='debit')}</accountTx>"
        )
    return (
        f"<orderStatusEvent orderCode={quoteattr(code)}><payment>"
        f"<paymentMethod>VISA-SSL</paymentMethod>{total or amount(12000)}"
        f"<lastEvent>{event}</lastEvent>{payment}</payment>"
        f'<journal journalType="{event}"><bookingDate><date dayOfMonth="02" month="03"'
        f' year="2026"/></bookingDate>{booked}{references}</journal>'
        "</orderStatusEvent>"
    )


def delivery(
    content: str | bytes, key: str | None = SECRET, merchant: str = MERCHANT
) -> RawDelivery:
    body = (
        content
        if isinstance(content, bytes)
        else document(f"<notify>{content}</notify>", merchant)
    )
    return RawDelivery({}, body, {} if key is None else {"key": key})


ANSWERS = (
    order(),
    order("AUTHORISED", total=amount(595)),
    order("SENT_FOR_REFUND", references=shown()),
    received(),
    received("", tag="cancelReceived"),
    left(11405),
    error("5", "Could not find payment for order"),
    error(None, "Refund amount too high", inside=True),
)
"""One of each kind, for whoever needs good bytes to start from."""
