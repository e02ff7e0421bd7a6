"""Worldpay's XML gateway, as the shared suite sees it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from lxml import etree  # type: ignore[import-untyped]

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Credentials,
    Found,
    Heard,
    LookupFailed,
    NotProcessed,
    NotShown,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.contract.schemas import spec_path
from tests.unit.gateways.driving import NOW
from tests.unit.gateways.worldpay_talk import (
    FAILED,
    REFUND,
    SECRET,
    SENT,
    amount,
    delivery,
    error,
    left,
    notification,
    order,
    received,
    shown,
    with_settings,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpRequest,
        HttpResponse,
        RefundInstruction,
    )

TARGET = "/jsp/merchant/xml/paymentService.jsp"
EXPONENTS = {"JPY": 0, "HUF": 0, "IDR": 0, "KWD": 3}
PUBLIC = "-//WorldPay//DTD WorldPay PaymentService v1//EN"


@cache
def _dtd() -> Any:
    with spec_path("worldpay-paymentService-refunds.dtd").open("rb") as file:
        return etree.DTD(file)


def valid(request: HttpRequest) -> None:
    """Check a document against the official DTD, which it must name."""
    assert request.target == TARGET, request.target
    quiet = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    tree = etree.fromstring(request.body, quiet).getroottree()
    assert tree.docinfo.public_id == PUBLIC
    assert _dtd().validate(tree), _dtd().error_log.filter_from_errors()


def stated(request: HttpRequest) -> Any:
    (found,) = etree.fromstring(request.body).iter("amount")
    return found


def captured(instruction: RefundInstruction) -> tuple[HttpResponse, ...]:
    """Answer the inquiry before an order: it was captured in the order's currency."""
    currency = instruction.currency
    total = amount(10**9, currency, EXPONENTS.get(currency, 2))
    return (order(total=total),)


def echo(one: Amount) -> HttpResponse:
    digits = EXPONENTS.get(one.currency, 2)
    return received(amount(one.written, one.currency, digits))


CLASSES: dict[str, tuple[type, ...]] = {
    "1": (Unsure,),
    "4": (Unauthorized,),
    "8": (NotProcessed,),
    "9": (Unsure,),
    "14": (Unsure,),
    **{str(code): (RefusedByGateway,) for code in (2, 3, 5, 6, 7, 10, 11, 12, 13)},
}


def delivered(name: str, content: str | bytes, *words: str | None) -> Delivered:
    return Delivered(
        name=name,
        delivery=delivery(content),
        secrets=("another-secret", SECRET),
        at=NOW,
        signed=(),
        words=words,
    )


CASE = GatewayCase(
    name="worldpay",
    instruction=REFUND,
    credentials=Credentials(
        {"username": "xml-user-hidden-1", "password": "xml-pass-hidden-1"}
    ),
    valid=valid,
    amount_in=lambda request: str(stated(request).get("value")),
    currency_in=lambda request: str(stated(request).get("currencyCode")),
    echo=echo,
    amounts=(
        Amount(595, "GBP", "595"),
        Amount(1050, "EUR", "1050"),
        Amount(9899, "JPY", "9899"),
        Amount(5950, "KWD", "5950"),
        Amount(1234500, "HUF", "12345"),
        Amount(500000, "IDR", "5000"),
    ),
    impossible=((1050, "HUF"), (10000, "CLF"), (1, "ZZZ")),
    answers=(
        Answered(
            "received",
            "refund",
            (received(),),
            Heard,
            {"word": Word.PENDING, "evidence.amount_minor": 595},
        ),
        Answered(
            "order status instead of ok",
            "refund",
            (order("SENT_FOR_REFUND"),),
            Heard,
            {"word": Word.PENDING, "evidence.amount_minor": None},
        ),
        Answered(
            "shown",
            "look_up",
            (order("SENT_FOR_REFUND", references=shown()),),
            Found,
            {"matches.0.word": Word.PENDING},
        ),
        Answered(
            "another shown",
            "look_up",
            (order("REFUNDED", references=shown("rw-000777-1")),),
            NotShown,
        ),
        Answered("inquiry down", "look_up", (error("8"),), LookupFailed),
        Answered(
            "captured not told",
            "read_payment",
            (order(),),
            PaymentUnreadable,
            {"untold_in": "GBP", "missing": False},
        ),
        Answered(
            "refundable amount",
            "read_payment",
            (order("SENT_FOR_REFUND"), left(11405)),
            PaymentRead,
            {"captured_minor": 12000, "refunded_minor": 595},
            instruction=replace(
                REFUND, account=with_settings(refundable_amount_inquiry="yes")
            ),
        ),
        Answered(
            "order unknown",
            "read_payment",
            (error("5", "Could not find payment for order"),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered("probe", "probe", (error("5"),), ProbeResult, {"failure": None}),
        Answered(
            "probe of another merchant",
            "probe",
            (error("4", "Security violation"),),
            ProbeResult,
            {"unauthorized": True},
        ),
    ),
    codes=frozenset(map(str, range(1, 15))),
    errors=tuple(
        Coded(code, error(code, inside=inside), outcome)
        for code, (outcome,) in CLASSES.items()
        for inside in (False, True)
    ),
    deliveries=(
        delivered("W1", SENT, Word.PENDING),
        delivered("W2", FAILED, Word.FAILED),
        delivered("refunded", notification("REFUNDED"), Word.SUCCEEDED),
        delivered("charged back", notification("CHARGED_BACK"), None),
        delivered("unreadable", b"<html>", None),
    ),
    before_order=captured,
    gateway_reference="rw-000123-1",
)
