"""File descriptors: as many as the system grants, shared out before they run out.

Invariant: the connections that listeners admit leave what the database, the gateways
and the log need; where even that is too few, it is said and not guessed.
"""

from __future__ import annotations

import errno
import os
import resource
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from refundwatch.flow.loops import trouble

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from daemon.guard import GuardLimits
    from refundwatch.flow.ports import Log

ENOUGH: Final = 65_536
OWN: Final = 64
"""Listeners, the loop, the database with its readers, logs, what libraries open."""

LEAST: Final = 8
"""Connections that a listener admits however few descriptors there are."""

CALM_SECONDS: Final = 5.0
"""So long descriptors must have been there before their want is said to be over."""

SAY_AGAIN_SECONDS: Final = 60.0
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE})


def raise_limit() -> None:
    """Ask for as many descriptors as may be had without anybody's permission."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def granted() -> int:
    """Return how many descriptors this process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


@dataclass(frozen=True, slots=True)
class Shares:
    """The listeners' limits as far as descriptors reach; `wanted` is for all of it."""

    api: GuardLimits
    webhooks: GuardLimits
    wanted: int


def share_out(
    limit: int, calls: int, api: GuardLimits, webhooks: GuardLimits
) -> Shares:
    """Lower the listeners' caps until all fits in `limit`, with `calls` to gateways."""
    asked = api.connections + webhooks.connections
    left = limit - OWN - calls
    part = min(left / asked, 1.0)
    return Shares(_lowered(api, part), _lowered(webhooks, part), OWN + calls + asked)


def _lowered(limits: GuardLimits, part: float) -> GuardLimits:
    most = max(int(limits.connections * part), min(LEAST, limits.connections))
    return replace(
        limits,
        connections=most,
        connections_per_peer=min(limits.connections_per_peer, most),
    )


class LoopTroubles:
    """Says what the event loop itself has to report; given to it as its handler.

    A loop without descriptors reports each connection that it cannot take, or (uvloop)
    closes them and reports nothing: `probe` sees both, and it is said once a minute.
    """

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        """Report to this log."""
        self._log = log
        self._monotonic = monotonic
        self._said_at: float | None = None
        self._seen_at = 0.0
        self._untold = 0

    def __call__(
        self, loop: asyncio.AbstractEventLoop, context: dict[str, object]
    ) -> None:
        """Say what happened, if it was not said just now."""
        del loop
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _EXHAUSTED:
            self._exhausted(error)
            return
        fields = trouble(error) if isinstance(error, BaseException) else {}
        self._log.problem(
            "loop:trouble", what=str(context.get("message", "")), **fields
        )

    def probe(self) -> None:
        """See whether a descriptor can be had, and say when that changes."""
        try:
            os.close(os.dup(0))
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._exhausted(error)
                return
        calm = self._monotonic() - self._seen_at >= CALM_SECONDS
        if self._said_at is not None and calm:
            self._said_at = None
            self._log.problem("descriptors:enough", times=self._untold)
            self._untold = 0

    def _exhausted(self, error: OSError) -> None:
        self._untold += 1
        now = self._seen_at = self._monotonic()
        if self._said_at is not None and now - self._said_at < SAY_AGAIN_SECONDS:
            return
        self._said_at = now
        self._log.problem(
            "descriptors:exhausted",
            error=errno.errorcode[error.errno or 0],
            limit=granted(),
            times=self._untold,
            detail="New connections wait until others close; raise LimitNOFILE.",
        )
        self._untold = 0
