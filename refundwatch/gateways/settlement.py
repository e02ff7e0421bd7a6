"""What a gateway's settlement report says, line by line, in one form for all.

Invariant: amounts are exact integers or the line is a `BadLine`; no line is dropped:
what is neither a line nor blank is told with its number and a reason.
"""

from __future__ import annotations

import csv
from codecs import getincrementaldecoder
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from refundwatch.errors import SettlementUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

MAX_LINE: Final = 64 * 1024
"""A longer line is no line of a report; in characters."""


class LineKind(StrEnum):
    """What moved."""

    PAYMENT = "payment"
    REFUND = "refund"
    REFUND_REVERSED = "refund_reversed"
    CHARGEBACK = "chargeback"
    CHARGEBACK_REVERSED = "chargeback_reversed"
    FEE = "fee"
    PAYOUT = "payout"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """One movement; amounts are ISO 4217 minor units.

    `amount_minor` is signed as money of the merchant: a refund is negative. `number`
    counts from 1 as the file's reader shows it. `booked_on` is the day in the
    account's settlement zone; `payout` is the batch or payout that pays it.
    """

    number: int
    kind: LineKind
    amount_minor: int
    currency: str
    gateway_reference: str | None = None
    merchant_reference: str | None = None
    payment_reference: str | None = None
    fee_minor: int | None = None
    fee_currency: str | None = None
    booked_on: date | None = None
    payout: str | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read; `reason` is a code, never the line's text."""

    number: int
    reason: str


def decoded_lines(content: Iterable[bytes], encoding: str = "utf-8") -> Iterator[str]:
    """Give the text's lines with their ends, holding no more than one in memory.

    Raises:
        SettlementUnreadable: bytes that are no text, or a line without end.
    """
    decoder = getincrementaldecoder(encoding)()
    waiting = ""
    try:
        for piece in content:
            *whole, waiting = (waiting + decoder.decode(piece)).split("\n")
            for line in whole:
                yield line + "\n"
            if len(waiting) > MAX_LINE:
                message = "A line of the settlement report does not end."
                raise SettlementUnreadable(message)
        waiting += decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        message = f"The settlement report is not {encoding} text."
        raise SettlementUnreadable(message) from error
    if waiting:
        yield waiting


def csv_rows(
    content: Iterable[bytes],
    required: Iterable[str],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
    fold_case: bool = False,
) -> Iterator[tuple[int, Mapping[str, str] | BadLine]]:
    """Give each row of a CSV file by its header's names, with its number in the file.

    A row with another number of fields is a `BadLine`; blank lines are passed over.
    With `fold_case` the names are read as lower case, however they are spelled.

    Raises:
        SettlementUnreadable: no header, or one that lacks a required name.
    """
    rows = csv.reader(
        decoded_lines(content, encoding), delimiter=delimiter, strict=True
    )
    try:
        header = [name.strip() for name in next(rows, [])]
        if fold_case:
            header = [name.lower() for name in header]
        missing = [name for name in required if name not in header]
        if missing:
            message = f"The report has no column {missing[0]!a}."
            raise SettlementUnreadable(message)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error:
                yield rows.line_num, BadLine(rows.line_num, "not_csv")
                continue
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                yield rows.line_num, BadLine(rows.line_num, "fields")
                continue
            cells = (cell.strip() for cell in row)
            yield rows.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        message = "The report's first line is no CSV header."
        raise SettlementUnreadable(message) from error
