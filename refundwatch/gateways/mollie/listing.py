"""The refunds of a payment, read whole: for look-ups, and before an order.

Invariant: a list proves an absence only where every page of it was read and held what
it said it holds; a link to the next page gives an id and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import Absent, Found, LookupFailed
from refundwatch.gateways.mollie import answers, building, facts
from refundwatch.gateways.mollie.objects import read_refund_object

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        Heard,
        LookupResult,
        Operation,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json

_MAX_LINK: Final = 2048


@dataclass(frozen=True, slots=True)
class Listed:
    """One refund of a payment, and when it was made, where that is readable."""

    heard: Heard
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Whole:
    """Every refund of a payment, and the gateway's time of the reading."""

    refunds: tuple[Listed, ...]
    read_at: datetime | None


def read_whole(
    operation: str, instruction: RefundInstruction, source: str
) -> Operation[Whole | LookupFailed]:
    """Read every page of the payment's refunds."""
    listed: list[Listed] = []
    cursors: set[str | None] = set()
    cursor: str | None = None
    for _ in range(facts.MAX_PAGES):
        cursors.add(cursor)
        response = yield building.list_request(operation, instruction, cursor)
        if response.status != answers.OK:
            return reading.lookup_failed(response)
        try:
            page = reading.parse_object(response.body)
            listed += [
                _listed(entry, source, instruction.merchant_reference)
                for entry in _entries(page)
            ]
            cursor = _next(page)
        except MalformedResponse as error:
            return LookupFailed(error.message)
        if cursor is None:
            return Whole(tuple(listed), reading.date_of(response.headers))
        if cursor in cursors:
            return LookupFailed("listing_stuck")
    return LookupFailed("listing_too_long")


def _entries(page: Json) -> list[Json]:
    """Give the entries of a page; one that is no page cannot prove an absence."""
    entries = reading.items(page, "_embedded", "refunds")
    if entries is None or reading.whole(page, "count") != len(entries):
        raise MalformedResponse("no_list_object")
    return entries


def _listed(entry: Json, source: str, ours: str) -> Listed:
    written = reading.utc_text(reading.text(entry, "createdAt"))
    created_at = datetime.fromisoformat(written) if written else None
    return Listed(read_refund_object(entry, source, ours), created_at)


def _next(page: Json) -> str | None:
    """Give the id that the next page begins with; None at the end.

    Raises:
        MalformedResponse: the page does not say whether it is the last.
    """
    links = reading.member(page, "_links")
    if links is None or "next" not in links:
        raise MalformedResponse("no_list_object")
    if links["next"] is None:
        return None
    link = reading.text(links, "next", "href", limit=_MAX_LINK)
    try:
        firsts = parse_qs(urlsplit(link or "").query).get("from", [])
    except ValueError as error:
        raise MalformedResponse("next_page") from error
    if len(firsts) != 1 or not reading.is_plain_id(firsts[0]):
        raise MalformedResponse("next_page")
    return firsts[0]


def ours_among(whole: Whole, reference: str) -> LookupResult:
    """Keep the refunds with our reference."""
    matches = tuple(
        one.heard
        for one in whole.refunds
        if one.heard.evidence.merchant_reference == reference
    )
    return Found(matches) if matches else Absent()


def guarded_seconds(
    whole: Whole, instruction: RefundInstruction, guard_seconds: int
) -> int | None:
    """Say how long an equal refund still keeps Mollie from taking this one.

    None where nothing is known to. Both times are Mollie's, so that our clock does
    not matter. An equal refund that failed counts too: waiting harms nobody.
    """
    equal = (instruction.amount_minor, instruction.currency)
    made = [
        one.created_at
        for one in whole.refunds
        if (one.heard.evidence.amount_minor, one.heard.evidence.currency) == equal
        and one.created_at is not None
    ]
    if not made or whole.read_at is None:
        return None
    guard = timedelta(seconds=guard_seconds)
    left = int((max(made) + guard - whole.read_at).total_seconds())
    if left <= 0:
        return None
    return answers.with_margin(min(left, guard_seconds), guard_seconds)
