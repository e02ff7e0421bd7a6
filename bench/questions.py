"""The dashboard's questions with ten thousand, a million and ten million refunds.

State counts, and the three numbers over 24 hours, for a year of refunds each: the
largest has a thousand times as many in every hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bench.asking import Databases
from bench.filling import AT
from bench.ratio import Row, at_most, interleaved
from refundwatch.store.contract import CountStates, GetNumbers

SIZES: Final = (10_000, 1_000_000, 10_000_000)
FEW: Final = (10_000, 20_000)
DAY: Final = 86_400
ROUNDS: Final = 21


def run(short: bool) -> list[Row]:  # noqa: FBT001 - one question of every table
    """Ask every database in turn."""
    sizes = FEW if short else SIZES
    with Databases(sizes) as databases:
        return [
            row
            for name in ("state counts", "three numbers, 24 h")
            for row in _rows(databases, name, sizes, 3 if short else ROUNDS)
        ]


def _rows(
    databases: Databases, name: str, sizes: tuple[int, ...], rounds: int
) -> list[Row]:
    moments = iter(range(10 * rounds * len(sizes)))

    def ask(size: int) -> float:
        if name == "state counts":
            return databases.ask(size, CountStates())[0]
        # A dashboard asks again a moment later.
        at = AT + timedelta(milliseconds=100 * next(moments))
        return databases.ask(size, GetNumbers(at, DAY))[0]

    for size in sizes:
        for _ in range(2):
            ask(size)
    variants = {str(size): (lambda size=size: ask(size)) for size in sizes}
    taken = interleaved(variants, rounds)
    smallest, *larger = sizes
    beside = (f"at {smallest:,}, ms", taken[str(smallest)])
    return [
        at_most(f"{name}", (f"at {size:,}, ms", taken[str(size)]), beside, 2)
        for size in larger
    ]
