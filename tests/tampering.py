"""Touch a log in every way and see who finds it: `python -m tests.tampering`.

The log is changed behind its hub's back, by somebody without its key: each time both
our own verifier and the single file that auditors get must find it, ours naming the
first bad entry. A log that was rolled back is found by the last checkpoint outside.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest import mock

from refundwatch.api.auditor import verify as stranger
from refundwatch.domain.audit import (
    FIRST_PREV,
    FirstBad,
    LogRow,
    Verified,
    entry_bytes,
    parse_entry,
    verify_log,
)
from refundwatch.domain.checkpoint import Checkpoint, read_checkpoint
from refundwatch.domain.merkle import TreeHead, leaf_hash
from refundwatch.domain.tiles import TILE, entry_bundle, hash_tiles, tile_path
from refundwatch.errors import CheckpointInvalid
from refundwatch.security.notekey import NoteKey, NoteSigner, check_signature

ORIGIN = "shop.example/audit"
KEY = NoteKey(ORIGIN, bytes(range(32)))
SIGNER = NoteSigner("shop.example", [KEY])
AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SIZE, EVERY = 300, 40
KINDS = ("flip", "delete", "insert", "reorder", "truncate", "rewrite", "roll back")


@dataclass(frozen=True, slots=True)
class Log:
    """Rows, the notes that stand beside them, and the one that stands outside."""

    rows: tuple[LogRow, ...]
    notes: tuple[bytes, ...]
    outside: bytes


def row_of(seq: int, amount: int, prev: bytes) -> LogRow:
    data = {"amount_minor": amount, "reason": "damaged"}
    entry = entry_bytes(seq, AT, "refund:created", "machine:shop", "rf_1", data, prev)
    return seq, entry, leaf_hash(entry)


def built(size: int = SIZE) -> Log:
    rows, prev, head, notes = [], FIRST_PREV, TreeHead(), []
    for seq in range(size):
        row = row_of(seq, 1000 + seq, prev)
        rows.append(row)
        prev = row[2]
        head = head.append(prev)
        if head.size % EVERY == 0 or head.size == size:
            signed = SIGNER.sign(Checkpoint(ORIGIN, head.size, head.root()))
            notes.append(signed.note)
    return Log(tuple(rows), tuple(notes), notes[-1])


def renumbered(rows: list[LogRow]) -> tuple[LogRow, ...]:
    return tuple((seq, entry, leaf) for seq, (_, entry, leaf) in enumerate(rows))


def touched(log: Log, kind: str, dice: Random) -> tuple[Log, int]:
    """Change the log; give it, and the first entry that is not as it was."""
    rows, at = list(log.rows), dice.randrange(1, len(log.rows) - 1)
    match kind:
        case "flip":
            seq, entry, leaf = rows[at]
            cut = bytearray(entry)
            cut[dice.randrange(len(cut))] ^= 1 << dice.randrange(8)
            fitting = leaf_hash(bytes(cut)) if dice.random() < 0.5 else leaf
            rows[at] = (seq, bytes(cut), fitting)
        case "delete":
            del rows[at]
        case "insert":
            rows.insert(at, row_of(at, 999_999, rows[at - 1][2]))
        case "reorder":
            other = dice.randrange(1, len(rows))
            at, other = min(at, other), max(at, other)
            if at == other:
                other += 1 if other + 1 < len(rows) else -1
                at, other = min(at, other), max(at, other)
            rows[at], rows[other] = rows[other], rows[at]
        case "truncate":
            return replace(log, rows=tuple(rows[:at])), at
        case "rewrite":
            prev = rows[at - 1][2]
            for seq in range(at, len(rows)):
                amount = parse_entry(rows[seq][1]).data["amount_minor"]
                assert isinstance(amount, int)
                rows[seq] = row_of(seq, amount + (seq == at), prev)
                prev = rows[seq][2]
        case _:
            kept = tuple(note for note in log.notes if stated(note).size <= at)
            return replace(log, rows=tuple(rows[:at]), notes=kept), at
    return replace(log, rows=renumbered(rows)), at


def stated(note: bytes) -> Checkpoint:
    return read_checkpoint(note, ORIGIN, [KEY.verifier()], check_signature)


def ours(log: Log) -> Verified | FirstBad:
    """Verify as `audit verify` does, with the checkpoint that stands outside."""
    known = {(it.size, it.root) for it in map(stated, (*log.notes, log.outside))}
    return verify_log(log.rows, known=sorted(known))


def theirs(log: Log, folder: Path) -> tuple[int, str]:
    """Export the log as it stands, and let the auditor's one file check it."""
    entries = [row[1] for row in log.rows]
    for start in range(0, len(entries), TILE):
        part = entries[start : start + TILE]
        put(folder, tile_path("entries", start // TILE, len(part)), entry_bundle(part))
    for path, content in hash_tiles([row[2] for row in log.rows]):
        put(folder, path, content)
    put(folder, "checkpoint", log.outside)
    arguments = ["verify.py", str(folder), "--key", KEY.verifier().text()]
    with mock.patch.object(sys, "argv", arguments), redirect_stdout(StringIO()) as out:
        return stranger.main(), out.getvalue()


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def missed(log: Log, kind: str, dice: Random, *, ask_stranger: bool) -> str | None:
    """Touch the log once; say who did not find it, None where both did."""
    changed, first = touched(log, kind, dice)
    found = ours(changed)
    if not isinstance(found, FirstBad):
        return f"{kind} at {first}: not found"
    exact = kind != "rewrite"
    if (found.seq != first) if exact else (not first - EVERY < found.seq <= first):
        return f"{kind} at {first}: entry {found.seq} was named: {found.sentence}"
    if ask_stranger:
        with TemporaryDirectory() as folder:
            code, said = theirs(changed, Path(folder))
        if code != 1:
            return f"{kind} at {first}: the auditor's file said {code}: {said}"
    return None


def missed_note(log: Log, dice: Random) -> str | None:
    """Flip a bit of a checkpoint; say so where it is read all the same."""
    note = bytearray(dice.choice(log.notes))
    at = dice.randrange(len(note))
    note[at] ^= 1 << dice.randrange(8)
    try:
        stated(bytes(note))
    except CheckpointInvalid:
        return None
    return f"a checkpoint with another byte {at} was read"


def run(count: int, seed: int = 1, ask_every: int = 1) -> list[str]:
    """Touch a log so many times; give what was missed."""
    log, dice, found = built(), Random(seed), []
    for number in range(count):
        kind = KINDS[number % (len(KINDS) + 1) - 1]
        if number % (len(KINDS) + 1) == 0:
            found.append(missed_note(log, dice))
        else:
            ask = number % ask_every == 0
            found.append(missed(log, kind, dice, ask_stranger=ask))
    return [one for one in found if one is not None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    bad = run(arguments.count, arguments.seed)
    for one in bad:
        print(one)
    print(f"{arguments.count} times touched, {len(bad)} times not found")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
