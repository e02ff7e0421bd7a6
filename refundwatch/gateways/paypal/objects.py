"""What PayPal's objects say: refunds, captures, orders.

Invariant: an object without its id is no object, and the capture of a refund is read
from the link that leads up to it, because no field holds it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard
from refundwatch.gateways.paypal import facts
from refundwatch.gateways.paypal.money import stated_amount

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Heard
    from refundwatch.gateways.reading import Json, JsonObject

_MAX_LINK: Final = 2048
_CAPTURE_LINK: Final = re.compile(r"/v[12]/payments/captures?/([A-Za-z0-9_-]{1,255})\Z")
_ORDER_LINK: Final = re.compile(r"/v2/checkout/orders/([A-Za-z0-9_-]{1,255})\Z")

# --- refunds ----------------------------------------------------------------------


def read_refund_object(refund: Json, source: str, ours: str | None) -> Heard:
    """Read a refund object; `ours` is our reference where it is known.

    Raises:
        MalformedResponse: it has no id.
    """
    word, raw_status = _status(refund)
    evidence = Evidence(
        source=source,
        raw_status=raw_status,
        gateway_reference=reading.required_text(refund, "id"),
        merchant_reference=_our_reference(refund, ours),
        payment_reference=capture_of(refund),
        failure_code=raw_status if word is Word.FAILED else None,
    )
    return heard(word, evidence, stated_amount(reading.at(refund, "amount")))


def _status(refund: Json) -> tuple[Word, str]:
    raw = reading.at(refund, "status")
    if not isinstance(raw, str):
        return Word.UNSEEN, reading.shown(raw)
    word = facts.WORDS.get(raw, Word.UNSEEN)
    why = reading.text(refund, "status_details", "reason")
    return word, f"{raw}:{why}" if why in facts.WAITS else reading.shown(raw)


def carries(refund: Json, ours: str) -> bool:
    """Tell whether one of the two fields we write holds our reference."""
    return ours in _references(refund)


def _our_reference(refund: Json, ours: str | None) -> str | None:
    """Give our reference if either field holds it, else what a field holds.

    We write both, but PayPal may fill one from the capture where it ignores ours.
    """
    references = _references(refund)
    if ours in references:
        return ours
    return references[0] if references else None


def _references(refund: Json) -> tuple[str, ...]:
    both = (reading.text(refund, "custom_id"), reading.text(refund, "invoice_id"))
    return tuple(one for one in both if one is not None)


# --- links ------------------------------------------------------------------------


def capture_of(refund: Json) -> str | None:
    """Give the capture that a refund belongs to, from its link `up`."""
    return _linked(refund, _CAPTURE_LINK)


def order_of(capture: Json) -> str | None:
    """Give the order that a capture belongs to."""
    named = reading.text(capture, "supplementary_data", "related_ids", "order_id")
    if named is not None and reading.is_plain_id(named):
        return named
    return _linked(capture, _ORDER_LINK)


def _linked(source: Json, form: re.Pattern[str]) -> str | None:
    for link in reading.items(source, "links") or []:
        if reading.text(link, "rel") == "up":
            found = form.search(reading.text(link, "href", limit=_MAX_LINK) or "")
            if found is not None:
                return found[1]
    return None


# --- captures and orders ----------------------------------------------------------


def read_capture(body: bytes, reference: str) -> JsonObject:
    """Read the capture that was asked for.

    Raises:
        MalformedResponse: it is no object, or another one.
    """
    return _asked_for(body, reference, "another_capture")


def refunds_of_order(body: bytes, order_id: str) -> list[Json]:
    """Read every refund that an order lists.

    Raises:
        MalformedResponse: it is no order, another one, or its lists are no lists.
    """
    order = _asked_for(body, order_id, "another_order")
    units = reading.items(order, "purchase_units")
    if not units:
        raise MalformedResponse("no_order_object")
    found: list[Json] = []
    for unit in units:
        if not isinstance(unit, dict):
            raise MalformedResponse("no_order_object")
        found += _listed(unit)
    return found


def _listed(unit: JsonObject) -> list[Json]:
    """A unit that was never paid has no payments, and one not refunded no refunds."""
    payments = unit.get("payments", {})
    if not isinstance(payments, dict):
        raise MalformedResponse("no_order_object")
    refunds = payments.get("refunds", [])
    if not isinstance(refunds, list):
        raise MalformedResponse("no_order_object")
    return refunds


def _asked_for(body: bytes, reference: str, otherwise: str) -> JsonObject:
    found = reading.parse_object(body)
    if reading.required_text(found, "id") != reference:
        raise MalformedResponse(otherwise)
    return found
