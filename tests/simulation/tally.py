"""What a run injected and what it checked; a fault that never fired fails the run.

A fault is one line of `FAULTS`: its number, its words. Whoever injects one counts it
under these words. A later fault needs its line here and whoever injects it.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

FAULTS: Final[dict[str, tuple[str, ...]]] = {
    "F1": (
        "crash at an await",
        "crash at begin",
        "crash before commit",
        "crash after commit",
        "crash before send",
        "crash after send",
        "crash before 2xx",
    ),
    "F3": ("power lost", "power lost while committing"),
    "F7": ("job cancelled", "request cancelled", "delivery cancelled"),
    "F8": ("clock jumped ahead", "clock jumped back", "suspended", "worker stalled"),
    "F9": (
        "timeout before execution",
        "timeout after execution",
        "executed after our timeout",
        "slow path",
        "answer cut off",
    ),
    "F12": ("429", "503", "refused credentials", "maintenance"),
    "F13": (
        "wrong amount",
        "wrong currency",
        "wrong payment",
        "another's refund",
        "unknown status",
        "wrong amount executed",
    ),
    "F14": ("look-up lags", "look-up fails", "list paged"),
    "F15": (
        "key forgotten early",
        "stored 500",
        "409 in flight",
        "key per endpoint",
    ),
    "F16": (
        "delivery duplicated",
        "delivery reordered",
        "delivery delayed",
        "delivery never sent",
        "delivery forged",
        "delivery altered",
        "delivery before the response",
        "delivery after the end",
        "delivery of an unknown refund",
        "answer to a delivery lost",
    ),
    "F22": (
        "backup restored",
        "log truncated",
        "log entry changed",
        "checkpoint file lost",
    ),
}

OF_THE_DICE: Final[dict[str, str]] = {
    "dropped_before": "timeout before execution",
    "dropped_after": "timeout after execution",
    "executed_late": "executed after our timeout",
    "reset_after": "answer cut off",
    "truncated": "answer cut off",
    "garbled": "answer cut off",
    "rate_limited": "429",
    "unavailable": "503",
    "wrong_amount": "wrong amount",
    "unknown_status": "unknown status",
    "lookup_lags": "look-up lags",
    "read_trouble": "look-up fails",
    "stored_error": "stored 500",
    "error_after": "stored 500",
    "held_in_flight": "409 in flight",
    "webhook_duplicated": "delivery duplicated",
    "webhook_reordered": "delivery reordered",
    "webhook_slow": "delivery delayed",
    "webhook_silent": "delivery never sent",
    "webhook_forged": "delivery forged",
}
"""The names under which the gateways' own dice count, in our words."""

NAMES: Final = {name: code for code, names in FAULTS.items() for name in names}


class Tally:
    """Counts of one run; runs add up."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.steps = 0
        self.seconds = 0.0

    def fired(self, name: str, times: int = 1) -> None:
        """Count a fault that took effect."""
        assert name in NAMES, name
        self.faults[name] += times

    def checked(self, invariant: str, times: int = 1) -> None:
        """Count a check of an invariant."""
        self.checks[invariant] += times

    def dice(self, counts: Counter[str]) -> None:
        """Take over what a gateway's own dice counted."""
        for name, times in counts.items():
            if name in OF_THE_DICE:
                self.fired(OF_THE_DICE[name], times)

    def add(self, other: Tally) -> None:
        """Add the counts of another run."""
        self.faults += other.faults
        self.checks += other.checks
        self.steps += other.steps
        self.seconds += other.seconds

    def never_fired(self) -> list[str]:
        """Name the faults that never fired."""
        return [name for name in NAMES if not self.faults[name]]

    def never_checked(self, invariants: tuple[str, ...]) -> list[str]:
        """Name the invariants that were never checked."""
        return [name for name in invariants if not self.checks[name]]
