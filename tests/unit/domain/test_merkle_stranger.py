"""Our roots and proofs against pymerkle's, which shares no code with them.

Its proofs must lead to our roots by its checker, and ours to its roots by ours. An
inclusion proof is the same in both; for consistency it goes down to the leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion

from refundwatch.domain import proofs
from refundwatch.domain.merkle import (
    consistency_proof,
    head_at,
    inclusion_proof,
    leaf_hash,
    nodes_of,
)
from tests.tampering import built

if TYPE_CHECKING:
    from refundwatch.domain.merkle import NodeReader

SIZE = 130
LOG = built(SIZE)


@pytest.fixture(scope="module")
def theirs() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for _, entry, _ in LOG.rows:
        tree.append_entry(entry)
    return tree


@pytest.fixture(scope="module")
def ours() -> NodeReader:
    return nodes_of([leaf for _, _, leaf in LOG.rows])


def test_another_implementation_has_the_same_root_at_every_size(
    theirs: InmemoryTree, ours: NodeReader
) -> None:
    for size in range(1, SIZE + 1):
        assert head_at(size, ours).root() == theirs.get_root(size)


def test_another_implementation_proves_inclusion_to_our_roots(
    theirs: InmemoryTree, ours: NodeReader
) -> None:
    for size in (1, 2, 3, 63, 64, 65, SIZE):
        root = head_at(size, ours).root()
        for seq in range(0, size, 1 if size < 5 else 7):
            proof = theirs.prove_inclusion(seq + 1, size)
            leaf = leaf_hash(LOG.rows[seq][1])
            verify_inclusion(leaf, root, proof)
            # Theirs begins with the leaf itself; the rest are our hashes.
            path = [bytes.fromhex(one) for one in proof.serialize()["path"]]
            made = inclusion_proof(seq, size, ours)
            assert path == [leaf, *made]
            assert proofs.verify_inclusion(seq, size, leaf, made, theirs.get_root(size))
            with pytest.raises(InvalidProof):
                verify_inclusion(leaf_hash(b"other"), root, proof)


def test_another_implementation_proves_consistency_between_our_roots(
    theirs: InmemoryTree, ours: NodeReader
) -> None:
    for old, new in (
        (1, 2),
        (3, 7),
        (6, 8),
        (40, 64),
        (64, 65),
        (65, SIZE),
        (99, SIZE),
    ):
        before, after = head_at(old, ours).root(), head_at(new, ours).root()
        proof = theirs.prove_consistency(old, new)
        verify_consistency(before, after, proof)
        made = consistency_proof(old, new, ours)
        assert proofs.verify_consistency(
            old, new, theirs.get_root(old), theirs.get_root(new), made
        )
        with pytest.raises(InvalidProof):
            verify_consistency(after, after, proof)


def test_another_implementation_finds_each_changed_entry() -> None:
    genuine = head_at(SIZE, nodes_of([leaf for _, _, leaf in LOG.rows])).root()
    for seq in range(0, SIZE, 13):
        tree = InmemoryTree(algorithm="sha256")
        for row, entry, _ in LOG.rows:
            tree.append_entry(entry if row != seq else entry.replace(b"1", b"2", 1))
        assert tree.get_root() != genuine
