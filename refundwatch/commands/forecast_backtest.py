"""`refundwatch forecast liquidity --backtest`: how good forecasts would have been.

Invariant: every way is scored on the same days, and the table names what it counts.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from refundwatch.api.forecasting import bars, play_again, svg
from refundwatch.api.models_forecast import BacktestsView
from refundwatch.commands.forecast_file import series_by_currency
from refundwatch.commands.output import Column, emit, emit_json, emit_table, say
from refundwatch.commands.problems import UsageProblem

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from pathlib import Path

    from refundwatch.api.forecasting import Picture
    from refundwatch.api.models_forecast import BacktestView, LearnedView, ScoreView

COLUMNS: Final = (
    Column("DAYS", right=True),
    Column("OF"),
    Column("WAY"),
    Column("COUNT", right=True),
    Column("APART", right=True),
    Column("WAPE", right=True),
    Column("BIAS", right=True),
    Column("P10-P90", right=True),
    Column("ALL DAYS", right=True),
)
WIDEST: Final = 120
_WEEKS_SHOWN: Final = 20
_WORDS: Final = (
    "DAYS: horizon. OF: each day in it, or their sum. APART: horizons side by side in "
    "this past; sums that overlap say little more.\n"
    "WAPE, BIAS: of the median forecast; a median lies below the mean where days are "
    "heavy, so its bias is negative.\n"
    "P10-P90: share within the band, of what was not known to be empty; ALL DAYS "
    "counts closed days too."
)


def run_file(path: Path, arguments: Namespace) -> int:
    """Play the past of a CSV file again; return the exit code."""
    every = must_be(arguments.every, "--every", 1, 30)
    pairs = [
        play_again(
            series,
            source=path.name,
            currency=currency,
            places=arguments.country,
            every=every,
        )
        for currency, series in series_by_currency(path, arguments.currency).items()
    ]
    return report(pairs, arguments)


def report(pairs: Sequence[tuple[BacktestView, Picture]], arguments: Namespace) -> int:
    """Print what came of pasts that were played again; return the exit code."""
    if arguments.svg is not None:
        write_plots(arguments.svg, [picture for _, picture in pairs])
    if arguments.json:
        emit_json(BacktestsView(items=[view for view, _ in pairs]))
        return 0
    for view, picture in pairs:
        _show(view, picture)
    emit("")
    say(_WORDS)
    return 0


def _show(view: BacktestView, picture: Picture) -> None:
    where = f" {view.connection}" if view.connection else ""
    emit(
        f"{view.source}{where}, {view.currency}: {view.days} days from {view.first} to "
        f"{view.last}, foretold on {view.origins} of them"
    )
    emit(f"learned: {learned_words(view.learned)}")
    emit_table(COLUMNS, [_row(it) for it in view.scores], "")
    step = max(len(picture.points) // _WEEKS_SHOWN, 1)
    emit("")
    emit("the week from each day on: - P10 to P90, | P50, o what came, > more")
    for line in bars(_thinned(picture, step), width()):
        emit(line)


def _thinned(picture: Picture, step: int) -> Picture:
    return type(picture)(
        picture.title, picture.points[::step], picture.unit, picture.ceiling
    )


def _row(it: ScoreView) -> tuple[str, ...]:
    return (
        str(it.horizon),
        it.of,
        it.way,
        str(it.targets),
        str(it.stretches),
        percent(it.wape),
        percent(it.bias, signed=True),
        percent(it.cover),
        percent(it.cover_all),
    )


def percent(share: float | None, *, signed: bool = False) -> str:
    """Show a share in percent; a dash for none."""
    if share is None:
        return "-"
    return f"{share * 100:+.1f}%" if signed else f"{share * 100:.1f}%"


def learned_words(learned: LearnedView) -> str:
    """Say in words what a model found in a past, and what it did not."""
    fading = (
        "the past does not fade"
        if learned.half_life_days is None
        else f"half the weight after {learned.half_life_days:.0f} days"
    )
    return ", ".join(
        [
            "a trend" if learned.trend else "no trend",
            " and ".join(it.replace("_", " ") for it in learned.month)
            or "no place in the month",
            fading,
        ]
    )


def width() -> int:
    """Give how wide lines may be."""
    return min(shutil.get_terminal_size((80, 24)).columns, WIDEST)


def must_be(value: int, flag: str, least: int, most: int) -> int:
    """Refuse a number that is out of bounds.

    Raises:
        UsageProblem: it is.
    """
    if not least <= value <= most:
        raise UsageProblem(f"{flag} is {least} to {most}, not {value}.")
    return value


def write_plots(path: Path, pictures: Sequence[Picture]) -> None:
    """Write a plot a file; further ones get a number before the suffix.

    Raises:
        UsageProblem: a file cannot be written.
    """
    for number, picture in enumerate(pictures):
        name = path if not number else path.with_stem(f"{path.stem}-{number + 1}")
        try:
            name.write_text(svg(picture), "utf-8")
        except OSError as error:
            raise UsageProblem(f"{name}: {error.strerror or error}.") from error
