"""The client of the operator API, driven by the route table.

Invariant: every answer is a model of the route or an error that says what the daemon
said; a request that changes something is sent once and never repeated by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Self, TypeVar

import aiohttp
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from refundwatch.api.models import Frame, Problem
from refundwatch.api.paths import PREFIX, fill, route
from refundwatch.errors import ApiProblem, ApiUnreachable
from refundwatch.security.certificates import spki_sha256

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Mapping
    from types import TracebackType

M = TypeVar("M", bound=BaseModel)
QueryValue = str | int | bool | None

_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=5)
_HEARTBEAT_SECONDS: Final = 5.0
_FRAME_LIMIT_BYTES: Final = 4 * 1024 * 1024
_FRAMES: Final[TypeAdapter[Frame]] = TypeAdapter(
    Frame, config=ConfigDict(defer_build=True)
)


class ApiClient:
    """One session with a daemon, at `unix:/path` or at an `http(s)://` address."""

    def __init__(self, server: str, token: str | None = None) -> None:
        """Prepare; nothing is opened before `async with`."""
        self._server = server
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self.peer_spki_sha256: str | None = None

    def __repr__(self) -> str:
        """Show where, never with which token."""
        return f"ApiClient({self._server!r})"

    async def __aenter__(self) -> Self:
        """Open the session."""
        connector: aiohttp.BaseConnector | None = None
        if self._server.startswith("unix:"):
            connector = aiohttp.UnixConnector(path=self._server.removeprefix("unix:"))
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=_TIMEOUT, headers=headers
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        name: str,
        answer: type[M],
        *,
        parts: Mapping[str, str] | None = None,
        query: Mapping[str, QueryValue] | None = None,
        body: BaseModel | None = None,
        readable: Container[int] = (),
    ) -> M:
        """Call the route of this name and return its answer.

        `readable` are refusals that carry the route's own model: a bulk request
        with bad rows answers 422 and says which.

        Raises:
            ApiProblem: the daemon refused; its code, sentence and field are kept.
            ApiUnreachable: no daemon answered; for a request that changes something
                nobody can say whether it was done, so look before trying again.
        """
        method = route(name).method
        data = None if body is None else body.model_dump_json().encode()
        try:
            async with self._opened().request(
                method,
                self._url(fill(name, **(parts or {}))),
                params=_plain(query),
                data=data,
                headers={"Content-Type": "application/json"} if data else None,
                allow_redirects=False,
            ) as response:
                self._note_peer(response)
                content = await response.read()
                return _read(response.status, content, answer, readable)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def events(self, since: int | None = None) -> AsyncIterator[Frame]:
        """Yield the live feed until the connection ends.

        Raises:
            ApiProblem: the daemon refused the feed.
            ApiUnreachable: no daemon answered, or the line was lost.
        """
        query = _plain({"since": since})
        try:
            async with self._opened().ws_connect(
                self._url(fill("events")),
                params=query,
                heartbeat=_HEARTBEAT_SECONDS,
                max_msg_size=_FRAME_LIMIT_BYTES,
            ) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        yield _FRAMES.validate_json(message.data)
                if socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION:
                    raise ApiProblem(
                        "This token may not watch any more.", "auth.ended", 401
                    )
        except aiohttp.WSServerHandshakeError as error:
            raise ApiProblem(
                f"The daemon refused the live feed ({error.status}).",
                "events.refused",
                error.status,
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        except ValidationError as error:
            raise ApiProblem(
                "The daemon speaks another version of this API.", "api.version", 502
            ) from error

    def _note_peer(self, response: aiohttp.ClientResponse) -> None:
        """Note whose certificate the line that was really used shows."""
        line = response.connection
        tls = None
        if line is not None and line.transport is not None:
            tls = line.transport.get_extra_info("ssl_object")
        if tls is not None:
            self.peer_spki_sha256 = spki_sha256(tls.getpeercert(binary_form=True))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ApiUnreachable("The client is not open.")
        return self._session

    def _url(self, path: str) -> str:
        if self._server.startswith("unix:"):
            return "http://daemon" + path
        return self._server.rstrip("/") + path

    def _unreachable(self, error: BaseException) -> ApiUnreachable:
        why = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return ApiUnreachable(f"No daemon answers at {self._server}: {why}.")


async def wait_until_ready(server: str, token: str | None, seconds: float) -> bool:
    """Ask for the status until the daemon answers anything; False if it never did."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        try:
            async with ApiClient(server, token) as client:
                await client.call("status", BaseModel)
        except ApiUnreachable:
            await asyncio.sleep(0.1)
        except ApiProblem:
            return True
        else:
            return True
    return False


def _plain(query: Mapping[str, QueryValue] | None) -> dict[str, str]:
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (query or {}).items()
        if value is not None
    }


def _read(status: int, content: bytes, answer: type[M], readable: Container[int]) -> M:
    if status >= 400:  # noqa: PLR2004 - HTTP's own border
        if status in readable:
            with contextlib.suppress(ValidationError):
                return answer.model_validate_json(content)
        raise _problem(status, content)
    try:
        return answer.model_validate_json(content)
    except ValidationError as error:
        raise ApiProblem(
            "The daemon's answer does not fit this client's version.",
            "api.version",
            502,
        ) from error


def _problem(status: int, content: bytes) -> ApiProblem:
    try:
        problem = Problem.model_validate_json(content)
    except ValidationError:
        return ApiProblem(f"The daemon answered {status}.", "api.unexpected", status)
    return ApiProblem(problem.detail, problem.code, problem.status, problem.field)


__all__ = ["PREFIX", "ApiClient", "wait_until_ready"]
