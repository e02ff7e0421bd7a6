from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.checkpoint import Checkpoint, SignedCheckpoint
from refundwatch.domain.merkle import TreeHead, consistency_proof, leaf_hash, nodes_of
from refundwatch.domain.proofs import verify_consistency, verify_inclusion
from refundwatch.errors import DecisionDenied, LogBroken, LogRange
from refundwatch.flow.seal import contradiction, holds
from refundwatch.store import contract as c
from tests.making import ANN, INSTANCE, OLA, ROOT, START, after

if TYPE_CHECKING:
    from refundwatch.domain.policy import Principal
    from refundwatch.store.sqlite.store import InlineStore

ORIGIN = f"{INSTANCE}/audit"
OTHER = f"x'{leaf_hash(bytes(1)).hex()}'"
SECOND_ADMIN = type(ROOT)("person:sue", ROOT.roles)


async def write(store: InlineStore, count: int) -> None:
    for number in range(count):
        note = c.AuditNote(START, "test:noted", "system", {"number": number})
        await store.execute(note)


def leaves(store: InlineStore) -> list[bytes]:
    rows = store._connection.execute("SELECT leaf_hash FROM audit_entry ORDER BY seq")
    return [row["leaf_hash"] for row in rows]


async def test_tree_grows_in_any_pieces_to_the_one_root(store: InlineStore) -> None:
    for piece in (1, 2, 3, 5, 8, 1, 64, 7):
        await write(store, piece)
        while await store.execute(c.GrowTree(at_most=piece)):
            pass
        tree = await store.read(c.GetTree())
        head = TreeHead()
        for leaf in leaves(store):
            head = head.append(leaf)
        assert (tree.size, tree.log_size) == (head.size, head.size)
        assert tree.root == head.root()
    nodes = store._connection.execute("SELECT count(*) FROM audit_node").fetchone()[0]
    assert nodes == head.size - head.size.bit_count()


async def test_proofs_come_from_stored_nodes(store: InlineStore) -> None:
    await write(store, 40)
    await store.execute(c.GrowTree())
    hashes = leaves(store)
    reader = nodes_of(hashes)
    roots = [await store.read(c.GetRoot(size)) or b"" for size in range(len(hashes))]
    size = len(hashes) - 1
    for old in range(1, size):
        proof = await store.read(c.GetConsistency(old, size))
        assert proof == consistency_proof(old, size, reader)
        assert verify_consistency(old, size, roots[old], roots[size], proof)
        path = await store.read(c.GetInclusion(old, size))
        assert verify_inclusion(old, size, hashes[old], path, roots[size])


@pytest.mark.parametrize(
    "query",
    [
        c.GetInclusion(0, 10_000),
        c.GetInclusion(1, 1),
        c.GetConsistency(0, 1),
        c.GetConsistency(2, 1),
        c.GetConsistency(1, 10_000),
    ],
)
async def test_proof_beyond_the_tree_is_refused(
    store: InlineStore, query: c.GetInclusion | c.GetConsistency
) -> None:
    await store.execute(c.GrowTree())
    with pytest.raises(LogRange):
        await store.read(query)
    assert await store.read(c.GetRoot(10_000)) is None


async def test_node_that_is_gone_is_never_made_anew(store: InlineStore) -> None:
    while len(leaves(store)) % 4 != 2:
        await write(store, 1)
    await store.execute(c.GrowTree())
    store._connection.executescript(
        "DROP TRIGGER audit_node_no_delete; DELETE FROM audit_node WHERE level = 1"
    )
    await write(store, 2)
    with pytest.raises(LogBroken):
        await store.execute(c.GrowTree())


@pytest.mark.parametrize("table", ["audit_node", "audit_checkpoint"])
async def test_tree_and_checkpoints_refuse_update_and_delete(
    store: InlineStore, table: str
) -> None:
    await write(store, 3)
    await store.execute(c.GrowTree())
    await store.execute(c.NameLog(START, ORIGIN, ("k",)))
    signed = SignedCheckpoint(Checkpoint(ORIGIN, 3, bytes(32)), b"note", "sig")
    await store.execute(c.StoreCheckpoint(START, signed))
    column = {"audit_node": "place", "audit_checkpoint": "size"}[table]
    for text in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError):
            store._connection.execute(text)


async def test_keys_that_come_and_go_are_entries(store: InlineStore) -> None:
    for at, keys in enumerate((("old",), ("old", "new"), ("new",), ("new",))):
        named = await store.execute(c.NameLog(after(at), ORIGIN, keys))
        assert (named.generation, named.origin) == (1, ORIGIN)
    rows = store._connection.execute(
        "SELECT kind FROM audit_entry WHERE kind LIKE 'log:%' ORDER BY seq"
    )
    assert [row["kind"] for row in rows] == [
        "log:named",
        "log:key:added",
        "log:key:added",
        "log:key:retired",
    ]
    keys_now = await store.read(c.ListLogKeys())
    assert {it.verifier: it.retired_at is None for it in keys_now} == {
        "old": False,
        "new": True,
    }


def accept(by: Principal, seconds: float = 0, known: str = "note") -> c.AcceptLoss:
    return c.AcceptLoss(
        after(seconds), by, known, 9, f"{ORIGIN}/2", 2, "backup_restored"
    )


async def test_one_person_alone_accepts_no_loss(store: InlineStore) -> None:
    await store.execute(c.NameLog(START, ORIGIN, ("k",)))
    assert await store.execute(accept(ROOT)) is None
    assert await store.execute(accept(ROOT, 5)) is None
    for other in (
        accept(SECOND_ADMIN, 10, known="another"),
        accept(SECOND_ADMIN, 2 * 86_400),
    ):
        assert await store.execute(other) is None
    assert await store.read(c.LostUntil()) is None
    for stranger in (OLA, ANN):
        with pytest.raises(DecisionDenied):
            await store.execute(accept(stranger, 11))


async def test_second_person_begins_a_new_log_that_quotes_the_old(
    store: InlineStore,
) -> None:
    await store.execute(c.NameLog(START, ORIGIN, ("k",)))
    await store.execute(accept(ROOT))
    begun = await store.execute(accept(SECOND_ADMIN, 60))
    assert begun is not None
    assert (begun.generation, begun.origin) == (2, f"{ORIGIN}/2")
    assert await store.read(c.LostUntil()) == after(60)
    row = store._connection.execute(
        "SELECT entry, seq FROM audit_entry WHERE kind = 'log:reopened'"
    ).fetchone()
    assert row["seq"] == begun.began_seq
    assert b'"known":"note"' in row["entry"]
    assert b'"accepted_by":["person:root"]' in row["entry"]
    await store.execute(accept(ROOT, 61))
    with pytest.raises(LogBroken):
        await store.execute(accept(SECOND_ADMIN, 62))


# --- what was changed where it stands -----------------------------------------------


async def known_of(store: InlineStore, count: int = 70) -> Checkpoint:
    await write(store, count)
    while await store.execute(c.GrowTree()):
        pass
    tree = await store.read(c.GetTree())
    return Checkpoint(ORIGIN, tree.size, tree.root)


@pytest.mark.parametrize(
    "touch",
    [
        "DELETE FROM audit_entry WHERE seq > 40",
        "DELETE FROM audit_entry WHERE seq = 40",
        "UPDATE audit_entry SET entry = x'00' WHERE seq = 40",
        f"UPDATE audit_entry SET entry = x'00', leaf_hash = {OTHER} WHERE seq = 40",
    ],
    ids=["truncated", "deleted", "entry", "entry and hash"],
)
async def test_log_changed_where_it_stands_is_noticed(
    store: InlineStore, touch: str
) -> None:
    known = await known_of(store)
    assert await holds(store, known) is None
    assert await contradiction(store) is None
    store._connection.executescript(
        "DROP TRIGGER audit_entry_no_update; DROP TRIGGER audit_entry_no_delete;"
        + touch
    )
    assert await holds(store, known) is not None
    assert await contradiction(store) is not None


async def test_tree_that_covers_more_than_the_log_does_not_grow(
    store: InlineStore,
) -> None:
    await known_of(store)
    store._connection.executescript(
        "DROP TRIGGER audit_entry_no_delete; DELETE FROM audit_entry WHERE seq > 40"
    )
    with pytest.raises(LogBroken, match="are missing"):
        await store.execute(c.GrowTree())
