"""From a row's cells to the values that the API takes.

Invariant: a cell is read exactly or is a fault that names line and column.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ValidationError

from refundwatch.api.amounts import parse_amount
from refundwatch.commands.csv_rows import Fault
from refundwatch.commands.problems import UsageProblem
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.commands.columns import Layout
    from refundwatch.commands.csv_rows import Row

B = TypeVar("B", bound=BaseModel)

_PATTERNS: Final = {
    "reason_code": "must be 1 to 64 of a-z, 0-9, dot, dash and underscore",
    "account": "must be an account's name: lower case letters, digits and dashes",
    "currency": "must be three capital letters",
    "last_four": "must be four digits",
}
_ANY_PATTERN: Final = "must be 1 to 128 printable ASCII characters without blanks"


class BadCell(Exception):
    """A cell that cannot be taken."""

    def __init__(self, fault: Fault) -> None:
        """Keep what and where."""
        super().__init__(str(fault))
        self.fault = fault


class Cells:
    """One row's cells by what they mean."""

    def __init__(self, row: Row, layout: Layout) -> None:
        """Look at one row through a layout."""
        self.row = row
        self._layout = layout

    def optional(self, field: str) -> str | None:
        """Give a cell's text, or the setting of that name; None where both lack."""
        column = self._layout.columns.get(field)
        text = self.row.cells[column] if column is not None else ""
        return text or self._layout.settings.get(field)

    def needed(self, field: str) -> str:
        """Give a cell's text, which must not be empty."""
        text = self.optional(field)
        if not text:
            raise self.bad(field, "cell.empty", "is empty")
        return text

    def amount(self, field: str, currency: str) -> int:
        """Read decimal text as a positive number of minor units."""
        try:
            minor = parse_amount(self.needed(field), currency)
        except RefundwatchError as error:
            place = "currency" if error.field == "currency" else field
            raise self.bad(place, error.code, error.message) from error
        if minor <= 0:
            raise self.bad(
                field,
                "refund.amount_invalid",
                f"{self.needed(field)} is not more than nothing",
            )
        return minor

    def moment(self, field: str, zone: ZoneInfo | None) -> datetime | None:
        """Read an ISO 8601 time; one without an offset is local in `zone`.

        Raises:
            UsageProblem: there is no zone for a time that needs one.
        """
        text = self.optional(field)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            message = f"{text[:40]!a} is no time such as 2026-11-02 09:30:00"
            raise self.bad(field, "cell.time", message) from None
        if moment.tzinfo is not None:
            return moment
        if zone is None:
            raise UsageProblem(
                f"line {self.row.line}, column {self._layout.place(field)}: the times "
                "have no zone; name it with --timezone, such as Europe/London."
            )
        return self._local(field, moment, zone)

    def _local(self, field: str, moment: datetime, zone: ZoneInfo) -> datetime:
        local = moment.replace(tzinfo=zone)
        try:
            utc = local.timestamp()
        except (OverflowError, ValueError):
            raise self.bad(field, "cell.time", "is out of range") from None
        # A time that the clocks jumped over comes back as another one.
        if datetime.fromtimestamp(utc, zone).replace(tzinfo=None) != moment:
            message = f"{moment} does not exist in {zone.key}: the clocks went forward"
            raise self.bad(field, "cell.time", message)
        return local

    def bad(self, field: str, code: str, message: str) -> BadCell:
        """Return the fault of a field's cell."""
        return self.bad_in(self._layout.place(field), code, message)

    def bad_in(self, column: str, code: str, message: str) -> BadCell:
        """Return the fault of a column's cell."""
        return BadCell(Fault(self.row.line, column, code, message))


def build(
    model: type[B],
    cells: Cells,
    names: Mapping[str, str],
    **values: object,
) -> B:
    """Make a body; `names` tells which field of the file a field of the body is.

    Raises:
        BadCell: names the first cell that the API would not take.
    """
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = [part for part in first["loc"] if isinstance(part, str)]
        last = path[-1] if path else ""
        known = ".".join(path)
        field = names.get(known) or names.get(path[0] if path else "") or last
        longest = first.get("ctx", {}).get("max_length")
        words = _sentence(first["type"], last, longest) or first["msg"]
        raise cells.bad(field, "cell.invalid", words) from None


def find_zone(name: str | None) -> ZoneInfo | None:
    """Return the time zone of this name.

    Raises:
        UsageProblem: there is none.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageProblem(f"{name!a} is no time zone.") from error


def _sentence(kind: str, field: str, longest: object) -> str | None:
    """Say for people what pydantic says for programmers."""
    match kind:
        case "string_pattern_mismatch":
            return _PATTERNS.get(field, _ANY_PATTERN)
        case "string_too_long":
            return f"is longer than {longest} characters"
        case "less_than":
            return "is too large an amount"
        case _:
            return None
