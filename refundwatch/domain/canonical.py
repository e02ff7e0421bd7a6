"""Canonical JSON: one value, one sequence of bytes.

Invariant: bytes come only from the subset of JSON in which the standard library and
RFC 8785 agree: ASCII keys, texts without lone surrogates, integers that every reader
holds exactly, true, false, null, arrays and objects. Anything else is refused, never
approximated.

Source: RFC 8785, https://www.rfc-editor.org/rfc/rfc8785 (read 2026-11).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from refundwatch.errors import NotCanonical

if TYPE_CHECKING:
    from typing import TypeAlias

JsonValue: TypeAlias = (
    "bool | int | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
"""What can be written canonically; a float is not."""

MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 32

_ENCODER: Final = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
)


def canonical_bytes(value: JsonValue) -> bytes:
    """Give the canonical UTF-8 bytes of a value.

    Raises:
        NotCanonical: the value holds a float, a key that is not ASCII, an integer
            beyond ±(2^53-1), a lone surrogate, or nests deeper than `MAX_DEPTH`.
    """
    return _encoded(_plain(value, MAX_DEPTH))


def canonical_sha256(value: JsonValue) -> str:
    """Give the SHA-256 of the canonical bytes, in lower-case hex."""
    return sha256(canonical_bytes(value)).hexdigest()


def parse_canonical(stored: bytes) -> JsonValue:
    """Read bytes that must be exactly what `canonical_bytes` would write.

    Raises:
        NotCanonical: they are not JSON, or not the canonical form of what they say.
    """
    try:
        value: JsonValue = json.loads(stored.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        message = "The bytes are not JSON of the canonical subset."
        raise NotCanonical(message) from error
    # A repeated key, another spelling or a float does not survive being written again.
    if canonical_bytes(value) != stored:
        message = "The bytes are not in canonical form."
        raise NotCanonical(message)
    return value


def _encoded(plain: object) -> bytes:
    return _ENCODER.encode(plain).encode("utf-8")


def _plain(value: JsonValue, depth: int) -> object:
    """Copy a value into exactly the types the encoder writes canonically.

    Subclasses (an `IntEnum`, a `StrEnum`) become their plain value: the encoder
    would otherwise decide by itself how to write them.
    """
    match value:
        case str():
            return _checked_text(str.__str__(value))
        case None | bool():
            return value
        case int():
            return _checked_integer(int(value))
        case dict() | Mapping():
            inner = _deeper(depth)
            return {_checked_key(k): _plain(v, inner) for k, v in value.items()}
        case list() | tuple():
            inner = _deeper(depth)
            return [_plain(item, inner) for item in value]
        case _:
            message = f"A {type(value).__name__} has no canonical form."
            raise NotCanonical(message)


def _deeper(depth: int) -> int:
    if depth == 0:
        message = f"Values nest deeper than {MAX_DEPTH} levels."
        raise NotCanonical(message)
    return depth - 1


def _checked_integer(value: int) -> int:
    if abs(value) > MAX_INTEGER:
        message = "An integer lies beyond ±(2^53-1)."
        raise NotCanonical(message)
    return value


def _checked_text(value: str) -> str:
    # `isascii` is a flag of the string, so the common case costs nothing.
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        message = "A text holds a lone surrogate."
        raise NotCanonical(message)
    return value


def _checked_key(key: object) -> str:
    if not isinstance(key, str) or not key.isascii():
        message = "A key is not ASCII text."
        raise NotCanonical(message)
    return str.__str__(key)
