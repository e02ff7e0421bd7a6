"""`refundwatch forecast`: what cash leaves when, and how good such words were.

Invariant: nothing heavy is imported for `--help`; a backtest of a file asks no daemon.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.commands.command_line import Noun, run_work

if TYPE_CHECKING:
    from argparse import ArgumentParser

STORE: Final = "store"
_LIQUIDITY: Final = "refundwatch.commands.forecast_liquidity:show"
_BACKTEST: Final = "refundwatch.commands.forecast_liquidity:play_store"
_FILE: Final = "refundwatch.commands.forecast_backtest"


def main(argv: list[str]) -> int:
    """Run a verb of `forecast`; return the exit code."""
    noun = Noun("forecast", "What cash leaves when; needs refundwatch[forecast].")
    _add_liquidity(noun)
    arguments = noun.parse(argv)
    backtest = getattr(arguments, "backtest", None)
    if backtest is None:
        return run_work(arguments.work, arguments)
    if backtest == STORE:
        return run_work(_BACKTEST, arguments)
    return int(import_module(_FILE).run_file(Path(backtest), arguments))


def _add_liquidity(noun: Noun) -> None:
    parser = noun.verb("liquidity", _LIQUIDITY, "Cash out by day with P10, P50 and P90")
    parser.add_argument(
        "--days", type=int, default=45, metavar="N", help="days ahead, 1 to 90"
    )
    parser.add_argument("--currency", metavar="CODE", help="only this currency")
    parser.add_argument("--connection", metavar="ID", help="only this connection")
    parser.add_argument(
        "--balance",
        action="append",
        default=[],
        metavar="CONNECTION:CODE=AMOUNT",
        help="what lies there now, such as shop/main:EUR=1200.00; may be repeated",
    )
    _add_common(parser)
    parser.add_argument(
        "--backtest",
        metavar="FILE|store",
        help="play a past again: a CSV file of refund requests, or the daemon's store",
    )
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="foretell on every Nth day of the past only (quicker)",
    )


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--country",
        action="append",
        default=[],
        metavar="PLACE",
        help="whose public holidays count: GB, GB-ENG, DE-BY; may be repeated",
    )
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="write a plot to this file"
    )
