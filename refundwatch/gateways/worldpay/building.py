"""The documents that are sent to Worldpay.

Invariant: a refund always carries its amount with exponent and our reference; every
document validates against the DTD that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways import reading
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.worldpay import facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, RefundInstruction

TARGET: Final = "/jsp/merchant/xml/paymentService.jsp"
_TYPE: Final = ("Content-Type", "text/xml; charset=UTF-8")
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"'
    ' "http://dtd.worldpay.com/paymentService_v1.dtd">\n'
)
REFUND: Final = "refund"
VOID: Final = "void"


def order_inquiry(account: AccountView, order_code: str, operation: str) -> HttpRequest:
    """Ask for the latest event of an order."""
    inquiry = Element("inquiry")
    SubElement(inquiry, "orderInquiry", {"orderCode": order_code})
    return _request(account, inquiry, operation)


def refundable_inquiry(
    account: AccountView, order_code: str, operation: str
) -> HttpRequest:
    """Ask how much of an order can still be refunded."""
    inquiry = Element("inquiry")
    SubElement(inquiry, "refundableAmountInquiry", {"orderCode": order_code})
    return _request(account, inquiry, operation)


def refund_order(
    instruction: RefundInstruction, units: int, digits: int
) -> HttpRequest:
    """Order a refund of `units` of the exponent `digits`."""
    modify, modification = _modification(instruction)
    named = {"reference": instruction.merchant_reference}
    refund = SubElement(modification, "refund", named)
    amount = {
        "value": str(units),
        "currencyCode": instruction.currency,
        "exponent": str(digits),
        "debitCreditIndicator": "credit",
    }
    SubElement(refund, "amount", amount)
    return _request(instruction.account, modify, REFUND, moves_money=True)


def void_order(instruction: RefundInstruction) -> HttpRequest:
    """Cancel an order that is not captured; by nature it is whole, without amount."""
    modify, modification = _modification(instruction)
    named = {"reference": instruction.merchant_reference}
    SubElement(modification, "cancel", named)
    return _request(instruction.account, modify, VOID, moves_money=True)


def check_texts(instruction: RefundInstruction) -> None:
    """Refuse references that Worldpay cannot be told.

    Raises:
        NotExpressible: naming the field.
    """
    if not facts.ORDER_CODE.fullmatch(instruction.payment_reference):
        message = "An orderCode has 1 to 64 printable characters without blanks."
        raise NotExpressible(message, field="payment_reference")
    if not reading.is_plain_id(instruction.merchant_reference) or (
        len(instruction.merchant_reference) > facts.REFERENCE_LIMIT
    ):
        message = f"Our reference has 1 to {facts.REFERENCE_LIMIT} plain characters."
        raise NotExpressible(message, field="merchant_reference")


def merchant_code(account: AccountView) -> str:
    """Give the merchant code of an account.

    Raises:
        InvariantBroken: the account has none, or one that no document can hold.
    """
    code = account.settings.get(facts.MERCHANT_CODE, "")
    if not facts.MERCHANT.fullmatch(code):
        message = f"Account {account.name} has no setting {facts.MERCHANT_CODE}."
        raise InvariantBroken(message)
    return code


def _modification(instruction: RefundInstruction) -> tuple[Element, Element]:
    modify = Element("modify")
    named = {"orderCode": instruction.payment_reference}
    return modify, SubElement(modify, "orderModification", named)


def _request(
    account: AccountView, content: Element, operation: str, *, moves_money: bool = False
) -> HttpRequest:
    root = Element(
        "paymentService", {"version": "1.4", "merchantCode": merchant_code(account)}
    )
    root.append(content)
    return HttpRequest(
        operation=operation,
        method="POST",
        target=TARGET,
        headers=(_TYPE,),
        body=(_HEAD + tostring(root, encoding="unicode")).encode("utf-8"),
        moves_money=moves_money,
    )
