"""Reading one TOML table, key by key, with errors that name file, line and key.

Invariant: a key that nobody asked for is an error, never ignored.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Final

from refundwatch.config.model import Address, SecretReference
from refundwatch.config.secrets import reference_problem
from refundwatch.errors import ConfigError

SCHEMES: Final = ("credential", "file", "command", "env")
_REQUIRED: Final = object()
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})"
)
_LAST_PORT: Final = 65_535


class Table:
    """One TOML table, read key by key; what is left over is an error."""

    def __init__(
        self, path: Path, text: str, prefix: str, content: dict[str, object]
    ) -> None:
        """Hold a table of the file at `path`, under the dotted `prefix`."""
        self.path = path
        self.text = text
        self.prefix = prefix
        self.content = content
        self.seen: set[str] = set()

    def error(self, key: str, message: str) -> ConfigError:
        """Word an error that names file, line and key."""
        dotted = (self.prefix + key).rstrip(".")
        return blame(self.path, self.text, dotted, message)

    def _take(self, key: str, default: object) -> object:
        self.seen.add(key)
        if key in self.content:
            return self.content[key]
        if default is _REQUIRED:
            near = difflib.get_close_matches(key, self.content.keys() - self.seen, n=1)
            hint = f"; is {near[0]} a slip of the pen?" if near else ""
            raise self.error(key, f"is missing{hint}")
        return default

    def text_of(self, key: str, default: object = ...) -> str:
        """Read a text that is not empty."""
        value = self._take(key, _REQUIRED if default is ... else default)
        if not isinstance(value, str) or not value:
            raise self.error(key, "must be a text in quotes")
        return value

    def optional_text(self, key: str) -> str | None:
        """Read a text, or None where the key is absent."""
        self.seen.add(key)
        return self.text_of(key) if key in self.content else None

    def one_of(self, key: str, words: tuple[str, ...], default: object = ...) -> str:
        """Read one of some words."""
        value = self.text_of(key, default)
        if value not in words:
            raise self.error(key, f"must be one of {', '.join(words)}")
        return value

    def integer(self, key: str, default: int, low: int, high: int = 2**31) -> int:
        """Read a whole number within bounds."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, "must be a whole number")
        if not low <= value <= high:
            raise self.error(key, f"must be from {low} to {high}")
        return value

    def seconds(self, key: str, default: float, low: float = 0.01) -> float:
        """Read a duration in seconds, at most a year."""
        value = self._take(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(key, "must be a number of seconds")
        if not low <= value <= 31_536_000:  # noqa: PLR2004 - one year
            raise self.error(key, f"must be from {low} seconds to a year")
        return float(value)

    def number(self, key: str, low: float, high: float) -> float:
        """Read a number within bounds that must be there."""
        value = self._take(key, None)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(key, "must be a number")
        if not low <= value <= high:
            raise self.error(key, f"must be from {low} to {high}")
        return float(value)

    def integers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Read a rising list of whole numbers."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not value:
            raise self.error(key, "must be a list of whole numbers")
        numbers: list[int] = []
        for entry in value:
            if not isinstance(entry, int) or isinstance(entry, bool) or entry < 0:
                raise self.error(key, "must hold whole numbers of seconds only")
            numbers.append(entry)
        if numbers != sorted(numbers):
            raise self.error(key, "must rise from first to last")
        return tuple(numbers)

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of texts; absent is empty."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self.error(key, "must be a list of texts")
        for entry in value:
            if not isinstance(entry, str):
                raise self.error(key, "must hold texts only")
        return tuple(value)

    def text_table(self, key: str) -> dict[str, str]:
        """Read a table of texts; absent is empty."""
        table = self.table(key, optional=True)
        result = {}
        for name in table.content:
            result[name] = table.text_of(name)
        return result

    def table(self, key: str, *, optional: bool = False) -> Table:
        """Open a table within this one."""
        value = self._take(key, {} if optional else _REQUIRED)
        if not isinstance(value, dict):
            raise self.error(key, "must be a table")
        return Table(self.path, self.text, f"{self.prefix}{key}.", value)

    def tables(self, key: str) -> list[Table]:
        """Open every table of an array."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self.error(key, f"must be written [[{self.prefix}{key}]]")
        found = []
        for position, entry in enumerate(value):
            if not isinstance(entry, dict):
                raise self.error(key, f"must be written [[{self.prefix}{key}]]")
            prefix = f"{self.prefix}{key}[{position}]."
            found.append(Table(self.path, self.text, prefix, entry))
        return found

    def file(self, key: str, default: object = ...) -> Path:
        """Read a path; a relative one starts from the file."""
        return self.path.parent / Path(self.text_of(key, default)).expanduser()

    def optional_file(self, key: str) -> Path | None:
        """Read a path, or None where the key is absent."""
        self.seen.add(key)
        return self.file(key) if key in self.content else None

    def address(self, key: str, default: object = ...) -> Address:
        """Read a `host:port`."""
        value = self.text_of(key, default)
        found = _ADDRESS.fullmatch(value)
        if found is None or int(found["port"]) > _LAST_PORT:
            raise self.error(key, 'must be written "host:port" or "[address]:port"')
        return Address(found["host"] or found["address"], int(found["port"]))

    def secret(self, key: str, value: object = ...) -> SecretReference:
        """Read where a secret is kept."""
        text = self.text_of(key) if value is ... else value
        scheme, colon, rest = str(text).partition(":")
        # The text is never echoed: it may be the secret itself, put here by mistake.
        if scheme not in SCHEMES or not colon or not rest:
            raise self.error(
                key,
                "must say where the secret is kept: credential:NAME, file:PATH, "
                "command:PROGRAM ARGUMENTS (or env:NAME in a sandbox)",
            )
        reference = SecretReference(scheme, rest, self.path.parent)
        problem = reference_problem(reference)
        if problem is not None:
            raise self.error(key, problem)
        return reference

    def finish(self) -> None:
        """Refuse every key that nobody asked for, with the nearest known one."""
        for key in self.content:
            if key not in self.seen:
                near = difflib.get_close_matches(key, self.seen, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise self.error(key, f"is not known here{hint}")


def blame(path: Path, text: str, dotted: str, message: str) -> ConfigError:
    """Word an error that names the file, the line of a dotted key, and the key."""
    line = nearest_line(text, dotted)
    where = f"{path}:{line}" if line else f"{path}"
    return ConfigError(f"{where}: {dotted}: {message}", field=dotted)


def nearest_line(text: str, dotted: str) -> int | None:
    """Find the line of a key, or of the nearest table around it."""
    while dotted:
        line = line_of(text, dotted)
        if line is not None:
            return line
        dotted = dotted.rpartition(".")[0]
    return None


def line_of(text: str, dotted: str) -> int | None:
    """Find the line of a dotted key in TOML text; None where it is not plain."""
    parts = re.sub(r"\[\d+\]", "", dotted).strip(".").split(".")
    position = re.search(r"\[(\d+)\]", dotted)
    wanted_array = int(position.group(1)) if position else 0
    table: list[str] = []
    arrays = -1
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        header = re.fullmatch(r"(\[\[?)([^\[\]]+)\]\]?\s*(#.*)?", stripped)
        if header:
            table = [part.strip().strip('"') for part in header.group(2).split(".")]
            if header.group(1) == "[[" and table[0] == parts[0]:
                arrays += 1
            if table == parts:
                return number
            continue
        key = stripped.partition("=")[0].strip().strip('"')
        in_array = position is None or arrays == wanted_array
        if "=" in stripped and in_array and table + key.split(".") == parts:
            return number
    return None
