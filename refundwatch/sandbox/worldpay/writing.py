"""Documents as Worldpay writes them.

Invariant: attribute values and texts are escaped; every document names the DTD.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from refundwatch.sandbox.model import Reply
from refundwatch.sandbox.money import WORLDPAY

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"'
    ' "http://dtd.worldpay.com/paymentService_v1.dtd">\n'
)


def element(tag: str, attributes: Mapping[str, str], *inside: str) -> str:
    """Write an element around what is already written."""
    named = "".join(f" {name}={quoteattr(text)}" for name, text in attributes.items())
    content = "".join(inside)
    return f"<{tag}{named}>{content}</{tag}>" if content else f"<{tag}{named}/>"


def text_of(tag: str, text: str) -> str:
    """Write an element with a text."""
    return element(tag, {}, escape(text))


def cdata(text: str) -> str:
    """Write a text as Worldpay writes its errors: blanks around it."""
    return f"<![CDATA[ {text} ]]>"


def document(merchant: str, content: str) -> bytes:
    """Write a whole document."""
    root = element(
        "paymentService", {"version": "1.4", "merchantCode": merchant}, content
    )
    return (_HEAD + root).encode()


def xml_reply(body: bytes) -> Reply:
    """Answer with a document."""
    return Reply(
        status=200, headers=(("Content-Type", "text/xml; charset=UTF-8"),), body=body
    )


def amount(amount_minor: int, currency: str, way: str = "credit") -> str:
    """Write ISO minor units with the exponent of Worldpay's list."""
    return element(
        "amount",
        {
            "value": str(WORLDPAY.to_gateway(amount_minor, currency)),
            "currencyCode": currency,
            "exponent": str(WORLDPAY.digits_of(currency)),
            "debitCreditIndicator": way,
        },
    )


def date(at: float, *, clock: bool) -> str:
    """Write a moment; bookings have only a day."""
    then = datetime.fromtimestamp(int(at), UTC)
    told = {
        "dayOfMonth": f"{then:%d}",
        "month": f"{then:%m}",
        "year": f"{then:%Y}",
    }
    if clock:
        told |= {"hour": f"{then:%H}", "minute": f"{then:%M}", "second": f"{then:%S}"}
    return element("date", told)
