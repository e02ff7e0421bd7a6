"""Models of the log's proof: checkpoints, proofs, and the word about a lost end.

Invariant: hashes are lower-case hex, bytes that were signed are given as they are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from refundwatch.api.models import Body, View

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class LogKeyView(View):
    """A public key of the log, as verifier key and as OpenSSH writes it."""

    verifier: str
    openssh: str
    added_at: datetime
    retired_at: datetime | None = None


class CheckpointView(View):
    """One signed checkpoint; `note` and `sshsig` are the files' own text."""

    origin: str
    size: int
    root: Hash
    note: str
    sshsig: str
    signed_at: datetime


class LatestView(View):
    """The newest checkpoint, and every key that ever signed under the log's name."""

    checkpoint: CheckpointView
    keys: list[LogKeyView]


class CheckpointPage(View):
    """Checkpoints in the order in which they were signed; `next` asks for more."""

    items: list[CheckpointView]
    next: str | None = None


class InclusionView(View):
    """A proof that an entry is in the log of this size; the leaf's sibling first."""

    seq: int
    size: int
    proof: list[Hash]


class ConsistencyView(View):
    """A proof that the log of one size begins that of another."""

    old: int
    new: int
    proof: list[Hash]


class RecoveryView(View):
    """Why the log is in recovery, and what it cannot meet; `known` is to be accepted.

    `needed` is how many more people must accept it.
    """

    active: bool
    sentence: str | None = None
    known: str | None = None
    known_size: int | None = None
    known_sha256: str | None = None
    next_origin: str | None = None
    needed: int = 2


class RecoverBody(Body):
    """The word that the loss is accepted: of this very checkpoint, for this reason."""

    accept_sha256: Hash
    reason_code: Code
