"""What PayPal's answers to an order, a token request and a probe mean.

Invariant: a refund counts as accepted only by a refund object with an id; a refusal
only by a documented status and issue; everything else proves nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import (
    HttpResponse,
    NotProcessed,
    Outcome,
    ProbeResult,
    RefusedByGateway,
    Session,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.paypal import facts
from refundwatch.gateways.paypal.objects import read_refund_object

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.gateways.reading import Json

OK: Final = 200
# A replay may be answered 200, a new refund is answered 201.
ACCEPTED: Final = frozenset({200, 201})
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
LIMIT_REACHED: Final = 429

_MAX_TOKEN: Final = 4096
_LONGEST_SESSION: Final = timedelta(days=30)
_TOKEN_MARKS: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
)

# --- the answer to an order -------------------------------------------------------


def refund_outcome(response: HttpResponse, merchant_reference: str) -> Outcome:
    """Give the meaning of the answer to an order of a refund."""
    if response.status in ACCEPTED:
        try:
            refund = reading.parse_object(response.body)
            return read_refund_object(refund, "answer", merchant_reference)
        except MalformedResponse as error:
            return Unsure(error.message)
    return _error_outcome(response)


def _error_outcome(response: HttpResponse) -> Outcome:
    error = reading.object_or_none(response.body)
    wait = reading.retry_after_seconds(response.headers)
    why = reason(response)
    if response.status == UNAUTHORIZED:
        expired = reading.text(error, "error") == facts.INVALID_TOKEN
        return Unauthorized(why, session_expired=expired)
    if response.status == FORBIDDEN:
        return Unauthorized(why)
    if response.status == LIMIT_REACHED:
        return NotProcessed(why, wait)
    found = _refusal(response.status, error)
    return Unsure(why, wait) if found is None else found


def _refusal(status: int, error: Json) -> Outcome | None:
    """Give the meaning of a documented refusal; the gravest of several issues wins."""
    documented = facts.REFUSALS.get(status)
    if documented is None:
        return None
    name = reading.text(error, "name")
    issues = frozenset(_issues(error))
    if before := sorted(facts.EXECUTED_BEFORE & (issues | {name})):
        return Unsure(before[0], replayed=True)
    known = issues & documented
    if trouble := sorted(facts.ACCOUNT_TROUBLE & known):
        return Unauthorized(trouble[0])
    if echoes := sorted(facts.ECHOES & known):
        return RefusedByGateway(echoes[0], may_be_echo=True)
    if facts.INSUFFICIENT_FUNDS in known:
        return RefusedByGateway(facts.INSUFFICIENT_FUNDS, insufficient_funds=True)
    if known:
        return RefusedByGateway(min(known))
    if not issues and name is not None and name == facts.NAMED_REFUSALS.get(status):
        return RefusedByGateway(name)
    return None


def _issues(error: Json) -> tuple[str, ...]:
    details = reading.items(error, "details") or []
    found = (reading.text(detail, "issue") for detail in details)
    return tuple(issue for issue in found if issue is not None)


def reason(response: HttpResponse) -> str:
    """Say why an answer was not the one hoped for: status and PayPal's own code."""
    error = reading.object_or_none(response.body)
    issues = _issues(error)
    code = issues[0] if issues else reading.text(error, "name")
    code = code or reading.text(error, "error")
    base = f"http_{response.status}"
    return f"{base}:{reading.shown(code)}" if code else base


# --- the answer to a request for a token ------------------------------------------


def session_of(
    response: HttpResponse, now: datetime
) -> Session | Unauthorized | Unsure:
    """Read a token; it is given back after nine tenths of its life."""
    body = reading.object_or_none(response.body)
    if response.status != OK:
        return _no_session(response, body)
    token = reading.text(body, "access_token", limit=_MAX_TOKEN)
    seconds = reading.whole(body, "expires_in")
    kind = reading.text(body, "token_type") or ""
    if token is None or not _TOKEN_MARKS.issuperset(token):
        return Unsure("no_access_token")
    if kind.lower() != "bearer":
        return Unsure("token_type")
    if seconds is None or seconds <= 0:
        return Unsure("expires_in")
    life = min(timedelta(seconds=min(seconds, 2**31)), _LONGEST_SESSION)
    return Session(token, now + life * 9 // 10)


def _no_session(response: HttpResponse, body: Json) -> Unauthorized | Unsure:
    why = reason(response)
    refused = reading.text(body, "error") in facts.CLIENT_ERRORS
    if refused or response.status in {UNAUTHORIZED, FORBIDDEN}:
        return Unauthorized(why)
    return Unsure(why, reading.retry_after_seconds(response.headers))


# --- the answer to a probe --------------------------------------------------------


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer to a probe."""
    if response.status != OK:
        return reading.probe_failed(response, reason(response))
    kinds = reading.items(reading.object_or_none(response.body), "event_types")
    return ProbeResult() if kinds is not None else ProbeResult("no_event_types")
