"""`refundwatch forecast liquidity`: cash out by day, and whether a balance lasts.

Invariant: the daemon gives history and this computes; a forecast is shown as one, with
its band, and never as a balance.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.api.amounts import parse_amount, total_text
from refundwatch.api.forecasting import bars, play_again
from refundwatch.api.models_forecast import HistoriesView, LiquiditiesView
from refundwatch.api.outlooks import outlook, picture, requested
from refundwatch.commands.forecast_backtest import (
    learned_words,
    must_be,
    percent,
    report,
    width,
    write_plots,
)
from refundwatch.commands.output import Column, emit, emit_json, emit_table, say
from refundwatch.commands.problems import UsageProblem
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models_forecast import DayView, HistoryView, LiquidityView

COLUMNS: Final = (
    Column("DAY"),
    Column("P10", right=True),
    Column("P50", right=True),
    Column("P90", right=True),
    Column("SUM P50", right=True),
    Column("SUM P90", right=True),
)
MOST_DAYS: Final = 90
_FEW_DAYS: Final = 56
_BALANCE: Final = re.compile(r"([^\s:=]+):([A-Z]{3})=(\S+)")


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Print the cash to come of every connection; return the exit code."""
    days = must_be(arguments.days, "--days", 1, MOST_DAYS)
    balances = read_balances(arguments.balance)
    found = await client.call(
        "forecast.history", HistoriesView, query={"currency": arguments.currency}
    )
    items = _wanted(found, arguments)
    _must_be_known(balances, items)
    views = [
        outlook(it, days, balances.get((it.connection, it.currency)), arguments.country)
        for it in items
    ]
    if arguments.svg is not None:
        write_plots(arguments.svg, [picture(view) for view in views])
    if arguments.json:
        emit_json(LiquiditiesView(at=found.at, items=views))
        return 0
    if not views:
        say("No refund was requested yet: nothing can be foretold.")
    for view in views:
        _show(view)
    return 0


async def play_store(client: ApiClient, arguments: Namespace) -> int:
    """Play the daemon's own past again; return the exit code."""
    every = must_be(arguments.every, "--every", 1, 30)
    found = await client.call(
        "forecast.history", HistoriesView, query={"currency": arguments.currency}
    )
    pairs = [
        play_again(
            requested(it),
            source="store",
            connection=it.connection,
            currency=it.currency,
            places=arguments.country,
            every=every,
        )
        for it in _wanted(found, arguments)
    ]
    return report(pairs, arguments)


def read_balances(texts: list[str]) -> dict[tuple[str, str], int]:
    """Read `CONNECTION:CODE=AMOUNT` exactly, each connection and currency once.

    Raises:
        UsageProblem: one has another form, or stands twice.
    """
    balances: dict[tuple[str, str], int] = {}
    for text in texts:
        match = _BALANCE.fullmatch(text)
        if match is None:
            raise UsageProblem(f"--balance {text!a} is no CONNECTION:CODE=AMOUNT.")
        key = (match[1], match[2])
        if key in balances:
            raise UsageProblem(f"--balance names {match[1]} {match[2]} twice.")
        try:
            balances[key] = parse_amount(match[3], match[2])
        except RefundwatchError as error:
            raise UsageProblem(f"--balance {text!a}: {error.message}") from error
    return balances


def _wanted(found: HistoriesView, arguments: Namespace) -> list[HistoryView]:
    only = arguments.connection
    return [it for it in found.items if only in {None, it.connection}]


def _must_be_known(
    balances: dict[tuple[str, str], int], items: list[HistoryView]
) -> None:
    known = {(it.connection, it.currency) for it in items}
    for connection, currency in sorted(balances.keys() - known):
        raise UsageProblem(
            f"--balance: {connection} has no refunds in {currency} to foretell."
        )


def _show(view: LiquidityView) -> None:
    emit(
        f"{view.connection}, {view.currency}: cash out from {view.history_days} days "
        f"of requests, of which {percent(view.paid_share)} are paid"
    )
    emit(f"learned: {learned_words(view.learned)}")
    if view.history_days < _FEW_DAYS:
        emit(f"{view.history_days} days are few: the bands are rough.")
    for line in _balance_words(view):
        emit(line)
    emit_table(COLUMNS, [_row(it, view) for it in view.days], "")
    emit("")
    emit("from today until each day's end: - P10 to P90, | P50")
    for line in bars(picture(view), width()):
        emit(line)
    emit("")


def _balance_words(view: LiquidityView) -> list[str]:
    if view.balance is None or view.top_up is None:
        return []
    has = f"balance {total_text(view.balance, view.currency)}: "
    last = view.days[-1].day
    if view.short_on is None:
        return [f"{has}lasts until {last} in nine of ten cases"]
    top_up = total_text(view.top_up, view.currency)
    lines = [f"{has}runs short on {view.short_on} in one of ten, top up {top_up}"]
    if view.likely_short_on is not None:
        lines.append(f"and on {view.likely_short_on} in one of two")
    return lines


def _row(it: DayView, view: LiquidityView) -> tuple[str, ...]:
    amounts = (it.p10, it.p50, it.p90, it.sum_p50, it.sum_p90)
    return (
        it.day.isoformat(),
        *(_plain(amount, view.currency) for amount in amounts),
    )


def _plain(minor: int, currency: str) -> str:
    sign = "-" if minor < 0 else ""
    return sign + total_text(abs(minor), currency).partition(" ")[2]
