from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.audit import (
    BLOCK_ROWS,
    FIRST_PREV,
    MAX_ENTRY_BYTES,
    FirstBad,
    LogFault,
    Verified,
    entry_bytes,
    parse_entry,
    salted_commitment,
    verify_log,
)
from refundwatch.domain.canonical import MAX_DEPTH
from refundwatch.domain.merkle import TreeHead, inclusion_proof, leaf_hash, nodes_of
from refundwatch.domain.proofs import verify_consistency, verify_inclusion
from refundwatch.errors import InvariantBroken, NotCanonical
from tests.shared import SHARED

ENTRIES: dict[str, Any] = json.loads(
    (SHARED / "facts/audit-log-vectors.json").read_text("utf-8")
)["entries"]
PUBLISHED = [entry.encode() for entry in ENTRIES["canonical"]]
HASHES = [bytes.fromhex(digest) for digest in ENTRIES["leaf_hashes"]]
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Row(NamedTuple):
    seq: int
    entry: bytes
    leaf_hash: bytes


def log(count: int) -> list[Row]:
    rows: list[Row] = []
    for seq in range(count):
        prev = rows[-1].leaf_hash if rows else FIRST_PREV
        entry = entry_bytes(seq, AT, "test:made", "system", None, {"n": seq}, prev)
        rows.append(Row(seq, entry, leaf_hash(entry)))
    return rows


def rehashed(seq: int, entry: bytes) -> Row:
    return Row(seq, entry, leaf_hash(entry))


def fault(rows: list[Row], min_size: int = 0) -> tuple[int, LogFault]:
    found = verify_log(rows, min_size)
    assert isinstance(found, FirstBad)
    assert found.sentence.endswith(".")
    return found.seq, found.fault


# --- published entries ------------------------------------------------------------


def test_published_entries_are_reproduced() -> None:
    prev = FIRST_PREV
    for seq, (stored, digest) in enumerate(zip(PUBLISHED, HASHES, strict=True)):
        stated = json.loads(stored)
        made = entry_bytes(
            seq,
            datetime.fromisoformat(stated["at"]),
            stated["kind"],
            stated["actor"],
            stated["refund_id"],
            stated["data"],
            prev,
        )
        assert made == stored
        prev = leaf_hash(made)
        assert prev == digest


def test_published_log_verifies_at_every_size() -> None:
    rows = [
        Row(seq, *row) for seq, row in enumerate(zip(PUBLISHED, HASHES, strict=True))
    ]
    for size, root in enumerate(ENTRIES["roots"]):
        found = verify_log(rows[:size])
        assert isinstance(found, Verified)
        assert (found.size, found.root.hex()) == (size, root)


def test_published_consistency_of_entries() -> None:
    proof = [bytes.fromhex(digest) for digest in ENTRIES["consistency_3_5"]]
    roots = [bytes.fromhex(root) for root in ENTRIES["roots"]]
    assert verify_consistency(3, 5, roots[3], roots[5], proof)


def test_published_receipt_is_the_inclusion_proof() -> None:
    lines = ENTRIES["tlog_proof_index_2"].split("\n\n")[0].splitlines()
    assert lines[1] == "index 2"
    proof = tuple(base64.b64decode(line) for line in lines[2:])
    assert inclusion_proof(2, 5, nodes_of(HASHES)) == proof
    root = bytes.fromhex(ENTRIES["roots"][5])
    assert verify_inclusion(2, 5, HASHES[2], proof, root)


def test_published_checkpoint_has_our_root() -> None:
    size, root = ENTRIES["checkpoint_5"].splitlines()[1:3]
    head = TreeHead()
    for digest in HASHES:
        head = head.append(digest)
    assert (str(head.size), base64.b64encode(head.root()).decode()) == (size, root)


# --- entries ----------------------------------------------------------------------


def test_time_of_another_zone_is_stated_in_utc() -> None:
    moved = AT.astimezone(timezone(timedelta(hours=-3)))
    made = entry_bytes(0, moved, "log:created", "system", None, {}, FIRST_PREV)
    assert b'"at":"2026-01-01T00:00:00.000000Z"' in made


@given(
    st.integers(0, 2**53 - 1),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.dictionaries(st.sampled_from("abc"), st.none() | st.booleans() | st.integers(0)),
    st.binary(min_size=32, max_size=32),
)
def test_entry_reads_back(
    seq: int,
    at: datetime,
    refund_id: str | None,
    data: dict[str, int | bool | None],
    prev: bytes,
) -> None:
    data = {k: v if v is None else v % 2**53 for k, v in data.items()}
    at = at.replace(tzinfo=UTC)
    made = entry_bytes(seq, at, "a:b", "system", refund_id, data, prev)
    entry = parse_entry(made)
    assert (entry.seq, entry.at, entry.kind) == (seq, at, "a:b")
    assert (entry.refund_id, entry.data, entry.prev) == (refund_id, data, prev)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": -1},
        {"at": AT.replace(tzinfo=None)},
        {"kind": ""},
        {"kind": "created"},
        {"kind": "Log:created"},
        {"kind": "log:"},
        {"kind": "log:created\n"},
        {"actor": ""},
        {"prev": b""},
        {"prev": b"0" * 64},
        {"data": {"text": "x" * MAX_ENTRY_BYTES}},
    ],
)
def test_impossible_entry_is_refused(change: dict[str, Any]) -> None:
    fields: dict[str, Any] = {
        "seq": 0,
        "at": AT,
        "kind": "log:created",
        "actor": "system",
        "refund_id": None,
        "data": {},
        "prev": FIRST_PREV,
    }
    assert entry_bytes(**fields)
    with pytest.raises(InvariantBroken):
        entry_bytes(**(fields | change))


@pytest.mark.parametrize("data", [{"a": 0.5}, {"\u00e9": 1}, {"a": 2**53}])
def test_data_outside_canonical_json_is_refused(data: Any) -> None:
    with pytest.raises(NotCanonical):
        entry_bytes(0, AT, "log:created", "system", None, data, FIRST_PREV)


def test_largest_entry_fits_the_tile_form() -> None:
    empty = entry_bytes(0, AT, "a:b", "system", None, {"t": ""}, FIRST_PREV)
    data = {"t": "x" * (MAX_ENTRY_BYTES - len(empty))}
    made = entry_bytes(0, AT, "a:b", "system", None, data, FIRST_PREV)
    assert len(made) == MAX_ENTRY_BYTES == 65_535
    assert isinstance(verify_log([rehashed(0, made)]), Verified)
    with pytest.raises(InvariantBroken):
        entry_bytes(0, AT, "a:b", "system", None, {"t": data["t"] + "x"}, FIRST_PREV)


# --- verifying a log --------------------------------------------------------------


def test_whole_log_verifies_and_gives_its_root() -> None:
    rows = log(20)
    found = verify_log(iter(rows), min_size=20)
    assert isinstance(found, Verified)
    head = TreeHead()
    for row in rows:
        head = head.append(row.leaf_hash)
    assert found.head == head
    assert verify_log([]) == Verified(TreeHead())


def test_every_flipped_byte_is_found_at_its_row() -> None:
    rows = log(3)
    for seq, row in enumerate(rows):
        for at in range(len(row.entry)):
            entry = bytearray(row.entry)
            entry[at] ^= 1
            changed = [*rows]
            changed[seq] = row._replace(entry=bytes(entry))
            assert fault(changed) == (seq, LogFault.LEAF)


def test_changed_hash_is_found_at_its_row() -> None:
    rows = log(3)
    rows[1] = rows[1]._replace(leaf_hash=rows[0].leaf_hash)
    assert fault(rows) == (1, LogFault.LEAF)


@pytest.mark.parametrize("seq", range(6))
def test_missing_row_is_named(seq: int) -> None:
    rows = log(6)
    del rows[seq]
    assert fault(rows, min_size=6) == (seq, LogFault.MISSING)


@pytest.mark.parametrize("size", range(6))
def test_lost_tail_is_named_by_a_size_known_from_elsewhere(size: int) -> None:
    assert fault(log(6)[:size], min_size=6) == (size, LogFault.MISSING)


def test_row_twice_is_named() -> None:
    rows = log(4)
    rows.insert(2, rows[1])
    assert fault(rows) == (1, LogFault.OUT_OF_ORDER)


def test_swapped_contents_are_found_at_the_first() -> None:
    rows = log(5)
    one, two = rows[1], rows[2]
    rows[1] = two._replace(seq=1)
    rows[2] = one._replace(seq=2)
    assert fault(rows) == (1, LogFault.PLACE)


@pytest.mark.parametrize("seq", [0, 1, 3])
def test_row_rewritten_with_its_hash_is_named_by_its_neighbours(seq: int) -> None:
    rows = log(6)
    forged = rows[seq].entry.replace(b'"system"', b'"person:eve"')
    rows[seq] = rehashed(seq, forged)
    assert fault(rows) == (seq, LogFault.NEIGHBOUR)


def test_row_with_a_forged_neighbour_hash_is_named_itself() -> None:
    rows = log(6)
    good = rows[2].leaf_hash.hex().encode()
    rows[3] = rehashed(3, rows[3].entry.replace(good, b"ab" * 32))
    assert fault(rows) == (3, LogFault.NEIGHBOUR)


def test_first_entry_names_zeros() -> None:
    rows = log(1)
    zeros, other = FIRST_PREV.hex().encode(), b"ab" * 32
    rows[0] = rehashed(0, rows[0].entry.replace(zeros, other))
    assert fault(rows) == (0, LogFault.NEIGHBOUR)


def test_first_entry_is_blamed_even_if_the_next_one_fits_it() -> None:
    rows = [rehashed(0, entry_bytes(0, AT, "a:b", "system", None, {}, b"?" * 32))]
    prev = rows[0].leaf_hash
    rows.append(rehashed(1, entry_bytes(1, AT, "a:b", "system", None, {}, prev)))
    assert fault(rows) == (0, LogFault.NEIGHBOUR)


def test_rewritten_tail_verifies_but_has_another_root() -> None:
    rows = log(4)
    rows[3] = rehashed(3, rows[3].entry.replace(b'"n":3', b'"n":4'))
    found, honest = verify_log(rows), verify_log(log(4))
    assert isinstance(found, Verified)
    assert isinstance(honest, Verified)
    assert found.root != honest.root


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":true'),
        (b'"v":1', b'"v":1.0'),
        (b',"v":1', b""),
        (b',"v":1', b',"v":1,"w":1'),
        (b'"seq":1', b'"seq":"1"'),
        (b'"seq":1', b'"seq":true'),
        (b'"seq":1', b'"seq":01'),
        (b'"n":1', b'"n": 1'),
        (b'"n":1', b'"n":1,"n":1'),
        (b'"data":{"n":1}', b'"data":[1]'),
        (b'"refund_id":null', b'"refund_id":1'),
        (b'"actor":"system"', b'"actor":null'),
        (b'"test:made"', b"7"),
        (b"00.000000Z", b"00Z"),
        (b"00.000000Z", b"00.00000Z"),
        (b"00.000000Z", b"00.000000+00:00"),
        (b"2026-01-01", b"2026-02-30"),
        (b"{", b"[{"),
        (b"}", b"} "),
        (b"test", b"\xff"),
    ],
)
def test_bytes_in_another_form_are_found(old: bytes, new: bytes) -> None:
    rows = log(3)
    assert old in rows[1].entry
    rows[1] = rehashed(1, rows[1].entry.replace(old, new))
    assert fault(rows) == (1, LogFault.FORM)


@pytest.mark.parametrize("change", [str.upper, lambda h: h[:-2], lambda h: h + "00"])
def test_neighbour_hash_in_another_form_is_found(change: Any) -> None:
    rows = log(3)
    digest = rows[0].leaf_hash.hex()
    entry = rows[1].entry.replace(digest.encode(), change(digest).encode())
    rows[1] = rehashed(1, entry)
    assert fault(rows) == (1, LogFault.FORM)


def test_oversized_entry_is_found() -> None:
    rows = log(3)
    entry = rows[1].entry.replace(b'"n":1', b'"n":"' + b"x" * MAX_ENTRY_BYTES + b'"')
    rows[1] = rehashed(1, entry)
    assert fault(rows) == (1, LogFault.FORM)


def test_verifying_holds_one_block_of_rows() -> None:
    whole = log(2 * BLOCK_ROWS + 5)
    taken = []

    def rows() -> Any:
        for row in whole:
            taken.append(row.seq)
            yield row if row.seq != 4 else row._replace(leaf_hash=bytes(32))

    assert isinstance(verify_log(rows()), FirstBad)
    assert len(taken) <= BLOCK_ROWS


@pytest.mark.parametrize("seq", [0, 1, 1022, 1023, 1024, 1025, 2047, 2048, 2050])
def test_what_is_wrong_is_named_across_blocks(seq: int) -> None:
    whole = log(2 * BLOCK_ROWS + 5)
    forged = rehashed(seq, whole[seq].entry.replace(b'"system"', b'"person:eve"'))
    assert fault([*whole[:seq], forged, *whole[seq + 1 :]]) == (seq, LogFault.NEIGHBOUR)
    assert fault([*whole[:seq], *whole[seq + 1 :]]) == (seq, LogFault.MISSING)


def test_last_entry_has_its_form_too() -> None:
    rows = log(3)
    rows[2] = rehashed(2, rows[2].entry.replace(b'"n":2', b'"n": 2'))
    assert fault(rows) == (2, LogFault.FORM)


def test_hash_before_is_not_looked_for_in_the_data() -> None:
    rows = log(2)
    good = rows[0].leaf_hash.hex()
    data = {"z": {"kind": "", "prev": good, "refund_id": "null"}}
    entry = entry_bytes(1, AT, "a:b", "system", None, data, b"?" * 32)
    assert fault([rows[0], rehashed(1, entry)]) == (1, LogFault.NEIGHBOUR)


@pytest.mark.parametrize("refund", [None, "rf_1", 'rf_"1', "rf_\u00e9\n"])
def test_every_refund_id_verifies(refund: str | None) -> None:
    entry = entry_bytes(0, AT, "a:b", "system", refund, {}, FIRST_PREV)
    after = entry_bytes(1, AT, "a:b", "system", None, {}, leaf_hash(entry))
    found = verify_log([rehashed(0, entry), rehashed(1, after)])
    assert isinstance(found, Verified)


# --- commitments ------------------------------------------------------------------


def test_commitment_is_salt_then_value() -> None:
    salt = bytes(range(16))
    digest = hashlib.sha256(salt + b"Ann Lee").hexdigest()
    assert salted_commitment(salt, b"Ann Lee") == digest
    assert salted_commitment(bytes(16), b"Ann Lee") != digest


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_salt_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvariantBroken):
        salted_commitment(bytes(length), b"x")


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def test_entry_is_no_deeper_than_it_can_be_read() -> None:
    data = {"k": nested(MAX_DEPTH - 2)}
    stored = entry_bytes(0, AT, "a:b", "system", None, data, FIRST_PREV)
    assert parse_entry(stored).data == data
    with pytest.raises(NotCanonical):
        entry_bytes(0, AT, "a:b", "system", None, {"k": [data]}, FIRST_PREV)
