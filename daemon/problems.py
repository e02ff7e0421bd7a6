"""Errors as the wire shows them: RFC 9457 problems with stable codes.

Invariant: whatever goes wrong, the caller gets a problem that names what and where;
an error that nobody expected tells nothing about the inside.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from refundwatch.api.models import Problem
from refundwatch.errors import RefundwatchError
from refundwatch.flow.loops import trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import ValidationError

    from daemon.hub import Hub

CONTENT_TYPE: Final = "application/problem+json"
_STATUSES: Final = {
    error.code: error.http_status for error in RefundwatchError.__subclasses__()
}


class BadRequest(RefundwatchError):
    """The request cannot be read."""

    code = "request.malformed"
    http_status = 400
    exit_code = 2


class UnsupportedMedia(RefundwatchError):
    """The body is of another kind than the operation reads."""

    code = "request.media_type"
    http_status = 415
    exit_code = 2


class InvalidField(RefundwatchError):
    """A field of the request is missing, unknown or not allowed."""

    code = "request.invalid"
    http_status = 422
    exit_code = 2


class RowRefused(RefundwatchError):
    """The one row of a request was refused; code and status are the rule's own."""

    def __init__(self, code: str, message: str, field: str | None) -> None:
        """Take what the store said about the row."""
        super().__init__(message, field)
        self.code = code
        self.http_status = _STATUSES.get(code, 422)


class NotThere(RefundwatchError):
    """Nothing stands under this name."""

    code = "request.not_there"
    http_status = 404


class Unauthenticated(RefundwatchError):
    """Nobody knows who calls."""

    code = "auth.required"
    http_status = 401


class InRecovery(RefundwatchError):
    """The log lost its end: nothing is changed until two people have accepted that."""

    code = "audit.recovery"
    http_status = 503


class NoRecovery(RefundwatchError):
    """There is no loss that could be accepted."""

    code = "audit.no_recovery"
    http_status = 409
    exit_code = 4


class UpgradeRequired(RefundwatchError):
    """This path speaks another protocol."""

    code = "request.upgrade_required"
    http_status = 426
    exit_code = 2


class TooManyTries(RefundwatchError):
    """Too many wrong tries from one place."""

    code = "auth.throttled"
    http_status = 429

    def __init__(self, message: str, wait_seconds: int) -> None:
        """Take after how many seconds another try is looked at."""
        super().__init__(message)
        self.wait_seconds = wait_seconds


class TooOften(RefundwatchError):
    """One address or principal asks more often than the configuration lets it."""

    code = "request.throttled"
    http_status = 429

    def __init__(self, wait_seconds: int) -> None:
        """Take after how many seconds the next request is served."""
        super().__init__(f"Too many requests; come again in {wait_seconds} s.")
        self.wait_seconds = wait_seconds


class Forbidden(RefundwatchError):
    """The caller may not do this; `code` says why."""

    http_status = 403

    def __init__(self, message: str, code: str) -> None:
        """Take the policy's own code."""
        super().__init__(message)
        self.code = code


def response(error: RefundwatchError) -> web.Response:
    """Render an error of ours."""
    headers = {}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.http_status == HTTPStatus.UPGRADE_REQUIRED:
        headers["Upgrade"] = "websocket"
    if isinstance(error, TooManyTries | TooOften):
        headers["Retry-After"] = str(error.wait_seconds)
    return render(error.http_status, error.code, error.message, error.field, headers)


def render(
    status: int,
    code: str,
    detail: str,
    field: str | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """Render a problem."""
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        field=field,
    )
    return web.Response(
        status=status,
        body=problem.model_dump_json(exclude_none=True).encode(),
        content_type=CONTENT_TYPE,
        headers=headers,
    )


def invalid(error: ValidationError) -> InvalidField:
    """Name the first field that a model refused, and why."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[
        0
    ]
    path = ".".join(str(part) for part in first["loc"]) or None
    more = error.error_count() - 1
    also = f" ({more} more)" if more else ""
    return InvalidField(f"{path or 'body'}: {first['msg']}{also}.", field=path)


_HTTP_CODES: Final = {
    400: ("request.malformed", "The request is not what this path reads."),
    404: ("request.no_such_path", "There is no such path."),
    405: ("request.no_such_method", "This path does not know this method."),
    408: ("request.too_slow", "The request did not arrive in time."),
    413: ("request.too_large", "The body is larger than allowed."),
}


def _allowed(error: web.HTTPException) -> dict[str, str]:
    methods = error.headers.get("Allow")
    return {} if methods is None else {"Allow": methods}


def guard(hub: Hub) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the one middleware that turns errors into problems."""

    @web.middleware
    async def problems(
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except RefundwatchError as error:
            if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                hub.log.problem("api:error", code=error.code, detail=error.message)
            return response(error)
        except web.HTTPException as error:
            code, detail = _HTTP_CODES.get(
                error.status, ("request.refused", error.reason)
            )
            return render(error.status, code, detail, headers=_allowed(error))
        except Exception as error:  # noqa: BLE001 - the border of the daemon
            hub.log.problem("api:crash", path=request.path, **trouble(error))
            hub.count("api_crashes")
            return render(500, "internal", "The daemon failed; its log says how.")

    return problems
