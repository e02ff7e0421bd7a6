"""Finding a refund: the sale, what is not settled, then the batches since.

Invariant: a refund is absent only where every list was read to its end; whatever was
not read whole, or cannot be read, proves nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Word
from refundwatch.gateways import reading
from refundwatch.gateways.authorizenet import building, facts, objects
from refundwatch.gateways.authorizenet.answers import Trouble, told
from refundwatch.gateways.contract import Absent, Found, Heard, LookupFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from refundwatch.gateways.contract import (
        HttpRequest,
        LookupResult,
        Operation,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json

_LOOK_UP: Final = "look_up"
_MOST_PAGES: Final = 100
_MOST_BATCHES: Final = 400
_PERIOD: Final = timedelta(days=30)
_LONGEST: Final = timedelta(days=370)
_MARGIN: Final = timedelta(days=1)
"""Clocks differ, and a batch bears the time of its end."""

_NO_MONEY: Final = frozenset({Word.FAILED})


def look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Find every transaction that carries our reference, or the void of the sale."""
    currency = building.currency_of(instruction.account)
    sale = yield from objects.read(_LOOK_UP, instruction.payment_reference, currency)
    if isinstance(sale, Trouble):
        return sale.lookup_failed()
    if objects.is_sale(sale) and sale.status == facts.VOIDED:
        void = objects.void_of(sale, "lookup")
        if void.evidence.amount_minor in {instruction.amount_minor, None}:
            return Found((void,))
    ids = yield from _carriers(instruction)
    if isinstance(ids, Trouble):
        return ids.lookup_failed()
    return (yield from _confirmed(ids, instruction))


def _carriers(instruction: RefundInstruction) -> Operation[list[str] | Trouble]:
    """Give the ids of the transactions with our invoice number, unsettled ones first.

    In this order, because a batch takes away from the first list and adds to the
    other.
    """
    ours = instruction.merchant_reference

    def unsettled(page: int) -> HttpRequest:
        return building.unsettled_request(_LOOK_UP, page)

    found = yield from _matching(unsettled, ours)
    if isinstance(found, Trouble) or found:
        return found
    batches = yield from _batches(instruction.created_at)
    if isinstance(batches, Trouble):
        return batches
    for batch_id in batches:

        def of_batch(page: int, batch_id: str = batch_id) -> HttpRequest:
            return building.batch_request(_LOOK_UP, batch_id, page)

        settled = yield from _matching(of_batch, ours)
        if isinstance(settled, Trouble):
            return settled
        found += settled
    return found


def _matching(
    page_of: Callable[[int], HttpRequest], ours: str
) -> Operation[list[str] | Trouble]:
    """Read a list to its end, and keep what bears our reference."""
    found: list[str] = []
    seen: set[str] = set()
    for page in range(1, _MOST_PAGES + 1):
        answer = told((yield page_of(page)))
        if isinstance(answer, Trouble):
            return answer
        rows = _rows(answer.get("transactions"))
        ids = [reading.text(row, "transId") for row in rows]
        if None in ids:
            return Trouble("malformed_list")
        new = [row for row in rows if reading.text(row, "transId") not in seen]
        seen.update(one for one in ids if one is not None)
        found += [
            reading.required_text(row, "transId")
            for row in new
            if reading.text(row, "invoiceNumber") == ours
        ]
        if len(rows) < building.PAGE:
            return found
        if not new:
            return Trouble("list_stands_still")
    return Trouble("list_too_long")


def _rows(listed: Json) -> list[Json]:
    """Give the rows of a list; an empty one is left out of the answer."""
    if listed is None:
        return []
    return listed if isinstance(listed, list) else [None]


def _batches(since: datetime | None) -> Operation[list[str] | Trouble]:
    """Give the batches that were settled since, in periods that may be asked for."""
    if since is None:
        return Trouble("no_beginning")
    found: list[str] = []
    until = since
    for first, last in _periods(since - _MARGIN):
        if first > until + _MARGIN:
            break
        response = yield building.batches_request(_LOOK_UP, first, last)
        answer = told(response)
        if isinstance(answer, Trouble):
            return answer
        rows = _rows(answer.get("batchList"))
        ids = [reading.text(row, "batchId") for row in rows]
        if not all(building.is_transaction_id(one) for one in ids):
            return Trouble("malformed_list")
        found += [one for one in ids if one is not None and one not in found]
        if len(found) > _MOST_BATCHES:
            return Trouble("too_many_batches")
        until = max(until, reading.date_of(response.headers) or until)
    return found


def _periods(first: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Give periods one after the other; the gateway's clock says where to stop."""
    first = first.astimezone(UTC)
    for number in count():
        start = first + number * _PERIOD
        if start - first > _LONGEST:
            return
        yield start, start + _PERIOD


def _confirmed(
    ids: list[str], instruction: RefundInstruction
) -> Operation[LookupResult]:
    """Read what was found; one that moved no money does not hide one that did."""
    currency = building.currency_of(instruction.account)
    refunds: list[Heard] = []
    for transaction_id in ids:
        if not building.is_transaction_id(transaction_id):
            return LookupFailed("malformed_list")
        found = yield from objects.read(_LOOK_UP, transaction_id, currency)
        if isinstance(found, Trouble):
            return found.lookup_failed()
        refund = objects.refund_of(found, "lookup")
        if isinstance(refund, Heard):
            refunds.append(refund)
    standing = [one for one in refunds if one.word not in _NO_MONEY]
    matches = standing or refunds
    return Found(tuple(matches)) if matches else Absent()


def read_refund(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Read a refund by its transaction, or the void that took its place."""
    reference = instruction.gateway_reference or ""
    currency = building.currency_of(instruction.account)
    found = yield from objects.read("read_refund", reference, currency)
    if isinstance(found, Trouble):
        return found.lookup_failed()
    if objects.is_sale(found):
        if found.status != facts.VOIDED:
            return LookupFailed("not_a_refund")
        return Found((objects.void_of(found, "poll"),))
    refund = objects.refund_of(found, "poll")
    return refund.lookup_failed() if isinstance(refund, Trouble) else Found((refund,))
