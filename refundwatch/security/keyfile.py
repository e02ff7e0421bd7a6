"""The key file: the key-encrypting keys that everything sealed hangs on.

Invariant: no message, repr or error of this module holds a byte of a key; a file that
others could read is refused before it is used.

One key a line, `ID BASE64`, 32 bytes each; the first is current, the others only open
what was wrapped under them. Empty lines and lines that start with `#` are skipped.
"""

from __future__ import annotations

import os
import re
import stat
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from refundwatch.errors import KeyFileInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

KEY_BYTES: Final = 32
_MAX_FILE_BYTES: Final = 65_536
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


def read_key_file(path: Path, *, guarded: bool = False) -> KeyRing:
    """Read a key file; it must belong to this process's user and to nobody else.

    `guarded` skips owner and mode: the service manager guards its credentials
    directory itself, where a file may show the mode 0440 of an access list.

    Raises:
        KeyFileInvalid: it cannot be read, others may read it, or a line is wrong.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            _check_file(path, os.fstat(descriptor), guarded=guarded)
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"{path}: the key file cannot be read ({error.strerror})."
        raise KeyFileInvalid(message) from error
    if len(content) > _MAX_FILE_BYTES:
        message = f"{path}: a key file has at most {_MAX_FILE_BYTES} bytes."
        raise KeyFileInvalid(message)
    return parse_key_file(content, str(path))


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


def new_key_line(key_id: str, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Make a fresh key as a line for a key file; the text is the secret.

    Raises:
        KeyFileInvalid: the id has another form.
    """
    if not _KEY_ID.fullmatch(key_id):
        message = "A key id is at most 64 letters, digits and . _ -."
        raise KeyFileInvalid(message)
    return f"{key_id} {b64encode(entropy(KEY_BYTES)).decode('ascii')}\n"


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


def _check_file(path: Path, status: os.stat_result, *, guarded: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        message = f"{path}: the key file is not a regular file."
        raise KeyFileInvalid(message)
    if guarded:
        return
    if status.st_uid != os.geteuid():
        message = f"{path}: the key file belongs to another user."
        raise KeyFileInvalid(message)
    if stat.S_IMODE(status.st_mode) & 0o177:
        message = f"{path}: others may use the key file; set its mode to 0400."
        raise KeyFileInvalid(message)


def _invalid_line(name: str, number: int, problem: str) -> KeyFileInvalid:
    return KeyFileInvalid(f"{name}, line {number}: {problem}.", field=f"line {number}")
