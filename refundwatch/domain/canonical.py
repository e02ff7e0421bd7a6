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
from json.encoder import encode_basestring
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


def canonical_bytes(value: JsonValue) -> bytes:
    """Give the canonical UTF-8 bytes of a value.

    Raises:
        NotCanonical: the value holds a float, a key that is not ASCII, an integer
            beyond ±(2^53-1), a lone surrogate, or nests deeper than `MAX_DEPTH`.
    """
    return octets(canonical_text(value))


def canonical_text(value: JsonValue, above: int = 0) -> str:
    """Give the canonical bytes as a text, to stand `above` levels deep in another.

    Raises:
        NotCanonical: as `canonical_bytes`, except for a lone surrogate, which has no
            bytes: `octets` refuses it.
    """
    return _written(value, MAX_DEPTH - above)


def octets(text: str) -> bytes:
    """Give the bytes of a canonical text.

    Raises:
        NotCanonical: it holds a lone surrogate.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        message = "A text holds a lone surrogate."
        # Without the error before, which would carry the text along.
        raise NotCanonical(message) from None


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


def _written(value: JsonValue, depth: int) -> str:
    """Write a value; a subclass (an `IntEnum`, a `StrEnum`) as its plain value."""
    match value:
        case str():
            return encode_basestring(str.__str__(value))
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(_checked_integer(value))
        case dict() | Mapping():
            inner = _deeper(depth)
            members = {_checked_key(key): item for key, item in value.items()}
            written = [
                f"{encode_basestring(key)}:{_written(members[key], inner)}"
                for key in sorted(members)
            ]
            return f"{{{','.join(written)}}}"
        case list() | tuple():
            inner = _deeper(depth)
            return f"[{','.join([_written(item, inner) for item in value])}]"
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


def _checked_key(key: object) -> str:
    if not isinstance(key, str) or not key.isascii():
        message = "A key is not ASCII text."
        raise NotCanonical(message)
    return str.__str__(key)
