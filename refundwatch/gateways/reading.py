"""Reading what a gateway sent: strict JSON, typed getters, and common meanings.

Invariant: every function here is total. Any bytes and any header give a value, None
or `MalformedResponse`; nothing is guessed, and no text from outside leaves unbounded.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http import HTTPStatus
from math import isfinite
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from refundwatch.errors import MalformedResponse
from refundwatch.gateways.contract import (
    LookupFailed,
    Outcome,
    PaymentUnreadable,
    ProbeResult,
    Unauthorized,
    Unsure,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from refundwatch.gateways.contract import HttpResponse, Operation

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

T = TypeVar("T")

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_WHOLE: Final = 2**53 - 1
MAX_TEXT: Final = 255
MAX_SHOWN: Final = 64
MAX_RETRY_AFTER_SECONDS: Final = 24 * 60 * 60

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_KEY: Final = re.compile(r"[\x21-\x7e]+")


# --- strict JSON ------------------------------------------------------------------


def parse(body: bytes, limit: int = MAX_BYTES, *, points_as_text: bool = False) -> Json:
    """Read one JSON value; what two readers could understand differently is refused.

    With `points_as_text` a number with a point or an exponent is given as the text
    that stands there: some gateways write amounts so.

    Raises:
        MalformedResponse: not UTF-8, not JSON, a repeated key, NaN or an infinity, a
            number beyond a double, a lone surrogate, over `limit` bytes, or nested
            deeper than `MAX_DEPTH`.
    """
    if len(body) > limit:
        raise MalformedResponse("too_large")
    try:
        decoder = _DECODER_OF_TEXTS if points_as_text else _DECODER
        value: Json = decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedResponse("not_utf8") from error
    except RecursionError as error:
        raise MalformedResponse("too_deep") from error
    except ValueError as error:
        raise MalformedResponse("not_json") from error
    if not _is_flat_and_plain(body):
        _check_depth_and_text(value)
    return value


def parse_object(body: bytes, limit: int = MAX_BYTES) -> JsonObject:
    """Read a JSON object.

    Raises:
        MalformedResponse: as `parse`, or the value is no object.
    """
    value = parse(body, limit)
    if not isinstance(value, dict):
        raise MalformedResponse("not_an_object")
    return value


def object_or_none(body: bytes) -> JsonObject | None:
    """Read a JSON object, or None where the bytes are no such thing."""
    try:
        return parse_object(body)
    except MalformedResponse:
        return None


def _without_repeats(pairs: list[tuple[str, Json]]) -> JsonObject:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise MalformedResponse("repeated_key")
    return read


def _finite(digits: str) -> float:
    """Read a number with a point: never an amount, `whole` and `text` refuse it."""
    number = float(digits)
    if not isfinite(number):
        raise MalformedResponse("number_too_large")
    return number


def _refuse_constant(_name: str) -> NoReturn:
    raise MalformedResponse("not_a_number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_repeats,
    parse_float=_finite,
    parse_constant=_refuse_constant,
)
_DECODER_OF_TEXTS: Final = json.JSONDecoder(
    object_pairs_hook=_without_repeats,
    parse_float=str,
    parse_constant=_refuse_constant,
)


def _is_flat_and_plain(body: bytes) -> bool:
    """Tell whether no value of a body can be too deep or hold a lone surrogate.

    With fewer brackets than levels nothing is too deep, and UTF-8 has no surrogates:
    they come from escapes alone.
    """
    return body.count(b"{") + body.count(b"[") < MAX_DEPTH and b"\\u" not in body


def _check_depth_and_text(value: Json) -> None:
    waiting: list[tuple[Json, int]] = [(value, 1)]
    while waiting:
        current, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise MalformedResponse("too_deep")
        if isinstance(current, str):
            _check_text(current)
        elif isinstance(current, list):
            waiting.extend((item, depth + 1) for item in current)
        elif isinstance(current, dict):
            for key, item in current.items():
                _check_text(key)
                waiting.append((item, depth + 1))


def _check_text(written: str) -> None:
    """Refuse a lone surrogate: it has no bytes, so nothing can be signed or stored."""
    try:
        written.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedResponse("not_unicode") from error


# --- typed getters ----------------------------------------------------------------


def at(source: Json, *path: str) -> Json:
    """Follow keys through objects; None where the way ends early."""
    current = source
    for key in path:
        if not isinstance(current, dict):
            return None
        current = current.get(key)
    return current


def text(source: Json, *path: str, limit: int = MAX_TEXT) -> str | None:
    """Give a text of 1 to `limit` characters, or None for anything else."""
    value = at(source, *path)
    return value if isinstance(value, str) and 0 < len(value) <= limit else None


def whole(source: Json, *path: str) -> int | None:
    """Give an integer within ±`MAX_WHOLE`; a bool, float or text is None."""
    value = at(source, *path)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= MAX_WHOLE else None


def flag(source: Json, *path: str) -> bool | None:
    """Give true or false, or None for anything else."""
    value = at(source, *path)
    return value if isinstance(value, bool) else None


def member(source: Json, *path: str) -> JsonObject | None:
    """Give an object, or None for anything else."""
    value = at(source, *path)
    return value if isinstance(value, dict) else None


def items(source: Json, *path: str) -> list[Json] | None:
    """Give an array, or None for anything else."""
    value = at(source, *path)
    return value if isinstance(value, list) else None


def required_text(source: Json, *path: str) -> str:
    """Give a text that must be there.

    Raises:
        MalformedResponse: it is missing, empty, too long or no text.
    """
    value = text(source, *path)
    if value is None:
        raise MalformedResponse(f"missing_{path[-1] if path else 'text'}")
    return value


def shown(value: Json, limit: int = MAX_SHOWN) -> str:
    """Write an outside value for people: bounded, without control characters."""
    written = value if isinstance(value, str) else json.dumps(value)
    head = written[:limit]
    if head.isprintable():
        return head
    return "".join(mark if mark.isprintable() else "?" for mark in head)


def is_plain_id(reference: str) -> bool:
    """Tell whether a text can be a gateway's id; nothing else may stand in a path.

    A point is no part of one: `..` would name another path, quoted or not.
    """
    return _PLAIN_ID.fullmatch(reference) is not None


def is_key(key: str, limit: int) -> bool:
    """Tell whether a text can stand in an idempotency header of `limit` characters."""
    return len(key) <= limit and _KEY.fullmatch(key) is not None


def body_sha256(body: bytes) -> str:
    """Give the SHA-256 of raw bytes, in lower-case hex."""
    return sha256(body).hexdigest()


# --- time -------------------------------------------------------------------------


def utc_text(written: str | None) -> str | None:
    """Restate an RFC 3339 time in UTC; None where it has another form or no zone."""
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is None:
            return None
        return _rfc3339(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def utc_text_of_unix(seconds: int | None) -> str | None:
    """Restate seconds since 1970 in UTC; None where no calendar holds them."""
    if seconds is None:
        return None
    try:
        return _rfc3339(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    except OverflowError:
        return None


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def retry_after_seconds(
    headers: Mapping[str, str], now: datetime | None = None
) -> int | None:
    """Read Retry-After as seconds from now, or None where it says nothing readable.

    A date counts from `now`, or from the answer's own Date header. The wait is at
    most a day, so that one mad header cannot park money.
    """
    written = headers.get("retry-after", "").strip()
    if written.isascii() and written.isdigit():
        # Nine digits are thirty years; more need no exact reading.
        return min(int(written[:9]), MAX_RETRY_AFTER_SECONDS)
    until = _http_date(written)
    since = now or date_of(headers)
    if until is None or since is None:
        return None
    wait = int((until - since).total_seconds())
    return min(max(wait, 0), MAX_RETRY_AFTER_SECONDS)


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Read when an answer was given, by the clock of who gave it."""
    return _http_date(headers.get("date", ""))


def _http_date(written: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(written)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return zoned.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


# --- what every gateway means alike -----------------------------------------------


def common_outcome(response: HttpResponse, reason: str | None = None) -> Outcome:
    """Give the meaning of an answer to a refund that no adapter documents.

    401 and 403 were not executed; everything else proves nothing. An adapter whose
    gateway documents "not processed" says so before it comes here.
    """
    why = reason or f"http_{response.status}"
    if response.status in {401, 403}:
        return Unauthorized(why)
    return Unsure(why, retry_after_seconds(response.headers))


def lookup_failed(response: HttpResponse, reason: str | None = None) -> LookupFailed:
    """Say that a look-up was not answered."""
    return LookupFailed(
        reason or f"http_{response.status}",
        retry_after_seconds(response.headers),
        unauthorized=response.status in {401, 403},
    )


def payment_unreadable(
    response: HttpResponse, reason: str | None = None
) -> PaymentUnreadable:
    """Say that the original payment was not read; 404 means it is not known there."""
    return PaymentUnreadable(
        reason or f"http_{response.status}",
        missing=response.status == HTTPStatus.NOT_FOUND,
        unauthorized=response.status in {401, 403},
    )


def probe_failed(response: HttpResponse, reason: str | None = None) -> ProbeResult:
    """Say that a probe was answered badly."""
    return ProbeResult(
        reason or f"http_{response.status}",
        unauthorized=response.status in {401, 403},
    )


def without_request(result: T) -> Operation[T]:
    """Give an operation that already knows its result and asks nothing."""
    yield from ()
    return result
