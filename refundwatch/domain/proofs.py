"""Checking Merkle proofs, for whoever trusts neither the log nor its keeper.

Invariant: this module shares no code with `refundwatch.domain.merkle`, which makes
the proofs, so that one mistake cannot hide in both. Every check is total: any input
gives True or False.

Source: RFC 9162 sections 2.1.3.2 and 2.1.4.2, https://www.rfc-editor.org/rfc/rfc9162
(read 2026-11).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> bool:
    """Check that the leaf hash stands at `index` in the tree of `size` and `root`."""
    if not 0 <= index < size or not _all_hashes(leaf, root, *proof):
        return False
    position, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            digest = _parent(sibling, digest)
            position, last = _skip_lone_levels(position, last)
        else:
            digest = _parent(digest, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and digest == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Check that the tree of `old` and `old_root` begins that of `new`, `new_root`.

    Size 0 proves nothing and is refused.
    """
    if not 0 < old <= new or not _all_hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if not proof:
        return False
    # The root of a power of two is itself a node of the new tree: it is left out.
    first, *rest = proof if old & (old - 1) else (old_root, *proof)
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_digest = new_digest = first
    for sibling in rest:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_digest = _parent(sibling, old_digest)
            new_digest = _parent(sibling, new_digest)
            position, last = _skip_lone_levels(position, last)
        else:
            new_digest = _parent(new_digest, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old_digest == old_root and new_digest == new_root


def _skip_lone_levels(position: int, last: int) -> tuple[int, int]:
    """Climb past levels where a right edge without sibling was carried up."""
    while position and not position & 1:
        position >>= 1
        last >>= 1
    return position, last


def _all_hashes(*digests: bytes) -> bool:
    return all(len(digest) == hashlib.sha256().digest_size for digest in digests)


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
