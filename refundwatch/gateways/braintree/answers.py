"""What Braintree's answers to an order mean.

Invariant: an order counts as executed only by an object with a legacy id, a refusal
only by a documented class and code; of several errors the most doubtful one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.braintree import building, facts, objects, replies
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    Outcome,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)

if TYPE_CHECKING:
    from refundwatch.gateways.braintree.replies import Failed, Fault
    from refundwatch.gateways.contract import HttpResponse, RefundInstruction
    from refundwatch.gateways.reading import Json


def order_outcome(
    response: HttpResponse, instruction: RefundInstruction, operation: str
) -> Outcome:
    """Give the meaning of the answer to a refund, a void or a cancellation."""
    try:
        found = _executed(response, instruction, operation)
    except MalformedResponse as error:
        return Unsure(error.message)
    if found is not None:
        return found
    data = replies.data_of(response)
    if isinstance(data, replies.Failed):
        return failed_outcome(data)
    return Unsure("nothing_in_data")


def _executed(
    response: HttpResponse, instruction: RefundInstruction, operation: str
) -> Heard | None:
    """Read what was executed, also beside errors: an object there is a fact."""
    data = replies.data_beside_errors(response)
    match operation:
        case building.VOID:
            payload = reading.member(data, "reverseTransaction")
            made = reading.member(payload, "reversal")
        case building.CANCEL:
            payload = reading.member(data, "reverseRefund")
            made = reading.member(payload, "refund")
        case _:
            payload = reading.member(data, "refundTransaction")
            made = reading.member(payload, "refund")
    if made is None:
        return None
    if reading.at(made, "__typename") == "Transaction":
        echo = reading.text(payload, "clientMutationId")
        return objects.read_void(made, "answer", instruction, merchant_reference=echo)
    return objects.read_refund(made, "answer", instruction)


def failed_outcome(failed: Failed) -> Outcome:
    """Give the meaning of an answer that holds no object."""
    outcomes = [_meaning(fault, failed.wait) for fault in failed.faults]
    if not outcomes:
        return Unsure(failed.reason, failed.wait)
    return max(outcomes, key=_doubt)


def _meaning(fault: Fault, wait: int | None) -> Outcome:
    if fault.kind in facts.DENIED:
        return Unauthorized(fault.reason)
    if fault.kind == facts.RESOURCE_LIMIT:
        return NotProcessed(fault.reason, wait)
    if fault.kind in facts.REFUSING_CLASSES:
        return RefusedByGateway(fault.reason)
    if fault.kind != facts.VALIDATION:
        return Unsure(fault.reason, wait)
    if fault.code == facts.KEYS_NOT_ALLOWED:
        # Every order of this account would be refused until people settle it.
        return Unauthorized(fault.reason)
    if fault.code in facts.REFUSALS:
        return RefusedByGateway(fault.code, may_be_echo=fault.code in facts.ECHOES)
    return Unsure(fault.reason, wait, replayed=fault.code == facts.KEY_CONFLICT)


def _doubt(outcome: Outcome) -> int:
    match outcome:
        case Unsure():
            return 4
        case RefusedByGateway(may_be_echo=True):
            return 3
        case Unauthorized():
            return 2
        case NotProcessed():
            return 1
        case _:
            return 0


def node_of(response: HttpResponse) -> dict[str, Json] | Failed:
    """Give the node that was asked for; one that is null is not known there."""
    data = replies.data_of(response)
    if isinstance(data, replies.Failed):
        return data
    if "node" in data and data["node"] is None:
        unknown = replies.Fault(facts.NOT_FOUND)
        return replies.Failed(unknown.reason, (unknown,))
    node = reading.member(data, "node")
    return replies.Failed("no_node") if node is None else node
