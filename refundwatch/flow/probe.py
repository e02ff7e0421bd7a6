"""Health probes: each connection is asked the cheapest read its gateway has.

Invariant: a probe moves no money, and of one connection one is on its way at a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from refundwatch.flow.loops import trouble

if TYPE_CHECKING:
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.ports import ConnectionPath


class Prober:
    """Probes connections; what it finds is recorded as calls."""

    def __init__(self, equipment: Equipment) -> None:
        """Start with no probe on its way."""
        self._at = equipment
        self._probing: set[str] = set()

    async def probe_all(self) -> None:
        """Probe every connection that is not being probed, side by side."""
        await asyncio.gather(*(self.probe(path) for path in self._at.paths.all()))

    async def probe(self, path: ConnectionPath) -> None:
        """Probe one connection, unless a probe of it is on its way."""
        if path.id in self._probing:
            return
        self._probing.add(path.id)
        try:
            ran = await self._at.exchanges.ask(
                path,
                lambda: path.gateway.probe(path.account),
                min(path.timeout_seconds, self._at.settings.probe_timeout_seconds),
            )
            await self._at.exchanges.note(ran.calls)
        except Exception as error:  # noqa: BLE001 - the others are probed all the same
            self._at.log.problem("probe_failed", connection=path.id, **trouble(error))
        finally:
            self._probing.discard(path.id)
