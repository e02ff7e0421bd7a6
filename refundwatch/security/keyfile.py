"""The key file: the key-encrypting keys that everything sealed hangs on.

Invariant: no message, repr or error of this module holds a byte of a key. Where the
file stands and who may read it is the configuration's to check.

One key a line, `ID BASE64`, 32 bytes each; the first is current, the others only open
what was wrapped under them. Empty lines and lines that start with `#` are skipped.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from refundwatch.errors import KeyFileInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Key-encrypting keys by id; `current` wraps what is new."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a ring that could not wrap."""
        if self.current not in self.keys:
            message = "The current key is not among the keys."
            raise KeyFileInvalid(message)
        if any(len(key) != KEY_BYTES for key in self.keys.values()):
            message = f"A key has {KEY_BYTES} bytes."
            raise KeyFileInvalid(message)


def parse_key_file(content: bytes, name: str = "key file") -> KeyRing:
    """Read the lines of a key file; `name` stands in the messages.

    Raises:
        KeyFileInvalid: a line has another form, an id or key comes twice, or there
            is no key.
    """
    keys: dict[str, bytes] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(b"#"):
            continue
        parsed = _parse_line(stripped)
        if parsed is None:
            raise _invalid_line(name, number, _LINE_FORM)
        key_id, key = parsed
        if key_id in keys or key in keys.values():
            raise _invalid_line(name, number, "the id or the key came before")
        keys[key_id] = key
    if not keys:
        message = f"{name}: there is no key."
        raise KeyFileInvalid(message)
    return KeyRing(next(iter(keys)), keys)


_LINE_FORM: Final = f"write `ID BASE64`, where the base64 holds {KEY_BYTES} bytes"


def _parse_line(line: bytes) -> tuple[str, bytes] | None:
    """Read a line, or None: the errors of decoding would carry the line along."""
    try:
        key_id, encoded = line.decode("ascii").split()
        key = b64decode(encoded, validate=True)
    except ValueError:
        return None
    fitting = _KEY_ID.fullmatch(key_id) and len(key) == KEY_BYTES
    return (key_id, key) if fitting else None


def _invalid_line(name: str, number: int, problem: str) -> KeyFileInvalid:
    return KeyFileInvalid(f"{name}, line {number}: {problem}.", field=f"line {number}")
