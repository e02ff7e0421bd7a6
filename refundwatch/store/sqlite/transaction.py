"""What a unit of work holds in its hands while it runs.

Invariant: everything a unit does, it does through one `Transaction`; what it wrote,
appended and touched stands or falls together, by the savepoint around it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken, PaymentUnknown, RefundUnknown
from refundwatch.store.rows import (
    balance_from_row,
    micros,
    payment_from_row,
    refund_from_row,
)
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite import applying, rollups
from refundwatch.store.sqlite.many import change_all, every_of
from refundwatch.store.sqlite.sheaf import Sheaf

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.events import RefundEvent
    from refundwatch.domain.intake import PaymentBalance
    from refundwatch.domain.policy import Principal
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.transition import Applied
    from refundwatch.store.contract import PaymentRow, Sealer
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.journal import Journal, NewEntry
    from refundwatch.store.sqlite.people import People

_SQL = named_queries("sqlite", "transaction")


class Transaction:
    """One unit of work on the writing connection."""

    __slots__ = (
        "_instance",
        "_journal",
        "connection",
        "discarded",
        "entropy",
        "heads",
        "health",
        "roster",
        "sealer",
        "sheaf",
        "signatures",
        "touched",
    )

    def __init__(
        self,
        connection: sqlite3.Connection,
        journal: Journal,
        sealer: Sealer,
        entropy: Callable[[int], bytes],
        people: People,
    ) -> None:
        """Begin with nothing touched."""
        self.connection = connection
        self.sealer = sealer
        self.roster = people.roster
        self.signatures = people.signatures
        self.heads = people.heads
        self.entropy = entropy
        self.touched: set[str] = set()
        self.health = False
        self.discarded = False
        self.sheaf: Sheaf | None = None
        self._journal = journal
        self._instance: str | None = None

    @property
    def instance(self) -> str:
        """Give the immutable id of this installation.

        Raises:
            InvariantBroken: `OpenHouse` was never done.
        """
        if self._instance is None:
            row = self.one(_SQL["instance"])
            if row is None:
                raise InvariantBroken("The house is not open: no instance is known.")
            self._instance = str(row["instance"])
        return self._instance

    def one(
        self, sql: str, values: Mapping[str, SqlValue] | tuple[SqlValue, ...] = ()
    ) -> sqlite3.Row | None:
        """Give the first row, or None."""
        row: sqlite3.Row | None = self.connection.execute(sql, values).fetchone()
        return row

    def every(
        self, sql: str, values: Mapping[str, SqlValue] | tuple[SqlValue, ...] = ()
    ) -> list[sqlite3.Row]:
        """Give every row."""
        return self.connection.execute(sql, values).fetchall()

    def change(
        self, sql: str, values: Mapping[str, SqlValue] | tuple[SqlValue, ...] = ()
    ) -> int:
        """Run a statement that writes; give how many rows it touched."""
        return self.connection.execute(sql, values).rowcount

    def every_of(
        self, sql: str, keys: Sequence[tuple[SqlValue, ...]]
    ) -> list[sqlite3.Row]:
        """Give every row for the keys that stand in the query's `VALUES`."""
        return every_of(self.connection, sql, keys)

    def change_all(self, sql: str, rows: Sequence[tuple[SqlValue, ...]]) -> None:
        """Run a statement that inserts one row, for all rows."""
        change_all(self.connection, sql, rows)

    def append_all(self, entries: Iterable[NewEntry]) -> None:
        """Append audit entries in their order."""
        self._journal.append_all(entries)

    def put(self, sql: str, row: tuple[SqlValue, ...]) -> None:
        """Insert a row by `INSERT … VALUES (?, …)`, with others where units gather."""
        if self.sheaf is None:
            self.change(sql, row)
        else:
            self.sheaf.put(sql, row)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Gather what the units within may write together, and write it at the end.

        Where they fail nothing is written: their savepoint is rolled back.
        """
        sheaf = self.sheaf = Sheaf()
        self._journal.hold()
        yield
        self.sheaf = None
        self._journal.release()
        sheaf.write(self.connection)
        rollups.settle(self, sheaf)
        for save in sheaf.saves.values():
            save()

    def append(
        self,
        at: datetime,
        kind: str,
        actor: str,
        refund_id: str | None,
        data: Mapping[str, JsonValue],
    ) -> int:
        """Append an audit entry; the sequencer gives its `seq`."""
        return self._journal.append(at, kind, actor, refund_id, data)

    def append_to_refund(
        self,
        at: datetime,
        kind: str,
        actor: str,
        refund_id: str,
        data: Mapping[str, JsonValue],
    ) -> int:
        """Append an entry about a change that `save_applied` does not write."""
        seq = self.append(at, kind, actor, refund_id, data)
        self.change(_SQL["note_seq"], (seq, micros(at), refund_id))
        return seq

    def touch(self, *kinds: str) -> None:
        """Tell listeners that work of these kinds may be due.

        `send`, `lookup`, `poll`, `inbox` or `alarm`.
        """
        self.touched.update(kinds)

    def health_changed(self) -> None:
        """Tell listeners that a connection's health row changed."""
        self.health = True

    def discard(self) -> None:
        """Roll this unit back when it returns; its result still reaches the caller."""
        self.discarded = True

    def as_it_is_now(self, principal: Principal) -> Principal:
        """Give a person with the roles that the roster gives it now, else the same."""
        if self.roster is None or not principal.is_person:
            return principal
        return self.roster.principal(principal.id)

    def load_refund(self, refund_id: str) -> Refund:
        """Load a refund by its id.

        Raises:
            RefundUnknown: there is none.
        """
        row = self.one(_SQL["refund"], (refund_id,))
        if row is None:
            raise RefundUnknown(f"There is no refund {refund_id[:64]!a}.")
        return refund_from_row(row)

    def load_balance(self, payment_id: str) -> PaymentBalance:
        """Load what intake needs of a payment.

        Raises:
            PaymentUnknown: there is none.
        """
        row = self.one(_SQL["payment"], (payment_id,))
        if row is None:
            raise PaymentUnknown(f"There is no payment {payment_id[:64]!a}.")
        return balance_from_row(row)

    def load_payment(self, payment_id: str) -> PaymentRow:
        """Load a payment with its invoices.

        Raises:
            PaymentUnknown: there is none.
        """
        row = self.one(_SQL["payment"], (payment_id,))
        if row is None:
            raise PaymentUnknown(f"There is no payment {payment_id[:64]!a}.")
        return payment_from_row(row, self.every(_SQL["shares"], (payment_id,)))

    def apply_event(self, refund: Refund, event: RefundEvent, at: datetime) -> Applied:
        """Apply an event, seeing too what only the store can see.

        A gateway reference that already names another refund of the account is a
        contradiction, not a row that cannot be written.
        """
        return applying.apply_event(self, refund, event, at)

    def save_applied(
        self,
        applied: Applied,
        at: datetime,
        actor: str,
        data: Mapping[str, JsonValue] | None = None,
        *,
        guarded: bool = False,
        written: frozenset[str] = frozenset(),
    ) -> int | None:
        """Write what an event did, with all that follows; None when it did nothing.

        Written in this order: the payment's amounts and freeze, the audit entry
        (before, after, codes, and `data`), the refund's row, its rollups, alarms.
        `guarded` is for what somebody asks for, never for what is a fact: the payment
        must hold what is added. `written` names columns that have their value already.

        Raises:
            AmountExceedsRefundable: guarded, and it does not.
        """
        return applying.save_applied(
            self, applied, at, actor, data or {}, guarded=guarded, written=written
        )

    def freeze_payment(
        self, payment_id: str, reason: str, at: datetime, actor: str
    ) -> bool:
        """Freeze a payment; False when it was frozen already (the reason stays)."""
        return applying.freeze_payment(self, payment_id, reason, at, actor)
