"""What an inquiry says of an order, and of one refund of it.

Invariant: only the latest event of an order is shown, so a refund that is not named
was not denied; a refund is found by our own reference and by nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard
from refundwatch.gateways.contract import (
    Found,
    Heard,
    LookupFailed,
    LookupResult,
    NotShown,
)
from refundwatch.gateways.worldpay import facts
from refundwatch.gateways.worldpay.money import stated_amount, stated_exponent
from refundwatch.gateways.worldpay.replies import Refused, error_in, read_reply
from refundwatch.gateways.xml import attribute, child, xml_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from refundwatch.gateways.amounts import Stated
    from refundwatch.gateways.contract import (
        AccountView,
        HttpResponse,
        RefundInstruction,
    )

_DAYS: Final = re.compile(r"[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order as an inquiry shows it; `amount` is what was ordered, not refunded.

    `named` are the references of modifications that it shows; `journals` say of each
    reference which event last bore it.
    """

    last_event: str | None
    amount: Stated
    exponent: int | None
    named: frozenset[str]
    journals: dict[str, str]


def read_order(
    response: HttpResponse, account: AccountView, order_code: str
) -> OrderState | Refused:
    """Read the answer to an order inquiry.

    Raises:
        MalformedResponse: it is none, or speaks of another order.
    """
    reply = read_reply(response, account)
    error = error_in(reply)
    if error is not None:
        return error
    status = child(reply, "orderStatus")
    payment = child(status, "payment")
    if status is None or payment is None:
        raise MalformedResponse("no_single_payment")
    if status.get("orderCode") != order_code:
        raise MalformedResponse("other_order")
    amount = child(payment, "amount")
    journals = _journals(status)
    return OrderState(
        last_event=xml_text(payment, "lastEvent", limit=64),
        amount=stated_amount(amount),
        exponent=stated_exponent(amount),
        named=_named(status, payment) | journals.keys(),
        journals=journals,
    )


def _named(status: Element, payment: Element) -> frozenset[str]:
    texts = (
        xml_text(payment, "refundReference"),
        xml_text(payment, "reference"),
        xml_text(status, "reference"),
    )
    return frozenset(text for text in texts if text)


def _journals(status: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for journal in status.findall("journal"):
        event = attribute(journal, "journalType")
        for one in journal.findall("journalReference"):
            reference = one.get("reference")
            if reference and event:
                found[reference] = event
    return found


def tells_what_is_left(account: AccountView) -> bool:
    """Tell whether the account may ask how much can still be refunded."""
    return account.settings.get(facts.REFUNDABLE_INQUIRY) == "yes"


def amount_left(
    response: HttpResponse, account: AccountView, currency: str
) -> int | None:
    """Read how much can still be refunded, in ISO minor units; None where unsaid."""
    try:
        reply = read_reply(response, account)
    except MalformedResponse:
        return None
    if error_in(reply) is not None:
        return None
    stated = stated_amount(child(reply, "refundableAmount", "amount"))
    return stated.amount_minor if stated.currency == currency else None


# --- one refund of it -------------------------------------------------------------


def look_up_result(response: HttpResponse, asked: RefundInstruction) -> LookupResult:
    """Say what the answer to an order inquiry tells of one refund."""
    try:
        state = read_order(response, asked.account, asked.payment_reference)
    except MalformedResponse as error:
        return reading.lookup_failed(response, error.message)
    if isinstance(state, Refused):
        return _not_answered(state, response)
    match = shown_refund(state, asked) or _silent(asked, asked.last_status)
    return NotShown() if match is None else Found((match,))


def left_excludes(
    order: HttpResponse, left: HttpResponse, asked: RefundInstruction
) -> bool:
    """Tell whether so much is left of an order that this refund was not made.

    Where less than its amount has left the order, it is none of what has. What was
    ordered may be more than what was captured: then more seems to have left than has,
    and nothing is concluded.
    """
    try:
        state = read_order(order, asked.account, asked.payment_reference)
    except MalformedResponse:
        return False
    if isinstance(state, Refused) or state.amount.amount_minor is None:
        return False
    remaining = amount_left(left, asked.account, asked.currency)
    if remaining is None or state.amount.currency != asked.currency:
        return False
    return 0 <= state.amount.amount_minor - remaining < asked.amount_minor


def _not_answered(error: Refused, response: HttpResponse) -> LookupResult:
    if error.code == facts.UNKNOWN_ORDER:
        # The copy may lag behind, and the code says other things as well.
        return NotShown()
    if error.code == facts.SECURITY:
        return LookupFailed(error.reason, unauthorized=True)
    return reading.lookup_failed(response, error.reason)


def shown_refund(state: OrderState, asked: RefundInstruction) -> Heard | None:
    """Give what an order's state says of a refund; None where it shows another."""
    if asked.merchant_reference in state.named:
        event = state.journals.get(asked.merchant_reference, state.last_event)
        return _heard(event, state, asked)
    whole = (state.amount.amount_minor, state.amount.currency)
    if state.last_event == facts.CANCELLED and (
        whole == (asked.amount_minor, asked.currency)
    ):
        # What was never taken cannot be refunded: the whole order was given up.
        evidence = _evidence(facts.CANCELLED, asked)
        return heard(Word.SUCCEEDED, evidence, state.amount)
    return None


def _heard(event: str | None, state: OrderState, asked: RefundInstruction) -> Heard:
    silent = _silent(asked, event)
    if silent is not None:
        return silent
    # The amount beside it is the order's, so the currency alone is stated.
    evidence = _evidence(event or "named", asked)
    return Heard(_word(event), replace(evidence, currency=state.amount.currency))


def _word(event: str | None) -> Word:
    """Give what the event of an order says of a refund that it names.

    Its name is there, so it was taken; a later event of the order can hide how it
    stands. An event that nobody has seen is for people.
    """
    if event is None or event in facts.KNOWN_EVENTS - {facts.CANCELLED}:
        return Word.PENDING
    if event == facts.CANCELLED:
        return Word.SUCCEEDED
    return facts.REFUND_WORDS.get(event, Word.UNSEEN)


def _evidence(status: str, asked: RefundInstruction) -> Evidence:
    failed = facts.REFUND_WORDS.get(status) is Word.FAILED
    return Evidence(
        source="lookup",
        raw_status=reading.shown(status),
        gateway_reference=asked.merchant_reference,
        merchant_reference=asked.merchant_reference,
        payment_reference=asked.payment_reference,
        requires_action=status == facts.WEBFORM,
        failure_code=status.lower() if failed else None,
    )


def _silent(asked: RefundInstruction, event: str | None) -> Heard | None:
    """Give success where a refund was sent and nothing was heard since for long.

    How many days that are is the account's own word; without it silence says nothing.
    """
    written = asked.account.settings.get(facts.SENT_FOR_REFUND_DAYS, "")
    if event != facts.SENT_FOR_REFUND or not _DAYS.fullmatch(written):
        return None
    if asked.accepted_at is None or asked.asked_at is None:
        return None
    if asked.asked_at - asked.accepted_at < timedelta(days=int(written)):
        return None
    evidence = _evidence(f"{facts.SENT_FOR_REFUND}:{written}d", asked)
    return Heard(Word.SUCCEEDED, evidence)
