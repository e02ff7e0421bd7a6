"""What Razorpay's answers to an order mean, and why a read was not answered.

Invariant: a refund counts as accepted only by a refund object with an id; a refusal
only by `BAD_REQUEST_ERROR` with a documented description; everything else proves
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
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
from refundwatch.gateways.razorpay import facts
from refundwatch.gateways.razorpay.objects import entries, read_refund_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from refundwatch.gateways.contract import HttpResponse, Outcome

OK: Final = 200
BAD_REQUEST: Final = 400
LIMIT_REACHED: Final = 429
_FORBIDDEN: Final = frozenset({401, 403})
_MAX_DESCRIPTION: Final = 1024


def refund_outcome(response: HttpResponse) -> Outcome:
    """Give the meaning of the answer to an order of a refund."""
    if response.status == OK:
        try:
            return read_refund_object(reading.parse_object(response.body), "answer")
        except MalformedResponse as error:
            return Unsure(error.message)
    code, said = _error(response)
    wait = reading.retry_after_seconds(response.headers)
    why = _reason(response, code)
    if _is_denied(response, said):
        return Unauthorized(why)
    if response.status == LIMIT_REACHED:
        return NotProcessed(why, wait)
    if response.status == BAD_REQUEST and code == facts.BAD_REQUEST:
        found = _refusal(said)
        if found is not None:
            return found
    # Also 409: the same key is still running, and may yet refund.
    return Unsure(why, wait)


def _refusal(said: str) -> Outcome | None:
    if code := _found(facts.ECHOES, said):
        return RefusedByGateway(code, may_be_echo=True)
    if code := _found(facts.SHORT_OF_FUNDS, said):
        return RefusedByGateway(code, insufficient_funds=True)
    if code := _found(facts.REFUSALS, said):
        return RefusedByGateway(code)
    if code := _found(facts.USED_BEFORE, said):
        return Unsure(code, replayed=True)
    return None


def _found(fragments: Iterable[tuple[str, str]], said: str) -> str | None:
    return next((code for fragment, code in fragments if fragment in said), None)


def _error(response: HttpResponse) -> tuple[str | None, str]:
    """Give the code of an error, and its description in small letters."""
    body = reading.object_or_none(response.body)
    code = reading.text(body, "error", "code", limit=reading.MAX_SHOWN)
    said = reading.text(body, "error", "description", limit=_MAX_DESCRIPTION)
    return code, (said or "").casefold()


def _is_denied(response: HttpResponse, said: str) -> bool:
    """Tell whether key, address or a feature was refused; that has several statuses."""
    if response.status in _FORBIDDEN:
        return True
    refused = response.status == BAD_REQUEST
    return refused and any(fragment in said for fragment in facts.DENIED)


def _reason(response: HttpResponse, code: str | None) -> str:
    base = f"http_{response.status}"
    return f"{base}:{reading.shown(code)}" if code else base


# --- answers to reads -------------------------------------------------------------


def lookup_failed(response: HttpResponse) -> LookupFailed:
    """Say that a look-up was not answered."""
    code, said = _error(response)
    return LookupFailed(
        _reason(response, code),
        reading.retry_after_seconds(response.headers),
        unauthorized=_is_denied(response, said),
    )


def payment_unreadable(response: HttpResponse) -> PaymentUnreadable:
    """Say that the payment was not read; an unknown id is a bad request here."""
    code, said = _error(response)
    unknown = response.status == BAD_REQUEST and any(
        fragment in said for fragment in facts.UNKNOWN_PAYMENT
    )
    return PaymentUnreadable(
        _reason(response, code),
        missing=unknown,
        unauthorized=_is_denied(response, said),
    )


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer to a probe."""
    if response.status != OK:
        code, said = _error(response)
        return ProbeResult(
            _reason(response, code), unauthorized=_is_denied(response, said)
        )
    try:
        entries(reading.parse_object(response.body))
    except MalformedResponse as error:
        return ProbeResult(error.message)
    return ProbeResult()
