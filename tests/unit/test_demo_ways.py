from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from refundwatch.api import models as m
from refundwatch.demo import outages as struck
from refundwatch.demo.settings import parse
from refundwatch.demo.ways import ways

if TYPE_CHECKING:
    from refundwatch.demo.sandbox_admin import SandboxAdmin

MAIN, SECOND = "stripe-uk/main", "stripe-uk/second"
AT = datetime(2026, 11, 25, tzinfo=UTC)


def attempt(connection: str, **notes: str) -> m.AttemptView:
    return m.AttemptView.model_construct(
        number=1,
        connection=connection,
        opened_at=AT,
        route=[
            m.RouteNoteView(connection=f"stripe-uk/{name}", reason=reason)
            for name, reason in notes.items()
        ],
    )


def detail(state: str, *attempts: m.AttemptView) -> m.RefundDetailView:
    refund = m.RefundView.model_construct(
        state=state, connection=attempts[-1].connection
    )
    return m.RefundDetailView.model_construct(refund=refund, attempts=list(attempts))


def test_each_way_is_told_with_the_stored_reasons() -> None:
    down = attempt(SECOND, main="down", second="chosen")
    later = attempt(MAIN, main="chosen", second="later_in_configuration")
    told = ways(
        [
            detail("succeeded", down),
            detail("succeeded", down),
            detail("pending", later),
            detail("settled", later, attempt(MAIN, main="pinned")),
        ]
    )
    assert told.splitlines()[1:] == [
        "  stripe-uk/main: 1 paid out, 3 attempts",
        "    2 because stripe-uk/second comes later in the configuration",
        "    1 sent again where the question was open",
        "  stripe-uk/second: 2 paid out, 2 attempts",
        "    2 because stripe-uk/main was down",
    ]


class Heard:
    def __init__(self) -> None:
        self.outages: list[tuple[str, float]] = []

    async def outage(self, account: str, seconds: float) -> None:
        self.outages.append((account, seconds))


@pytest.mark.parametrize(
    ("faults", "names"),
    [("none", []), ("rough", ["stripe-uk"]), ("hostile", ["stripe-uk", "mollie-nl"])],
)
async def test_first_connections_go_down_once_in_a_short_run(
    faults: str, names: list[str]
) -> None:
    words = ["--headless", "--seconds", "0.2", "--faults", faults]
    heard = Heard()
    settings = parse(words, terminal=False)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)
    await struck.outages(cast("SandboxAdmin", heard), settings, stop)
    assert [name for name, _ in heard.outages] == names
    assert all(seconds < 0.2 for _, seconds in heard.outages)


async def test_outages_end_with_the_run() -> None:
    stop = asyncio.Event()
    stop.set()
    heard = Heard()
    settings = parse(["--faults", "rough"], terminal=True)
    await struck.outages(cast("SandboxAdmin", heard), settings, stop)
    assert heard.outages == []
