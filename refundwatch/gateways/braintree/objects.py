"""Refunds and sales as Braintree's objects state them.

Invariant: what an object does not state is None; an amount that is not exact and a
status that is not documented lead to people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import Stated, heard
from refundwatch.gateways.braintree import facts
from refundwatch.gateways.decimals import stated_decimal

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Heard, RefundInstruction
    from refundwatch.gateways.reading import Json, JsonObject


def stated_amount(source: Json) -> Stated:
    """Read an object's `amount`; a missing one states nothing."""
    amount = reading.at(source, "amount")
    if amount is None:
        return Stated()
    currency = reading.at(amount, "currencyCode")
    return stated_decimal(facts.CAPABILITIES, reading.at(amount, "value"), currency)


def status_of(source: Json) -> str:
    """Give the status for people; what is no text is shown as it is."""
    return reading.shown(reading.at(source, "status"))


# --- refunds ----------------------------------------------------------------------


def read_refund(
    refund: Json,
    source: str,
    instruction: RefundInstruction,
    *,
    merchant_reference: str | None = None,
) -> Heard:
    """Read a refund object; `merchant_reference` is what the answer itself echoes.

    Raises:
        MalformedResponse: it is no object, or has no legacy id.
    """
    legacy_id = reading.required_text(refund, "legacyId")
    if not reading.is_plain_id(legacy_id):
        raise MalformedResponse("legacy_id")
    status = reading.text(refund, "status")
    word = facts.WORDS.get(status or "", Word.UNSEEN)
    evidence = Evidence(
        source=source,
        raw_status=status_of(refund),
        gateway_reference=legacy_id,
        merchant_reference=merchant_reference
        or _our_reference(refund, instruction.merchant_reference),
        payment_reference=_payment_name(refund, instruction.payment_reference),
        failure_code=_failure(refund) if word is Word.FAILED else None,
    )
    return heard(word, evidence, stated_amount(refund))


def carries(refund: Json, ours: str) -> bool:
    """Tell whether a refund was ordered under our reference."""
    return reading.at(refund, "orderId") == ours


def _our_reference(refund: Json, ours: str) -> str | None:
    """Give the reference it was ordered under.

    A refund without one of its own inherits the sale's, which says nothing of us:
    so stands what a void became where the sale had settled meanwhile.
    """
    stated = reading.text(refund, "orderId")
    inherited = reading.text(refund, "refundedTransaction", "orderId")
    return None if stated == inherited and stated != ours else stated


def _payment_name(refund: Json, ours: str) -> str | None:
    """Give our own name of the sale if it is one of the two that are stated."""
    of = reading.at(refund, "refundedTransaction")
    names = (reading.text(of, "legacyId"), reading.text(of, "id"))
    return ours if ours in names else names[0] or names[1]


def _failure(refund: Json) -> str:
    """Give the status with the processor's own code, where the newest event has it."""
    status = status_of(refund)
    history = reading.items(refund, "statusHistory")
    newest = history[0] if history else None
    code = reading.text(newest, "processorResponse", "legacyCode")
    if code is None or reading.at(newest, "status") != reading.at(refund, "status"):
        return status
    return f"{status}:{reading.shown(code)}"


# --- sales ------------------------------------------------------------------------


def is_sale(node: JsonObject, sale_id: str) -> bool:
    """Tell whether a node is the sale that was asked for."""
    named = reading.text(node, "__typename"), reading.text(node, "id")
    return named == ("Transaction", sale_id)


def read_void(
    sale: Json,
    source: str,
    instruction: RefundInstruction,
    *,
    merchant_reference: str | None = None,
) -> Heard:
    """Read a voided sale as our refund of all of it; its id is the sale's own.

    Raises:
        MalformedResponse: it is no object, or has no legacy id.
    """
    legacy_id = reading.required_text(sale, "legacyId")
    names = (legacy_id, reading.text(sale, "id"))
    ours = instruction.payment_reference
    voided = reading.text(sale, "status") == facts.VOIDED
    evidence = Evidence(
        source=source,
        raw_status=status_of(sale),
        gateway_reference=legacy_id,
        merchant_reference=merchant_reference,
        payment_reference=ours if ours in names else legacy_id,
    )
    word = Word.SUCCEEDED if voided else Word.UNSEEN
    return heard(word, evidence, stated_amount(sale))


def refunds_of(sale: JsonObject) -> list[Json]:
    """Give every refund of a sale.

    Raises:
        MalformedResponse: it lists none, which is another thing than an empty list.
    """
    listed = reading.items(sale, "refunds")
    if listed is None:
        raise MalformedResponse("refunds_not_listed")
    return listed
