"""Every root of the log that was signed, from the daemon's checkpoints.

Invariant: a checkpoint whose signature does not verify is not passed over: its log is
not whole. Under several names of the log the roots are of one tree, by size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.api.models import StatusView
from refundwatch.api.models_proof import CheckpointPage, LatestView
from refundwatch.domain.checkpoint import (
    VerifierKey,
    generation_of,
    parse_verifier_key,
    read_checkpoint,
)
from refundwatch.errors import ApiProblem, CheckpointInvalid, LogRewritten
from refundwatch.security.notekey import check_signature

if TYPE_CHECKING:
    from refundwatch.api.client import ApiClient
    from refundwatch.api.models_proof import CheckpointView


@dataclass(frozen=True, slots=True)
class SignedRoots:
    """The instance, and (size, root) of each checkpoint, by size."""

    instance: str
    roots: tuple[tuple[int, bytes], ...]


async def signed_roots(client: ApiClient) -> SignedRoots:
    """Fetch and verify every checkpoint that the daemon keeps; none where unsigned.

    Raises:
        LogRewritten: a checkpoint is not signed by the log's keys, or differs from its
            own note.
    """
    instance = (await client.call("status", StatusView)).instance
    try:
        latest = await client.call("audit.checkpoint", LatestView)
    except ApiProblem as problem:
        if problem.code == "audit.unsigned":
            return SignedRoots(instance, ())
        raise
    publics = [parse_verifier_key(key.verifier).public for key in latest.keys]
    roots: set[tuple[int, bytes]] = set()
    after: str | None = "0/0"
    while after is not None:
        page = await client.call(
            "audit.checkpoints", CheckpointPage, query={"after": after, "limit": 500}
        )
        roots |= {_read(view, publics, instance) for view in page.items}
        after = page.next
    return SignedRoots(instance, tuple(sorted(roots)))


def _read(
    view: CheckpointView, publics: list[bytes], instance: str
) -> tuple[int, bytes]:
    if generation_of(instance, view.origin) is None:
        raise LogRewritten(f"A checkpoint is of {view.origin}, another log.")
    keys = [VerifierKey(view.origin, public) for public in publics]
    try:
        read = read_checkpoint(view.note.encode(), view.origin, keys, check_signature)
    except CheckpointInvalid as error:
        raise LogRewritten(
            f"The checkpoint of {view.size} entries: {error.message}"
        ) from error
    if (read.size, read.root.hex()) != (view.size, view.root):
        raise LogRewritten(
            f"The checkpoint of {view.size} entries differs from its own note."
        )
    return read.size, read.root
