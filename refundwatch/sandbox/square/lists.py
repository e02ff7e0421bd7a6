"""Square's list of refunds: times, filters, cursors, pages.

Invariant: an empty list is an answer without the member; a cursor that names nothing
is refused, not ignored.
Source: square/connect-api-specification api.json (2025-08-20), ListPaymentRefunds.
"""

from collections.abc import Iterable

from refundwatch.sandbox.answers import moment
from refundwatch.sandbox.books import Refund
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.square.refusals import Refusal

_MOST = 100
_YEAR_SECONDS = 365 * 86_400.0
_KNOWN = frozenset(
    {
        "begin_time",
        "cursor",
        "end_time",
        "limit",
        "location_id",
        "sort_field",
        "sort_order",
        "source_type",
        "status",
        "updated_at_begin_time",
        "updated_at_end_time",
    }
)


def page(
    request: Request, visible: Iterable[Refund], location_id: str, now: float
) -> tuple[list[Refund], str]:
    """Cut one page; the text is its cursor, empty on the last page.

    Raises: Refusal.
    """
    for name, _ in request.query:
        if name not in _KNOWN:
            raise Refusal.invalid("UNKNOWN_QUERY_PARAMETER", name)
    found = [refund for refund in visible if _fits(refund, request, location_id, now)]
    by_change = request.query_value("sort_field") == "UPDATED_AT"
    found.sort(
        key=lambda one: one.updated_at if by_change else one.created_at,
        reverse=request.query_value("sort_order") != "ASC",
    )
    start = _after(found, request.query_value("cursor"))
    end = start + _limit(request.query_value("limit"))
    more = end < len(found)
    return found[start:end], found[end - 1].id if more else ""


def _fits(refund: Refund, request: Request, location_id: str, now: float) -> bool:
    wanted = {
        "location_id": location_id,
        "status": refund.status,
        "source_type": refund.details["destination"],
    }
    for name, value in wanted.items():
        if request.query_value(name) not in {"", value}:
            return False
    begin = _time(request, "begin_time", now - _YEAR_SECONDS)
    end = _time(request, "end_time", now)
    changed_from = _time(request, "updated_at_begin_time", 0.0)
    changed_to = _time(request, "updated_at_end_time", now)
    return (
        begin <= refund.created_at <= end
        and changed_from <= refund.updated_at <= changed_to
    )


def _time(request: Request, name: str, otherwise: float) -> float:
    text = request.query_value(name)
    if not text:
        return otherwise
    found = moment(text)
    if found is None:
        raise Refusal.invalid("INVALID_TIME", name)
    return found


def _limit(text: str) -> int:
    if not text:
        return _MOST
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise Refusal.invalid("VALUE_TOO_HIGH", "limit")
    return int(text)


def _after(found: list[Refund], cursor: str) -> int:
    if not cursor:
        return 0
    for place, refund in enumerate(found):
        if refund.id == cursor:
            return place + 1
    raise Refusal.invalid("INVALID_CURSOR", "cursor")
