"""The audit log as readers and the live feed ask for it.

Invariant: rows are given out as they were stored, in the order of their sequence,
with none left out between the first and the last.
"""

from __future__ import annotations

from refundwatch.store.contract import (
    AuditRow,
    Change,
    ChangesSince,
    LastSeq,
    ReadAudit,
)
from refundwatch.store.rows import moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_refunds import audit_rows, summaries
from refundwatch.store.sqlite.registry import Reading, question

_SQL = named_queries("sqlite", "lookups")


@question(LastSeq)
def _last_seq(reading: Reading, _query: LastSeq) -> int:
    row = reading.connection.execute(_SQL["last_seq"]).fetchone()
    return -1 if row["seq"] is None else int(row["seq"])


@question(ReadAudit)
def _read_audit(reading: Reading, query: ReadAudit) -> tuple[AuditRow, ...]:
    values = (query.start, max(query.limit, 0))
    return audit_rows(reading.connection.execute(_SQL["audit"], values))


@question(ChangesSince)
def _changes_since(reading: Reading, query: ChangesSince) -> tuple[Change, ...]:
    """Give changes with each refund as it is now, which is newer or the same."""
    values = (query.seq, max(query.limit, 0))
    rows = reading.connection.execute(_SQL["changes"], values).fetchall()
    ids = {row["refund_id"] for row in rows if row["refund_id"] is not None}
    refunds = {row.refund.id: row for row in summaries(reading, sorted(ids))}
    return tuple(
        Change(
            seq=row["seq"],
            at=moment(row["at"]),
            kind=row["kind"],
            actor=row["actor"],
            refund_id=row["refund_id"],
            refund=refunds.get(row["refund_id"]),
        )
        for row in rows
    )
