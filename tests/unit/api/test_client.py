"""The client against a server that says what it likes."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from refundwatch.api import models as m
from refundwatch.api.client import ApiClient, wait_until_ready
from refundwatch.api.models import as_json
from refundwatch.errors import ApiProblem, ApiUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ME = {"principal": "person:ann", "roles": ["viewer"], "permissions": []}


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def saying(status: int, content: object) -> tuple[Handler, list[web.Request]]:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        seen.append(request)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(status=status, body=body)

    return answer, seen


async def me(handler: Handler) -> m.MeView:
    async with serving(handler) as server, ApiClient(server, "rwk_t") as client:
        return await client.call("me", m.MeView)


async def test_answer_is_the_model_and_the_token_goes_along() -> None:
    handler, seen = saying(200, ME)
    assert (await me(handler)).principal == "person:ann"
    assert seen[0].headers["Authorization"] == "Bearer rwk_t"
    assert (seen[0].method, seen[0].path) == ("GET", "/v1/me")


async def test_problem_keeps_the_daemons_words() -> None:
    problem = {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "refund.stale_revision",
        "detail": "Refund rf_1 has revision 2 now.",
        "field": "revision",
    }
    with pytest.raises(ApiProblem, match="revision 2 now") as caught:
        await me(saying(409, problem)[0])
    error = caught.value
    assert (error.code, error.http_status, error.field) == (
        "refund.stale_revision",
        409,
        "revision",
    )


@pytest.mark.parametrize("content", [b"<html>", b"", {"message": "no"}])
async def test_error_that_is_no_problem_is_still_one(content: object) -> None:
    with pytest.raises(ApiProblem, match="502") as caught:
        await me(saying(502, content)[0])
    assert caught.value.code == "api.unexpected"


@pytest.mark.parametrize("content", [b"{", {}, {"principal": 1}, [ME]])
async def test_answer_of_another_form_is_another_version(content: object) -> None:
    with pytest.raises(ApiProblem) as caught:
        await me(saying(200, content)[0])
    assert caught.value.code == "api.version"


async def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    for server in ("http://127.0.0.1:1", f"unix:{tmp_path / 'gone.sock'}"):
        async with ApiClient(server) as client:
            with pytest.raises(ApiUnreachable, match="No daemon answers") as caught:
                await client.call("me", m.MeView)
        assert caught.value.exit_code == 3


async def test_change_is_sent_once_though_the_answer_is_lost() -> None:
    seen = 0

    async def drop(request: web.Request) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        assert request.transport is not None
        request.transport.close()
        await asyncio.sleep(0)
        return web.Response()

    body = m.RefundBody(
        request_id="r-1",
        payment="pay_1",
        amount_minor=1,
        currency="GBP",
        reason_code="returned",
    )
    async with serving(drop) as server, ApiClient(server) as client:
        with pytest.raises(ApiUnreachable):
            await client.call("refunds.create", m.CreatedRefundView, body=body)
    assert seen == 1


async def test_redirect_is_not_followed_with_the_token() -> None:
    seen = 0

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        raise web.HTTPFound("/elsewhere")

    with pytest.raises(ApiProblem):
        await me(elsewhere)
    assert seen == 1


async def test_refusal_that_carries_the_model_is_read() -> None:
    rows = {
        "created": 0,
        "unchanged": 0,
        "problems": [{"index": 3, "code": "payment.unknown", "message": "No."}],
    }
    handler, _ = saying(422, rows)
    async with serving(handler) as server, ApiClient(server) as client:
        view = await client.call("refunds.bulk", m.BulkView, readable=(422,))
        assert view.problems[0].index == 3
        with pytest.raises(ApiProblem):
            await client.call("refunds.bulk", m.BulkView)


async def test_query_and_parts_are_written_plainly() -> None:
    handler, seen = saying(200, ME)
    async with serving(handler) as server, ApiClient(server) as client:
        await client.call(
            "payments.show",
            m.MeView,
            parts={"payment": "pi 1/2"},
            query={"account": "a&b", "frozen": True, "cursor": None, "limit": 3},
        )
    assert seen[0].path == "/v1/payments/pi 1/2"
    assert dict(seen[0].query) == {"account": "a&b", "frozen": "true", "limit": "3"}


async def test_client_that_is_not_open_says_so() -> None:
    with pytest.raises(ApiUnreachable, match="not open"):
        await ApiClient("http://127.0.0.1:1").call("me", m.MeView)


def test_token_has_no_repr() -> None:
    assert "rwk_secret" not in repr(ApiClient("unix:/x", "rwk_secret"))


async def test_daemon_that_answers_anything_is_ready() -> None:
    handler, _ = saying(401, {})
    async with serving(handler) as server:
        assert await wait_until_ready(server, None, 5)
    assert not await wait_until_ready("http://127.0.0.1:1", None, 0.25)


def test_json_for_scripts_keeps_letters() -> None:
    view = m.AmountView(minor=1, currency="é", exponent=2)
    assert as_json(view) == '{"minor": 1, "currency": "é", "exponent": 2}'


# --- the live feed ----------------------------------------------------------------


async def frames(*messages: str, code: int = 1000) -> list[m.Frame]:
    async def feed(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in messages:
            await socket.send_str(message)
        await socket.close(code=code)
        return socket

    async with serving(feed) as server, ApiClient(server, "t") as client:
        return [frame async for frame in client.events(since=3)]


async def test_frames_are_models() -> None:
    found = await frames('{"frame": "reset", "seq": 7}')
    assert found == [m.ResetFrame(seq=7)]


async def test_feed_of_an_ended_token_says_so() -> None:
    with pytest.raises(ApiProblem) as caught:
        await frames(code=1008)
    assert (caught.value.code, caught.value.http_status) == ("auth.ended", 401)


async def test_frame_of_another_form_is_another_version() -> None:
    for text in ("{", '{"frame": "news"}', "[]"):
        with pytest.raises(ApiProblem) as caught:
            await frames(text)
        assert caught.value.code == "api.version"


async def test_refused_feed_is_a_problem() -> None:
    handler, _ = saying(403, {})
    async with serving(handler) as server, ApiClient(server) as client:
        with pytest.raises(ApiProblem) as caught:
            async for _frame in client.events():
                pass
    assert (caught.value.code, caught.value.http_status) == ("events.refused", 403)


async def test_feed_of_nobody_is_unreachable() -> None:
    async with ApiClient("http://127.0.0.1:1") as client:
        with pytest.raises(ApiUnreachable):
            async for _frame in client.events():
                pass
