"""Bodies that nothing needs any more are emptied, a few in each commit.

Invariant: only what is sealed is emptied, only where no step of a refund can ask for
it again, and each batch has its entry in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.policy import SYSTEM
from refundwatch.store.contract.expiry import EmptyOld, Expired
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.registry import unit
from refundwatch.store.sqlite.sealed_columns import leaving_nothing

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "expiry")


@unit(EmptyOld)
def _empty(tx: Transaction, command: EmptyOld) -> Expired:
    def older(before: datetime) -> dict[str, SqlValue]:
        return {"before": micros(before), "at_most": command.at_most}

    with leaving_nothing(tx.connection):
        old = tx.every(_SQL["old_requests"], older(command.requests_before))
        for row in old:
            key = (row["refund_id"], row["generation"])
            tx.change(_SQL["empty_request"], key)
        expired = Expired(
            deliveries=tx.change(
                _SQL["empty_deliveries"], older(command.deliveries_before)
            ),
            requests=len(old),
            notes=tx.change(_SQL["empty_notes"], older(command.notes_before)),
        )
    if expired.total:
        data = {
            "deliveries": expired.deliveries,
            "requests": expired.requests,
            "notes": expired.notes,
        }
        tx.append(command.at, "retention:emptied", SYSTEM.id, None, data)
    return expired
