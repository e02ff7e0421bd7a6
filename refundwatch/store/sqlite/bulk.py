"""Many rows in one unit of work, all or none.

Invariant: with one row refused nothing of the unit is stored, and every refused row is
named; a dry run does everything, reports, and stores nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from refundwatch.errors import InvariantBroken, RefundwatchError
from refundwatch.store.contract import BulkReport, RowProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from refundwatch.store.sqlite.transaction import Transaction

T = TypeVar("T")


def put_all(
    tx: Transaction,
    rows: Iterable[T],
    put: Callable[[T], tuple[str, bool]],
    *,
    dry_run: bool,
) -> BulkReport:
    """Put each row; `put` gives its id and whether it is new, or refuses it."""
    ids: list[str] = []
    problems: list[RowProblem] = []
    created = 0
    for index, row in enumerate(rows):
        try:
            row_id, new = put(row)
        except InvariantBroken:
            raise
        except RefundwatchError as error:
            problems.append(RowProblem(index, error.code, error.message, error.field))
        else:
            ids.append(row_id)
            created += new
    if problems or dry_run:
        tx.discard()
    if problems:
        return BulkReport(0, 0, problems=tuple(problems))
    return BulkReport(created, len(ids) - created, tuple(ids))
