"""What stands behind the path of a webhook's address reaches its adapter, unlogged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aiohttp.test_utils import TestClient, TestServer

from daemon.guard import Gatekeeper
from daemon.webhooks import build_webhooks
from refundwatch.flow.confirm import OK, Reception
from tests.daemon.test_express import LIMITS

if TYPE_CHECKING:
    from refundwatch.gateways.contract import RawDelivery


class Hub:
    recovery = None


class Desk:
    def __init__(self) -> None:
        self.taken: list[tuple[str, RawDelivery]] = []

    async def receive(self, account: str, raw: RawDelivery) -> Reception:
        self.taken.append((account, raw))
        return Reception(OK, b"[OK]")


async def test_the_query_of_the_address_is_told_and_never_shown() -> None:
    desk = Desk()
    app = build_webhooks(
        cast("Any", Hub()), cast("Any", desk), Gatekeeper(LIMITS), lambda: 1 << 20
    )
    async with TestClient(TestServer(app)) as client:
        answer = await client.post("/webhooks/wp-uk?key=hidden-1&x=%26", data=b"<a/>")
        assert (answer.status, await answer.read()) == (200, b"[OK]")
    ((account, raw),) = desk.taken
    assert (account, raw.body) == ("wp-uk", b"<a/>")
    assert raw.query == {"key": "hidden-1", "x": "&"}
    assert "hidden-1" not in repr(raw)
