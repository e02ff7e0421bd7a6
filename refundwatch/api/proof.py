"""Checking the audit log that a daemon hands out, by nothing but its bytes.

Invariant: a row counts only by the bytes it carries; what the daemon says about them
is compared, never believed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from refundwatch.domain.audit import (
    Entry,
    FirstBad,
    LogFault,
    Verified,
    parse_entry,
    verify_log,
)
from refundwatch.domain.merkle import TreeHead
from refundwatch.errors import InvariantBroken, NotCanonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from refundwatch.api.models import AuditRowView

__all__ = [
    "FirstBad",
    "LogFault",
    "Verified",
    "VerifiedMemory",
    "read_entry",
    "verify_rows",
]


class _Row(NamedTuple):
    seq: int
    entry: bytes
    leaf_hash: bytes


def verify_rows(
    rows: Iterable[AuditRowView],
    min_size: int = 0,
    *,
    known: Iterable[tuple[int, bytes]] = (),
    start: Verified | None = None,
) -> Verified | FirstBad:
    """Check a log as it is read, as `verify_log` does, from `start` on."""
    return verify_log(_decoded(rows), min_size, known=known, start=start)


class VerifiedMemory:
    """Remembers how far the log of one instance was found whole, in a local file."""

    def __init__(self, folder: Path, instance: str) -> None:
        """Keep it in `folder`."""
        self._path = folder / f"{instance}.verified.json"

    def load(self) -> Verified | None:
        """Give how far the last run came; None where nothing is remembered."""
        try:
            found = json.loads(self._path.read_text("utf-8"))
            perfect = tuple(bytes.fromhex(one) for one in found["perfect"])
            head = TreeHead(int(found["size"]), perfect)
            return Verified(head, bytes.fromhex(found["before"]))
        except (OSError, ValueError, TypeError, KeyError, InvariantBroken):
            # Whatever cannot be read only costs the way from the start.
            return None

    def save(self, verified: Verified) -> None:
        """Remember how far a run came.

        Raises:
            OSError: it cannot be written.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {
            "size": verified.size,
            "perfect": [one.hex() for one in verified.head.perfect],
            "before": verified.before.hex(),
        }
        beside = self._path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(content), "utf-8")
        beside.replace(self._path)


def read_entry(row: AuditRowView) -> Entry | None:
    """Read the entry that a row's bytes state; None where they state none."""
    try:
        return parse_entry(_bytes(row.entry))
    except NotCanonical:
        return None


def _decoded(rows: Iterable[AuditRowView]) -> Iterator[_Row]:
    for row in rows:
        yield _Row(row.seq, _bytes(row.entry), _hash(row.leaf_hash))


def _bytes(text: str) -> bytes:
    """Decode; what is no base64 becomes bytes that no hash fits."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
