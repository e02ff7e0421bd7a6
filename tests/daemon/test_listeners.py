"""Three listeners, each with its own paths; their limits, and what answers carry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from refundwatch.api.paths import PREFIX, ROUTES
from tests.daemon.furnishing import config_text
from tests.daemon.living import ShiftedClock, living

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.living import Living

HEALTH = ("/livez", "/readyz", "/healthz", "/metrics")
WEBHOOK = "/webhooks/stripe-uk"


async def status(daemon: Living, method: str, url: str) -> int:
    token = {"Authorization": f"Bearer {daemon.secrets['admin']}"}
    async with daemon.tcp_http.request(method, url, headers=token) as response:
        return response.status


async def test_no_listener_serves_the_paths_of_another(daemon: Living) -> None:
    for route in ROUTES:
        path = PREFIX + re.sub(r"{\w+}", "nothing", route.path)
        for base in (daemon.webhooks, daemon.health):
            assert await status(daemon, route.method, base + path) == 404, route.name
    for path in HEALTH:
        assert await status(daemon, "GET", daemon.health + path) == 200
        for base in (daemon.webhooks, daemon.tcp):
            assert await status(daemon, "GET", base + path) == 404, (base, path)
    assert await status(daemon, "POST", daemon.webhooks + WEBHOOK) != 404
    for base in (daemon.health, daemon.tcp):
        assert await status(daemon, "POST", base + WEBHOOK) == 404


async def test_answers_give_a_browser_nothing(daemon: Living) -> None:
    for method, path, code in (
        ("GET", "/v1/me", 200),
        ("GET", "/v1/nowhere", 404),
        ("OPTIONS", "/v1/refunds", 405),
    ):
        answer = await daemon.call(
            method,
            path,
            headers={
                "Origin": "https://evil.example",
                "Access-Control-Request-Method": "POST",
            },
        )
        assert answer.status == code
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Server"] == "refundwatch"
        assert not [
            name for name in answer.headers if name.lower().startswith("access-control")
        ]


class StillClock(ShiftedClock):
    """Its time moves by hand alone, however slow the machine is."""

    def monotonic(self) -> float:
        return 1000.0 + self.ahead


async def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    clock = StillClock()
    limits = 'tcp = "127.0.0.1:0"\nrequests_per_second = 1\nburst = 3'
    text = config_text().replace('tcp = "127.0.0.1:0"', limits)
    async with living(tmp_path, text=text, clock=clock) as daemon:

        async def me(by: str | None, *, tcp: bool = False) -> tuple[int, str | None]:
            found = await daemon.call(
                "GET",
                "/v1/me",
                by=by,
                base=daemon.tcp if tcp else "http://daemon",
                http=daemon.tcp_http if tcp else None,
            )
            return found.status, found.headers.get("Retry-After")

        found = [await me("viewer") for _ in range(4)]
        assert found == [(200, None)] * 3 + [(429, "1")]
        # Another principal is not held up by the first one, at the same socket.
        assert await me("operator") == (200, None)
        clock.ahead += 60
        assert await me("viewer") == (200, None)
        # Over TCP an address counts too, whoever asks and whether or not it is known.
        found = [await me(by, tcp=True) for by in ("viewer", "operator", None, "both")]
        assert [code for code, _ in found] == [200, 200, 401, 429]
        assert daemon.hub.counters["requests_throttled"] == 2
