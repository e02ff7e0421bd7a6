"""The writer: many small units of work in one durable commit.

Invariant: a unit is executed whole or not at all, whoever stops waiting for it; the
error of one unit reaches its caller alone; nobody hears of a result before it is on
the disk; after a commit that failed nothing is ever tried again.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from refundwatch.errors import StoreBusy, StoreFailed, StoreFull
from refundwatch.store.contract import Committed
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.connection import move_log
from refundwatch.store.sqlite.denial import NotedDenial, NotedStale
from refundwatch.store.sqlite.faults import named_fault
from refundwatch.store.sqlite.journal import Journal
from refundwatch.store.sqlite.people import People
from refundwatch.store.sqlite.registry import handler_of, joined_handlers
from refundwatch.store.sqlite.sealing import NoSealer
from refundwatch.store.sqlite.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from refundwatch.store.contract import Command, Sealer


CHECKPOINT_CHANGES: Final = 2000
"""Changed rows after which the log is moved into the database; about 4 MiB of it."""

_WORTH_JOINING: Final = 2
_NOTE_USAGE: Final = named_queries("sqlite", "house")["note_usage"]


@dataclass(frozen=True, slots=True)
class Done:
    """What a unit returned; it is durable."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a unit was rolled back; nothing of it is stored."""

    error: BaseException


Outcome = Done | Failed


@dataclass(frozen=True, slots=True)
class Batch:
    """The outcomes in the order of the commands, and what was committed, if it was."""

    outcomes: list[Outcome]
    committed: Committed | None


@dataclass(slots=True)
class _Brought:
    """What the units of a batch touched."""

    touched: set[str] = field(default_factory=set)
    health: bool = False

    def add(self, tx: Transaction) -> None:
        self.touched |= tx.touched
        self.health = self.health or tx.health


class Writer:
    """Runs batches of units on the writing connection; one caller at a time.

    `hook` is called with `begin`, `before_commit` and `after_commit`; whatever it
    raises ends the batch as a crash at this place would.
    """

    __slots__ = (
        "_checkpointed",
        "_connection",
        "_entropy",
        "_hook",
        "_journal",
        "_noted_usage",
        "failure",
        "people",
        "sealer",
        "usage",
    )

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        hook: Callable[[str], None] | None = None,
    ) -> None:
        """Continue the log of a migrated database."""
        self._connection = connection
        self._entropy = entropy
        self._hook = hook or _nothing
        self._journal = Journal(connection)
        self._checkpointed = connection.total_changes
        self._noted_usage: tuple[int, int] | None = None
        self.sealer: Sealer = NoSealer()
        self.people = People()
        self.usage: Callable[[], tuple[int, int] | None] = _unused
        self.failure: StoreFailed | None = None

    @property
    def last_seq(self) -> int:
        """Give the newest audit sequence."""
        return self._journal.last_seq

    def run(self, commands: Sequence[Command[Any]]) -> Batch:
        """Do units in order in one commit; give their outcomes and what it brought.

        Raises:
            StoreFailed: it is not known what is on the disk; no unit's outcome is
                known, and no further batch is taken.
        """
        if self.failure is not None:
            raise self.failure
        first, roster = self._journal.mark(), self.people.roster
        self.people.heads.committed = self.last_seq + 1
        try:
            batch = self._commit(commands)
        except sqlite3.Error as error:
            self.people.roster = roster
            self._abandon(first)
            return self._judge(error, commands)
        except BaseException:
            self.people.roster = roster
            self._abandon(first)
            raise
        self._hook("after_commit")
        self._checkpoint()
        return batch

    def _commit(self, commands: Sequence[Command[Any]]) -> Batch:
        self._hook("begin")
        self._connection.execute("BEGIN IMMEDIATE")
        brought = _Brought()
        done = self._joined(commands, brought)
        outcomes = [
            done.get(position) or self._single(command, brought)
            for position, command in enumerate(commands)
        ]
        self._note_usage()
        self._hook("before_commit")
        self._connection.execute("COMMIT")
        touched = frozenset(brought.touched)
        return Batch(outcomes, Committed(self.last_seq, touched, brought.health))

    def _joined(
        self, commands: Sequence[Command[Any]], brought: _Brought
    ) -> dict[int, Outcome]:
        """Do what can be done at once; give the outcomes by position.

        Units that fail together have no outcome here: done singly, the error of one
        is its own again.
        """
        outcomes: dict[int, Outcome] = {}
        for kind, handler in joined_handlers().items():
            places = [at for at, it in enumerate(commands) if type(it) is kind]
            if len(places) < _WORTH_JOINING:
                continue
            chosen = [commands[place] for place in places]
            tx, outcome = self._in_savepoint(partial(handler, commands=chosen))
            if isinstance(outcome, Done):
                brought.add(tx)
                outcomes.update(zip(places, map(Done, outcome.value), strict=True))
        return outcomes

    def _single(self, command: Command[Any], brought: _Brought) -> Outcome:
        tx, outcome = self._unit(command)
        if isinstance(outcome, Failed) and isinstance(
            outcome.error, NotedDenial | NotedStale
        ):
            self._unit(outcome.error.note)
        if isinstance(outcome, Done) and not tx.discarded:
            brought.add(tx)
        return outcome

    def _checkpoint(self) -> None:
        """Move the log into the database when enough has changed.

        The batch is durable already. A full disk leaves the log as it is; after a sync
        that failed nothing is tried any more.
        """
        changes = self._connection.total_changes
        if changes - self._checkpointed < CHECKPOINT_CHANGES:
            return
        self._checkpointed = changes
        try:
            move_log(self._connection)
        except sqlite3.Error as error:
            if not isinstance(named_fault(error), StoreBusy | StoreFull):
                self._die(error)

    def _note_usage(self) -> None:
        """Store how often the data key was used, with what was sealed by it."""
        used = self.usage()
        if used is not None and used != self._noted_usage:
            self._connection.execute(_NOTE_USAGE, used)
            self._noted_usage = used

    def _unit(self, command: Command[Any]) -> tuple[Transaction, Outcome]:
        """Do one unit in its own savepoint."""
        handler = handler_of(command)
        return self._in_savepoint(lambda tx: handler(tx, command))

    def _in_savepoint(
        self, work: Callable[[Transaction], Any]
    ) -> tuple[Transaction, Outcome]:
        tx = Transaction(
            self._connection, self._journal, self.sealer, self._entropy, self.people
        )
        mark = self._journal.mark()
        self._connection.execute("SAVEPOINT unit")
        try:
            outcome: Outcome = Done(work(tx))
        except sqlite3.Error as error:
            outcome = Failed(self._survivable(error))
        except Exception as error:  # noqa: BLE001 - it belongs to the caller alone
            outcome = Failed(error)
        if isinstance(outcome, Failed) or tx.discarded:
            self._connection.execute("ROLLBACK TO unit")
            self._journal.rewind(mark)
        else:
            self.people.roster = tx.roster
        self._connection.execute("RELEASE unit")
        return tx, outcome

    def _survivable(self, error: sqlite3.Error) -> BaseException:
        """Give the error of one unit, or raise it if the whole batch is lost."""
        fault = named_fault(error)
        if isinstance(fault, StoreFailed) or not self._connection.in_transaction:
            raise error
        return fault or error

    def _abandon(self, first: tuple[int, bytes]) -> None:
        self._journal.rewind(first)
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._die(error)

    def _judge(self, error: sqlite3.Error, commands: Sequence[Command[Any]]) -> Batch:
        """Say what the failure of a whole batch means for its units.

        A full disk and a stranger's lock are certain to have stored nothing. After
        anything else a later sync could report success for lost pages.
        """
        fault = named_fault(error)
        if fault is None or isinstance(fault, StoreFailed):
            raise self._die(error) from error
        if self.failure is not None:
            raise self.failure from error
        if isinstance(fault, StoreFull) and len(commands) > 1:
            return self._one_by_one(commands)
        return Batch([Failed(fault) for _ in commands], None)

    def _one_by_one(self, commands: Sequence[Command[Any]]) -> Batch:
        """Try units singly: a large neighbour must not take the others along."""
        singles = [self.run((command,)) for command in commands]
        brought = [single.committed for single in singles if single.committed]
        whole = Committed(
            self.last_seq,
            frozenset[str]().union(*(part.touched for part in brought)),
            any(part.health for part in brought),
        )
        outcomes = [outcome for single in singles for outcome in single.outcomes]
        return Batch(outcomes, whole if brought else None)

    def _die(self, error: sqlite3.Error) -> StoreFailed:
        if self.failure is None:
            name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
            self.failure = StoreFailed(f"The database failed ({name}): {error}.")
        return self.failure


def _unused() -> None:
    return None


def _nothing(_place: str) -> None:
    return None
