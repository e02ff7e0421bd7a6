"""A store, and what one commit brought.

Invariant: what `execute` returned is durable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from refundwatch.store.contract.base import Command, Query, R


@dataclass(frozen=True, slots=True)
class Committed:
    """What one durable commit brought: its last audit sequence, and hints.

    `touched` names kinds of work that may be due now (`send`, `lookup`, `poll`,
    `inbox`, `alarm`); a refund that leaves its flight frees its payment and touches
    `send`. `health` is set when a connection's health row changed.
    """

    last_seq: int
    touched: frozenset[str]
    health: bool


class Store(Protocol):
    """One store; safe for many tasks of one event loop."""

    async def execute(self, command: Command[R]) -> R:
        """Do a unit of work; it is durable when this returns."""
        ...

    def submit(self, command: Command[R]) -> Future[R]:
        """Let a unit of work wait without a task; the future has its result or error.

        For callers whose number is limited elsewhere: it never waits for a place.
        """
        ...

    async def read(self, query: Query[R]) -> R:
        """Answer a question from committed rows."""
        ...

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        """Call `listener` in the event loop after commits; return how to stop."""
        ...

    async def close(self) -> None:
        """Finish what waits and close every connection."""
        ...
