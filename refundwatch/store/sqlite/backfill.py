"""Which refunds of an account a backfill reads.

Invariant: in the order of their ids, so that a walk in pages meets each once, whatever
moves meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.store.contract import BackfillPage, ToBackfill
from refundwatch.store.rows import micros, refund_from_row
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.registry import Reading, question

if TYPE_CHECKING:
    from refundwatch.store.rows import SqlValue

_SQL = named_queries("sqlite", "backfill")


@question(ToBackfill)
def _to_backfill(reading: Reading, query: ToBackfill) -> BackfillPage:
    values: dict[str, SqlValue] = {
        "account": query.account,
        "since": micros(query.since),
        "after": query.after,
        "limit": query.limit,
    }
    rows = reading.connection.execute(_SQL["refunds"], values).fetchall()
    left = reading.connection.execute(_SQL["left"], values).fetchone()["count"]
    return BackfillPage(tuple(refund_from_row(row) for row in rows), left)
