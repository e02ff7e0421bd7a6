"""The fields of SSH's binary forms: strings, numbers, and nothing after the last.

Invariant: every field has one spelling; a second one is refused, so that equal values
have equal bytes.

Source: RFC 4251 section 5, https://www.rfc-editor.org/rfc/rfc4251 (read 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass

_TOP_BIT = 0x80


class WireBroken(ValueError):
    """Bytes are not what a field must be; `reason_code` says how."""

    def __init__(self, reason_code: str) -> None:
        """Keep the reason in a word."""
        super().__init__(reason_code)
        self.reason_code = reason_code


@dataclass(slots=True)
class Fields:
    """Reads one field after the other from bytes, and knows where it stands."""

    content: bytes
    place: int = 0

    def exactly(self, count: int) -> bytes:
        """Take that many bytes."""
        end = self.place + count
        if end > len(self.content):
            raise WireBroken("truncated")
        taken = self.content[self.place : end]
        self.place = end
        return taken

    def byte(self) -> int:
        """Take one byte."""
        return self.exactly(1)[0]

    def uint32(self) -> int:
        """Take a number of four bytes."""
        return int.from_bytes(self.exactly(4), "big")

    def string(self) -> bytes:
        """Take a length and that many bytes."""
        return self.exactly(self.uint32())

    def mpint(self) -> int:
        """Take a number from zero in its shortest form."""
        octets = self.string()
        if octets and octets[0] & _TOP_BIT:
            raise WireBroken("number_negative")
        if octets[:1] == b"\0" and (len(octets) == 1 or not octets[1] & _TOP_BIT):
            raise WireBroken("number_not_minimal")
        return int.from_bytes(octets, "big")

    def end(self) -> None:
        """Refuse whatever is left."""
        if self.place != len(self.content):
            raise WireBroken("trailing_bytes")


def uint32(number: int) -> bytes:
    """Write a number of four bytes."""
    return number.to_bytes(4, "big")


def string(content: bytes) -> bytes:
    """Write a length and the bytes."""
    return len(content).to_bytes(4, "big") + content


def mpint(number: int) -> bytes:
    """Write a number from zero in its shortest form."""
    return string(
        number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b""
    )
