"""Says when the database begins to refuse what should be stored, and when it ends.

Invariant: each change is one line in the log; while it lasts the daemon is not ready;
afterwards an alarm tells of it, since none could be stored meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from refundwatch.errors import RefundwatchError, StoreBusy, StoreFull
from refundwatch.flow.loops import Bell, first_of
from refundwatch.store.contract import RaiseAlarm

if TYPE_CHECKING:
    import asyncio

    from daemon.hub import Hub

NAME: Final = "store-watch"
ALARM: Final = "store_refused"


class StoreWatch:
    """Follows whether the store takes work."""

    def __init__(self, hub: Hub) -> None:
        """Start with a store that does."""
        self._hub = hub
        self._since = 0.0
        self._over: dict[str, int] = {}
        self._bell = Bell()

    def changed(self, refusal: BaseException | None) -> None:
        """Note that the store began to refuse, and why, or takes work again."""
        hub = self._hub
        now = hub.clock.monotonic()
        if isinstance(refusal, RefundwatchError):
            hub.refusing, self._since = refusal.code, now
            hub.count("store_refusals")
            hub.log.problem("store:refuses", code=refusal.code, detail=refusal.message)
            return
        code, hub.refusing = hub.refusing or "", None
        seconds = round(now - self._since)
        hub.log.problem("store:accepts", after=code, seconds=seconds)
        self._over[code] = max(seconds, self._over.get(code, 0))
        self._bell.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Raise the alarm that could not be stored while it lasted."""
        while not stop.is_set():
            self._bell.silence()
            # Where it refuses again, the next time that it takes work rings again.
            with suppress(StoreBusy, StoreFull):
                await self._tell()
            await first_of(self._bell.heard(), stop.wait())

    async def _tell(self) -> None:
        while self._over:
            code, seconds = next(iter(self._over.items()))
            await self._hub.store.execute(
                RaiseAlarm(
                    self._hub.clock.now(), ALARM, "critical", code, {"seconds": seconds}
                )
            )
            self._over.pop(code, None)
