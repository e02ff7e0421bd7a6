"""F22: the database that is there at a start is not the one that was written.

Invariant: whatever was published stays outside; a database that cannot meet it is
noticed before anything leaves, and goes on only after two people took the loss.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from hashlib import sha512
from typing import TYPE_CHECKING, Final

from refundwatch.domain.checkpoint import (
    SignedCheckpoint,
    VerifierKey,
    origin_of,
    write_note,
)
from refundwatch.domain.policy import Principal, Role
from refundwatch.flow.seal import Sealer, holds
from refundwatch.store.contract import AcceptLoss
from refundwatch.store.sqlite.connection import open_writer
from refundwatch.store.sqlite.store import InlineStore
from refundwatch.store.sqlite.writer import Writer

if TYPE_CHECKING:
    from refundwatch.domain.checkpoint import Checkpoint
    from tests.simulation.city import City

ORIGIN: Final = origin_of("simulation", 1)
PUBLIC: Final = bytes(32)
ADMINS: Final = tuple(
    Principal(f"person:{name}", frozenset({Role.ADMIN})) for name in ("root", "sue")
)
SEALS_EVERY: Final = 20.0
LEAST_RECOVERY: Final = 300.0
"""People need minutes at least; what was on its way has arrived by then."""

_TOUCHES: Final = {
    "log truncated": (
        "DROP TRIGGER audit_entry_no_delete;"
        "DELETE FROM audit_entry WHERE seq >= (SELECT max(seq) FROM audit_entry) / 2"
    ),
    "log entry changed": (
        "DROP TRIGGER audit_entry_no_update;"
        "UPDATE audit_entry SET entry = CAST(replace(CAST(entry AS TEXT), '1', '2')"
        " AS BLOB) WHERE seq = (SELECT max(size) FROM audit_checkpoint) / 2"
    ),
}


def signature(text: bytes) -> bytes:
    """Stand for a signature: nobody forges one in a simulation."""
    return sha512(b"the log's key" + text).digest()


class Pen:
    """Signs as the log's key does, but quickly."""

    def verifiers(self, origin: str) -> tuple[VerifierKey, ...]:
        return (VerifierKey(origin, PUBLIC),)

    def sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        text = checkpoint.text()
        (key,) = self.verifiers(checkpoint.origin)
        note = write_note(text, [(key, signature(text.encode()))])
        return SignedCheckpoint(checkpoint, note, "sshsig")


def check(public: bytes, signed: bytes, message: bytes) -> bool:
    return public == PUBLIC and signed == signature(message)


@dataclass(slots=True)
class Archive:
    """What stands outside of the database: checkpoints, and one backup."""

    published: list[SignedCheckpoint] = field(default_factory=list)
    generation: int = 1
    disaster: str | None = None
    backup: bytes | None = None

    async def publish(self, signed: SignedCheckpoint) -> None:
        self.published.append(signed)


def sealer_of(city: City) -> Sealer:
    return Sealer(
        city.store,
        city.clock,
        Pen(),
        check,
        city.archive.publish,
        seal_seconds=SEALS_EVERY,
        seal_entries=50,
    )


async def losses(city: City) -> None:
    """Take a backup, and let what the drawn disaster says be found at a start."""
    dice, kind = city.dice("losses"), city.plan.loss
    if kind is None:
        return
    await asyncio.sleep(dice.uniform(1, min(city.plan.trouble_seconds / 2, 120)))
    if not city.life["alive"] or not city.archive.published:
        return
    city.archive.backup = city.connection.serialize()
    await asyncio.sleep(dice.uniform(25, min(city.plan.trouble_seconds / 2, 600)))
    city.archive.disaster = kind
    city.kill(kind)
    await city.restart()


async def suffer(city: City) -> None:
    """Bring the disaster upon the dead daemon's disk, and see what a start sees."""
    kind, archive = city.archive.disaster, city.archive
    archive.disaster = None
    if kind is None or archive.backup is None or not archive.published:
        return
    known = archive.published[-1].checkpoint
    if kind == "checkpoint file lost":
        city.tally.fired(kind)
        return
    if kind == "backup restored":
        if _entries(city, archive.backup) >= known.size:
            return  # nothing that was published is missing
        city.tally.fired(kind)
        city.trace(kind)
        city.rules.lost(lambda: city.change_disk(archive.backup or b""))
        await _recovered(city, known)
        return
    genuine = city.connection.serialize()
    city.change_disk(genuine)
    city.connection.executescript(_TOUCHES[kind])
    city.tally.fired(kind)
    await _noticed(city, known, kind)
    city.change_disk(genuine)


def _entries(city: City, image: bytes) -> int:
    connection = open_writer(None)
    connection.deserialize(image)
    found: int = connection.execute("SELECT count(*) FROM audit_entry").fetchone()[0]
    connection.close()
    return found


async def _noticed(city: City, known: Checkpoint, kind: str) -> InlineStore:
    writer = Writer(city.connection, entropy=city.dice("entropy").randbytes)
    store = InlineStore(writer, city.connection)
    sentence = await holds(store, known)
    city.rules.hold("S10", sentence is not None, f"{kind}: a start did not notice")
    return store


async def _recovered(city: City, known: Checkpoint) -> None:
    """Let two people accept the loss after a while, in which nothing leaves."""
    archive, left = city.archive, len(city.wire.orders)
    store = await _noticed(city, known, "backup restored")
    await asyncio.sleep(LEAST_RECOVERY + city.dice("losses").choice((0, 900, 7200)))
    city.rules.hold(
        "S15", len(city.wire.orders) == left, "an order left during recovery"
    )
    archive.generation += 1
    archive.published.clear()
    note = base64.b64encode(Pen().sign(known).note).decode()
    for who in ADMINS:
        command = AcceptLoss(
            city.clock.now(),
            who,
            note,
            known.size,
            origin_of("simulation", archive.generation),
            archive.generation,
            "backup_restored",
        )
        await store.execute(command)
