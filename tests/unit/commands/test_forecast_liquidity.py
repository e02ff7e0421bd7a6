from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from refundwatch.api.models_forecast import HistoriesView, HistoryView, LagView
from tests.unit.commands.views import AT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

TODAY = date(2026, 11, 2)
DAYS = 84
ITEM = HistoryView(
    account="shop",
    connection="shop/main",
    currency="EUR",
    exponent=2,
    timezone="Europe/Berlin",
    first=TODAY - timedelta(days=DAYS),
    today=TODAY,
    requested=[(100 + day % 7) * 100 for day in range(DAYS)],
    paid=[(100 + day % 7) * 100 for day in range(DAYS)],
    paid_after=[LagView(days=0, count=DAYS, minor=10_000)],
    ended_after=[],
    returned_after=[],
    open_by_age=[LagView(days=2, count=1, minor=5_000)],
)


@pytest.fixture
def known(hub: FakeHub) -> FakeHub:
    hub.answer("forecast.history", HistoriesView(at=AT, items=[ITEM]))
    return hub


def test_balance_that_does_not_last_says_when_and_how_much(
    known: FakeHub, run: Callable[..., Ran], tmp_path: Path
) -> None:
    plot = tmp_path / "cash.svg"
    done = run(
        "forecast",
        "liquidity",
        "--balance",
        "shop/main:EUR=1000.00",
        "--svg",
        str(plot),
    )
    assert done.code == 0, done.err
    (line,) = [it for it in done.out.splitlines() if "runs short" in it]
    assert line.startswith("balance EUR 1000.00: runs short on 2026-11-1")
    assert "top up EUR 3" in line
    assert done.out.count("2026-12-16") == 2
    assert plot.read_text("utf-8").startswith("<svg")


def test_json_holds_days_and_sums_in_minor_units(
    known: FakeHub, run: Callable[..., Ran]
) -> None:
    done = run(
        "forecast",
        "liquidity",
        "--days",
        "7",
        "--currency",
        "EUR",
        "--balance",
        "shop/main:EUR=9999.00",
        "--json",
    )
    (item,) = json.loads(done.out)["items"]
    assert len(item["days"]) == 7
    assert item["days"][0]["day"] == "2026-11-02"
    assert 14_000 < item["days"][0]["p50"] < 17_000
    assert (item["short_on"], item["top_up"], item["balance"]) == (None, 0, 999_900)
    assert known.named("forecast.history")[0].query == {"currency": "EUR"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--balance", "shop/main=5"), "is no CONNECTION:CODE=AMOUNT"),
        (("--balance", "shop/main:EUR=5.001"), "--balance"),
        (("--balance", "other/main:EUR=5"), "other/main has no refunds in EUR"),
        (("--balance", "shop/main:EUR=5", "--balance", "shop/main:EUR=6"), "twice"),
        (("--days", "0"), "--days is 1 to 90, not 0"),
        (("--country", "XX"), "'XX' is no place"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    known: FakeHub, run: Callable[..., Ran], flags: tuple[str, ...], words: str
) -> None:
    done = run("forecast", "liquidity", *flags)
    assert done.code != 0
    assert words in done.err
    assert done.out == ""


def test_nothing_requested_yet_is_said(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("forecast.history", HistoriesView(at=AT, items=[]))
    done = run("forecast", "liquidity")
    assert (done.code, done.out) == (0, "")
    assert "nothing can be foretold" in done.err


def test_past_of_the_store_is_played_again(
    known: FakeHub, run: Callable[..., Ran]
) -> None:
    done = run("forecast", "liquidity", "--backtest", "store", "--every", "7")
    assert done.code == 0, done.err
    assert "store shop/main, EUR: 84 days" in done.out
