"""Reading signed statements: each field exactly one type, nothing beside them.

Invariant: what is read was canonical, had every field and no other, and each value is
of one type with one spelling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self, TypeVar

from refundwatch.domain.canonical import parse_canonical
from refundwatch.errors import RefundwatchError, StatementInvalid

if TYPE_CHECKING:
    from refundwatch.domain.canonical import JsonValue

W = TypeVar("W", bound=StrEnum)

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{22,86}")


@dataclass(frozen=True, slots=True)
class Stated:
    """The fields of a parsed statement."""

    stated: Mapping[str, JsonValue]

    @classmethod
    def parse(
        cls, statement: bytes, fields: frozenset[str], kind: str, version: int
    ) -> Self:
        """Read a statement of one type that has exactly these fields.

        Raises:
            StatementInvalid: it has not.
        """
        try:
            stated = parse_canonical(statement)
        except RefundwatchError as error:
            raise StatementInvalid("The statement is not canonical JSON.") from error
        if not isinstance(stated, Mapping):
            raise StatementInvalid("The statement is not an object.")
        for name in sorted(fields - set(stated)):
            raise invalid(name, "is missing")
        for name in sorted(set(stated) - fields):
            raise invalid(name, "is unknown")
        if stated["type"] != kind:
            raise invalid("type", f"is not {kind}")
        # `True == 1`, and the two have different bytes.
        if stated["v"] != version or isinstance(stated["v"], bool):
            raise invalid("v", f"is not {version}")
        return cls(stated)

    def text(self, name: str) -> str:
        """Read a text."""
        value = self.stated[name]
        if not isinstance(value, str):
            raise invalid(name, "is not text")
        return value

    def optional_text(self, name: str) -> str | None:
        """Read a text or null."""
        return None if self.stated[name] is None else self.text(name)

    def count(self, name: str) -> int:
        """Read a whole number from zero."""
        value = self.stated[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise invalid(name, "is not a whole number from zero")
        return value

    def digest(self, name: str) -> str:
        """Read a SHA-256 in lower-case hex."""
        text = self.text(name)
        if not _SHA256_HEX.fullmatch(text):
            raise invalid(name, "is not 64 lower-case hex digits")
        return text

    def nonce(self, name: str) -> str:
        """Read at least 128 random bits, as base64url without padding."""
        text = self.text(name)
        if not _NONCE.fullmatch(text):
            raise invalid(name, "is not 128 bits or more in base64url")
        return text

    def time(self, name: str) -> datetime:
        """Read a UTC time to the second."""
        text = self.text(name)
        try:
            moment = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise invalid(name, "is not a UTC time") from error
        # `strptime` also takes one-digit fields, which would be second spellings.
        if moment.strftime(_TIME) != text:
            raise invalid(name, "is not a UTC time")
        return moment

    def optional_time(self, name: str) -> datetime | None:
        """Read a UTC time or null."""
        return None if self.stated[name] is None else self.time(name)

    def one_of(self, name: str, words: type[W]) -> W:
        """Read one of an enumeration's words."""
        try:
            return words(self.text(name))
        except ValueError as error:
            raise invalid(name, "is none of the words there are") from error

    def texts(self, name: str) -> Mapping[str, str]:
        """Read an object of texts."""
        value = self.stated[name]
        if not isinstance(value, Mapping) or not all(
            isinstance(text, str) for text in value.values()
        ):
            raise invalid(name, "is not an object of texts")
        return {key: str(text) for key, text in value.items()}


def time_text(moment: datetime, name: str) -> str:
    """Write a time to the second, as statements hold it.

    Raises:
        StatementInvalid: it has no zone.
    """
    if moment.tzinfo is None:
        raise invalid(name, "has no zone")
    return moment.astimezone(UTC).strftime(_TIME)


def invalid(name: str, problem: str) -> StatementInvalid:
    """Word what is wrong with a field; its name may be anything."""
    shown = ascii(name)[1:-1][:64]
    return StatementInvalid(f"{shown} {problem}.", field=shown)
