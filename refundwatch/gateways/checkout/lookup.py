"""Finding a refund in its payment's actions, by our reference or by the action's id.

Invariant: a refund is absent only where the whole list was read without it and the
payment's balances say that nothing is missing from the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.checkout import actions, answers, building, facts
from refundwatch.gateways.checkout.payment import read_payment_object
from refundwatch.gateways.contract import Absent, Found, LookupFailed

if TYPE_CHECKING:
    from refundwatch.gateways.checkout.payment import Payment
    from refundwatch.gateways.contract import (
        HttpResponse,
        LookupResult,
        Operation,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import JsonObject

_LOOK_UP: Final = "look_up"


def look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Read the payment's actions and keep the refunds with our reference."""
    payment_id = instruction.payment_reference
    response = yield building.actions_request(_LOOK_UP, payment_id)
    if response.status != answers.OK:
        return _failed(response)
    try:
        listed = actions.listed(response.body)
        matches = tuple(
            actions.read_action(one, "lookup", instruction)
            for one in listed
            if actions.carries(one, instruction.merchant_reference)
        )
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if matches:
        return Found(matches)
    response = yield building.payment_request(_LOOK_UP, payment_id)
    if response.status != answers.OK:
        return _failed(response)
    return _absent(response, payment_id, listed)


def _absent(
    response: HttpResponse, payment_id: str, listed: list[JsonObject]
) -> LookupResult:
    try:
        payment = read_payment_object(response.body, payment_id)
        whole = _is_whole(payment, listed)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    return Absent() if whole else LookupFailed("refunds_not_listed")


def _is_whole(payment: Payment, listed: list[JsonObject]) -> bool:
    """Tell whether the list explains all that the payment says was given back.

    Of a captured payment the rest is voided without our doing.
    """
    balances = payment.balances
    if balances is None:
        return True
    back = actions.given_back(listed, facts.REFUND, facts.RETURN)
    if balances.refunded > back:
        return False
    voided = actions.given_back(listed, facts.VOID)
    return bool(balances.captured) or balances.voided <= voided


def read_refund(
    instruction: RefundInstruction, action_id: str
) -> Operation[LookupResult]:
    """Read the payment's actions and keep the one with this id."""
    request = building.actions_request("read_refund", instruction.payment_reference)
    response = yield request
    if response.status != answers.OK:
        return _failed(response)
    try:
        found = [one for one in actions.listed(response.body) if one["id"] == action_id]
        matches = tuple(actions.read_action(one, "poll", instruction) for one in found)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    # What was accepted may be listed later; that it is not says nothing.
    return Found(matches) if matches else LookupFailed("not_listed_yet")


def _failed(response: HttpResponse) -> LookupFailed:
    return reading.lookup_failed(response, answers.reason(response))
