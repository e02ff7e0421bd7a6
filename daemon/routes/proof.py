"""Checkpoints, proofs, and the end of a recovery.

Invariant: as `daemon.routes` says; a proof leaves only for what was signed or sealed.
"""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from daemon import present_proof as present
from daemon.problems import InRecovery, InvalidField, NoRecovery
from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models_proof as m
from refundwatch.api.paths import CHECKPOINT_PLACE
from refundwatch.domain.checkpoint import generation_of, origin_of
from refundwatch.errors import LogUnsigned
from refundwatch.flow.seal import contradiction
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from daemon.notary import Unmet

PAGE: Final = 500


async def latest(call: Call) -> Answer:
    """Give the newest checkpoint and the keys of the log."""
    tree = await call.hub.store.read(c.GetTree())
    if tree.last is None:
        raise LogUnsigned("The log has no signed checkpoint (see [audit] key).")
    keys = await call.hub.store.read(c.ListLogKeys())
    return Answer(
        m.LatestView(
            checkpoint=present.checkpoint(tree.last),
            keys=[present.log_key(row) for row in keys],
        )
    )


async def checkpoints(call: Call) -> Answer:
    """List checkpoints in the order in which they were signed."""
    generation, size = _after(call.text("after"))
    limit = call.integer("limit", PAGE)
    rows = await call.hub.store.read(c.ListCheckpoints(generation, size, limit))
    more = len(rows) == limit
    following = f"{rows[-1].generation}/{rows[-1].size}" if rows and more else None
    return Answer(
        m.CheckpointPage(
            items=[present.checkpoint(row) for row in rows], next=following
        )
    )


async def inclusion(call: Call) -> Answer:
    """Prove that an entry stands in the log."""
    seq, size = call.integer("seq", -1), call.integer("size", 0)
    await _cover(call, size)
    proof = await call.hub.store.read(c.GetInclusion(seq, size))
    return Answer(
        m.InclusionView(seq=seq, size=size, proof=[one.hex() for one in proof])
    )


async def consistency(call: Call) -> Answer:
    """Prove that the log of one size begins that of another."""
    old, new = call.integer("from", 0), call.integer("to", 0)
    await _cover(call, new)
    proof = await call.hub.store.read(c.GetConsistency(old, new))
    return Answer(
        m.ConsistencyView(old=old, new=new, proof=[one.hex() for one in proof])
    )


async def _cover(call: Call, size: int) -> None:
    """Bring the tree as far as the log: who decides asks before the next sealing.

    A hub without a key of the log never seals, and its people decide too.
    """
    store = call.hub.store
    tree = await store.read(c.GetTree())
    if tree.size < size <= tree.log_size:
        while await store.execute(c.GrowTree()):
            pass


async def recovery(call: Call) -> Answer:
    """Say whether the log is in recovery, and what would have to be accepted."""
    return Answer(_recovery(call, needed=2))


async def recover(call: Call) -> Answer:
    """Accept, as one of two people, that the log's end is lost."""
    body = call.model(m.RecoverBody)
    unmet = _unmet(call)
    if unmet is None:
        raise NoRecovery("The log is not in recovery.")
    known = unmet.published.note
    if body.accept_sha256 != sha256(known).hexdigest():
        raise InvalidField(
            "This is not the checkpoint that the log cannot meet.",
            field="accept_sha256",
        )
    broken = await contradiction(call.hub.store)
    if broken is not None:
        raise InRecovery(
            f"{broken} Put back the newest backup whose log is whole, and accept that."
        )
    generation, origin = await _following(call, unmet)
    begun = await call.hub.store.execute(
        c.AcceptLoss(
            at=call.now,
            principal=call.principal,
            known=base64.b64encode(known).decode(),
            known_size=unmet.published.checkpoint.size,
            origin=origin,
            generation=generation,
            reason_code=body.reason_code,
        )
    )
    if begun is None:
        return Answer(_recovery(call, needed=1))
    call.hub.resumed.set()
    return Answer(m.RecoveryView(active=False, next_origin=begun.origin, needed=0))


def _unmet(call: Call) -> Unmet | None:
    notary = call.hub.notary
    return None if notary is None or call.hub.recovery is None else notary.unmet


def _recovery(call: Call, needed: int) -> m.RecoveryView:
    unmet = _unmet(call)
    if unmet is None:
        return m.RecoveryView(active=False, needed=0)
    note = unmet.published.note
    return m.RecoveryView(
        active=True,
        sentence=unmet.sentence,
        known=note.decode(),
        known_size=unmet.published.checkpoint.size,
        known_sha256=sha256(note).hexdigest(),
        needed=needed,
    )


async def _following(call: Call, unmet: Unmet) -> tuple[int, str]:
    """Name the next log: after the one in the database and the one that is known."""
    tree = await call.hub.store.read(c.GetTree())
    ours = tree.origin.generation if tree.origin else 1
    known = unmet.published.checkpoint.origin
    generation = max(ours, generation_of(call.hub.instance, known) or 1) + 1
    return generation, origin_of(call.hub.instance, generation)


def _after(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    place = re.fullmatch(CHECKPOINT_PLACE, text, re.ASCII)
    if place is None or text.endswith("\n"):
        raise InvalidField("A place is GENERATION/SIZE.", field="after")
    return int(place[1]), int(place[2])


HANDLERS: Final[dict[str, RouteHandler]] = {
    "audit.checkpoint": latest,
    "audit.checkpoints": checkpoints,
    "audit.inclusion": inclusion,
    "audit.consistency": consistency,
    "audit.recovery": recovery,
    "audit.recover": recover,
}
