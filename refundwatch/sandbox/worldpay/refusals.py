"""Worldpay's error answers: most of them with status 200.

Source: gateways/worldpay.md section 5 (read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.model import Reply
from refundwatch.sandbox.worldpay.writing import cdata, document, element, xml_reply


@dataclass(eq=False)
class Refusal(Exception):
    """Carry an error; with an order it stands inside its status.

    An empty code is left out, as some recorded answers do.
    """

    code: str
    text: str
    order_code: str = ""

    def reply(self, merchant: str) -> Reply:
        """Build the answer."""
        named = {"code": self.code} if self.code else {}
        error = element("error", named, cdata(self.text))
        if self.order_code:
            error = element("orderStatus", {"orderCode": self.order_code}, error)
        return xml_reply(document(merchant, element("reply", {}, error)))


def page(status: int, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Answer with a page of something before the gateway."""
    body = f"<html><body><h1>{status}</h1><p>Sorry</p></body></html>".encode()
    return Reply(
        status=status, headers=(("Content-Type", "text/html"), *headers), body=body
    )
