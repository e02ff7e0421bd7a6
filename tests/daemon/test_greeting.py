"""A GET on a webhook's address: answered where its gateway asks, else by nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.daemon.furnishing import config_text
from tests.daemon.living import Living, living
from tests.unit.gateways.braintree_talk import PAIR, SIGNED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BRAINTREE = """
[accounts.braintree-us]
gateway = "braintree"
timezone = "America/Chicago"
webhook_secrets = ["file:braintree.webhook"]

[accounts.braintree-us.connections.main]
endpoint = "http://127.0.0.1:1"
timeout_seconds = 5
credentials = { public_key = "file:stripe.key", private_key = "file:stripe.key" }
"""
CHALLENGE = SIGNED["challenge"]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Living]:
    secrets = {"braintree.webhook": PAIR}
    text = config_text(more=BRAINTREE, webhooks="body_deadline_seconds = 1")
    async with living(tmp_path, text=text, secrets=secrets) as found:
        yield found


async def greeted(daemon: Living, account: str, **query: str) -> tuple[int, bytes]:
    url = f"{daemon.webhooks}/webhooks/{account}?{urlencode(query)}"
    async with daemon.tcp_http.get(url) as response:
        return response.status, await response.read()


async def test_a_challenge_is_answered_and_leaves_no_trace(daemon: Living) -> None:
    before = daemon.state()
    answer = await greeted(
        daemon, "braintree-us", bt_challenge=CHALLENGE["challenge"], more="x"
    )
    assert answer == (200, CHALLENGE["response"].encode())
    assert daemon.state() == before
    assert daemon.log.of("webhook_greeted") == [{"account": "braintree-us"}]


async def test_an_account_without_keys_gets_the_adapter_that_relies_on_none(
    tmp_path: Path,
) -> None:
    text = config_text(
        more=BRAINTREE.replace(
            "timezone", 'settings = { request_keys = "off" }\ntimezone', 1
        )
    )
    async with living(tmp_path, text=text, secrets={"braintree.webhook": PAIR}) as it:
        (path,) = it.parts.live.of_account("braintree-us")
        assert path.gateway.capabilities.key_window_seconds == 0


async def test_whatever_else_is_asked_is_not_there(daemon: Living) -> None:
    challenge = CHALLENGE["challenge"]
    for account, query in (
        ("braintree-us", {}),
        ("braintree-us", {"bt_challenge": "short"}),
        ("braintree-us", {"bt_challenge": challenge.upper()}),
        ("stripe-uk", {"bt_challenge": challenge}),
        ("nobody", {"bt_challenge": challenge}),
        ("braintree-us/more", {"bt_challenge": challenge}),
    ):
        assert await greeted(daemon, account, **query) == (404, b""), account


async def test_a_slow_or_large_greeting_is_cut_as_a_delivery_is(
    daemon: Living,
) -> None:
    host, _, port = daemon.service.addresses["webhooks"].rpartition(":")
    target = f"/webhooks/braintree-us?bt_challenge={CHALLENGE['challenge']}"

    async def ask(headers: str) -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        try:
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    large, slow = await asyncio.gather(
        ask("Content-Length: 999999999\r\n"), ask("Content-Length: 10\r\n")
    )
    assert b" 413 " in large
    assert b" 200 " not in slow
