"""The log's proof as API models.

Invariant: a note and a signature are given out as they were made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api import models_proof as m
from refundwatch.domain.checkpoint import parse_verifier_key
from refundwatch.security.notekey import openssh_public

if TYPE_CHECKING:
    from refundwatch.store import contract as c


def checkpoint(row: c.CheckpointRow) -> m.CheckpointView:
    """Present one signed checkpoint."""
    return m.CheckpointView(
        origin=row.origin,
        size=row.size,
        root=row.root.hex(),
        note=row.note.decode(),
        sshsig=row.sshsig,
        signed_at=row.signed_at,
    )


def log_key(row: c.LogKeyRow) -> m.LogKeyView:
    """Present a public key of the log."""
    return m.LogKeyView(
        verifier=row.verifier,
        openssh=openssh_public(parse_verifier_key(row.verifier)),
        added_at=row.added_at,
        retired_at=row.retired_at,
    )
