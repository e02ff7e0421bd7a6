"""Short-lived credentials: one session a connection, fetched by one task at a time.

Invariant: a session's age is counted on the monotonic clock from the moment it came,
so a jump of the wall clock neither keeps a dead session nor ends a good one; and a
fresh session that is refused at once is not fetched again and again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import Session, Unauthorized, Unsure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from refundwatch.flow.ports import Clock, ConnectionPath

    Opener = Callable[[ConnectionPath], Awaitable["Session | Unauthorized | Unsure"]]

_USED_SHARE: Final = 0.9
"""A session is replaced after this part of its life, before it can expire in use."""


class NoSessionError(NeverSentError):
    """The request was not sent, because no session could be opened."""


@dataclass(slots=True)
class _Held:
    session: Session
    fresh_until: float
    proven: bool = False


class Sessions:
    """The sessions of all connections, in memory only."""

    def __init__(self, clock: Clock) -> None:
        """Start with no session."""
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._failures: dict[str, tuple[float, str]] = {}
        self._forgotten: Counter[str] = Counter()

    async def get(self, path: ConnectionPath, open_session: Opener) -> Session:
        """Return a session with life left, opening one where there is none.

        Raises:
            NoSessionError: it could not be opened; nothing else was sent.
        """
        asked = self._clock.monotonic()
        lock = self._locks.setdefault(path.id, asyncio.Lock())
        waited = lock.locked()
        async with lock:
            held = self._held.get(path.id)
            if held is not None and self._clock.monotonic() < held.fresh_until:
                return held.session
            failed_at, reason = self._failures.get(path.id, (asked - 1, ""))
            if waited and failed_at >= asked:
                # Whoever waited meanwhile shares the answer: no queue of timeouts.
                raise NoSessionError(reason)
            return await self._open(path, open_session)

    async def _open(self, path: ConnectionPath, open_session: Opener) -> Session:
        asked_at = self._clock.now()
        asked = self._clock.monotonic()
        forgotten = self._forgotten[path.id]
        try:
            opened = await open_session(path)
        except (NeverSentError, NoAnswerError) as error:
            raise self._failed(path, str(error)) from error
        match opened:
            case Session():
                life = (opened.expires_at - asked_at).total_seconds()
                if self._forgotten[path.id] == forgotten:
                    self._held[path.id] = _Held(opened, asked + life * _USED_SHARE)
                return opened
            case Unauthorized(reason=reason) | Unsure(reason=reason):
                raise self._failed(path, reason)

    def _failed(self, path: ConnectionPath, reason: str) -> NoSessionError:
        error = NoSessionError(f"session:{reason}")
        self._failures[path.id] = (self._clock.monotonic(), str(error))
        return error

    def forget(self, connection_id: str) -> None:
        """Open another session next time: the credentials have changed.

        One that is being opened now serves who asked for it, and is not kept.
        """
        self._forgotten[connection_id] += 1
        self._held.pop(connection_id, None)
        self._failures.pop(connection_id, None)

    def proved(self, path: ConnectionPath, session: Session | None) -> None:
        """Note that the gateway took this session."""
        held = self._held.get(path.id)
        if held is not None and held.session is session:
            held.proven = True

    def refused(self, path: ConnectionPath, session: Session | None) -> bool:
        """Forget a refused session; tell whether another one is worth a try.

        It is where this one had worked before, or another has replaced it already; a
        session that was refused from the first is a matter of credentials.
        """
        held = self._held.get(path.id)
        if session is None:
            return False
        if held is None or held.session is not session:
            return True
        del self._held[path.id]
        return held.proven
