"""Entries of the audit log: their bytes, and whether a stored log is whole.

Invariant: an entry's bytes are canonical and carry their own place (`seq`) and the
hash of the entry before (`prev`); a log is verified from the stored bytes alone.
No secret, card number or free personal text belongs into an entry, since the log
cannot forget: there stands a `salted_commitment` instead.
"""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from refundwatch.domain.canonical import canonical_text, octets, parse_canonical
from refundwatch.domain.merkle import HASH_BYTES, Forest, TreeHead, leaf_hash
from refundwatch.errors import InvariantBroken, NotCanonical

if TYPE_CHECKING:
    from refundwatch.domain.canonical import JsonValue

ENTRY_VERSION: Final = 1
MAX_ENTRY_BYTES: Final = 65_535
"""The tile form in which a log is handed out counts an entry's bytes in two bytes."""

FIRST_PREV: Final = bytes(HASH_BYTES)
"""What entry 0 names as the hash before it."""

SALT_BYTES: Final = 16

BLOCK_ROWS: Final = 1024
"""Rows that are verified at once; so many are held in memory."""

_KIND: Final = re.compile(r"[a-z][a-z0-9_]*(?::[a-z][a-z0-9_]*)+")
_HEX_HASH: Final = re.compile(r"[0-9a-f]{64}")
_QUOTES_BEHIND: Final = 6
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_FIELDS: Final = frozenset(
    {"v", "seq", "at", "kind", "actor", "refund_id", "data", "prev"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as its bytes state it."""

    seq: int
    at: datetime
    kind: str
    actor: str
    refund_id: str | None
    data: Mapping[str, JsonValue]
    prev: bytes


LogRow: TypeAlias = tuple[int, bytes, bytes]
"""One row of the log as it is stored: `seq`, from 0, the canonical bytes of its entry
as they were hashed, and the stored hash of these bytes."""


class LogFault(StrEnum):
    """What is wrong with a row."""

    MISSING = "missing"
    OUT_OF_ORDER = "out_of_order"
    LEAF = "leaf"
    FORM = "form"
    PLACE = "place"
    NEIGHBOUR = "neighbour"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Verified:
    """The log is whole; its root still has to equal one known from elsewhere.

    `before` is the leaf hash of its last entry, from which a later run goes on.
    """

    head: TreeHead
    before: bytes = FIRST_PREV

    @property
    def size(self) -> int:
        """Give the number of entries."""
        return self.head.size

    @property
    def root(self) -> bytes:
        """Give the root hash over all entries."""
        return self.head.root()


@dataclass(frozen=True, slots=True)
class FirstBad:
    """The log is not whole; `seq` is the first place that cannot be trusted."""

    seq: int
    fault: LogFault
    sentence: str


def entry_bytes(  # noqa: PLR0917 - the fields of an entry
    seq: int,
    at: datetime,
    kind: str,
    actor: str,
    refund_id: str | None,
    data: Mapping[str, JsonValue],
    prev: bytes,
) -> bytes:
    """Give the canonical bytes of an entry; `prev` is the leaf hash before it.

    Raises:
        InvariantBroken: a field has no place in an entry, or the entry is too large.
        NotCanonical: `data` holds what canonical JSON cannot.
    """
    _require(seq >= 0, "a sequence starts at 0")
    _require(at.tzinfo is not None, "a time has a zone")
    _require(_KIND.fullmatch(kind) is not None, "a kind is lower-case words with `:`")
    _require(bool(actor), "somebody acts")
    _require(len(prev) == HASH_BYTES, "the hash before has 32 bytes")
    # The fields in canonical order; an entry is written for every row of a flood.
    stored = octets(
        f'{{"actor":{canonical_text(actor)},"at":"{_time_text(at)}",'
        f'"data":{canonical_text(data, above=1)},"kind":"{kind}",'
        f'"prev":"{prev.hex()}","refund_id":{canonical_text(refund_id)},'
        f'"seq":{canonical_text(seq)},"v":{ENTRY_VERSION}}}'
    )
    _require(len(stored) <= MAX_ENTRY_BYTES, f"it has at most {MAX_ENTRY_BYTES} bytes")
    return stored


def parse_entry(stored: bytes) -> Entry:
    """Read stored bytes, which must be exactly those of the entry they state.

    Raises:
        NotCanonical: they are not.
    """
    if len(stored) > MAX_ENTRY_BYTES:
        raise NotCanonical(_NO_ENTRY)
    stated = parse_canonical(stored)
    if not isinstance(stated, Mapping) or stated.keys() != _FIELDS:
        raise NotCanonical(_NO_ENTRY)
    match stated:
        case {
            "v": int(version),
            "seq": int(seq),
            "at": str(at),
            "kind": str(kind),
            "actor": str(actor),
            "refund_id": str() | None as refund_id,
            "data": Mapping() as data,
            "prev": str(prev),
        } if _HEX_HASH.fullmatch(prev):
            pass
        case _:
            raise NotCanonical(_NO_ENTRY)
    # `True` is an `int` to Python and equals 1, but has other bytes.
    if version != ENTRY_VERSION or isinstance(version, bool) or isinstance(seq, bool):
        raise NotCanonical(_NO_ENTRY)
    return Entry(seq, _time(at), kind, actor, refund_id, data, bytes.fromhex(prev))


def verify_log(
    rows: Iterable[LogRow],
    min_size: int = 0,
    *,
    known: Iterable[tuple[int, bytes]] = (),
    start: Verified | None = None,
) -> Verified | FirstBad:
    """Check a log, in order of `seq`, from its stored bytes.

    Checked are: no gap, each leaf hash, the place that the bytes themselves state, and
    that they name the hash of the neighbour before. `min_size` is a size known from
    elsewhere: a shorter log has lost its tail. `known` are roots by size, in order, as
    checkpoints state them. `start` is how far an earlier run came: the rows begin
    there. Memory does not grow with the log.

    Bytes are compared, not read as JSON: what was changed has another hash than its
    neighbour names. Only where something is wrong, and for the last entry, that no
    other one names, is the form looked at.
    """
    following = iter(rows)
    begun = start or Verified(TreeHead())
    forest, before = Forest(begun.head), begun.before
    earlier: bytes | None = None
    tail: list[LogRow] = []
    stated = _Stated(known, forest)
    while block := list(islice(following, BLOCK_ROWS)):
        if not _is_plain(block, forest.size, before):
            hashes = (earlier, before)
            found = _first_bad(block, following, forest.size, hashes)
            if found is not None:
                return stated.judge() or found
        differing = stated.extend([leaf for _, _, leaf in block])
        if differing is not None:
            return differing
        tail = block[-1:]
        earlier = block[-2][-1] if len(block) > 1 else before
        before = block[-1][-1]
    for row in tail:
        if isinstance(end := _read_row(row, row[0]), FirstBad):
            return end
    least = max(min_size, stated.largest())
    if forest.size < least:
        sentence = f"The log ends at {forest.size} entries; it had {least}."
        return FirstBad(forest.size, LogFault.MISSING, sentence)
    return stated.judge() or Verified(forest.head(), before)


class _Stated:
    """Compares a growing tree with the roots that are stated of it by size."""

    def __init__(self, known: Iterable[tuple[int, bytes]], forest: Forest) -> None:
        self._known = iter(known)
        self._forest = forest
        self._met = 0
        self._next = next(self._known, None)
        while self._next is not None and self._next[0] < forest.size:
            self._met = self._next[0]
            self._advance()

    def extend(self, leaves: list[bytes]) -> FirstBad | None:
        """Let the tree grow; stop at the first root that differs."""
        at = 0
        while self._next is not None and self._next[0] <= self._forest.size + (
            len(leaves) - at
        ):
            upto = at + self._next[0] - self._forest.size
            self._forest.extend(leaves[at:upto])
            at = upto
            if (differing := self.judge()) is not None:
                return differing
        self._forest.extend(leaves[at:])
        return None

    def judge(self) -> FirstBad | None:
        """Compare where a root is stated of just this size."""
        while self._next is not None and self._next[0] == self._forest.size:
            size, root = self._next
            if self._forest.head().root() != root:
                sentence = (
                    f"Entries {self._met} to {size - 1} are not those that the "
                    f"checkpoint of {size} entries was signed over."
                )
                return FirstBad(self._met, LogFault.CHECKPOINT, sentence)
            self._met = size
            self._advance()
        return None

    def largest(self) -> int:
        """Give the largest size that is stated beyond what was reached."""
        largest = 0
        while self._next is not None and self._next[0] > self._forest.size:
            largest = max(largest, self._next[0])
            self._advance()
        return largest

    def _advance(self) -> None:
        self._next = next(self._known, None)


def salted_commitment(salt: bytes, value: bytes) -> str:
    """Commit, in hex, to a value that can be erased later with its salt.

    Raises:
        InvariantBroken: the salt is not 16 bytes, so the boundary would be unclear.
    """
    if len(salt) != SALT_BYTES:
        message = f"A salt has {SALT_BYTES} bytes."
        raise InvariantBroken(message)
    return sha256(salt + value).hexdigest()


_NO_ENTRY: Final = "The bytes are not those of an audit entry."


def _is_plain(block: list[LogRow], start: int, before: bytes) -> bool:
    """Tell whether rows are as they were written, by comparing bytes only.

    What it says no to is not always bad: a refund's id with a quotation mark in it has
    to be read. Written for speed: each step is taken for the whole block at once.
    """
    numbers, entries, stored = zip(*block, strict=True)
    if numbers != tuple(range(start, start + len(block))):
        return False
    leaves = [sha256(b"\0" + entry).digest() for entry in entries]
    if leaves != list(stored) or max(map(len, entries)) > MAX_ENTRY_BYTES:
        return False
    for seq, entry, prev in zip(numbers, entries, (before, *leaves), strict=False):
        # Behind the hash before stand the refund, or null, and the place: at most six
        # quotation marks. More, and the words were found inside the data.
        named = b'","prev":"%b","refund_id":' % hexlify(prev)
        at = entry.rfind(named)
        placed = at > 0 and entry.endswith(b',"seq":%d,"v":1}' % seq)
        if not placed or entry.count(b'"', at + len(named)) > _QUOTES_BEHIND:
            return False
    return True


def _first_bad(
    block: list[LogRow],
    following: Iterator[LogRow],
    start: int,
    hashes: tuple[bytes | None, bytes],
) -> FirstBad | None:
    """Read a block row by row; name what is wrong first.

    `hashes` are the leaf hashes of the two entries before, the nearer one last.
    """
    earlier, before = hashes
    for expected, row in enumerate(block, start):
        entry = _read_row(row, expected)
        if isinstance(entry, FirstBad):
            return _was_put_between(row, entry, earlier) or entry
        if entry.prev != before:
            after = [*block[expected - start + 1 :][:1], *islice(following, 1)]
            return _bad_neighbour(row, after[0] if after else None)
        earlier, before = before, row[-1]
    return None


def _was_put_between(
    row: LogRow, found: FirstBad, earlier: bytes | None
) -> FirstBad | None:
    """Name the entry before instead, where this one was moved up by it.

    It says itself that it is the one before, and names the hash of that one's
    neighbour.
    """
    if found.fault is not LogFault.PLACE or earlier is None:
        return None
    entry = parse_entry(row[1])
    if (entry.seq, entry.prev) != (found.seq - 1, earlier):
        return None
    sentence = f"Entry {entry.seq} was put before the one that has this place."
    return FirstBad(entry.seq, LogFault.PLACE, sentence)


def _read_row(row: LogRow, expected: int) -> Entry | FirstBad:
    seq, stored, leaf = row
    if seq > expected:
        return FirstBad(expected, LogFault.MISSING, f"Entry {expected} is missing.")
    if seq < expected:
        sentence = f"Entry {seq} stands where {expected} belongs."
        return FirstBad(seq, LogFault.OUT_OF_ORDER, sentence)
    if leaf_hash(stored) != leaf:
        sentence = f"The bytes of entry {seq} do not have its stored hash."
        return FirstBad(seq, LogFault.LEAF, sentence)
    try:
        entry = parse_entry(stored)
    except NotCanonical:
        sentence = f"The bytes of entry {seq} are not an entry in canonical form."
        return FirstBad(seq, LogFault.FORM, sentence)
    if entry.seq != seq:
        sentence = f"The bytes of entry {seq} say that they are entry {entry.seq}."
        return FirstBad(seq, LogFault.PLACE, sentence)
    return entry


def _bad_neighbour(row: LogRow, after: LogRow | None) -> FirstBad:
    """Name the one of two neighbours that was changed.

    If the row after still names this row's hash, this row is as it was written and
    the one before it is not.
    """
    seq, _, leaf = row
    vouched = seq > 0 and after is not None and _names(after, leaf)
    sentence = f"Entry {seq} does not name the hash of the entry before it."
    return FirstBad(seq - vouched, LogFault.NEIGHBOUR, sentence)


def _names(row: LogRow, before: bytes) -> bool:
    try:
        return parse_entry(row[1]).prev == before
    except NotCanonical:
        return False


def _time_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _time(text: str) -> datetime:
    try:
        moment = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise NotCanonical(_NO_ENTRY) from error
    # `strptime` also takes fewer digits, which would be second spellings.
    if _time_text(moment) != text:
        raise NotCanonical(_NO_ENTRY)
    return moment


def _require(holds: bool, rule: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        message = f"No audit entry: {rule}."
        raise InvariantBroken(message)
