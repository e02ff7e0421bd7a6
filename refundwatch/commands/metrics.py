"""`refundwatch metrics`: the three numbers, by connection.

Invariant: a number without anything counted is a dash, never a zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.models import MetricsView
from refundwatch.commands.command_line import new_parser, run_work, share_flags
from refundwatch.commands.output import (
    Column,
    emit,
    emit_json,
    emit_table,
    when_exactly,
)
from refundwatch.commands.windows import duration, window_seconds

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import NumbersView

COLUMNS: Final = (
    Column("CONNECTION", shrinks=True),
    Column("CCY"),
    Column("ASKED", right=True),
    Column("PAID", right=True),
    Column("DECLINED", right=True),
    Column("BOUNCED", right=True),
    Column("SUCCESS", right=True),
    Column("UPTIME", right=True),
)
STAGE_COLUMNS: Final = (
    Column("CONNECTION", shrinks=True),
    Column("CCY"),
    Column("UNTIL", shrinks=True),
    Column("COUNT", right=True),
    Column("P50", right=True),
    Column("P95", right=True),
    Column("P99", right=True),
)


def main(argv: list[str]) -> int:
    """Print the three numbers; return the exit code."""
    parser = new_parser(
        "metrics", "Refund processing time, success rate and uptime by connection."
    )
    share_flags(parser)
    parser.add_argument(
        "--window",
        type=window_seconds,
        default="24h",
        metavar="WINDOW",
        help="back from now: 1h, 24h, 7d, 30d",
    )
    parser.add_argument(
        "--by-currency", action="store_true", help="a row for each currency"
    )
    return run_work(show, parser.parse_args(argv))


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Print the numbers of a window that ends now."""
    view = await client.call(
        "metrics",
        MetricsView,
        query={
            "window": arguments.window,
            "by_currency": arguments.by_currency or None,
        },
    )
    if arguments.json:
        emit_json(view)
        return 0
    length = duration(float(view.window_seconds))
    emit(f"the {length} until {when_exactly(view.at)}")
    emit_table(COLUMNS, [_row(it) for it in view.items], "Nothing was counted.")
    stages = [row for it in view.items for row in _stage_rows(it)]
    if stages:
        emit("")
        emit("from the request until:")
        emit_table(STAGE_COLUMNS, stages, "")
    reasons = [(it, code) for it in view.items for code in sorted(it.declined_by)]
    for it, code in reasons:
        emit(f"declined {it.declined_by[code]}: {code} at {_name(it)}")
    return 0


def _row(it: NumbersView) -> tuple[str, ...]:
    return (
        _name(it),
        it.currency or "all",
        str(it.requested),
        str(it.succeeded),
        str(it.declined),
        str(it.bounced),
        _percent(it.success_rate),
        _percent(it.uptime),
    )


def _stage_rows(it: NumbersView) -> list[tuple[str, ...]]:
    return [
        (
            _name(it),
            it.currency or "all",
            stage.replace("_", " "),
            str(found.count),
            duration(found.p50),
            duration(found.p95),
            duration(found.p99),
        )
        for stage, found in it.processing.items()
        if found.count
    ]


def _name(it: NumbersView) -> str:
    return "all" if it.connection == "*" else it.connection


def _percent(share: float | None) -> str:
    """Show a share; one that is not whole never reads as 100 %."""
    if share is None:
        return "-"
    return "100%" if share >= 1 else f"{min(share * 100, 99.99):.2f}%"
