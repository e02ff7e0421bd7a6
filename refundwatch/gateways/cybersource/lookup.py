"""Finding and reading refunds and payments.

Invariant: a refund is absent only where the search gave its whole result; a result
without it says nothing yet, for the index lags. Whatever could not be read proves
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import (
    Absent,
    Found,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from refundwatch.gateways.cybersource import answers, building, facts, transactions

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        AccountView,
        Heard,
        HttpResponse,
        LookupResult,
        Operation,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json

_SEARCHED: Final = frozenset({answers.OK, answers.CREATED})
_PAYMENT: Final = "read_payment"


# --- refunds ----------------------------------------------------------------------


def look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Search by our reference, then read each refund that was found.

    The search sums up: whether a refund was cancelled shows only when it is read.
    """
    reference = instruction.merchant_reference
    response = yield building.search_request(instruction.account, reference)
    if response.status not in _SEARCHED:
        return failed(response)
    try:
        rows = _whole_result(response.body)
        matches: list[Heard] = []
        for row in rows:
            if _carries(row, reference):
                found = yield from _read_row(instruction, row)
                if isinstance(found, LookupFailed):
                    return found
                matches.append(found)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    return Found(tuple(matches)) if matches else Absent()


def _whole_result(body: bytes) -> list[Json]:
    """Give every row of a search.

    Raises:
        MalformedResponse: it is no result, or not the whole of it.
    """
    result = reading.parse_object(body)
    total = reading.whole(result, "totalCount")
    if total is None:
        raise MalformedResponse("no_search")
    rows = reading.items(result, "_embedded", "transactionSummaries") or []
    if total != len(rows):
        raise MalformedResponse("search_not_whole")
    return rows


def _carries(row: Json, reference: str) -> bool:
    """A search may split a reference at its hyphens, so it is compared whole."""
    is_refund = transactions.did(row, facts.CREDITS) is not None
    return is_refund and transactions.code_of(row) == reference


def _read_row(
    instruction: RefundInstruction, row: Json
) -> Operation[Heard | LookupFailed]:
    payment = instruction.payment_reference
    summed_up = transactions.read_refund(row, "lookup", payment)
    refund_id = summed_up.evidence.gateway_reference or ""
    if not reading.is_plain_id(refund_id):
        return LookupFailed("refund_id_unusable")
    response = yield building.transaction_request(
        instruction.account, "look_up", refund_id
    )
    if response.status == answers.NOT_FOUND:
        return summed_up
    if response.status != answers.OK:
        return failed(response)
    whole = transactions.read_transaction(response.body, refund_id)
    return transactions.read_refund(whole, "lookup", payment)


def read_refund(
    instruction: RefundInstruction, refund_id: str
) -> Operation[LookupResult]:
    """Read one refund by Cybersource's id."""
    response = yield building.transaction_request(
        instruction.account, "read_refund", refund_id
    )
    if response.status != answers.OK:
        return failed(response)
    try:
        whole = transactions.read_transaction(response.body, refund_id)
        heard = transactions.read_refund(whole, "poll", instruction.payment_reference)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    return Found((heard,))


def failed(response: HttpResponse) -> LookupFailed:
    """Say that a look-up was not answered, with Cybersource's own code."""
    return reading.lookup_failed(response, answers.reason(response))


# --- payments ---------------------------------------------------------------------


def read_payment(
    account: AccountView, reference: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    """Read what was captured, and add up the refunds among what is related to it."""
    response = yield building.transaction_request(account, _PAYMENT, reference)
    if response.status != answers.OK:
        return reading.payment_unreadable(response, answers.reason(response))
    try:
        payment = transactions.read_transaction(response.body, reference)
    except MalformedResponse as error:
        return PaymentUnreadable(error.message)
    stated = transactions.amount_of(payment)
    if stated.doubt is not None:
        return PaymentUnreadable(stated.doubt)
    if stated.amount_minor is None or stated.currency is None:
        return PaymentUnreadable("no_captured_amount")
    if transactions.captured(payment) is None:
        # An authorization, or a capture that was taken back: nothing can be refunded.
        return PaymentRead(0, stated.currency, refunded_minor=0)
    refunded = yield from _refunded(account, payment, stated.currency)
    if isinstance(refunded, PaymentUnreadable):
        return refunded
    return PaymentRead(stated.amount_minor, stated.currency, refunded)


def _refunded(
    account: AccountView, payment: Json, currency: str
) -> Operation[int | PaymentUnreadable | None]:
    """Add up what was or is being given back; None where it cannot be told."""
    names = transactions.related(payment)
    if len(names) > facts.MOST_RELATED:
        return None
    total = 0
    for name in names:
        response = yield building.transaction_request(account, _PAYMENT, name)
        if response.status != answers.OK:
            return PaymentUnreadable(
                answers.reason(response), unauthorized=response.status in {401, 403}
            )
        try:
            one = transactions.read_transaction(response.body, name)
        except MalformedResponse as error:
            return PaymentUnreadable(error.message)
        if transactions.captured(one) is not None:
            # Another capture of the same authorization: whose is a refund then?
            return None
        given_back = _given_back(one, currency)
        if given_back is None:
            return None
        total += given_back
    return total


def _given_back(transaction: Json, currency: str) -> int | None:
    """Say what a related transaction gave back; None where it cannot be counted."""
    credit = transactions.did(transaction, facts.CREDITS)
    if credit is None or credit.code in facts.NOT_DONE:
        return 0
    status = transactions.status_of(transaction)
    if status in facts.NOT_CAPTURED:
        return 0
    stated = transactions.amount_of(transaction)
    if stated.currency != currency or stated.amount_minor is None:
        return None
    return stated.amount_minor if stated.amount_minor >= 0 else None
