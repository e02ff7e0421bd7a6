"""The log as static files (tlog-tiles): paths, tiles of hashes, bundles of entries.

Invariant: a tile holds 256 hashes, the right edge of a level as many as it has; a tile
of a higher level holds the roots of whole tiles below it.

Source: C2SP tlog-tiles, https://c2sp.org/tlog-tiles (read 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.merkle import Forest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TILE: Final = 256
_GROUP: Final = 1000
_HEADER: Final = "c2sp.org/tlog-proof@v1"


def tile_path(level: int | str, number: int, width: int = TILE) -> str:
    """Give where a tile stands; `level` is a number, or `entries`."""
    rest, last = divmod(number, _GROUP)
    name = f"{last:03}"
    while rest:
        rest, group = divmod(rest, _GROUP)
        name = f"x{group:03}/{name}"
    edge = "" if width == TILE else f".p/{width}"
    return f"tile/{level}/{name}{edge}"


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Put entries one behind the other, each with its length in two bytes."""
    return b"".join(len(one).to_bytes(2, "big") + one for one in entries)


def hash_tiles(hashes: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Give path and content of every tile over leaf hashes, level by level."""
    level, nodes = 0, list(hashes)
    while nodes:
        for start in range(0, len(nodes), TILE):
            part = nodes[start : start + TILE]
            yield tile_path(level, start // TILE, len(part)), b"".join(part)
        whole = len(nodes) - len(nodes) % TILE
        nodes = [_root(nodes[at : at + TILE]) for at in range(0, whole, TILE)]
        level += 1


def tlog_proof(index: int, proof: Sequence[str], note: str) -> str:
    """Write a receipt: index, the inclusion proof in base64, and the checkpoint."""
    return "\n".join([_HEADER, f"index {index}", *proof, "", note])


def _root(nodes: Sequence[bytes]) -> bytes:
    forest = Forest()
    forest.extend(nodes)
    return forest.head().root()
