"""The stored nodes of the audit log's tree, read where they lie.

Invariant: a node that should stand there and does not is an error, never made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import LogBroken
from refundwatch.store.sql import named_queries

if TYPE_CHECKING:
    import sqlite3

    from refundwatch.domain.merkle import NodeReader

_SQL = named_queries("sqlite", "proof")


def node_reader(connection: sqlite3.Connection) -> NodeReader:
    """Read nodes of the tree.

    Raises:
        LogBroken: one that should stand there does not.
    """

    def read(level: int, place: int) -> bytes:
        values = (place,) if level == 0 else (level, place)
        name = "leaf" if level == 0 else "node"
        row = connection.execute(_SQL[name], values).fetchone()
        if row is None:
            raise LogBroken(f"Node {place} of level {level} of the log's tree is gone.")
        digest: bytes = row["digest"]
        return digest

    return read


def tree_size(connection: sqlite3.Connection) -> int:
    """Give how many leaves have their nodes.

    Raises:
        LogBroken: that is not known any more.
    """
    row = connection.execute(_SQL["tree_size"]).fetchone()
    if row is None:
        raise LogBroken("How far the log's tree has come is gone.")
    return int(row["size"])
