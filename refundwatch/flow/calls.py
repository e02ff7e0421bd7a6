"""What is noted of every exchange with a gateway: one `CallRecord` each.

Invariant: a record holds a class, a status, times, versions and a digest; never a
header, a body or a text of the gateway.

Outcome classes: `ok` a good answer; `refused` a whole answer that says no (the
gateway works); `throttled` 429; `server_error` 5xx or 408; `timeout` and `transport`
no whole answer; `unauthorized` credentials or permissions refused; `malformed` an
answer of status 2xx that is not what the gateway documents, or a redirect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import (
    Absent,
    LookupFailed,
    NotProcessed,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
    Unverifiable,
)
from refundwatch.store.contract import CallRecord

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

_UNAUTHORIZED: Final = frozenset({401, 403})
_THROTTLED: Final = 429
_REQUEST_TIMEOUT: Final = 408
_LONGEST_REASON: Final = 64
_IN_PATH: Final = re.compile(r"/(v[0-9]{1,4})(?=/|\Z)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request on its way; `monotonic` is when it left."""

    path: ConnectionPath
    request: HttpRequest
    at: datetime
    monotonic: float


def answered(asked: Asked, response: HttpResponse, monotonic: float) -> CallRecord:
    """Note a whole answer, judged by its status alone."""
    return CallRecord(
        connection=asked.path.id,
        operation=asked.request.operation,
        started_at=asked.at,
        duration_ms=_milliseconds(asked, monotonic),
        outcome=_class_of(response.status),
        sent=True,
        status=response.status,
        version_asked=_version_asked(asked),
        version_answered=_version_answered(asked, response),
        response_sha256=sha256(response.body).hexdigest(),
        retry_after_seconds=None,
    )


def failed(asked: Asked, error: Exception, monotonic: float) -> CallRecord:
    """Note an exchange without a whole answer."""
    known = isinstance(error, NeverSentError | NoAnswerError)
    reason = str(error) if known else type(error).__name__
    return CallRecord(
        connection=asked.path.id,
        operation=asked.request.operation,
        started_at=asked.at,
        duration_ms=_milliseconds(asked, monotonic),
        outcome="timeout" if "timeout" in reason.lower() else "transport",
        sent=not isinstance(error, NeverSentError),
        error=reason[:_LONGEST_REASON],
        version_asked=_version_asked(asked),
    )


def understood(call: CallRecord, result: object) -> CallRecord:
    """Judge the last call again by what its adapter read in the answer."""
    match result:
        case Unauthorized(reason=reason):
            return replace(call, outcome="unauthorized", error=_short(reason))
        case (
            LookupFailed(reason=reason, unauthorized=True)
            | PaymentUnreadable(reason=reason, unauthorized=True)
            | ProbeResult(failure=str(reason), unauthorized=True)
        ):
            return replace(call, outcome="unauthorized", error=_short(reason))
        case NotProcessed(reason=reason, retry_after_seconds=wait, alone=alone):
            # A wait in a record puts the whole connection to rest.
            asked = None if alone else wait
            judged = replace(call, error=_short(reason), retry_after_seconds=asked)
            return (
                judged if call.outcome != "ok" else replace(judged, outcome="refused")
            )
        case Unsure() | LookupFailed():
            return _told_nothing(call, result)
        case RefusedByGateway(code=code):
            return replace(call, outcome="refused", error=_short(code))
        case Absent():
            # A look-up that answers "not there" by 404 was answered well.
            return replace(call, outcome="ok")
        case PaymentUnreadable():
            return _unreadable(call, result)
        case Unverifiable(reason=reason):
            return _doubted(call, reason)
        case ProbeResult(failure=str(reason)):
            return _doubted(call, reason)
        case _:
            return call


def _told_nothing(call: CallRecord, result: Unsure | LookupFailed) -> CallRecord:
    """Judge an answer that decides nothing: a refund not shown yet is none bad."""
    if isinstance(result, LookupFailed) and result.unknown_there:
        outcome = "refused" if call.outcome == "ok" else call.outcome
        return replace(call, outcome=outcome, error=_short(result.reason))
    doubted = _doubted(call, result.reason)
    return replace(doubted, retry_after_seconds=result.retry_after_seconds)


def _unreadable(call: CallRecord, result: PaymentUnreadable) -> CallRecord:
    """Judge a payment that was not read: a whole answer that says less is none bad."""
    if result.untold_in is not None:
        return call
    if result.missing and call.outcome == "ok":
        # Some gateways say with a good status that they know no such payment.
        return replace(call, outcome="refused", error=_short(result.reason))
    return _doubted(call, result.reason)


def denied(result: object) -> bool:
    """Tell whether the gateway refused our credentials or permissions."""
    match result:
        case (
            Unauthorized()
            | LookupFailed(unauthorized=True)
            | PaymentUnreadable(unauthorized=True)
            | ProbeResult(unauthorized=True)
        ):
            return True
        case _:
            return False


def session_ended(call: CallRecord) -> CallRecord:
    """Restate a refusal that only says that a session is over: nothing is wrong."""
    return replace(call, outcome="refused", error="session_expired")


def _doubted(call: CallRecord, reason: str) -> CallRecord:
    outcome = "malformed" if call.outcome == "ok" else call.outcome
    return replace(call, outcome=outcome, error=_short(reason))


def _class_of(status: int) -> str:
    if status in _UNAUTHORIZED:
        return "unauthorized"
    if status == _THROTTLED:
        return "throttled"
    if status == _REQUEST_TIMEOUT or status >= 500:  # noqa: PLR2004 - server errors
        return "server_error"
    if status < 200 or 300 <= status < 400:  # noqa: PLR2004 - no answer of an API
        # Somebody before the gateway points elsewhere: it is not reached.
        return "malformed"
    return "ok" if status < 300 else "refused"  # noqa: PLR2004 - success


def _version_asked(asked: Asked) -> str | None:
    """Find the version that a request names: in its header, its path, its address."""
    pinned = _pinned(asked)
    if pinned is not None:
        return pinned[1]
    path = asked.request.target.partition("?")[0]
    for text in (path, urlsplit(asked.path.endpoint).path):
        found = _IN_PATH.search(text)
        if found is not None:
            return found[1]
    return asked.path.api_version


def _version_answered(asked: Asked, response: HttpResponse) -> str | None:
    """Find the version an answer names: in the gateway's header, or the pinned one."""
    name = asked.path.gateway.capabilities.version_header
    if name is None:
        pinned = _pinned(asked)
        name = None if pinned is None else pinned[0]
    return response.headers.get(name) if name else None


def _pinned(asked: Asked) -> tuple[str, str] | None:
    """Find the header that pins a version: its answer repeats it by the same name."""
    for name, value in asked.request.headers:
        if name.lower().endswith("-version"):
            return name.lower(), value
    return None


def _milliseconds(asked: Asked, monotonic: float) -> int:
    return max(int((monotonic - asked.monotonic) * 1000), 0)


def _short(reason: str) -> str:
    return reason[:_LONGEST_REASON]
