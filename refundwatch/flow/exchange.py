"""Driving an adapter's operation over the wire, one exchange after another.

Invariant: credentials are added at the moment of sending and only for the configured
host; every exchange leaves a `CallRecord`, whatever became of it; nothing here sends
anything twice, except a read whose session had ended.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from refundwatch.flow import calls as noted
from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.flow.sessions import Sessions
from refundwatch.store.contract import RecordCall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from refundwatch.flow.ports import Clock, ConnectionPath, Paths, Transport
    from refundwatch.gateways.contract import (
        HttpRequest,
        HttpResponse,
        Operation,
        Session,
        Unauthorized,
        Unsure,
    )
    from refundwatch.store.contract import CallRecord, Store

T = TypeVar("T")

_KEPT_ANSWERS: Final = 64
_KEPT_BYTES: Final = 64 * 1024
_KEPT_SECONDS: Final = 24 * 60 * 60
_FETCHES_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Silent:
    """A read that got no whole answer; `sent` is False when no byte left."""

    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Ran(Generic[T]):
    """What an operation returned, and its exchanges in order."""

    result: T
    calls: tuple[CallRecord, ...]

    @property
    def last_call(self) -> CallRecord | None:
        """Give the exchange that decided the result."""
        return self.calls[-1] if self.calls else None


class Meter(Protocol):
    """Sees each call begin and end: for rates, and for how well a connection does."""

    def began(self, path: ConnectionPath) -> None:
        """Note that a call begins."""
        ...

    def ended(self, path: ConnectionPath, call: CallRecord) -> None:
        """Note how a call ended."""
        ...


async def drive(
    operation: Operation[T], send: Callable[[HttpRequest], Awaitable[HttpResponse]]
) -> T:
    """Give each request of an operation to `send` and return its result."""
    try:
        request = next(operation)
        while True:
            response = await send(request)
            request = operation.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        operation.close()


async def order_of(
    operation: Operation[T], send: Callable[[HttpRequest], Awaitable[HttpResponse]]
) -> HttpRequest | T:
    """Give the request that would move money, unsent, or what is there without one."""
    try:
        request = next(operation)
        while not request.moves_money:
            request = operation.send(await send(request))
    except StopIteration as stop:
        result: T = stop.value
        return result
    else:
        return request
    finally:
        operation.close()


class Line:
    """One operation's use of one connection: its exchanges and its session."""

    def __init__(self, exchanges: Exchanges, path: ConnectionPath) -> None:
        """Start with no exchange noted."""
        self._exchanges = exchanges
        self.path = path
        self.calls: list[CallRecord] = []
        self.session: Session | None = None

    async def send(
        self,
        request: HttpRequest,
        timeout_seconds: float,
        before: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """Authorize, call `before`, send, and note the exchange.

        Raises:
            NeverSentError: no byte of this request left.
            NoAnswerError: no whole answer came.
        """
        return await self._exchanges.send(self, request, timeout_seconds, before)

    def judge(self, result: object) -> None:
        """Judge the last exchange by what the adapter read in it."""
        if self.calls:
            self.calls[-1] = noted.understood(self.calls[-1], result)

    def session_may_have_ended(self, result: object) -> bool:
        """Tell whether a refusal speaks of the session alone; it is forgotten then."""
        if not noted.denied(result):
            return False
        ended = self._exchanges.sessions.refused(self.path, self.session)
        if ended and self.calls:
            self.calls[-1] = noted.session_ended(self.calls[-1])
        return ended


class Exchanges:
    """The wire with credentials, sessions, kept answers and records."""

    def __init__(
        self,
        transport: Transport,
        paths: Paths,
        clock: Clock,
        store: Store,
        meter: Meter | None = None,
    ) -> None:
        """Start without sessions and kept answers."""
        self._meter = meter
        self.sessions = Sessions(clock)
        self._transport = transport
        self._paths = paths
        self._clock = clock
        self._store = store
        self._kept: OrderedDict[str, tuple[float, HttpResponse]] = OrderedDict()
        self._fetching: dict[str, asyncio.Semaphore] = {}

    def line(self, path: ConnectionPath) -> Line:
        """Open a line for one operation."""
        return Line(self, path)

    async def ask(
        self,
        path: ConnectionPath,
        make: Callable[[], Operation[T]],
        timeout_seconds: float | None = None,
    ) -> Ran[T | Silent]:
        """Run an operation that moves no money; a dead session is renewed once.

        The timeout is for each exchange, by default the connection's.
        """
        timeout = timeout_seconds or path.timeout_seconds
        line = self.line(path)
        result = await self._once(line, make(), timeout)
        if line.session_may_have_ended(result):
            again = self.line(path)
            again.calls = line.calls
            result = await self._once(again, make(), timeout)
        return Ran(result, tuple(line.calls))

    async def _once(
        self, line: Line, operation: Operation[T], timeout_seconds: float
    ) -> T | Silent:
        async def send(request: HttpRequest) -> HttpResponse:
            if request.moves_money:
                raise NeverSentError("read_would_move_money")
            return await line.send(request, timeout_seconds)

        try:
            result = await drive(operation, send)
        except NeverSentError as error:
            return Silent(str(error), sent=False)
        except NoAnswerError as error:
            return Silent(str(error), sent=True)
        line.judge(result)
        return result

    async def note(self, calls: Sequence[CallRecord]) -> None:
        """Record exchanges that no other command carries."""
        for call in calls:
            await self._store.execute(RecordCall(self._clock.now(), call))

    # --- one exchange -----------------------------------------------------------

    async def send(
        self,
        line: Line,
        request: HttpRequest,
        timeout_seconds: float,
        before: Callable[[], None] | None,
    ) -> HttpResponse:
        """Send one request of a line; see `Line.send`."""
        if request.reusable:
            return await self._kept_or_fetched(line, request, timeout_seconds)
        authorized = await self._authorized(line, request, timeout_seconds)
        if before is not None:
            before()
        response = await self._exchange(line, authorized, timeout_seconds)
        if line.calls[-1].outcome == "ok":
            self.sessions.proved(line.path, line.session)
        return response

    async def _authorized(
        self, line: Line, request: HttpRequest, timeout_seconds: float
    ) -> HttpRequest:
        """Add what proves who we are; never for another host than the configured."""
        if _is_absolute(request):
            return request
        path = line.path
        credentials = self._paths.credentials(path.id)
        if path.gateway.capabilities.needs_session:

            async def open_session(
                path: ConnectionPath,
            ) -> Session | Unauthorized | Unsure:
                return await self._open_session(line, path, timeout_seconds)

            line.session = await self.sessions.get(path, open_session)
            credentials = replace(credentials, session=line.session)
        return path.gateway.authorize(request, credentials, self._clock.now())

    async def _open_session(
        self, line: Line, path: ConnectionPath, timeout_seconds: float
    ) -> Session | Unauthorized | Unsure:
        credentials = self._paths.credentials(path.id)
        operation = path.gateway.open_session(
            path.account, credentials, self._clock.now()
        )

        async def send(request: HttpRequest) -> HttpResponse:
            return await self._exchange(line, request, timeout_seconds)

        opened = await drive(operation, send)
        line.judge(opened)
        return opened

    async def _exchange(
        self, line: Line, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        clock = self._clock
        asked = noted.Asked(line.path, request, clock.now(), clock.monotonic())
        if self._meter is not None:
            self._meter.began(line.path)
        try:
            response = await self._transport.exchange(
                line.path, request, timeout_seconds
            )
        except Exception as error:
            self._note(line, noted.failed(asked, error, clock.monotonic()))
            raise
        self._note(line, noted.answered(asked, response, clock.monotonic()))
        return response

    def _note(self, line: Line, call: CallRecord) -> None:
        line.calls.append(call)
        if self._meter is not None:
            self._meter.ended(line.path, call)

    # --- answers that may be kept -----------------------------------------------

    async def _kept_or_fetched(
        self, line: Line, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        key = request.target
        if not _is_absolute(request):
            key = f"{line.path.id} {request.target}"
        kept = self._kept_answer(key)
        if kept is not None:
            return kept
        at_once = asyncio.Semaphore(_FETCHES_AT_ONCE)
        async with self._fetching.setdefault(line.path.id, at_once):
            kept = self._kept_answer(key)
            if kept is not None:
                return kept
            authorized = await self._authorized(line, request, timeout_seconds)
            response = await self._exchange(line, authorized, timeout_seconds)
        if line.calls[-1].outcome == "ok" and len(response.body) <= _KEPT_BYTES:
            self._kept[key] = (self._clock.monotonic(), response)
            if len(self._kept) > _KEPT_ANSWERS:
                self._kept.popitem(last=False)
        return response

    def _kept_answer(self, key: str) -> HttpResponse | None:
        found = self._kept.get(key)
        if found is None:
            return None
        kept_at, response = found
        if self._clock.monotonic() - kept_at > _KEPT_SECONDS:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return response


def _is_absolute(request: HttpRequest) -> bool:
    """Tell whether a request names its own host, in whatever scheme."""
    return not request.target.startswith("/")
