"""Stored deliveries as people see them, and put through the inbox once more.

Invariant: a replay changes nothing but the item's place in the inbox: what follows is
decided there as it was the first time, and a word that was heard moves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import Permission, may
from refundwatch.errors import CursorInvalid, DeliveryNotReplayed, DeliveryUnknown
from refundwatch.store.contract import (
    DeliveryRow,
    GetDelivery,
    ListDeliveries,
    Page,
    ReplayDelivery,
)
from refundwatch.store.rows import micros, moment, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.delivery_items import item_of
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.queries_paging import page_size
from refundwatch.store.sqlite.registry import Reading, question, unit

if TYPE_CHECKING:
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "replaying")
_SEARCHED: Final = 20_000
"""So many items are looked through for one page: what is rare takes several."""

_LONGEST_ID: Final = 18
_REFUND: Final = "refund"


@unit(ReplayDelivery)
def _replay(tx: Transaction, command: ReplayDelivery) -> None:
    principal, delivery_id = command.principal, command.delivery_id
    denial = may(principal, Permission.DELIVERY_REPLAY)
    if denial is not None:
        raise denied(denial, command.at, principal.id, None, "delivery:replay")
    row = tx.one(_SQL["one"], (delivery_id,))
    if row is None:
        raise DeliveryUnknown(f"There is no delivery {delivery_id}.")
    if row["kind"] != _REFUND and row["state"] == "applied":
        raise DeliveryNotReplayed(
            "What a dispute froze is lifted by people; it is not frozen again."
        )
    values: dict[str, SqlValue] = {"id": delivery_id, "at": micros(command.at)}
    tx.change(_SQL["replay"], values)
    data = {"delivery_id": delivery_id, "state": row["state"], "reason": row["reason"]}
    tx.append(command.at, "delivery:replayed", principal.id, None, data)
    tx.touch("inbox")


@question(GetDelivery)
def _get(reading: Reading, query: GetDelivery) -> DeliveryRow | None:
    values = (query.delivery_id,)
    row = reading.connection.execute(_SQL["one"], values).fetchone()
    return None if row is None else replace(_delivery(row), item=item_of(row))


@question(ListDeliveries)
def _list(reading: Reading, query: ListDeliveries) -> Page[DeliveryRow]:
    limit = page_size(query.limit)
    before = _before(reading, query.cursor)
    until = max(before - _SEARCHED, 0)
    values: dict[str, SqlValue] = {
        "before": before,
        "until": until,
        "account": query.account,
        "state": query.state,
        "limit": limit + 1,
    }
    rows = reading.connection.execute(_SQL["list"], values).fetchall()
    shown = rows[:limit]
    following = until if until > 1 else None
    if len(rows) > limit:
        following = shown[-1]["id"]
    cursor = None if following is None else str(following)
    return Page(tuple(_delivery(row) for row in shown), cursor)


def _before(reading: Reading, cursor: str | None) -> int:
    if cursor is None:
        newest = reading.connection.execute(_SQL["newest"]).fetchone()
        return int(newest["id"]) + 1
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > _LONGEST_ID:
        raise CursorInvalid("This is no cursor of this list.", field="cursor")
    return int(cursor)


def _delivery(row: Row) -> DeliveryRow:
    return DeliveryRow(
        id=row["id"],
        account=row["account"],
        type=row["type"],
        dedupe_id=row["dedupe_id"],
        received_at=moment(row["received_at"]),
        state=row["state"],
        reason=row["reason"],
        refund_id=row["refund_id"],
        repeats=row["repeats"],
        closed_at=optional_moment(row["closed_at"]),
        replayed_at=optional_moment(row["replayed_at"]),
    )
