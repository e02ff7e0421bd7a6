"""What Klarna's answers to an order and to a probe mean.

Invariant: a refusal is one that Klarna gave a code; a 403 without an error object came
from its edge, which passed nothing on; everything else proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from refundwatch.gateways import reading
from refundwatch.gateways.contract import (
    LookupFailed,
    NotProcessed,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.klarna import facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpResponse, Outcome
    from refundwatch.gateways.reading import JsonObject

OK: Final = 200
CREATED: Final = 201
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
LIMIT_REACHED: Final = 429
_EDGE: Final = "edge"


def booked_id(response: HttpResponse) -> str | None:
    """Give the id of a booked refund from the headers; the body of a 201 is empty.

    `Location` may be a path alone; then too its last part is the id.
    """
    given = response.headers.get("refund-id", "").strip()
    if reading.is_plain_id(given):
        return given
    try:
        path = urlsplit(response.headers.get("location", "").strip()).path
    except ValueError:
        return None
    way, _, last = path.rpartition("/")
    return last if way.endswith("/refunds") and reading.is_plain_id(last) else None


def error_outcome(response: HttpResponse) -> Outcome:
    """Give the meaning of an answer that booked nothing."""
    error = reading.object_or_none(response.body) or {}
    code = reading.text(error, "error_code", limit=reading.MAX_SHOWN)
    why = _reason(response, code)
    if response.status == UNAUTHORIZED:
        return Unauthorized(why)
    if response.status == FORBIDDEN:
        return _forbidden(error, code, why)
    if response.status == LIMIT_REACHED:
        return NotProcessed(why, _wait(response))
    if code is not None and response.status in facts.REFUSAL_STATUSES:
        return RefusedByGateway(code)
    # Also 409: the same key is still running, and may yet book.
    return Unsure(why, _wait(response))


def _forbidden(error: JsonObject, code: str | None, why: str) -> Outcome:
    if code is None:
        return NotProcessed(_EDGE, facts.EDGE_WAIT_SECONDS)
    said = _messages(error)
    if not code.endswith(facts.NOT_ALLOWED) or facts.PERMISSION in said:
        return Unauthorized(why)
    # "Not allowed" is also what our own earlier success would bring about: nothing is
    # left to refund then. Only an order that was never captured excludes that.
    echo = code == facts.REFUND_NOT_ALLOWED and facts.NO_CAPTURES not in said
    return RefusedByGateway(code, may_be_echo=echo)


def _messages(error: JsonObject) -> str:
    lines = reading.items(error, "error_messages") or []
    return " ".join(line for line in lines if isinstance(line, str)).casefold()


def _reason(response: HttpResponse, code: str | None) -> str:
    base = f"http_{response.status}"
    return f"{base}:{reading.shown(code)}" if code else base


def _wait(response: HttpResponse) -> int | None:
    """Give the wait in seconds: a 429 has no Retry-After but a reset of its own."""
    asked = reading.retry_after_seconds(response.headers)
    if asked is not None or response.status != LIMIT_REACHED:
        return asked
    reset = response.headers.get("x-ratelimit-reset", "").strip()
    if not (reset.isascii() and reset.isdigit()) or len(reset) > len(
        str(facts.MAX_RESET_SECONDS)
    ):
        # A moment, not a wait; or nothing readable.
        return None
    return min(int(reset), facts.MAX_RESET_SECONDS)


# --- answers to reads -------------------------------------------------------------


def lookup_failed(response: HttpResponse) -> LookupFailed:
    """Say that a look-up was not answered, with Klarna's own code."""
    why, unauthorized = _trouble(response)
    return LookupFailed(why, _wait(response), unauthorized=unauthorized)


def payment_unreadable(response: HttpResponse) -> PaymentUnreadable:
    """Say that the order was not read; only Klarna's own 404 says it is unknown."""
    why, unauthorized = _trouble(response)
    unknown = response.status == NOT_FOUND and _code(response) is not None
    return PaymentUnreadable(why, missing=unknown, unauthorized=unauthorized)


def probe_failed(response: HttpResponse) -> ProbeResult:
    """Say that a probe was answered badly."""
    why, unauthorized = _trouble(response)
    return ProbeResult(why, unauthorized=unauthorized)


def payouts_hidden(response: HttpResponse) -> bool:
    """Tell whether payouts are refused to credentials that may yet see orders."""
    return response.status == FORBIDDEN and _code(response) is not None


def payouts_read(response: HttpResponse) -> ProbeResult:
    """Give the meaning of a page of payouts."""
    payouts = reading.items(reading.object_or_none(response.body), "payouts")
    return ProbeResult() if payouts is not None else ProbeResult("no_payouts")


def order_unknown(response: HttpResponse) -> ProbeResult:
    """Give the meaning of asking for an order that cannot be there."""
    if response.status == NOT_FOUND and _code(response) is not None:
        return ProbeResult()
    return probe_failed(response)


def _code(response: HttpResponse) -> str | None:
    error = reading.object_or_none(response.body)
    return reading.text(error, "error_code", limit=reading.MAX_SHOWN)


def _trouble(response: HttpResponse) -> tuple[str, bool]:
    """Name the trouble, and say whether it is one of credentials."""
    code = _code(response)
    if response.status == FORBIDDEN and code is None:
        return _EDGE, False
    return _reason(response, code), response.status in {UNAUTHORIZED, FORBIDDEN}
