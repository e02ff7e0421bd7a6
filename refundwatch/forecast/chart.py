"""Draws bands over days, as SVG and in characters: no library, no fonts of its own.

Invariant: text from outside is escaped; the same numbers give the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH: Final = 720
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 30, 34
_TICKS: Final = 4
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#334}.a{fill:#9ec5e8;fill-opacity:.55}"
    ".m{fill:none;stroke:#1c5d99;stroke-width:1.6}.x{stroke:#ccd;stroke-width:.6}"
    ".r{fill:none;stroke:#c2410c;stroke-width:1.6}"
    ".n{fill:none;stroke:#888;stroke-width:1;stroke-dasharray:4 3}"
)


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the axis; what is None is not drawn there."""

    label: str
    low: float
    middle: float
    high: float
    actual: float | None = None
    naive: float | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn, and its words; `unit` divides every number."""

    title: str
    points: Sequence[Point]
    unit: float = 1.0
    ceiling: float | None = None
    """Where the axis ends: one heavy day would press all others flat."""


def svg(picture: Picture) -> str:
    """Draw a band with its middle, and what came beside it."""
    points, top = picture.points, _top(picture)
    step = (WIDTH - _LEFT - _RIGHT) / max(len(points) - 1, 1)

    def place(at: int, value: float) -> str:
        share = min(max(value, 0.0) / top, 1.0)
        y = HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)
        return f"{_LEFT + at * step:.0f},{y:.0f}"

    band = [place(at, it.high) for at, it in enumerate(points)]
    band += [place(at, it.low) for at, it in reversed(list(enumerate(points)))]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18">{escape(picture.title)}</text>',
        *_grid(picture, top),
        f'<polygon class="a" points="{" ".join(band)}"/>',
        _line("n", points, place, lambda it: it.naive),
        _line("m", points, place, lambda it: it.middle),
        _line("r", points, place, lambda it: it.actual),
        "</svg>",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _line(
    style: str,
    points: Sequence[Point],
    place: Callable[[int, float], str],
    value: Callable[[Point], float | None],
) -> str:
    spots = [
        place(at, found)
        for at, it in enumerate(points)
        if (found := value(it)) is not None
    ]
    return f'<polyline class="{style}" points="{" ".join(spots)}"/>' if spots else ""


def _grid(picture: Picture, top: float) -> list[str]:
    lines = []
    for tick in range(_TICKS + 1):
        y = HEIGHT - _BOTTOM - tick / _TICKS * (HEIGHT - _TOP - _BOTTOM)
        words = short_number(top * tick / _TICKS / picture.unit)
        lines += [
            f'<path class="x" d="M{_LEFT} {y:.0f}H{WIDTH - _RIGHT}"/>',
            f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{words}</text>',
        ]
    points = picture.points
    step = (WIDTH - _LEFT - _RIGHT) / max(len(points) - 1, 1)
    for at in range(0, len(points), max(len(points) // 6, 1)):
        x = _LEFT + at * step
        lines.append(
            f'<text x="{x:.0f}" y="{HEIGHT - 12}" text-anchor="middle">'
            f"{escape(points[at].label)}</text>"
        )
    return lines


def _top(picture: Picture) -> float:
    highest = max(
        (max(it.high, it.actual or 0.0, it.middle) for it in picture.points),
        default=1.0,
    )
    if picture.ceiling is not None:
        highest = min(highest, picture.ceiling)
    return _round_up(max(highest, 1e-9))


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)


def short_number(value: float) -> str:
    """Write a number in few characters: 950, 12k, 3.4M."""
    for least, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= least:
            return f"{value / (1e3 if letter == 'k' else least):.3g}{letter}"
    return f"{value:.0f}"


def bars(picture: Picture, width: int) -> list[str]:
    """Draw a line for each point: `-` from P10 to P90, `|` P50, `o` what came."""
    top = _top(picture)
    labels = max((len(it.label) for it in picture.points), default=0)
    room = max(width - labels - 10, 10)

    def column(value: float) -> int:
        return round(min(value / top, 1.0) * (room - 1))

    lines = []
    for it in picture.points:
        low, middle, high = map(column, (it.low, it.middle, it.high))
        cells = [" "] * room
        cells[: high + 1] = "-" * (high + 1)
        cells[:low] = " " * low
        if it.high <= 0:
            cells[0] = " "
        else:
            cells[middle] = "|"
        if it.actual is not None:
            cells[column(it.actual)] = "o" if it.actual <= top else ">"
        amount = short_number(it.middle / picture.unit)
        lines.append(f"{it.label:<{labels}} {amount:>7} {''.join(cells).rstrip()}")
    return lines
