"""The public door: what is true is kept and answered, what is not leaves no trace."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.errors import StoreBusy
from refundwatch.store.contract import StoreDelivery
from refundwatch.store.sqlite.store import ThreadedStore
from tests.daemon.living import Living, living, living_with_gateways, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PAYMENTS = {
    "stripe-uk": "pi_3RwTest0001",
    "adyen-eu": "993617894903480A",
    "paypal-us": "2GG279541U471931P",
}
EVERY = pytest.mark.parametrize("account", PAYMENTS)


@dataclass(frozen=True, slots=True)
class Signed:
    account: str
    headers: dict[str, str]
    body: bytes


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Living]:
    """A daemon beside gateways that keep their webhooks to themselves."""
    async with living_with_gateways(tmp_path) as found:
        assert found.sandbox is not None
        found.sandbox.pause_webhooks()
        for account, reference in PAYMENTS.items():
            found.sandbox.add_payment(account, reference, 5_000, "EUR")
            await found.payment(
                5_000, account=account, gateway_reference=reference, currency="EUR"
            )
        yield found


def signed(daemon: Living, account: str, amount_minor: int = 500) -> Signed:
    """What the gateway would send about a refund that somebody made over there."""
    box = daemon.sandbox
    assert box is not None
    box.external_refund(account, PAYMENTS[account], amount_minor)
    box.flush_webhooks(account, hurry=True)
    model = box.world.models[account]
    entry = model.outbox.dump()[-1]
    headers = dict(model.signed_headers(entry, box.clock.now()))
    return Signed(account, headers, entry.body)


async def deliver(
    daemon: Living,
    it: Signed,
    *,
    to: str | None = None,
    body: bytes | None = None,
    without: str = "",
) -> tuple[int, bytes]:
    headers = {k: v for k, v in it.headers.items() if k.lower() != without.lower()}
    async with daemon.tcp_http.post(
        f"{daemon.webhooks}/webhooks/{to or it.account}",
        data=it.body if body is None else body,
        headers=headers,
    ) as response:
        return response.status, await response.read()


def deliveries(daemon: Living) -> list[tuple[Any, ...]]:
    return daemon.query("SELECT account FROM delivery_body")


def kept(daemon: Living) -> tuple[object, ...]:
    """What a stranger's post must leave as it was."""
    tables = ("delivery", "delivery_body", "payment", "refund", "external_refund")
    return (*(tuple(daemon.rows(table)) for table in tables), tuple(daemon.kinds()))


@EVERY
async def test_signed_delivery_is_stored_then_answered_then_applied(
    daemon: Living, account: str
) -> None:
    status, _ = await deliver(daemon, signed(daemon, account))
    assert status == 200
    assert deliveries(daemon) == [(account,)]
    assert "delivery:stored" in daemon.kinds()
    ended = {"delivery:postponed", "delivery:closed", "delivery:applied"}
    await until(lambda: ended & set(daemon.kinds()))


@EVERY
async def test_repeated_delivery_is_stored_once(daemon: Living, account: str) -> None:
    it = signed(daemon, account)
    answers = await asyncio.gather(*(deliver(daemon, it) for _ in range(10)))
    assert [status for status, _ in answers] == [200] * 10
    assert deliveries(daemon) == [(account,)]
    assert len(daemon.rows("delivery")) == 1


def changed_amount(body: bytes) -> bytes:
    assert body.count(b"5") >= 1
    return body.replace(b"5", b"6", 1)


def re_serialised(body: bytes) -> bytes:
    return json.dumps(json.loads(body), indent=3).encode()


@EVERY
async def test_changed_body_is_forged_and_leaves_nothing(
    daemon: Living, account: str
) -> None:
    it = signed(daemon, account)
    before = kept(daemon)
    text = it.body.decode()
    for number in ("500", "5.00"):
        text = text.replace(number, number.replace("5", "6"))
    assert text != it.body.decode()
    assert (await deliver(daemon, it, body=text.encode()))[0] == 401
    assert kept(daemon) == before


@pytest.mark.parametrize("account", ["stripe-uk", "paypal-us"])
async def test_body_written_anew_is_forged(daemon: Living, account: str) -> None:
    it = signed(daemon, account)
    before = kept(daemon)
    assert (await deliver(daemon, it, body=re_serialised(it.body)))[0] == 401
    assert kept(daemon) == before


@pytest.mark.parametrize(
    ("account", "header"),
    [
        ("stripe-uk", "Stripe-Signature"),
        ("paypal-us", "PAYPAL-TRANSMISSION-SIG"),
        ("paypal-us", "PAYPAL-CERT-URL"),
        ("paypal-us", "PAYPAL-TRANSMISSION-TIME"),
    ],
)
async def test_delivery_without_its_signature_is_forged(
    daemon: Living, account: str, header: str
) -> None:
    it = signed(daemon, account)
    before = kept(daemon)
    assert (await deliver(daemon, it, without=header))[0] == 401
    assert kept(daemon) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":NaN}'])
@EVERY
async def test_noise_is_refused_and_leaves_nothing(
    daemon: Living, account: str, body: bytes
) -> None:
    before = kept(daemon)
    it = Signed(account, {"Content-Type": "application/json"}, body)
    assert (await deliver(daemon, it))[0] == 401
    assert kept(daemon) == before


async def test_delivery_for_another_account_is_forged(daemon: Living) -> None:
    it = signed(daemon, "stripe-uk")
    before = kept(daemon)
    for other in ("adyen-eu", "paypal-us"):
        assert (await deliver(daemon, it, to=other))[0] == 401
    assert kept(daemon) == before


async def test_unknown_account_is_not_found(daemon: Living) -> None:
    it = signed(daemon, "stripe-uk")
    before = kept(daemon)
    for name in ("nobody", "STRIPE-UK", "stripe-uk%00", "..%2f"):
        assert (await deliver(daemon, it, to=name))[0] == 404
    assert kept(daemon) == before


async def test_only_deliveries_and_greetings_are_answered(daemon: Living) -> None:
    for method, path, status in (
        ("GET", "/webhooks/stripe-uk", 404),
        ("HEAD", "/webhooks/stripe-uk", 405),
        ("PUT", "/webhooks/stripe-uk", 405),
        ("POST", "/webhooks", 404),
        ("POST", "/webhooks/stripe-uk/more", 404),
        ("GET", "/", 404),
        ("GET", "/v1/status", 404),
        ("GET", "/metrics", 404),
    ):
        async with daemon.tcp_http.request(method, daemon.webhooks + path) as response:
            assert response.status == status, (method, path)
            assert await response.read() == b""


async def test_delivery_is_answered_only_after_its_commit(daemon: Living) -> None:
    it = signed(daemon, "stripe-uk")
    gate = threading.Event()
    reached = threading.Event()

    def hold(point: str) -> None:
        if point == "before_commit":
            reached.set()
            gate.wait(10)

    writer = daemon.parts.store._writer
    writer._hook = hold
    answer = asyncio.ensure_future(deliver(daemon, it))
    try:
        await asyncio.to_thread(reached.wait, 5)
        done, _ = await asyncio.wait({answer}, timeout=0.3)
        assert not done
        assert deliveries(daemon) == []
    finally:
        writer._hook = lambda point: None
        gate.set()
    assert (await answer)[0] == 200
    assert deliveries(daemon) == [("stripe-uk",)]


async def test_delivery_that_cannot_be_stored_is_asked_for_again(
    daemon: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = signed(daemon, "stripe-uk")
    submit = ThreadedStore.submit

    def failing(self: ThreadedStore, command: Any) -> Any:
        if isinstance(command, StoreDelivery):
            raise StoreBusy("A stranger holds the database.")
        return submit(self, command)

    with monkeypatch.context() as patch:
        patch.setattr(ThreadedStore, "submit", failing)
        assert await deliver(daemon, it) == (503, b"")
    assert deliveries(daemon) == []
    assert (await deliver(daemon, it))[0] == 200
    assert deliveries(daemon) == [("stripe-uk",)]


async def test_certificate_that_cannot_be_fetched_is_not_called_forged(
    daemon: Living,
) -> None:
    it = signed(daemon, "paypal-us")
    assert daemon.sandbox is not None
    daemon.sandbox.outage("paypal-us", 60)
    status, _ = await deliver(daemon, it)
    assert status == 503
    assert deliveries(daemon) == []


async def test_deliveries_are_counted_by_verdict(daemon: Living) -> None:
    it = signed(daemon, "stripe-uk")
    await deliver(daemon, it)
    await deliver(daemon, it)
    await deliver(daemon, it, body=b"{}")
    async with daemon.tcp_http.get(daemon.health + "/metrics") as response:
        text = await response.text()
    for verdict in ("received", "repeated", "forged"):
        line = f'deliveries_total{{account="stripe-uk",verdict="{verdict}"}} 1.0'
        assert line in text


# --- limits -----------------------------------------------------------------------

LIMITS = """\
body_limit_bytes = 2000
header_deadline_seconds = 1
body_deadline_seconds = 1
connections = 20
connections_per_peer = 10
"""


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Living]:
    """A daemon with small limits at the public door."""
    from tests.daemon.furnishing import config_text

    async with living(tmp_path, text=config_text(webhooks=LIMITS)) as found:
        yield found


async def test_body_above_the_limit_is_refused(narrow: Living) -> None:
    it = Signed("stripe-uk", {}, b"x" * 2001)
    before = kept(narrow)
    assert (await deliver(narrow, it))[0] == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(21):
            yield b"x" * 100

    url = narrow.webhooks + "/webhooks/stripe-uk"
    async with narrow.tcp_http.post(url, data=chunks()) as response:
        assert response.status == 413
    assert kept(narrow) == before


async def raw(daemon: Living, text: bytes, seconds: float = 5) -> bytes:
    host, port = daemon.service.addresses["webhooks"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(text)
        return await asyncio.wait_for(reader.read(), seconds)
    except ConnectionError:
        return b""
    finally:
        writer.close()


HEAD = b"POST /webhooks/stripe-uk HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="silent"),
        pytest.param(HEAD, id="half_headers"),
        pytest.param(HEAD + b"\r\nhalf a body", id="half_body"),
    ],
)
async def test_slow_post_is_cut(narrow: Living, text: bytes) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await raw(narrow, text)
    assert 0.5 < loop.time() - begin < 3
    assert deliveries(narrow) == []


def _stands(reader: asyncio.StreamReader) -> bool:
    return not reader.at_eof() and reader.exception() is None


async def test_one_peer_cannot_take_every_connection(narrow: Living) -> None:
    host, port = narrow.service.addresses["webhooks"].split(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(15)]
    try:
        await asyncio.sleep(0.2)
        standing = [_stands(reader) for reader, _ in held]
        # Who has kept the daemon waiting longest gives way to who comes next.
        assert standing == [False] * 5 + [True] * 10
        assert (await narrow.call("GET", "/v1/status")).status == 200
    finally:
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize(
    "text",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nhello",
        b"POST /webhooks/stripe-uk HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"X-Long: " + b"x" * 9000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
async def test_request_that_could_smuggle_another_is_refused(
    narrow: Living, text: bytes
) -> None:
    answer = await raw(narrow, text)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b"aiohttp" not in head
    assert json.loads(content)["code"] == "request.malformed"
    assert b"xxx" not in content


async def test_refund_completes_while_three_hundred_connections_dawdle(
    daemon: Living,
) -> None:
    host, port = daemon.service.addresses["webhooks"].split(":")
    held = await asyncio.gather(
        *(asyncio.open_connection(host, int(port)) for _ in range(300))
    )
    try:
        for _, writer in held:
            writer.write(b"POST /webhooks/stripe-uk HTTP/1.1\r\n")
        assert daemon.sandbox is not None
        daemon.sandbox.add_payment("stripe-uk", "pi_busy", 10_000, "GBP")
        payment = await daemon.payment(10_000, gateway_reference="pi_busy")
        refund = await daemon.refund(100, payment=payment)
        await daemon.becomes(refund, "succeeded", 5)
        assert sum(_stands(reader) for reader, _ in held) <= 100
    finally:
        for _, writer in held:
            writer.close()
