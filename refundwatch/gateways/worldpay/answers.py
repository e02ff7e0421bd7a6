"""What Worldpay's answers to an order mean.

Invariant: a refund is never more than received here unless the answer states an event;
an error counts as a refusal only by a code that documents that nothing was executed.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    Outcome,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.worldpay import building, facts
from refundwatch.gateways.worldpay.money import stated_amount
from refundwatch.gateways.worldpay.replies import Refused, error_in, read_reply
from refundwatch.gateways.xml import child, xml_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from refundwatch.gateways.contract import HttpResponse, RefundInstruction

_DOUBTFUL: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})
_RECEIPTS: Final = {
    building.REFUND: frozenset({"refundReceived"}),
    building.VOID: frozenset({"cancelReceived", "voidReceived"}),
}
_ACCEPTANCES: Final = {
    building.REFUND: frozenset(
        {facts.SENT_FOR_REFUND, "REFUNDED", "REFUNDED_BY_MERCHANT"}
    ),
    building.VOID: frozenset({facts.CANCELLED}),
}


def order_outcome(
    response: HttpResponse, ordered: RefundInstruction, operation: str
) -> Outcome:
    """Give the meaning of the answer to a refund or to a void."""
    if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return reading.common_outcome(response)
    if _was_turned_away(response.status):
        wait = reading.retry_after_seconds(response.headers)
        return NotProcessed(f"http_{response.status}", wait)
    try:
        reply = read_reply(response, ordered.account)
    except MalformedResponse as error:
        return reading.common_outcome(response, error.message)
    refused = error_in(reply)
    if refused is None:
        return _accepted(reply, ordered, operation)
    if child(reply, "ok") is not None:
        return Unsure("error_beside_receipt")
    return error_outcome(refused)


def _was_turned_away(status: int) -> bool:
    """Tell whether a status says that the document was not even looked at."""
    client = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return client and status not in _DOUBTFUL


def error_outcome(error: Refused) -> Outcome:
    """Give the meaning of an error that answers an order."""
    match error.code:
        case None:
            return _uncoded(error)
        case facts.SECURITY:
            return Unauthorized(error.reason)
        case facts.UNAVAILABLE:
            # The next try asks for the order first, and sees what became of this one.
            return NotProcessed(error.reason, facts.NOTIFIED_SECONDS)
        case facts.IDEMPOTENCY if "not enabled" in error.text:
            return Unauthorized(error.reason)
        case code if code in facts.REFUSALS:
            return RefusedByGateway(error.reason)
        case _:
            return Unsure(error.reason)


def _uncoded(error: Refused) -> Outcome:
    for fragment, code in facts.REFUSAL_TEXTS:
        if fragment in error.text:
            return RefusedByGateway(code)
    return Unsure(error.reason)


# --- acceptance -------------------------------------------------------------------


def _accepted(reply: Element, ordered: RefundInstruction, operation: str) -> Outcome:
    receipts = child(reply, "ok")
    if receipts is not None and len(receipts) == 1:
        return _received(receipts[0], ordered, operation)
    status = child(reply, "orderStatus")
    event = xml_text(status, "payment", "lastEvent", limit=64) or ""
    if status is not None and event in _ACCEPTANCES.get(operation, ()):
        # Some accounts answer with the order's state. Its event may be an earlier
        # refund's and its amount the order's, so it says no more than "accepted".
        evidence = _evidence(event, ordered, status.get("orderCode"))
        return Heard(Word.PENDING, evidence)
    return Unsure("no_receipt")


def _received(receipt: Element, ordered: RefundInstruction, operation: str) -> Outcome:
    word = Word.UNSEEN
    if receipt.tag in _RECEIPTS.get(operation, ()):
        word = Word.PENDING
    evidence = _evidence(receipt.tag, ordered, receipt.get("orderCode"))
    return heard(word, evidence, stated_amount(child(receipt, "amount")))


def _evidence(
    status: str, ordered: RefundInstruction, order_code: str | None
) -> Evidence:
    """Name the refund by our reference: Worldpay knows it by that and the order."""
    return Evidence(
        source="answer",
        raw_status=reading.shown(status),
        gateway_reference=ordered.merchant_reference,
        payment_reference=order_code,
    )
