"""The vault's keys while the daemon runs: renewed, wrapped anew, and counted.

Invariant: a key is used only after its row is stored; everything old is sealed anew in
small commits between which refunds go first, and a walk that a kill cut short goes on
at the next start.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import SYSTEM
from refundwatch.errors import InvariantBroken
from refundwatch.security.datakey import KeyState, only
from refundwatch.store import contract as c
from refundwatch.store.contract.keys import (
    CountSealed,
    LatestRotation,
    ResealSome,
    RotationRow,
    SealedCount,
    StartRotation,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.domain.policy import Principal
    from refundwatch.flow.ports import Clock
    from refundwatch.security.datakey import WrappedKey
    from refundwatch.security.keyfile import KeyRing
    from refundwatch.security.vault import Vault
    from refundwatch.store.contract import Store

IDLE_SECONDS: Final = 60.0
SHORTEST_REST_SECONDS: Final = 0.002


@dataclass(frozen=True, slots=True)
class KeysStanding:
    """Every key, how many values each sealed, and the newest rotation."""

    keys: tuple[WrappedKey, ...]
    ring: tuple[str, ...]
    values: dict[int, int] | None
    rotation: RotationRow | None
    per_second: float | None


class KeyKeeper:
    """Renews the keys, and seals anew what older ones sealed."""

    name = "keys"

    def __init__(
        self, store: Store, vault: Vault, clock: Clock, read_ring: Callable[[], KeyRing]
    ) -> None:
        """Hold the parts; `read_ring` reads the key file as it is now."""
        self._store = store
        self._vault = vault
        self._clock = clock
        self._read_ring = read_ring
        self._changing = asyncio.Lock()
        self._work = asyncio.Event()
        self._pace: tuple[int, int, float] | None = None

    async def roll(self, now: datetime) -> None:
        """Store what the vault needs next, and only then let it be used.

        A key that came of age begins the walk that leaves nothing under it.
        """
        async with self._changing:
            await self._renew(now)
            retired = [
                it for it in self._vault.states() if it.state is KeyState.DECRYPT_ONLY
            ]
            latest = await self._store.read(LatestRotation())
            dek_id = self._current()
            if retired and (latest is None or latest.dek_id != dek_id):
                await self._store.execute(StartRotation(now, SYSTEM, "age", dek_id))
                self._work.set()

    async def rotate(self, principal: Principal) -> RotationRow:
        """Begin to seal everything under a new data key.

        Raises:
            DecisionDenied: the principal may not.
            KeyRotationRunning: that is under way already.
        """
        now = self._clock.now()
        async with self._changing:
            plan = self._vault.plan(now, renew=True)
            current = only(plan.rows, KeyState.CURRENT)
            if current is None:
                raise InvariantBroken("A renewal plans a new current key.")
            row = await self._store.execute(
                StartRotation(
                    now, principal, "asked", current.dek_id, plan.rows, plan.checks
                )
            )
            self._vault.adopt(plan)
        self._work.set()
        return row

    async def rewrap(self, principal: Principal) -> int:
        """Read the key file again and wrap every data key under its first key.

        Gives how many data keys were wrapped anew.

        Raises:
            SecretUnavailable, KeyFileInvalid: the key file cannot be used.
            KeyMissing, KeyMismatch: it does not open what is wrapped now.
        """
        ring = await asyncio.to_thread(self._read_ring)
        now = self._clock.now()
        async with self._changing:
            before = {it.dek_id: it.kek_id for it in self._vault.states()}
            self._vault.use_ring(ring)
            await self._renew(now)
            rewrapped = sum(
                before.get(it.dek_id) != it.kek_id for it in self._vault.states()
            )
            await self._store.execute(
                c.AuditNote(
                    now,
                    "vault:keys:rewrapped",
                    principal.id,
                    {"kek_id": ring.current, "keys": rewrapped},
                )
            )
        return rewrapped

    async def standing(self, *, count: bool) -> KeysStanding:
        """Say how the keys stand; to `count` values takes a walk over all of them."""
        rotation = await self._store.read(LatestRotation())
        return KeysStanding(
            keys=self._vault.states(),
            ring=self._vault.ring_ids,
            values=await self._count() if count else None,
            rotation=rotation,
            per_second=self._rate(rotation),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Seal anew what older keys sealed, whenever a rotation is under way."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self._work.clear()
                await self._walk(stop)
                if stop.is_set():
                    return
                working = asyncio.ensure_future(self._work.wait())
                await asyncio.wait(
                    {stopping, working},
                    timeout=IDLE_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                working.cancel()
                # Only now: whoever read an older state of the rows has ended.
                self._vault.forget()
        finally:
            stopping.cancel()

    async def _walk(self, stop: asyncio.Event) -> None:
        """Go on until the walk ends, if there is one."""
        while not stop.is_set():
            begun = self._clock.monotonic()
            # No key may change between the store's row of it and the vault's use.
            async with self._changing:
                row = await self._store.execute(ResealSome(self._clock.now()))
                if row is not None and row.finished_at is not None:
                    self._vault.bury(row.destroyed)
            if row is None or row.finished_at is not None:
                return
            if self._pace is None or self._pace[0] != row.id:
                self._pace = (row.id, row.resealed, begun)
            # As long as it took: the writer is never ours for more than half its time.
            rest = max(self._clock.monotonic() - begun, SHORTEST_REST_SECONDS)
            await asyncio.sleep(rest)

    def _current(self) -> int:
        return next(
            it.dek_id for it in self._vault.states() if it.state is KeyState.CURRENT
        )

    async def _renew(self, now: datetime) -> None:
        plan = self._vault.plan(now)
        if plan:
            await self._store.execute(c.SaveKeys(now, plan.rows, plan.checks))
            self._vault.adopt(plan)

    async def _count(self) -> dict[int, int]:
        values: Counter[int] = Counter()
        piece: SealedCount | None = SealedCount({}, 0, None)
        while piece is not None:
            values.update(piece.values)
            piece = await self._store.read(CountSealed(piece.place, piece.behind))
        return dict(values)

    def _rate(self, rotation: RotationRow | None) -> float | None:
        """Give values a second of the walk under way, in this process."""
        if rotation is None or self._pace is None or self._pace[0] != rotation.id:
            return None
        if rotation.finished_at is not None:
            return None
        passed = self._clock.monotonic() - self._pace[2]
        return (rotation.resealed - self._pace[1]) / max(passed, 0.001)
