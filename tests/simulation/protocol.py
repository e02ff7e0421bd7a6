"""The protocol as the facts state it, apart from the product that is judged by it."""

from __future__ import annotations

from typing import Final

INVARIANTS: Final = (
    *(f"S{number}" for number in range(1, 21)),
    *(f"L{number}" for number in range(1, 6)),
)

MOVES: Final[dict[str, frozenset[str]]] = {
    "awaiting_approval": frozenset(
        {"awaiting_approval", "queued", "held", "refused", "expired", "cancelled"}
    ),
    "held": frozenset({"awaiting_approval", "queued", "expired", "cancelled"}),
    "queued": frozenset({"sending", "held", "awaiting_approval", "cancelled"}),
    "sending": frozenset(
        {"queued", "pending", "succeeded", "declined", "unknown", "review"}
    ),
    "unknown": frozenset(
        {"sending", "queued", "pending", "succeeded", "declined", "review"}
    ),
    "pending": frozenset({"succeeded", "declined", "review"}),
    "succeeded": frozenset({"settled", "reversed", "review"}),
    "settled": frozenset({"reversed", "review"}),
    "review": frozenset({"succeeded", "declined", "reversed", "queued"}),
    "declined": frozenset(),
    "reversed": frozenset(),
    "refused": frozenset(),
    "expired": frozenset(),
    "cancelled": frozenset(),
}
TERMINAL: Final = frozenset(
    {
        "succeeded",
        "settled",
        "declined",
        "reversed",
        "refused",
        "expired",
        "cancelled",
    }
)
NEGATIVE: Final = frozenset(
    f"refund:attempt:{word}"
    for word in ("not_executed", "unanswered", "declined", "refused_in_doubt")
)
"""Conclusions about an attempt that count only for the attempt they speak of."""

ONE_BELOW: Final = 1_000
TWO_FROM: Final = 5_000
STOP_SECONDS: Final = 25.0
