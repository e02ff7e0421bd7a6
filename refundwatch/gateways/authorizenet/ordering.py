"""Ordering a refund: the sale is read, then a refund or a void is sent, then judged.

Invariant: at most one order is yielded; a void is ordered only of a sale that no batch
has settled, and only for all of it; a part of such a sale waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways import reading
from refundwatch.gateways.authorizenet import building, facts, objects
from refundwatch.gateways.authorizenet.answers import Trouble, Twin, order_outcome
from refundwatch.gateways.contract import (
    Heard,
    HttpRequest,
    NotOffered,
    NotProcessed,
    RefusedByGateway,
    Unsure,
)

if TYPE_CHECKING:
    from refundwatch.gateways.authorizenet.objects import Transaction
    from refundwatch.gateways.contract import (
        CancelResult,
        Operation,
        Outcome,
        RefundInstruction,
    )

_CANCELLED = "cancelled"


def order(instruction: RefundInstruction) -> Operation[Outcome]:
    """Read the sale, and order what fits its state."""
    sale = yield from _sale(instruction)
    if isinstance(sale, Trouble):
        return sale.outcome()
    fit = _fitting(sale, instruction)
    return (
        fit if not isinstance(fit, HttpRequest) else (yield from send(fit, instruction))
    )


def _sale(instruction: RefundInstruction) -> Operation[Transaction | Trouble]:
    return objects.read(
        "read_payment",
        instruction.payment_reference,
        building.currency_of(instruction.account),
    )


def _fitting(
    sale: Transaction, instruction: RefundInstruction
) -> HttpRequest | Outcome:
    """Give the order that the state of the sale allows, or what stands against it."""
    if not objects.is_sale(sale):
        return RefusedByGateway("not_a_sale")
    status = sale.status
    if status == facts.SETTLED:
        payment = objects.masked_payment(sale)
        if payment is None:
            return RefusedByGateway("no_card_to_refund")
        return building.refund_request(instruction, payment)
    if status in facts.VOIDABLE and _is_whole(sale, instruction):
        return building.void_request(
            building.VOID, instruction, instruction.payment_reference
        )
    if status in facts.WAITING:
        return NotProcessed(f"sale_{status}", facts.RETRY_SECONDS, alone=True)
    return RefusedByGateway(f"sale_{reading.shown(status)}")


def _is_whole(sale: Transaction, instruction: RefundInstruction) -> bool:
    stated = sale.amount()
    return stated.doubt is None and stated.amount_minor == instruction.amount_minor


def send(request: HttpRequest, instruction: RefundInstruction) -> Operation[Outcome]:
    """Send an order and read its answer; a doubtful refusal is looked into at once."""
    void = request.operation == building.VOID
    outcome = order_outcome((yield request), instruction, void=void)
    if isinstance(outcome, Twin):
        return (yield from _twin(outcome, instruction))
    if void or not isinstance(outcome, RefusedByGateway):
        return outcome
    if outcome.code not in facts.NOT_SETTLED:
        return outcome
    return (yield from _unsettled(outcome, instruction))


def _twin(twin: Twin, instruction: RefundInstruction) -> Operation[Outcome]:
    """Adopt the earlier transaction that the gateway names, once it is seen as ours."""
    if twin.transaction_id is not None:
        currency = building.currency_of(instruction.account)
        found = yield from objects.read("look_up", twin.transaction_id, currency)
        if not isinstance(found, Trouble) and (
            found.invoice_number == instruction.merchant_reference
        ):
            refund = objects.refund_of(found, "answer")
            if isinstance(refund, Heard):
                return refund
    # Something of ours ran, and another send can only be told the same.
    return Unsure("duplicate", replayed=True)


def _unsettled(
    refusal: RefusedByGateway, instruction: RefundInstruction
) -> Operation[Outcome]:
    """Tell a sale that waits for its batch from one that may not be refunded."""
    sale = yield from _sale(instruction)
    if not isinstance(sale, Trouble) and sale.status in facts.WAITING:
        return NotProcessed(f"sale_{sale.status}", facts.RETRY_SECONDS, alone=True)
    return refusal


# --- taking a refund back ---------------------------------------------------------


def cancel(instruction: RefundInstruction) -> Operation[CancelResult]:
    """Void a refund that waits for its batch; a void of a sale cannot be undone."""
    reference = instruction.gateway_reference
    if reference is None or not building.is_transaction_id(reference):
        return NotOffered()
    if reference == instruction.payment_reference:
        return NotOffered()
    request = building.void_request(building.CANCEL, instruction, reference)
    outcome = order_outcome((yield request), instruction, void=False)
    match outcome:
        case Heard(word=Word.PENDING, evidence=evidence):
            if evidence.gateway_reference not in {None, reference}:
                return Unsure("another_transaction")
            return Heard(Word.FAILED, _taken_back(reference, instruction))
        case Twin():
            return Unsure("duplicate")
        case _:
            return outcome


def _taken_back(reference: str, instruction: RefundInstruction) -> Evidence:
    return Evidence(
        source="answer",
        raw_status=facts.VOIDED,
        gateway_reference=reference,
        merchant_reference=instruction.merchant_reference,
        failure_code=_CANCELLED,
    )
