from __future__ import annotations

import builtins
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.commands.conftest import Ran

VERB = ("forecast", "liquidity", "--backtest")


def rows(days: int, currency: str = "EUR") -> str:
    """Give a year's head: more on some weekdays, nothing on Sundays."""
    lines = ["requested_at,currency,amount"]
    for day in range(days):
        if day % 7 == 6:
            continue
        month, rest = divmod(day, 28)
        amount = f"{100 + 40 * (day % 7) + (day * 37) % 23}.{day % 100:02}"
        lines.append(f"2024-{month + 1:02}-{rest + 1:02} 10:00:00,{currency},{amount}")
    return "\n".join(lines) + "\n"


def test_table_stands_beside_both_plain_ways(
    run: Callable[..., Ran], write: Callable[..., str], tmp_path: Path
) -> None:
    plot = tmp_path / "plot.svg"
    done = run(*VERB, write(rows(112)), "--every", "7", "--svg", str(plot))
    assert done.code == 0, done.err
    assert "rows.csv, EUR: " in done.out
    for way in ("refundwatch", "seasonal-naive", "moving average"):
        assert way in done.out
    assert "WAPE" in done.out
    assert plot.read_text("utf-8").startswith("<svg")


def test_json_holds_every_score(
    run: Callable[..., Ran], write: Callable[..., str]
) -> None:
    done = run(*VERB, write(rows(112)), "--every", "7", "--json")
    (item,) = json.loads(done.out)["items"]
    assert item["currency"] == "EUR"
    assert {it["horizon"] for it in item["scores"]} == {1, 7, 30}
    assert item["learned"]["trend"] is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("day,currency\n", "no column amount or total"),
        ("day,currency,amount\n", "has no row"),
        ("day,currency,amount\n2024-13-01,EUR,1.00\n", "line 2, column day: no ISO"),
        ("day,currency,amount\n2024-01-01,EUR,1.001\n", "line 2, column amount"),
        ("day,currency,amount\n2024-01-01,XXQ,1.00\n", "line 2, column amount"),
        ("day,currency,amount\n2024-01-01,EUR,1.00\n", "a backtest needs more"),
    ],
)
def test_file_that_cannot_be_read_is_refused_with_its_line(
    run: Callable[..., Ran], write: Callable[..., str], text: str, words: str
) -> None:
    done = run(*VERB, write(text))
    assert done.code != 0
    assert words in done.err
    assert done.out == ""


def test_currency_that_the_file_lacks_is_named(
    run: Callable[..., Ran], write: Callable[..., str]
) -> None:
    done = run(*VERB, write(rows(60)), "--currency", "USD")
    assert (done.code, "nothing in 'USD'" in done.err) == (2, True)


def test_without_the_extra_it_says_what_to_install(
    run: Callable[..., Ran],
    write: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def lacking(name: str, *more: Any) -> Any:
        if name == "numpy" or name.startswith("refundwatch.forecast.backtest"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="numpy")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    monkeypatch.delitem(
        __import__("sys").modules, "refundwatch.api.forecasting", raising=False
    )
    for name in ("refundwatch.commands.forecast_backtest",):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    done = run(*VERB, write(rows(60)))
    assert done.code == 78
    assert "install refundwatch[forecast]" in done.err
