"""Checking the audit log that a daemon hands out, by nothing but its bytes.

Invariant: a row counts only by the bytes it carries; what the daemon says about them
is compared, never believed.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, NamedTuple

from refundwatch.domain.audit import (
    Entry,
    FirstBad,
    LogFault,
    Verified,
    parse_entry,
    verify_log,
)
from refundwatch.errors import NotCanonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from refundwatch.api.models import AuditRowView

__all__ = ["FirstBad", "LogFault", "Verified", "read_entry", "verify_rows"]


class _Row(NamedTuple):
    seq: int
    entry: bytes
    leaf_hash: bytes


def verify_rows(rows: Iterable[AuditRowView], min_size: int = 0) -> Verified | FirstBad:
    """Check a whole log as it is read; `min_size` is a size known from elsewhere."""
    return verify_log(_decoded(rows), min_size)


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
