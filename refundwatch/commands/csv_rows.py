"""Reading a CSV file row by row, each with the line it begins on.

Invariant: memory does not grow with the file; a row that cannot be read is a fault
with its line, and the rows after it are still read.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.api.cards import holds_card
from refundwatch.commands.problems import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

_LONGEST_LINE_BYTES: Final = 1024 * 1024
_BOM: Final = "\ufeff"
_CARD: Final = (
    "holds what is a card number by its length, first digits and check digit; card "
    "numbers are never taken. An order number of this form is written with letters "
    "directly before it: ORD1234"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on, and its cells by column."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be taken; `column` is None when it is the row as a whole."""

    line: int
    column: str | None
    code: str
    message: str

    def __str__(self) -> str:
        """Name line, column and reason."""
        where = f", column {self.column}" if self.column else ""
        return f"line {self.line}{where}: {self.message}"


class CsvFile:
    """A CSV file with a header line; UTF-8, with or without a byte order mark."""

    def __init__(self, path: Path, delimiter: str = ",") -> None:
        """Read the header.

        Raises:
            UsageProblem: the file cannot be opened or has no usable header.
        """
        self.path = path
        self._delimiter = "\t" if delimiter == "tab" else delimiter
        if len(self._delimiter) != 1 or self._delimiter in '\r\n" ':
            raise UsageProblem(f"{delimiter!a} cannot stand between cells.")
        if path.exists() and not path.is_file():
            raise UsageProblem(f"{path} is no plain file; it is read more than once.")
        self.header = self._read_header()

    def rows(self) -> Iterator[Row | Fault]:
        """Read the file from its beginning, without its header and empty lines."""
        with self._open() as file:
            lines = _Lines(file)
            reader = csv.reader(lines, strict=True, delimiter=self._delimiter)
            next(reader)
            while True:
                line = lines.number + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Fault(line, None, "csv.malformed", _words(error))
                    continue
                found = self._row(line, cells, lines.take_unreadable())
                if found is not None:
                    yield found

    def _row(
        self, line: int, cells: list[str], unreadable: int | None
    ) -> Row | Fault | None:
        if unreadable is not None:
            return Fault(unreadable, None, "csv.not_utf8", "is not UTF-8 text")
        if not cells:
            return None
        if len(cells) != len(self.header):
            message = f"has {len(cells)} cells, the header has {len(self.header)}"
            return Fault(line, None, "csv.cells", message)
        stripped = [cell.strip() for cell in cells]
        for name, cell in zip(self.header, stripped, strict=True):
            if holds_card(cell):
                return Fault(line, name, "value.card_number", _CARD)
        return Row(line, dict(zip(self.header, stripped, strict=True)))

    def _read_header(self) -> tuple[str, ...]:
        with self._open() as file:
            lines = _Lines(file)
            reader = csv.reader(lines, strict=True, delimiter=self._delimiter)
            try:
                names = tuple(cell.strip() for cell in next(reader))
            except StopIteration:
                raise UsageProblem(
                    f"{self.path} is empty: it needs a header."
                ) from None
            except csv.Error as error:
                raise UsageProblem(f"{self.path}, line 1: {_words(error)}.") from error
        if lines.take_unreadable() is not None:
            raise UsageProblem(f"{self.path}, line 1: is not UTF-8 text.")
        if any(map(holds_card, names)):
            raise UsageProblem(f"{self.path}, line 1: a column's name {_CARD}.")
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            message = f"{self.path}, line 1: the column {min(twice)!a} stands twice."
            raise UsageProblem(message)
        return names

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UsageProblem(f"{self.path}: {error.strerror or error}.") from error


class _Lines:
    """Lines of text, counted; one that is no UTF-8 is remembered, not raised."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unreadable: int | None = None
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        content = self._file.readline(_LONGEST_LINE_BYTES)
        if not content:
            raise StopIteration
        self.number += 1
        if len(content) == _LONGEST_LINE_BYTES and not content.endswith(b"\n"):
            message = f"{self._file.name}, line {self.number}: is longer than 1 MiB."
            raise UsageProblem(message)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            self._unreadable = self._unreadable or self.number
            text = content.decode("utf-8", "replace")
        return text.removeprefix(_BOM) if self.number == 1 else text

    def take_unreadable(self) -> int | None:
        """Give the first line since the last call that is no UTF-8, and forget it."""
        found, self._unreadable = self._unreadable, None
        return found


def _words(error: csv.Error) -> str:
    match str(error):
        case "unexpected end of data":
            return "opens a quote that never closes"
        case words:
            return f"is no CSV: {words}"
