"""Fault profiles and the dice that draw from them.

Invariant: every draw comes from the one seeded generator given in, and every fault
that fires is counted, so that a run can show what it was really exposed to.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from random import Random
from typing import Self


class Fault(StrEnum):
    """Name each fault; the value is also its field in a profile."""

    REFUSED = "refused"
    DROPPED_BEFORE = "dropped_before"
    DROPPED_AFTER = "dropped_after"
    EXECUTED_LATE = "executed_late"
    HELD_IN_FLIGHT = "held_in_flight"
    RESET_AFTER = "reset_after"
    TRUNCATED = "truncated"
    GARBLED = "garbled"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    STORED_ERROR = "stored_error"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    KEY_STORE_DOWN = "key_store_down"
    READ_TROUBLE = "read_trouble"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - the name of a fault
    WRONG_AMOUNT = "wrong_amount"
    UNKNOWN_STATUS = "unknown_status"
    SPARSE_ANSWER = "sparse_answer"
    REFUSAL = "refusal"
    PENDING_FIRST = "pending_first"
    NEEDS_ACTION = "needs_action"
    FAILS_LATE = "fails_late"
    BOUNCES = "bounces"
    LOOKUP_LAGS = "lookup_lags"
    WEBHOOK_SILENT = "webhook_silent"
    WEBHOOK_SLOW = "webhook_slow"
    WEBHOOK_DUPLICATED = "webhook_duplicated"
    WEBHOOK_REORDERED = "webhook_reordered"
    WEBHOOK_FORGED = "webhook_forged"
    WEBHOOK_UNKNOWN = "webhook_unknown"


# At most one of these strikes a request that moves money.
REQUEST_FAULTS = (
    Fault.REFUSED,
    Fault.DROPPED_BEFORE,
    Fault.DROPPED_AFTER,
    Fault.EXECUTED_LATE,
    Fault.HELD_IN_FLIGHT,
    Fault.RESET_AFTER,
    Fault.TRUNCATED,
    Fault.GARBLED,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
    Fault.STORED_ERROR,
    Fault.RATE_LIMITED,
    Fault.UNAVAILABLE,
    Fault.KEY_STORE_DOWN,
    Fault.TOKEN_EXPIRED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultProfile:
    """Hold probabilities (0 to 1) and waits in seconds, before the time scale."""

    refused: float = 0.0
    dropped_before: float = 0.0
    dropped_after: float = 0.0
    executed_late: float = 0.0
    held_in_flight: float = 0.0
    reset_after: float = 0.0
    truncated: float = 0.0
    garbled: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    stored_error: float = 0.0
    rate_limited: float = 0.0
    unavailable: float = 0.0
    key_store_down: float = 0.0
    read_trouble: float = 0.0
    token_expired: float = 0.0
    wrong_amount: float = 0.0
    unknown_status: float = 0.0
    sparse_answer: float = 0.0
    refusal: float = 0.0
    pending_first: float = 0.0
    needs_action: float = 0.0
    fails_late: float = 0.0
    bounces: float = 0.0
    lookup_lags: float = 0.0
    webhook_silent: float = 0.0
    webhook_slow: float = 0.0
    webhook_duplicated: float = 0.0
    webhook_reordered: float = 0.0
    webhook_forged: float = 0.0
    webhook_unknown: float = 0.0
    latency_seconds: float = 0.0
    latency_spread: float = 0.0
    hang_seconds: float = 30.0
    late_seconds: float = 45.0
    lag_seconds: float = 20.0
    webhook_seconds: float = 0.5
    slow_webhook_seconds: float = 120.0
    settle_seconds: float = 2.0
    pending_seconds: float = 60.0
    bounce_seconds: float = 120.0

    def __post_init__(self) -> None:
        """Refuse what no draw could mean.

        Raises: ValueError naming the field.
        """
        probabilities = {fault.value for fault in Fault}
        for field in fields(self):
            value = getattr(self, field.name)
            top = 1.0 if field.name in probabilities else math.inf
            if not 0.0 <= value <= top:
                message = f"{field.name} = {value} is outside 0 to {top}"
                raise ValueError(message)
        if sum(getattr(self, fault) for fault in REQUEST_FAULTS) > 1.0:
            message = "the faults of a request add up to more than 1"
            raise ValueError(message)

    def overridden(self, values: Mapping[str, float]) -> Self:
        """Return a copy with some fields replaced.

        Raises: ValueError naming a field that does not exist or is out of range.
        """
        known = {field.name for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                message = f"{name} is not a field of a fault profile"
                raise ValueError(message)
            if isinstance(value, bool) or not isinstance(value, int | float):
                message = f"{name} must be a number"
                raise ValueError(message)  # noqa: TRY004 - one class for callers
        return replace(self, **{name: float(value) for name, value in values.items()})


# Refusals, late failures and bounces stay below the five in a hundred that a healthy
# run may lose; what can only end with people stays far below one in a hundred.
PROFILES: Mapping[str, FaultProfile] = {
    "none": FaultProfile(),
    "rough": FaultProfile(
        refused=0.010,
        dropped_before=0.010,
        dropped_after=0.015,
        executed_late=0.010,
        held_in_flight=0.008,
        reset_after=0.005,
        truncated=0.003,
        garbled=0.003,
        error_before=0.010,
        error_after=0.008,
        rate_limited=0.010,
        unavailable=0.005,
        key_store_down=0.003,
        read_trouble=0.02,
        token_expired=0.01,
        sparse_answer=0.01,
        refusal=0.008,
        pending_first=0.10,
        needs_action=0.003,
        fails_late=0.004,
        bounces=0.004,
        lookup_lags=0.15,
        webhook_silent=0.02,
        webhook_slow=0.05,
        webhook_duplicated=0.05,
        webhook_reordered=0.05,
        latency_seconds=0.08,
        latency_spread=0.6,
    ),
    "hostile": FaultProfile(
        refused=0.020,
        dropped_before=0.025,
        dropped_after=0.035,
        executed_late=0.030,
        held_in_flight=0.020,
        reset_after=0.020,
        truncated=0.010,
        garbled=0.010,
        error_before=0.025,
        error_after=0.020,
        stored_error=0.001,
        rate_limited=0.030,
        unavailable=0.020,
        key_store_down=0.010,
        read_trouble=0.06,
        token_expired=0.03,
        wrong_amount=0.001,
        unknown_status=0.001,
        sparse_answer=0.03,
        refusal=0.008,
        pending_first=0.20,
        needs_action=0.005,
        fails_late=0.005,
        bounces=0.005,
        lookup_lags=0.35,
        webhook_silent=0.08,
        webhook_slow=0.10,
        webhook_duplicated=0.15,
        webhook_reordered=0.15,
        webhook_forged=0.03,
        webhook_unknown=0.01,
        latency_seconds=0.15,
        latency_spread=0.9,
    ),
}


class Dice:
    """Draw faults, waits and identifiers for one account, and count what fired."""

    def __init__(
        self, rng: Random, profile: FaultProfile, time_scale: float = 1.0
    ) -> None:
        """Take the generator; ``time_scale`` multiplies every wait."""
        self.rng = rng
        self.profile = profile
        self.time_scale = time_scale
        self.counts: Counter[str] = Counter()

    def rolls(self, fault: Fault) -> bool:
        """Draw one fault by its probability."""
        hit: bool = self.rng.random() < getattr(self.profile, fault)
        if hit:
            self.counts[fault] += 1
        return hit

    def request_fault(self) -> Fault | None:
        """Draw at most one of the faults that strike a request moving money."""
        point = self.rng.random()
        for fault in REQUEST_FAULTS:
            point -= getattr(self.profile, fault)
            if point < 0:
                return fault
        return None

    def count(self, fault: Fault) -> None:
        """Count a fault that took effect."""
        self.counts[fault] += 1

    def latency(self) -> float:
        """Draw the time an answer takes, in seconds."""
        median, spread = self.profile.latency_seconds, self.profile.latency_spread
        if not median:
            return 0.0
        return median * math.exp(spread * self.rng.gauss(0.0, 1.0)) * self.time_scale

    def wait(self, seconds: float) -> float:
        """Draw a wait around ``seconds``: half to one and a half times of it."""
        return seconds * self.rng.uniform(0.5, 1.5) * self.time_scale

    def text(self, alphabet: str, length: int) -> str:
        """Draw an identifier."""
        return "".join(self.rng.choices(alphabet, k=length))
