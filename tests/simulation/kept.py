"""Seeds that once broke an invariant, and what was wrong; they are played for ever."""

from __future__ import annotations

from typing import Final

KEPT: Final[dict[int, str]] = {
    6: "as 46, over two refunds that others made",
    46: "a stranger's refund was booked by a read, and again by its webhook",
    189: "a doubt of a frozen payment waited for its key to die, up to 45 days",
    3279: "a clock that was ahead put the poll of an acceptance years ahead",
    14539: "another amount, booked as a stranger's, stood twice once it was adopted",
    18697: "two refunds with each other's references could not be put right by people",
}
