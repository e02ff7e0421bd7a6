"""The tree over the audit log, stored as it is sealed, and the proofs read from it.

Invariant: a node is written once, from leaf hashes that are committed; a node that is
gone is never made anew where a signed checkpoint may lean on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.merkle import (
    consistency_proof,
    head_at,
    inclusion_proof,
    leaf_hash,
    nodes_above,
)
from refundwatch.domain.policy import SYSTEM
from refundwatch.errors import InvariantBroken, LogBroken, LogRange
from refundwatch.store.contract import (
    CheckpointRow,
    GetConsistency,
    GetInclusion,
    GetRoot,
    GetTree,
    GrowTree,
    HashEntries,
    ListCheckpoints,
    ListLogKeys,
    LogKeyRow,
    NameLog,
    OriginRow,
    StoreCheckpoint,
    TreeRow,
)
from refundwatch.store.rows import micros, moment, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.many import change_all
from refundwatch.store.sqlite.registry import Reading, question, unit
from refundwatch.store.sqlite.tree import node_reader, tree_size

if TYPE_CHECKING:
    import sqlite3

    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "proof")


@unit(GrowTree)
def _grow(tx: Transaction, command: GrowTree) -> int:
    size = tree_size(tx.connection)
    rows = tx.every(_SQL["leaves"], (size, command.at_most))
    if [row["seq"] for row in rows] != list(range(size, size + len(rows))):
        raise LogBroken(f"Entries from {size} on are missing.")
    leaves = [row["leaf_hash"] for row in rows]
    made = nodes_above(size, leaves, node_reader(tx.connection))
    values = [(node.level, node.index, node.digest) for node in made]
    change_all(tx.connection, _SQL["put_nodes"], values)
    if leaves:
        tx.change(_SQL["grow"], (size + len(leaves),))
    left = _log_size(tx.connection) - size - len(leaves)
    if left < 0:
        raise LogBroken(f"The log's tree covers {size} entries; {-left} are missing.")
    return left


@unit(NameLog)
def _name_log(tx: Transaction, command: NameLog) -> OriginRow:
    row = tx.one(_SQL["origin"])
    if row is None:
        seq = _log_size(tx.connection)
        values = (1, command.origin, micros(command.at), seq)
        tx.change(_SQL["put_origin"], values)
        data = {"origin": command.origin}
        tx.append(command.at, "log:named", SYSTEM.id, None, data)
    _note_keys(tx, command)
    found = tx.one(_SQL["origin"])
    if found is None:
        raise InvariantBroken("The log has no name after it was named.")
    return _origin(found)


def _note_keys(tx: Transaction, command: NameLog) -> None:
    """Append an entry for each key that is new, or signs no more."""
    valid = {
        row["verifier"] for row in tx.every(_SQL["keys"]) if row["retired_at"] is None
    }
    for verifier in command.verifiers:
        if verifier not in valid:
            tx.change(_SQL["add_key"], (verifier, micros(command.at)))
            _tell_key(tx, command, "log:key:added", verifier)
    for verifier in sorted(valid - set(command.verifiers)):
        tx.change(_SQL["retire_key"], (micros(command.at), verifier))
        _tell_key(tx, command, "log:key:retired", verifier)


def _tell_key(tx: Transaction, command: NameLog, kind: str, verifier: str) -> None:
    tx.append(command.at, kind, SYSTEM.id, None, {"verifier": verifier})


@unit(StoreCheckpoint)
def _store_checkpoint(tx: Transaction, command: StoreCheckpoint) -> None:
    signed, row = command.signed, tx.one(_SQL["origin"])
    if row is None or row["origin"] != signed.checkpoint.origin:
        raise LogBroken(f"The log is not {signed.checkpoint.origin} any more.")
    values = (
        row["generation"],
        signed.checkpoint.size,
        signed.checkpoint.root,
        signed.note,
        signed.sshsig,
        micros(command.at),
    )
    tx.change(_SQL["put_checkpoint"], values)


# --- questions --------------------------------------------------------------------


@question(GetTree)
def _get_tree(reading: Reading, _query: GetTree) -> TreeRow:
    connection = reading.connection
    size = tree_size(connection)
    row = connection.execute(_SQL["origin"]).fetchone()
    last = None
    if row is not None:
        found = (row["generation"],)
        last = connection.execute(_SQL["checkpoint_of"], found).fetchone()
    return TreeRow(
        log_size=_log_size(connection),
        size=size,
        root=head_at(size, node_reader(connection)).root(),
        origin=None if row is None else _origin(row),
        last=None if last is None else _checkpoint(last),
    )


@question(GetRoot)
def _get_root(reading: Reading, query: GetRoot) -> bytes | None:
    if not 0 <= query.size <= tree_size(reading.connection):
        return None
    return head_at(query.size, node_reader(reading.connection)).root()


@question(GetInclusion)
def _get_inclusion(reading: Reading, query: GetInclusion) -> tuple[bytes, ...]:
    _must_cover(reading, query.size)
    if not 0 <= query.seq < query.size:
        raise LogRange(f"No entry {query.seq} is in {query.size} entries.", "seq")
    return inclusion_proof(query.seq, query.size, node_reader(reading.connection))


@question(GetConsistency)
def _get_consistency(reading: Reading, query: GetConsistency) -> tuple[bytes, ...]:
    _must_cover(reading, query.new)
    if not 0 < query.old <= query.new:
        raise LogRange(f"No proof leads from {query.old} to {query.new}.", "from")
    return consistency_proof(query.old, query.new, node_reader(reading.connection))


@question(HashEntries)
def _hash_entries(reading: Reading, query: HashEntries) -> tuple[bytes, ...]:
    values = (query.start, query.limit)
    rows = reading.connection.execute(_SQL["entries"], values)
    hashes = []
    for place, row in enumerate(rows, query.start):
        digest = leaf_hash(row["entry"])
        if row["seq"] != place or row["leaf_hash"] != digest:
            raise LogBroken(f"Entry {place} is missing, or is not what was hashed.")
        hashes.append(digest)
    return tuple(hashes)


@question(ListCheckpoints)
def _list_checkpoints(
    reading: Reading, query: ListCheckpoints
) -> tuple[CheckpointRow, ...]:
    values = {
        "generation": query.generation,
        "size": query.size,
        "limit": max(query.limit, 0),
    }
    rows = reading.connection.execute(_SQL["checkpoints"], values)
    return tuple(_checkpoint(row) for row in rows)


@question(ListLogKeys)
def _list_keys(reading: Reading, _query: ListLogKeys) -> tuple[LogKeyRow, ...]:
    rows = reading.connection.execute(_SQL["keys"])
    return tuple(
        LogKeyRow(
            row["verifier"],
            moment(row["added_at"]),
            optional_moment(row["retired_at"]),
        )
        for row in rows
    )


def _must_cover(reading: Reading, size: int) -> None:
    covered = tree_size(reading.connection)
    if not 0 < size <= covered:
        raise LogRange(f"The log is sealed up to {covered} entries.", "size")


def _log_size(connection: sqlite3.Connection) -> int:
    return int(connection.execute(_SQL["log_size"]).fetchone()["size"])


def _origin(row: Row) -> OriginRow:
    return OriginRow(
        row["generation"], row["origin"], moment(row["began_at"]), row["began_seq"]
    )


def _checkpoint(row: Row) -> CheckpointRow:
    return CheckpointRow(
        row["generation"],
        row["origin"],
        row["size"],
        row["root"],
        row["note"],
        row["sshsig"],
        moment(row["signed_at"]),
    )
