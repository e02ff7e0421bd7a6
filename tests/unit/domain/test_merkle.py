from __future__ import annotations

import ast
import hashlib
import inspect
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain import proofs
from refundwatch.domain.merkle import (
    EMPTY_ROOT,
    Forest,
    TreeHead,
    consistency_proof,
    head_at,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes_of,
)
from refundwatch.domain.proofs import verify_consistency, verify_inclusion
from refundwatch.errors import InvariantBroken
from tests.shared import SHARED

VECTORS: dict[str, Any] = json.loads(
    (SHARED / "facts/audit-log-vectors.json").read_text("utf-8")
)
REFERENCE = VECTORS["reference"]
LEAVES = [bytes.fromhex(leaf) for leaf in REFERENCE["leaf_hashes"]]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962's own recursion over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    both = mth(leaves[:k]) + mth(leaves[k:])
    return hashlib.sha256(b"\x01" + both).digest()


def numbered(count: int) -> list[bytes]:
    return [leaf_hash(str(n).encode()) for n in range(count)]


def head_of(leaves: list[bytes]) -> TreeHead:
    head = TreeHead()
    for leaf in leaves:
        head = head.append(leaf)
    return head


def hashes(proof: list[str]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, proof))


# --- published vectors ------------------------------------------------------------


def test_published_hashes() -> None:
    published = VECTORS["hashes"]
    assert EMPTY_ROOT.hex() == published["empty_root"]
    assert leaf_hash(b"").hex() == published["leaf_empty"]
    assert leaf_hash(b"L123456").hex() == published["leaf_L123456"]
    assert node_hash(b"N123", b"N456").hex() == published["node_N123_N456"]


def test_published_leaves() -> None:
    for entry, leaf in zip(REFERENCE["leaves_hex"], LEAVES, strict=True):
        assert leaf_hash(bytes.fromhex(entry)) == leaf


def test_published_roots() -> None:
    assert len(REFERENCE["roots"]) == 9
    for size, root in enumerate(REFERENCE["roots"]):
        assert head_of(LEAVES[:size]).root().hex() == root


@pytest.mark.parametrize("vector", REFERENCE["inclusion"])
def test_published_inclusion(vector: dict[str, Any]) -> None:
    index, size, proof = vector["index"], vector["size"], hashes(vector["proof"])
    root = bytes.fromhex(REFERENCE["roots"][size])
    assert inclusion_proof(index, size, nodes_of(LEAVES)) == proof
    assert verify_inclusion(index, size, LEAVES[index], proof, root)


@pytest.mark.parametrize("vector", REFERENCE["consistency"])
def test_published_consistency(vector: dict[str, Any]) -> None:
    old, new, proof = vector["old"], vector["new"], hashes(vector["proof"])
    old_root, new_root = (bytes.fromhex(REFERENCE["roots"][n]) for n in (old, new))
    assert consistency_proof(old, new, nodes_of(LEAVES)) == proof
    assert verify_consistency(old, new, old_root, new_root, proof)


def test_every_published_probe_is_used() -> None:
    assert len(REFERENCE["inclusion"]) == 36
    assert len(REFERENCE["consistency"]) == 36


# --- growing ----------------------------------------------------------------------


def test_root_is_that_of_the_definition_at_every_size() -> None:
    leaves = numbered(70)
    for size in range(71):
        assert head_of(leaves[:size]).root() == mth(leaves[:size])


def test_growing_makes_every_perfect_subtree_once() -> None:
    leaves = numbered(70)
    head, made = TreeHead(), {}
    for leaf in leaves:
        head, nodes = head.grow(leaf)
        for node in nodes:
            assert (node.level, node.index) not in made
            made[node.level, node.index] = node.digest
    expected = {
        (level, index): mth(leaves[index << level : (index + 1) << level])
        for level in range(7)
        for index in range(70 >> level)
    }
    assert made == expected


def test_head_of_any_size_is_read_from_stored_subtrees() -> None:
    leaves = numbered(70)
    read = nodes_of(leaves)
    for size in range(71):
        assert head_at(size, read) == head_of(leaves[:size])


@pytest.mark.parametrize(
    ("size", "perfect"),
    [(0, (b"x" * 32,)), (1, ()), (2, (b"x" * 32,) * 2), (1, (b"x",)), (-1, ())],
)
def test_impossible_head_is_refused(size: int, perfect: tuple[bytes, ...]) -> None:
    with pytest.raises(InvariantBroken):
        TreeHead(size, perfect)


# --- proofs -----------------------------------------------------------------------


def test_every_made_proof_verifies_up_to_size_70() -> None:
    leaves = numbered(70)
    read = nodes_of(leaves)
    roots = [mth(leaves[:size]) for size in range(71)]
    for size in range(1, 71):
        for index in range(size):
            proof = inclusion_proof(index, size, read)
            assert verify_inclusion(index, size, leaves[index], proof, roots[size])
        for old in range(1, size + 1):
            proof = consistency_proof(old, size, read)
            assert verify_consistency(old, size, roots[old], roots[size], proof)


def broken(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Every flipped bit, every missing hash, an extra hash, a short hash."""
    variants = [(*proof, b"\0" * 32), (b"\0" * 32, *proof)]
    for at, digest in enumerate(proof):
        variants.append(proof[:at] + proof[at + 1 :])
        variants.append((*proof[:at], digest[:-1], *proof[at + 1 :]))
        variants.append((*proof[:at], digest, *proof[at:]))
        number = int.from_bytes(digest, "big")
        for bit in range(256):
            flipped = (number ^ 1 << bit).to_bytes(32, "big")
            variants.append((*proof[:at], flipped, *proof[at + 1 :]))
    return variants


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 13])
def test_no_broken_inclusion_proof_verifies(size: int) -> None:
    leaves = numbered(size)
    root = mth(leaves)
    for index in range(size):
        proof = inclusion_proof(index, size, nodes_of(leaves))
        leaf = leaves[index]
        for variant in broken(proof):
            assert not verify_inclusion(index, size, leaf, variant, root)
        for other in range(-1, size + 2):
            valid = verify_inclusion(other, size, leaf, proof, root)
            assert valid is (other == index)
        assert not verify_inclusion(index, size, leaf_hash(b"?"), proof, root)
        assert not verify_inclusion(index, size, leaf, proof, leaf_hash(b"?"))
        assert not verify_inclusion(index, 0, leaf, proof, root)
        assert not verify_inclusion(index, size * 2 + 1, leaf, proof, root)


@pytest.mark.parametrize("new", [1, 2, 3, 5, 8, 13])
def test_no_broken_consistency_proof_verifies(new: int) -> None:
    leaves = numbered(new)
    new_root = mth(leaves)
    for old in range(1, new + 1):
        proof = consistency_proof(old, new, nodes_of(leaves))
        old_root = mth(leaves[:old])
        for variant in broken(proof):
            assert not verify_consistency(old, new, old_root, new_root, variant)
        other = leaf_hash(b"?")
        assert not verify_consistency(old, new, other, new_root, proof)
        assert not verify_consistency(old, new, old_root, other, proof)
        assert not verify_consistency(0, new, EMPTY_ROOT, new_root, ())
        assert not verify_consistency(new + 1, new, old_root, new_root, proof)
        if old < new:
            assert not verify_consistency(old, new, old_root, new_root, ())


def test_what_is_no_hash_proves_nothing() -> None:
    leaf, short = leaf_hash(b"0"), b"x"
    assert verify_inclusion(0, 1, leaf, (), leaf)
    assert not verify_inclusion(0, 1, short, (), short)
    assert verify_consistency(1, 1, leaf, leaf, ())
    assert not verify_consistency(1, 1, short, short, ())


def test_empty_tree_proves_nothing() -> None:
    leaves = numbered(3)
    proof = consistency_proof(1, 3, nodes_of(leaves))
    for claimed in (EMPTY_ROOT, leaves[0], proof[0]):
        assert not verify_consistency(0, 3, claimed, mth(leaves), proof)
        assert not verify_consistency(0, 0, claimed, claimed, ())
        assert not verify_consistency(-1, 3, claimed, mth(leaves), proof)


@given(st.integers(1, 200), st.data())
def test_rewritten_history_has_no_consistency_proof(
    new: int, data: st.DataObject
) -> None:
    leaves = numbered(new)
    old = data.draw(st.integers(1, new))
    changed = data.draw(st.integers(0, old - 1))
    rewritten = [*leaves]
    rewritten[changed] = leaf_hash(b"rewritten")
    proof = consistency_proof(old, new, nodes_of(rewritten))
    old_root = mth(leaves[:old])
    assert not verify_consistency(old, new, old_root, mth(rewritten), proof)
    honest = consistency_proof(old, new, nodes_of(leaves))
    assert verify_consistency(old, new, old_root, mth(leaves), honest)


def test_impossible_proofs_are_not_made() -> None:
    read = nodes_of(numbered(3))
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(InvariantBroken):
            inclusion_proof(index, size, read)
    for old, new in ((0, 3), (4, 3), (-1, 3)):
        with pytest.raises(InvariantBroken):
            consistency_proof(old, new, read)


def test_checker_shares_no_code_with_the_maker() -> None:
    source = ast.parse(inspect.getsource(proofs))
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(source)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"__future__", "collections.abc", "hashlib", "typing"}


def test_leaves_in_any_portions_make_the_same_tree() -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(150)]
    for first in range(0, 150, 7):
        for second in range(first, 150, 11):
            forest = Forest()
            head = TreeHead()
            for part in (leaves[:first], leaves[first:second], leaves[second:]):
                forest.extend(part)
            for leaf in leaves:
                head = head.append(leaf)
            assert forest.head() == head
