"""Refunds as lists show them, and one refund with everything known about it.

Invariant: what is shown together was read together, from one state of the database;
sealed texts are opened for the one refund that was asked for, never for a list.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from refundwatch.domain.decision import Verdict
from refundwatch.domain.routing import RouteNote
from refundwatch.errors import InvariantBroken
from refundwatch.store.contract import (
    AttemptRow,
    AuditRow,
    DecisionRow,
    DeliveryRow,
    GetRefund,
    RefundDetail,
    RefundSummary,
)
from refundwatch.store.rows import (
    moment,
    optional_moment,
    refund_from_row,
)
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_payments import payment_by_id
from refundwatch.store.sqlite.registry import Reading, question
from refundwatch.store.sqlite.sealing import open_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from refundwatch.store.contract import Sealer
    from refundwatch.store.rows import Row

_SQL = named_queries("sqlite", "refunds")


def summaries(reading: Reading, ids: Sequence[str]) -> tuple[RefundSummary, ...]:
    """Load refunds in the order of their ids; an id that is not known is left out."""
    rows = reading.connection.execute(_SQL["summaries"], (json.dumps(list(ids)),))
    found = {row["id"]: summary_from_row(row) for row in rows}
    return tuple(found[one] for one in ids if one in found)


def summary_from_row(row: Row) -> RefundSummary:
    """Read a refund with what a list shows beside it."""
    return RefundSummary(
        refund=refund_from_row(row),
        gateway=row["gateway"],
        created_by=row["created_by"],
        approvals=row["approvals"],
        frozen=row["frozen"],
        updated_at=moment(row["updated_at"]),
        seq=row["seq"],
    )


@question(GetRefund)
def _get_refund(reading: Reading, query: GetRefund) -> RefundDetail | None:
    for name in ("id_by_id", "id_by_merchant_reference", "id_by_request"):
        row = reading.connection.execute(_SQL[name], (query.refund_id,)).fetchone()
        if row is not None:
            return _detail(reading, row["id"])
    return None


def _detail(reading: Reading, refund_id: str) -> RefundDetail:
    summary = summaries(reading, (refund_id,))[0]
    payment = payment_by_id(reading, summary.refund.payment_id)
    if payment is None:
        raise InvariantBroken(f"{refund_id} has no payment.")
    inside = reading.connection.execute(_SQL["inside"], (refund_id,)).fetchone()
    rows = reading.connection.execute(_SQL["decisions"], (refund_id,)).fetchall()
    edits = {row["actor"] for row in rows if row["kind"] == Verdict.EDIT}
    editors = frozenset({inside["created_by"], *edits})
    return RefundDetail(
        summary=summary,
        payment=payment,
        editors=editors,
        decisions=tuple(
            _decision(reading, row, summary, editors, inside["reviews"]) for row in rows
        ),
        attempts=_attempts(reading, refund_id),
        deliveries=_deliveries(reading, refund_id),
        entries=_entries(reading, refund_id),
        reason_text=open_text(
            reading.sealer, "refund", refund_id, "reason_text", inside["reason_text"]
        ),
        invoice=inside["invoice"],
    )


def _decision(
    reading: Reading,
    row: Row,
    summary: RefundSummary,
    editors: frozenset[str],
    reviews: int,
) -> DecisionRow:
    place = f"{row['refund_id']}/{row['number']}"
    sealer = reading.sealer
    return DecisionRow(
        kind=Verdict(row["kind"]),
        actor=row["actor"],
        at=moment(row["at"]),
        revision=row["revision"],
        reason_code=row["reason_code"],
        reason_text=open_text(
            sealer, "decision", place, "reason_text", row["reason_text"]
        ),
        statement=sealer.open("decision", place, "statement", row["statement"]),
        valid=_still_counts(row, summary, editors, reviews),
        signature=_signature(sealer, place, row["signature"]),
    )


def _signature(sealer: Sealer, place: str, sealed: bytes | None) -> str | None:
    """Open a signature, which is sealed without a salt: it is no secret to guess."""
    if sealed is None:
        return None
    return sealer.open("decision", place, "signature", sealed).decode("utf-8")


def _still_counts(
    row: Row, summary: RefundSummary, editors: frozenset[str], reviews: int
) -> bool:
    """Tell whether a decision counts for the refund as it is now.

    An edit voids approvals, and a word spoken in an earlier review says nothing in a
    later one; what was done by a decision stays done.
    """
    match Verdict(row["kind"]):
        case Verdict.APPROVE:
            current = row["revision"] == summary.refund.revision
            return bool(current and row["actor"] not in editors)
        case Verdict.RESOLVE:
            return bool(row["review_round"] == reviews)
        case _:
            return True


def _attempts(reading: Reading, refund_id: str) -> tuple[AttemptRow, ...]:
    rows = reading.connection.execute(_SQL["attempts"], (refund_id,))
    return tuple(
        AttemptRow(
            number=row["number"],
            fence=row["fence"],
            connection=row["connection"],
            opened_at=moment(row["opened_at"]),
            closed_at=optional_moment(row["closed_at"]),
            outcome=row["outcome"],
            reason=row["reason"],
            status=row["status"],
            duration_ms=row["duration_ms"],
            route=tuple(RouteNote(*note) for note in json.loads(row["route"] or "[]")),
        )
        for row in rows
    )


def _deliveries(reading: Reading, refund_id: str) -> tuple[DeliveryRow, ...]:
    rows = reading.connection.execute(_SQL["deliveries"], (refund_id,))
    return tuple(
        DeliveryRow(
            id=row["id"],
            account=row["account"],
            type=row["type"],
            dedupe_id=row["dedupe_id"],
            received_at=moment(row["received_at"]),
            state=row["state"],
            reason=row["reason"],
        )
        for row in rows
    )


def _entries(reading: Reading, refund_id: str) -> tuple[AuditRow, ...]:
    return audit_rows(reading.connection.execute(_SQL["entries"], (refund_id,)))


def audit_rows(rows: Iterable[Row]) -> tuple[AuditRow, ...]:
    """Read entries as stored."""
    return tuple(AuditRow(row["seq"], row["entry"], row["leaf_hash"]) for row in rows)
