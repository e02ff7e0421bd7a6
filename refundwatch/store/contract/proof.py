"""The tree over the audit log, its checkpoints, its keys, and its new beginnings.

Invariant: as `refundwatch.store.contract` says; nothing here changes an entry, and a
proof is made from stored nodes, never believed without the checker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from refundwatch.store.contract.base import Command, Query

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.checkpoint import SignedCheckpoint
    from refundwatch.domain.policy import Principal


@dataclass(frozen=True, slots=True)
class OriginRow:
    """One name of the log; `began_seq` is the first entry written under it."""

    generation: int
    origin: str
    began_at: datetime
    began_seq: int


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One signed checkpoint as it was handed out."""

    generation: int
    origin: str
    size: int
    root: bytes
    note: bytes
    sshsig: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class LogKeyRow:
    """A public key of the log, in the text form of verifier keys."""

    verifier: str
    added_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class TreeRow:
    """How long the log is, and how much of it the tree covers; `root` is over that.

    `origin` is None before the log has a name, `last` before it was signed under it.
    """

    log_size: int
    size: int
    root: bytes
    origin: OriginRow | None
    last: CheckpointRow | None


@dataclass(frozen=True, slots=True)
class GrowTree(Command[int]):
    """Store the nodes over the next entries; return how many entries are left.

    Raises LogBroken where a node that stood there is gone.
    """

    patient: ClassVar[bool] = True

    at_most: int = 4096


@dataclass(frozen=True, slots=True)
class NameLog(Command[OriginRow]):
    """Give the log its name and note which keys sign it; an entry for each change.

    `verifiers` are texts under the log's first name; one that is not among them any
    more is retired. Returns the name that holds now.
    """

    at: datetime
    origin: str
    verifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoreCheckpoint(Command[None]):
    """Keep a checkpoint that was signed under the log's present name."""

    patient: ClassVar[bool] = True

    at: datetime
    signed: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class AcceptLoss(Command[OriginRow | None]):
    """Record that a person accepts the loss of the log's end.

    `known` is the note of the newest checkpoint that the database cannot meet, in the
    base64 that the next log quotes. The second person within a day closes the old
    log, and `origin` names the next; then every refund that was not final or might be
    sent is asked about before anything leaves. Returns the new name, None for the
    first word.
    """

    at: datetime
    principal: Principal
    known: str
    known_size: int
    origin: str
    generation: int
    reason_code: str


@dataclass(frozen=True, slots=True)
class HashEntries(Query[tuple[bytes, ...]]):
    """Hash entries anew from their stored bytes, from `start` on.

    Raises:
        LogBroken: one is missing, or has not the hash that stands beside it.
    """

    start: int
    limit: int


@dataclass(frozen=True, slots=True)
class GetTree(Query[TreeRow]):
    """Return how far the tree and the checkpoints have come."""


@dataclass(frozen=True, slots=True)
class GetRoot(Query[bytes | None]):
    """Return the root over the first `size` entries; None where the tree ends before.

    Raises LogBroken where a node is gone.
    """

    size: int


@dataclass(frozen=True, slots=True)
class GetInclusion(Query[tuple[bytes, ...]]):
    """Prove an entry in the tree of `size`. Raises LogRange or LogBroken."""

    seq: int
    size: int


@dataclass(frozen=True, slots=True)
class GetConsistency(Query[tuple[bytes, ...]]):
    """Prove that one size leads to another. Raises LogRange or LogBroken."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class ListCheckpoints(Query[tuple[CheckpointRow, ...]]):
    """Return checkpoints after a place, in the order in which they were signed."""

    generation: int = 0
    size: int = 0
    limit: int = 500


@dataclass(frozen=True, slots=True)
class LostUntil(Query["datetime | None"]):
    """Return when the log last began anew; None where its end was never lost.

    What was sent before then may be missing here.
    """


@dataclass(frozen=True, slots=True)
class ListLogKeys(Query[tuple[LogKeyRow, ...]]):
    """Return every key that ever signed the log."""
