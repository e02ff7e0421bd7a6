"""Finding and reading a refund: the payment names its refunds, each is read by id.

Invariant: a refund is absent only where every refund that the payment names was read
and they add up to what the payment says was given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import Absent, Found, LookupFailed
from refundwatch.gateways.square import answers, building, facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        Heard,
        HttpResponse,
        LookupResult,
        Operation,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json

_LOOK_UP = "look_up"


def look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Read every refund of the payment and keep those with our reference."""
    payment_id = instruction.payment_reference
    response = yield building.payment_request(_LOOK_UP, instruction.account, payment_id)
    if response.status != answers.OK:
        return _failed(response)
    try:
        payment = answers.read_payment_object(response.body, payment_id)
        refunded_minor = answers.refunded_minor(payment)
        refund_ids = _refund_ids(payment)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    listed: list[Heard] = []
    for refund_id in refund_ids:
        one = yield from _one(_LOOK_UP, instruction, refund_id, "lookup")
        if isinstance(one, LookupFailed):
            return one
        listed.append(one)
    return _among(listed, refunded_minor, instruction.merchant_reference)


def _among(listed: list[Heard], refunded_minor: int, ours: str) -> LookupResult:
    matches = tuple(one for one in listed if one.evidence.merchant_reference == ours)
    if matches:
        return Found(matches)
    known = sum(
        one.evidence.amount_minor or 0 for one in listed if one.word is not Word.FAILED
    )
    if known < refunded_minor:
        # More was given back than is listed: what is missing may be ours.
        return LookupFailed("refunds_not_listed")
    return Absent()


def _refund_ids(payment: Json) -> tuple[str, ...]:
    """Give the refunds that a payment names; before the first there is no such field.

    Raises:
        MalformedResponse: it is no list of ids, or one longer than any payment's.
    """
    if reading.at(payment, "refund_ids") is None:
        return ()
    named = reading.items(payment, "refund_ids")
    if named is None:
        raise MalformedResponse("refund_ids")
    if len(named) > facts.MOST_REFUNDS:
        raise MalformedResponse("listing_too_long")
    ids = [one for one in named if isinstance(one, str) and reading.is_plain_id(one)]
    if len(ids) != len(named):
        raise MalformedResponse("refund_ids")
    return tuple(dict.fromkeys(ids))


def read_refund(
    instruction: RefundInstruction, refund_id: str
) -> Operation[LookupResult]:
    """Read one refund by Square's id."""
    one = yield from _one("read_refund", instruction, refund_id, "poll")
    return one if isinstance(one, LookupFailed) else Found((one,))


def _one(
    operation: str, instruction: RefundInstruction, refund_id: str, source: str
) -> Operation[Heard | LookupFailed]:
    account, ours = instruction.account, instruction.merchant_reference
    response = yield building.read_refund_request(operation, account, refund_id)
    if response.status != answers.OK:
        return _failed(response)
    try:
        body = reading.parse_object(response.body)
        said = answers.read_refund_object(reading.at(body, "refund"), source, ours)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if answers.error_codes(body) and said.word is not Word.FAILED:
        return LookupFailed(answers.reason(response))
    if said.evidence.gateway_reference != refund_id:
        return LookupFailed("another_refund")
    return said


def _failed(response: HttpResponse) -> LookupFailed:
    return reading.lookup_failed(response, answers.reason(response))
