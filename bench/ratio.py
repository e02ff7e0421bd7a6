"""Ratios of numbers that were taken in the same rounds, side by side.

The machine's cores are shared and its disk has two speeds, so a number by itself says
nothing. Every variant runs once in each round, in turn; a ratio is taken within its
round, and the table shows the median, the least and the greatest of the rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the closing table.

    `measured` and `beside` say what stands over and under the ratio, each with its own
    median; `reach` is the figure aimed at, and `holds` says whether the median ratio
    reaches it.
    """

    table: str
    measured: str
    beside: str
    ratios: tuple[float, ...]
    reach: str
    holds: bool
    note: str = ""

    @property
    def middle(self) -> float:
        """Return the median ratio."""
        return median(self.ratios)


def interleaved(
    variants: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Run every variant once in each round, in turn; return what each gave by round."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        order = list(variants) if number % 2 == 0 else list(variants)[::-1]
        for name in order:
            taken[name].append(variants[name]())
    return taken


def at_least(
    table: str,
    measured: tuple[str, Sequence[float]],
    beside: tuple[str, Sequence[float]],
    reach: float,
    note: str = "",
) -> Row:
    """Compare by round; good when the median ratio is `reach` or more."""
    row = _row(table, measured, beside, note)
    return replace(row, reach=f"≥ {reach:g}", holds=row.middle >= reach)


def at_most(
    table: str,
    measured: tuple[str, Sequence[float]],
    beside: tuple[str, Sequence[float]],
    reach: float,
    note: str = "",
) -> Row:
    """Compare by round; good when the median ratio is `reach` or less."""
    row = _row(table, measured, beside, note)
    return replace(row, reach=f"≤ {reach:g}", holds=row.middle <= reach)


def _row(
    table: str,
    measured: tuple[str, Sequence[float]],
    beside: tuple[str, Sequence[float]],
    note: str,
) -> Row:
    ratios = tuple(
        above / under for above, under in zip(measured[1], beside[1], strict=True)
    )
    return Row(
        table=table,
        measured=f"{measured[0]}: {_short(median(measured[1]))}",
        beside=f"{beside[0]}: {_short(median(beside[1]))}",
        ratios=ratios,
        reach="",
        holds=False,
        note=note,
    )


def _short(value: float) -> str:
    if value >= 100:  # noqa: PLR2004 - three digits say enough
        return f"{value:,.0f}"
    return f"{value:.3g}"


def markdown(rows: Sequence[Row]) -> str:
    """Return the closing table."""
    lines = [
        "| table | measured (median) | beside (median) | ratio | spread | reach | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        verdict = "reached" if row.holds else "**falls short**"
        spread = f"{_short(min(row.ratios))} to {_short(max(row.ratios))}"
        note = f"; {row.note}" if row.note else ""
        lines.append(
            f"| {row.table} | {row.measured} | {row.beside} | {_short(row.middle)} "
            f"| {spread} | {row.reach} | {verdict}{note} |"
        )
    return "\n".join(lines)
