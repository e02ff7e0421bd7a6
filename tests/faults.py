"""A table of the faults that were injected into real processes, and what they cost.

A test reports each fault it saw fire; the closing lines of the session show the table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fired:
    """One fault: its number and words, how often it fired, and what was lost by it."""

    code: str
    what: str
    times: int
    lost: int
    paid_twice: int


class FaultTable:
    """What a session injected; a fault that never fired fails its test."""

    def __init__(self) -> None:
        self.rows: list[Fired] = []

    def add(
        self, code: str, what: str, times: int, *, lost: int = 0, paid_twice: int = 0
    ) -> None:
        """Report a fault that fired `times` times."""
        assert times > 0, f"{code} ({what}) never fired"
        self.rows.append(Fired(code, what, times, lost, paid_twice))
        assert lost == 0, f"{code} ({what}): {lost} refunds lost"
        assert paid_twice == 0, f"{code} ({what}): {paid_twice} paid twice"

    def lines(self) -> list[str]:
        """Return the table as text."""
        width = max((len(row.what) for row in self.rows), default=0)
        head = f"{'fault':<6}{'what':<{width + 2}}{'fired':>7}{'lost':>6}{'twice':>7}"
        ordered = sorted(self.rows, key=lambda row: (int(row.code[1:]), row.what))
        return [head] + [
            f"{row.code:<6}{row.what:<{width + 2}}"
            f"{row.times:>7}{row.lost:>6}{row.paid_twice:>7}"
            for row in ordered
        ]
