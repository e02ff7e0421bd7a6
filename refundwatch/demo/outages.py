"""Outages of one of an account's two connections, so that refunds need the other.

Invariant: an outage reaches a first connection only, and is over before the requests
of a run of known length are.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.demo.sandbox_admin import SandboxAdmin
    from refundwatch.demo.settings import DemoSettings

STRUCK: Final[Mapping[str, tuple[str, ...]]] = {
    "none": (),
    "rough": ("stripe-uk",),
    "hostile": ("stripe-uk", "mollie-nl"),
}
"""Whose first connection goes down, by fault profile."""

FIRST_SECONDS: Final = 12.0
LONG_SECONDS: Final = 28.0
EVERY_SECONDS: Final = 120.0
_FIRST_SHARE: Final = 0.2
_LONG_SHARE: Final = 0.45


async def outages(
    sandbox: SandboxAdmin, settings: DemoSettings, stop: asyncio.Event
) -> None:
    """Strike again and again until told to stop; a short run is struck early."""
    struck = [name for name in STRUCK[settings.faults] if name in settings.accounts]
    first, long = FIRST_SECONDS, LONG_SECONDS
    if settings.seconds is not None:
        first = min(first, settings.seconds * _FIRST_SHARE)
        long = min(long, settings.seconds * _LONG_SHARE)
    pause, left = first, settings.seconds
    while struck and not await _stopped(stop, pause):
        left = None if left is None else left - pause
        if left is not None and left < long:
            return
        for account in struck:
            await sandbox.outage(account, long)
        pause = EVERY_SECONDS


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, at most until told to stop; tell whether that was it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()
