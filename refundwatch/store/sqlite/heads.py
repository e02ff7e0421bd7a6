"""The root of the audit log at any size that it had.

Invariant: a root is made from the stored tree as far as it reaches, and from the leaf
hashes of the log behind it; sizes that it never had have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.merkle import TreeHead, head_at
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.tree import node_reader, tree_size

if TYPE_CHECKING:
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "journal")
_STEP: Final = 1024


class Heads:
    """Finds roots without walking the whole log, also where no tree is stored."""

    __slots__ = ("_kept", "committed")

    def __init__(self) -> None:
        """Know the empty log; `committed` is how long it surely is."""
        self._kept: list[TreeHead] = [TreeHead()]
        self.committed = 0

    def root(self, tx: Transaction, size: int) -> bytes | None:
        """Give the root of the first `size` entries; None where there are fewer."""
        head = self._nearest(tx, size)
        for row in tx.connection.execute(_SQL["leaves"], (head.size, size)):
            head = head.append(row["leaf_hash"])
            if head.size == len(self._kept) * _STEP <= self.committed:
                self._kept.append(head)
        return head.root() if head.size == size else None

    def _nearest(self, tx: Transaction, size: int) -> TreeHead:
        """Give the longest head up to `size` that is known without a walk."""
        kept = self._kept[min(size // _STEP, len(self._kept) - 1)]
        stored = min(size, tree_size(tx.connection))
        if stored <= kept.size:
            return kept
        return head_at(stored, node_reader(tx.connection))


def root_at(tx: Transaction, size: int) -> bytes | None:
    """Give the root of the log's first `size` entries; None where there are fewer."""
    return tx.heads.root(tx, size)
