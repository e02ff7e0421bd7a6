"""The Merkle tree over the audit log: growing it, and making proofs from it.

Invariant: a head of size n has exactly the root that RFC 6962 gives for the first n
leaves. Proofs are checked by `refundwatch.domain.proofs`, which shares no code with
this module.

Source: RFC 6962 section 2.1, https://www.rfc-editor.org/rfc/rfc6962 (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from refundwatch.errors import InvariantBroken

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree at (level, index); level 0 are the leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash the bytes of one entry; the prefix keeps leaves and nodes apart."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One perfect subtree of 2^level leaves, the `index`-th of its level."""

    level: int
    index: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class TreeHead:
    """A tree of `size` leaves, known by its perfect subtrees, largest first.

    Raises:
        InvariantBroken: the subtrees cannot be those of this size.
    """

    size: int = 0
    perfect: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a head that no tree has."""
        fitting = self.size >= 0 and len(self.perfect) == self.size.bit_count()
        if not fitting or any(len(root) != HASH_BYTES for root in self.perfect):
            message = f"No tree of size {self.size} has these subtrees."
            raise InvariantBroken(message)

    def grow(self, leaf: bytes) -> tuple[TreeHead, tuple[TreeNode, ...]]:
        """Append a leaf hash; give the new head and every perfect subtree it made."""
        stack = list(self.perfect)
        made = [TreeNode(0, self.size, leaf)]
        level, digest = 0, leaf
        while self.size >> level & 1:
            level, digest = level + 1, node_hash(stack.pop(), digest)
            made.append(TreeNode(level, self.size >> level, digest))
        return TreeHead(self.size + 1, (*stack, digest)), tuple(made)

    def append(self, leaf: bytes) -> TreeHead:
        """Append a leaf hash; give the new head."""
        head, _ = self.grow(leaf)
        return head

    def root(self) -> bytes:
        """Give the root hash of the whole tree."""
        if not self.perfect:
            return EMPTY_ROOT
        *larger, digest = self.perfect
        for left in reversed(larger):
            digest = node_hash(left, digest)
        return digest


class Forest:
    """A tree that grows by many leaves at a time, as fast as they are hashed."""

    __slots__ = ("_perfect", "size")

    def __init__(self, head: TreeHead | None = None) -> None:
        """Begin with the tree of a head, or the empty one."""
        self.size = 0 if head is None else head.size
        levels = [it for it in range(self.size.bit_length()) if self.size >> it & 1]
        digests = () if head is None else head.perfect
        self._perfect = list(zip(reversed(levels), digests, strict=True))

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes: each time the largest perfect subtree that fits."""
        start, rest = 0, len(leaves)
        while rest:
            level = rest.bit_length() - 1
            if self.size:
                # A subtree begins only at a multiple of its own width.
                level = min(level, (self.size & -self.size).bit_length() - 1)
            width = 1 << level
            self._push(level, _perfect_root(leaves[start : start + width]))
            start, rest = start + width, rest - width
            self.size += width

    def _push(self, level: int, digest: bytes) -> None:
        while self._perfect and self._perfect[-1][0] == level:
            digest = node_hash(self._perfect.pop()[1], digest)
            level += 1
        self._perfect.append((level, digest))

    def head(self) -> TreeHead:
        """Give the head as it stands."""
        return TreeHead(self.size, tuple(digest for _, digest in self._perfect))


def _perfect_root(nodes: Sequence[bytes]) -> bytes:
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2], strict=True)
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return nodes[0]


def nodes_above(
    start: int, leaves: Sequence[bytes], read: NodeReader
) -> list[TreeNode]:
    """Give every perfect subtree above the leaves that these complete from `start` on.

    `read` gives the nodes that stood before; of each level at most one is asked for.
    """
    made: list[TreeNode] = []
    level, first, digests = 0, start, list(leaves)
    while digests:
        if first & 1:
            first -= 1
            digests.insert(0, read(level, first))
        # A last one without its sibling waits for it.
        pairs = zip(digests[::2], digests[1::2], strict=False)
        digests = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level, first = level + 1, first >> 1
        made += [TreeNode(level, first + at, it) for at, it in enumerate(digests)]
    return made


def head_at(size: int, read: NodeReader) -> TreeHead:
    """Give the head of the first `size` leaves from the stored perfect subtrees."""
    levels = [level for level in range(size.bit_length()) if size >> level & 1]
    # A subtree of an odd position starts where all larger ones before it end.
    roots = (read(level, (size >> level) - 1) for level in reversed(levels))
    return TreeHead(size, tuple(roots))


def nodes_of(leaves: Iterable[bytes]) -> NodeReader:
    """Give a reader over leaf hashes held in memory."""
    nodes: dict[tuple[int, int], bytes] = {}
    head = TreeHead()
    for leaf in leaves:
        head, made = head.grow(leaf)
        nodes.update(((node.level, node.index), node.digest) for node in made)
    return lambda level, index: nodes[level, index]


def inclusion_proof(index: int, size: int, read: NodeReader) -> tuple[bytes, ...]:
    """Prove that leaf `index` is in the tree of `size`; the leaf's sibling first.

    Raises:
        InvariantBroken: there is no such leaf.
    """
    if not 0 <= index < size:
        message = f"A tree of size {size} has no leaf {index}."
        raise InvariantBroken(message)
    return tuple(_path(index, 0, size, read))


def consistency_proof(old: int, new: int, read: NodeReader) -> tuple[bytes, ...]:
    """Prove that the tree of size `old` is the beginning of the tree of size `new`.

    Raises:
        InvariantBroken: `old` is not within 1..`new`; an empty tree proves nothing.
    """
    if not 0 < old <= new:
        message = f"No proof leads from size {old} to size {new}."
        raise InvariantBroken(message)
    return tuple(_subproof(old, 0, new, read, whole=True))


def _split(count: int) -> int:
    """Give the largest power of two below a count of at least two."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(start: int, count: int, read: NodeReader) -> bytes:
    """Hash the subtree over `count` leaves from `start`, as the recursion meets it."""
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return read(level, start >> level)
    left = _split(count)
    return node_hash(
        _range_hash(start, left, read),
        _range_hash(start + left, count - left, read),
    )


def _path(index: int, start: int, count: int, read: NodeReader) -> list[bytes]:
    if count == 1:
        return []
    left = _split(count)
    middle, rest = start + left, count - left
    if index < left:
        return [*_path(index, start, left, read), _range_hash(middle, rest, read)]
    return [*_path(index - left, middle, rest, read), _range_hash(start, left, read)]


def _subproof(
    old: int, start: int, count: int, read: NodeReader, *, whole: bool
) -> list[bytes]:
    """Prove the first `old` leaves of a subtree; `whole` while they start the tree."""
    if old == count:
        return [] if whole else [_range_hash(start, count, read)]
    left = _split(count)
    middle, rest = start + left, count - left
    if old <= left:
        below = _subproof(old, start, left, read, whole=whole)
        return [*below, _range_hash(middle, rest, read)]
    below = _subproof(old - left, middle, rest, read, whole=False)
    return [*below, _range_hash(start, left, read)]
