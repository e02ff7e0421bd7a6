"""Which function does a command's work, and which answers a query.

Invariant: each command and each query has exactly one function. A unit of work is one
synchronous `handler(tx, command)` in the writer; a question is one synchronous
`answer(reading, query)` on a connection that only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from refundwatch.errors import InvariantBroken
from refundwatch.store.contract import Command, Query, Sealer

if TYPE_CHECKING:
    import sqlite3

    from refundwatch.store.sqlite.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Reading:
    """One state of the database to read from, and what opens its sealed columns."""

    connection: sqlite3.Connection
    sealer: Sealer


C = TypeVar("C", bound=Command[Any])
Q = TypeVar("Q", bound=Query[Any])
R = TypeVar("R")

Handler = Callable[["Transaction", Any], Any]


class JoinedHandler(Protocol):
    """Does the work of many commands of a kind; gives a result for each."""

    def __call__(self, tx: Transaction, commands: Sequence[Any]) -> list[Any]:
        """Do it."""
        ...


Answer = Callable[[Reading, Any], Any]

_HANDLERS: Final[dict[type[Command[Any]], Handler]] = {}
_JOINED: Final[dict[type[Command[Any]], JoinedHandler]] = {}
_ANSWERS: Final[dict[type[Query[Any]], Answer]] = {}


def unit(
    command: type[C],
) -> Callable[[Callable[[Transaction, C], R]], Callable[[Transaction, C], R]]:
    """Register the function that does a command's work."""

    def register(handler: Callable[[Transaction, C], R]) -> Callable[..., R]:
        if command in _HANDLERS:
            raise InvariantBroken(f"{command.__name__} has two handlers.")
        _HANDLERS[command] = handler
        return handler

    return register


def joined_unit(
    command: type[Command[Any]],
) -> Callable[[JoinedHandler], JoinedHandler]:
    """Register a function that does the work of many commands of a kind at once.

    It gives a result for each, or fails for all of them: then they are done singly.
    """

    def register(handler: JoinedHandler) -> JoinedHandler:
        unit(command)(lambda tx, one: handler(tx, commands=(one,))[0])
        _JOINED[command] = handler
        return handler

    return register


def joined_handlers() -> Mapping[type[Command[Any]], JoinedHandler]:
    """Give the functions that do the work of many commands of one kind at once."""
    return _JOINED


def question(
    query: type[Q],
) -> Callable[[Callable[[Reading, Q], R]], Callable[[Reading, Q], R]]:
    """Register the function that answers a query."""

    def register(answer: Callable[[Reading, Q], R]) -> Callable[..., R]:
        if query in _ANSWERS:
            raise InvariantBroken(f"{query.__name__} has two answers.")
        _ANSWERS[query] = answer
        return answer

    return register


def handler_of(command: Command[Any]) -> Handler:
    """Find a command's handler.

    Raises:
        InvariantBroken: nobody does this.
    """
    try:
        return _HANDLERS[type(command)]
    except KeyError:
        raise InvariantBroken(f"No unit for {type(command).__name__}.") from None


def answer_of(query: Query[Any]) -> Answer:
    """Find a query's answer.

    Raises:
        InvariantBroken: nobody answers this.
    """
    try:
        return _ANSWERS[type(query)]
    except KeyError:
        raise InvariantBroken(f"No answer to {type(query).__name__}.") from None
