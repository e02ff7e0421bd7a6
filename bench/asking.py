"""Asks the production store's questions of filled databases, side by side.

The answers are the store's own, on its reading connection; a number is milliseconds of
CPU, since the cores are shared: what a question reads is in memory when it is warm.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from bench.filling import filled
from refundwatch.store.sqlite import units as _units  # noqa: F401 - registers
from refundwatch.store.sqlite.connection import open_reader
from refundwatch.store.sqlite.registry import Reading, answer_of
from refundwatch.store.sqlite.sealing import NoSealer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from refundwatch.store.contract import Query
    from refundwatch.store.sqlite.connection import Reader

_SEALER: Final = NoSealer()


class Databases:
    """Databases of several sizes, open at once."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        """Fill what is not there yet."""
        self._paths = {size: filled(size) for size in sizes}
        self._readers: dict[int, Reader] = {}
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        """Open a reading connection to each."""
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _open(self) -> None:
        for size, path in self._paths.items():
            reader = await open_reader(path)
            self._stack.push_async_callback(reader.close)
            self._readers[size] = reader

    def ask(self, size: int, query: Query[Any]) -> tuple[float, Any]:
        """Give the milliseconds that an answer takes, and the answer."""
        answer = answer_of(query)

        def timed(connection: sqlite3.Connection) -> tuple[float, Any]:
            begun = time.thread_time()
            found = answer(Reading(connection, _SEALER), query)
            return (time.thread_time() - begun) * 1000, found

        return self._runner.run(self._readers[size].run(timed))

    def asking(self, size: int, *queries: Query[Any]) -> Callable[[], float]:
        """Give a variant of a round: these questions, once each."""
        return lambda: sum(self.ask(size, query)[0] for query in queries)
