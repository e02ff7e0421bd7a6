"""The log's keeper: it compares, signs, keeps and hands out checkpoints.

Invariant: nothing is signed, and nothing is sent to a gateway, before the database was
compared with every checkpoint that is known from outside of it; a log that cannot meet
one of them is in recovery until two people have accepted what was lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.audit_outlets import AuditOutlet
from daemon.checkpoint_file import read_checkpoint_file, write_checkpoint
from refundwatch.domain.checkpoint import (
    VerifierKey,
    generation_of,
    origin_of,
    parse_text,
    parse_verifier_key,
    read_checkpoint,
    split_note,
)
from refundwatch.domain.policy import SYSTEM
from refundwatch.errors import LogBroken, RefundwatchError
from refundwatch.flow.calendar import Job
from refundwatch.flow.seal import Sealer, holds
from refundwatch.security.notekey import check_signature
from refundwatch.store.contract import (
    AuditNote,
    CloseAlarm,
    GetTree,
    ListLogKeys,
    RaiseAlarm,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from daemon.hub import Hub
    from daemon.loops import Supervisor
    from refundwatch.config.audit import AuditConfig
    from refundwatch.domain.checkpoint import Checkpoint, SignedCheckpoint
    from refundwatch.security.notekey import NoteSigner
    from refundwatch.store.contract import Committed

HOUR: Final = 3600
HASHED_AT_START: Final = 1_000_000
"""A start hashes so many entries in seconds; what is longer waits for the hour."""
ALARM_RECOVERY: Final = "audit_recovery"
ALARM_UNREADABLE: Final = "audit_checkpoint_unreadable"
ALARM_LOST: Final = "audit_checkpoint_lost"
ALARM_UNWRITTEN: Final = "audit_checkpoint_unwritten"
ALARM_BROKEN: Final = "audit_log_broken"
SEALER: Final = "audit-sealer"


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint that stands outside of the database, and where."""

    place: str
    note: bytes
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Unmet:
    """A published checkpoint that the log cannot meet, and how."""

    published: Published
    sentence: str


class Notary:
    """Keeps one log."""

    def __init__(self, hub: Hub, config: AuditConfig, signer: NoteSigner) -> None:
        """Prepare; nothing is read yet."""
        self._hub = hub
        self._config = config
        self._signer = signer
        self._first = origin_of(hub.instance, 1)
        self._outlets = tuple(AuditOutlet(hub, it) for it in config.outlets)
        self._sealer = Sealer(
            hub.store,
            hub.clock,
            signer,
            check_signature,
            self._publish,
            seal_seconds=config.seal_seconds,
            seal_entries=config.seal_entries,
        )
        self.unmet: Unmet | None = None

    def wake(self, committed: Committed) -> None:
        """Hear of commits; give to `Store.subscribe`."""
        self._sealer.wake(committed)

    async def examine(self, at_most: int | None = None) -> Unmet | None:
        """Compare the log with what was published; note what it cannot meet.

        The entries themselves are hashed anew where they are not more than `at_most`.
        """
        self.unmet = None
        for published in await self._published():
            known = published.checkpoint
            sentence = await self._misses(known, at_most)
            if sentence is not None:
                self.unmet = Unmet(published, sentence)
                break
        return self.unmet

    async def begin(self) -> None:
        """Name the log and its keys, and take up signing where it was."""
        await self._sealer.begin(self._first)
        tree = await self._hub.store.read(GetTree())
        if tree.last is not None:
            await self._keep(tree.last.note)

    def keep(self, supervisor: Supervisor) -> None:
        """Let the log be signed and sent from now on."""
        supervisor.keep(SEALER, self._seal)
        for outlet in self._outlets:
            supervisor.keep(f"audit-outlet:{outlet.name}", outlet.run)

    def jobs(self) -> dict[str, Job]:
        """Give what the calendar does for the log."""
        return {
            "audit:heartbeat": Job(HOUR, self._beat),
            "audit:compare": Job(HOUR, self._compare),
        }

    async def alarm(self, unmet: Unmet) -> None:
        """Call people to a log in recovery."""
        self._hub.log.problem("audit:recovery", detail=unmet.sentence)
        detail: dict[str, str | int] = {
            "published_size": unmet.published.checkpoint.size,
            "place": unmet.published.place[:200],
        }
        await self._raise(ALARM_RECOVERY, self._hub.instance, detail)

    async def over(self) -> None:
        """Close the alarm of a recovery that has ended."""
        now = self._hub.clock.now()
        await self._hub.store.execute(
            CloseAlarm(now, ALARM_RECOVERY, self._hub.instance)
        )

    # --- comparing ----------------------------------------------------------------

    async def _misses(self, known: Checkpoint, at_most: int | None) -> str | None:
        try:
            tree = await self._hub.store.read(GetTree())
        except LogBroken as error:
            return error.message
        ours = tree.origin.generation if tree.origin else 1
        theirs = generation_of(self._hub.instance, known.origin) or 1
        if theirs < ours:
            # That log was closed; what it had is quoted where this one begins.
            return None
        if theirs > ours:
            return f"{known.origin} was published; the database is of an earlier log."
        return await holds(self._hub.store, known, at_most=at_most)

    async def _published(self) -> list[Published]:
        found: list[Published] = []
        places = [self._config.checkpoint]
        places += [it.file for it in self._config.outlets if it.file is not None]
        for place in places:
            note = await self._note_at(place)
            if note is None:
                continue
            try:
                found.append(Published(str(place), note, await self._read(note)))
            except RefundwatchError as error:
                self._hub.log.problem("audit:unreadable", detail=error.message)
                await self._raise(ALARM_UNREADABLE, str(place)[:200])
        return found

    async def _note_at(self, place: Path) -> bytes | None:
        try:
            note = await asyncio.to_thread(read_checkpoint_file, place)
        except OSError as error:
            self._hub.log.problem("audit:unreadable", detail=str(error.strerror))
            await self._raise(ALARM_UNREADABLE, str(place)[:200])
            return None
        if note is None:
            tree = await self._hub.store.read(GetTree())
            if tree.last is not None:
                await self._raise(ALARM_LOST, str(place)[:200])
        return note

    async def _read(self, note: bytes) -> Checkpoint:
        """Read a checkpoint under the name that it states, by every key we had."""
        origin = parse_text(split_note(note)[0]).origin
        if generation_of(self._hub.instance, origin) is None:
            raise LogBroken("The checkpoint is of another log.")
        keys = list(self._signer.verifiers(origin))
        rows = await self._hub.store.read(ListLogKeys())
        publics = (parse_verifier_key(row.verifier).public for row in rows)
        keys += [VerifierKey(origin, public) for public in publics]
        return read_checkpoint(note, origin, keys, check_signature)

    # --- running ------------------------------------------------------------------

    async def _seal(self, stop: asyncio.Event) -> None:
        try:
            await self._sealer.run(stop)
        except LogBroken as error:
            await self._stop_for(error.message)

    async def _stop_for(self, sentence: str) -> None:
        """End the daemon: a log that contradicts its checkpoints takes nothing more."""
        self._hub.log.problem("audit:broken", severity="critical", detail=sentence)
        try:
            await self._raise(ALARM_BROKEN, self._hub.instance)
        finally:
            self._hub.failed.set()

    async def _publish(self, signed: SignedCheckpoint) -> None:
        await self._keep(signed.note)
        for outlet in self._outlets:
            outlet.publish(signed)

    async def _keep(self, note: bytes) -> None:
        place, now = self._config.checkpoint, self._hub.clock.now()
        try:
            await asyncio.to_thread(write_checkpoint, place, note)
        except OSError as error:
            self._hub.log.problem("audit:unwritten", detail=str(error.strerror))
            await self._raise(ALARM_UNWRITTEN, str(place)[:200])
        else:
            await self._hub.store.execute(
                CloseAlarm(now, ALARM_UNWRITTEN, str(place)[:200])
            )

    async def _beat(self, now: datetime) -> None:
        """Let a silent log be told from one that is held back."""
        await self._hub.store.execute(AuditNote(now, "log:heartbeat", SYSTEM.id, {}))

    async def _compare(self, now: datetime) -> None:
        del now
        unmet = await self.examine()
        if unmet is not None:
            await self._stop_for(unmet.sentence)

    async def _raise(
        self, kind: str, subject: str, detail: dict[str, str | int] | None = None
    ) -> None:
        await self._hub.store.execute(
            RaiseAlarm(self._hub.clock.now(), kind, "critical", subject, detail or {})
        )
