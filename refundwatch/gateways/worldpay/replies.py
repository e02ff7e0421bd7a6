"""The envelope of Worldpay's answers, and the errors in it.

Invariant: an error is Worldpay's own only inside its reply; a page of somebody between
is `MalformedResponse`, whatever its status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways.worldpay import facts
from refundwatch.gateways.xml import child, parse_xml, xml_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from refundwatch.gateways.contract import AccountView, HttpResponse

_CODE: Final = re.compile(r"[0-9]{1,2}")
_PLACES: Final = ((), ("orderStatus",), ("refundableAmount",))


@dataclass(frozen=True, slots=True)
class Refused:
    """An `error` in a reply; `code` is None where it states none."""

    code: str | None
    text: str

    @property
    def reason(self) -> str:
        """Name it for the records, without a text of Worldpay's."""
        return f"error_{self.code}" if self.code else "error_uncoded"


def read_reply(response: HttpResponse, account: AccountView) -> Element:
    """Give the `reply` of an answer.

    Raises:
        MalformedResponse: no reply of Worldpay's to this merchant. An error is read
            whatever merchant it names: that can be what is wrong.
    """
    if response.status != HTTPStatus.OK:
        raise MalformedResponse(f"http_{response.status}")
    root = parse_xml(response.body)
    reply = child(root, "reply")
    if root.tag != "paymentService" or reply is None:
        raise MalformedResponse("not_a_reply")
    theirs = root.get("merchantCode")
    strange = theirs is not None and theirs != account.settings.get(facts.MERCHANT_CODE)
    if strange and error_in(reply) is None:
        raise MalformedResponse("other_merchant")
    return reply


def error_in(reply: Element) -> Refused | None:
    """Give the error that a reply states, in whichever place."""
    for place in _PLACES:
        error = child(reply, *place, "error")
        if error is not None:
            code = error.get("code", "")
            text = xml_text(reply, *place, "error") or ""
            return Refused(code if _CODE.fullmatch(code) else None, text.casefold())
    return None
