"""What one seed stands for: who asks for what, where, and what goes wrong meanwhile.

Each part of the world draws from a generator of its own, so that a change in one part
leaves the draws of the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from refundwatch.sandbox.faults import FaultProfile
from tests.simulation.gateways import KNOWN
from tests.simulation.tally import FAULTS

GATEWAYS: Final = tuple(
    name for name, known in KNOWN.items() for _ in range(known.weight)
)
SEALED_EVERY: Final = 11
LOST_EVERY: Final = 13
"""One seed of so many signs its log, or loses its end: both cost time."""

LOSSES: Final = (*FAULTS["F22"], "backup restored", "backup restored")
NEIGHBOUR: Final = "stripe-quiet"
"""An account beside the one in trouble, at which nothing ever goes wrong."""

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR

# How likely each fault is where a seed takes it at all: few seeds have all of them.
_REQUEST: Final = {
    "refused": 0.08,
    "dropped_before": 0.15,
    "dropped_after": 0.2,
    "executed_late": 0.2,
    "held_in_flight": 0.1,
    "reset_after": 0.1,
    "truncated": 0.05,
    "garbled": 0.05,
    "error_before": 0.1,
    "error_after": 0.1,
    "stored_error": 0.05,
    "rate_limited": 0.1,
    "unavailable": 0.1,
    "key_store_down": 0.05,
    "token_expired": 0.05,
}
_OTHER: Final = {
    "read_trouble": 0.2,
    "wrong_amount": 0.1,
    "unknown_status": 0.08,
    "sparse_answer": 0.1,
    "refusal": 0.1,
    "pending_first": 0.3,
    "needs_action": 0.05,
    "fails_late": 0.1,
    "bounces": 0.15,
    "lookup_lags": 0.5,
    "webhook_silent": 0.3,
    "webhook_slow": 0.3,
    "webhook_duplicated": 0.3,
    "webhook_reordered": 0.3,
    "webhook_forged": 0.2,
    "webhook_unknown": 0.1,
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a returns system."""

    at: float
    request_id: str
    payment: str
    amount_minor: int
    repeats: int
    other_body: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The draws that shape a run; times in seconds."""

    seed: int
    account: str
    gateway: str
    variant: int
    paths: int
    payments: tuple[tuple[str, int], ...]
    asks: tuple[Ask, ...]
    profile: FaultProfile
    trouble_seconds: float
    crashes: int
    power: bool
    cancels: int
    clock: bool
    stalls: float
    slow_path: float
    storms: bool
    lies: float
    forgets: bool
    outside: int
    planted: bool
    lost_answers: float
    alters: float
    quiet: bool
    neighbour: bool
    slow_disk: bool
    seals: bool
    loss: str | None

    @property
    def currency(self) -> str:
        """Give the currency of every payment of the account."""
        return KNOWN[self.gateway].currency

    def dice(self, part: str) -> Random:
        """Give the generator of one part of the world."""
        return Random(f"{self.seed}/{part}")


def _profile(rng: Random, gateway: str) -> FaultProfile:
    appetite = rng.choice((0.0, 0.15, 0.3, 0.6))
    values = {
        name: chance for name, chance in _REQUEST.items() if rng.random() < appetite
    }
    total = sum(values.values())
    if total > 0.9:
        values = {name: value * 0.9 / total for name, value in values.items()}
    values |= {
        name: chance for name, chance in _OTHER.items() if rng.random() < appetite
    }
    # A bounce that no webhook tells of is found by settlement, which is not here yet.
    if values.get("webhook_silent"):
        values.pop("bounces", None)
    for name in KNOWN[gateway].senseless:
        values.pop(name, None)
    return FaultProfile(
        **values,
        latency_seconds=rng.choice((0.05, 0.3, 2.0)),
        latency_spread=0.8,
        lag_seconds=rng.choice((20.0, 200.0)),
        slow_webhook_seconds=rng.choice((120.0, HOUR, 2 * DAY)),
        webhook_seconds=rng.choice((0.02, 0.5, 5.0)),
        pending_seconds=rng.choice((60.0, 2 * HOUR)),
        bounce_seconds=rng.choice((120.0, 6 * HOUR)),
    )


def _asks(rng: Random, payments: tuple[tuple[str, int], ...]) -> tuple[Ask, ...]:
    asks = []
    # Batches come at one moment, people's requests over minutes.
    spread = rng.choice((0.0, 1.0, 30.0, 300.0))
    for number in range(rng.randint(2, 5)):
        reference, captured = rng.choice(payments)
        share = rng.choice((0.05, 0.3, 0.6, 0.6, 1.0))
        asks.append(
            Ask(
                at=rng.uniform(0, spread),
                request_id=f"r-{number}",
                payment=reference,
                amount_minor=max(int(captured * share), 1),
                repeats=rng.choice((0, 0, 1, 3)),
                other_body=rng.random() < 0.1,
            )
        )
    return tuple(asks)


def plan_of(seed: int, gateways: tuple[str, ...] = GATEWAYS) -> Plan:
    """Draw the plan of a seed, at one of these gateways."""
    rng = Random(f"{seed}/plan")
    gateway = rng.choice(gateways)
    known = KNOWN[gateway]
    payments = tuple(
        (known.reference(seed, number), rng.choice((900, 4_000, 20_000)))
        for number in range(rng.randint(1, 3))
    )
    quiet = rng.random() < 0.1
    profile = FaultProfile(latency_seconds=0.1) if quiet else _profile(rng, gateway)

    def some(chance: float) -> bool:
        return not quiet and rng.random() < chance

    loss = Random(f"{seed}/loss").choice(LOSSES) if seed % LOST_EVERY == 9 else None
    return Plan(
        seed=seed,
        account=f"{gateway}-eu",
        gateway=gateway,
        variant=Random(f"{seed}/variant").randrange(len(known.variants)),
        paths=rng.choice((1, 1, 2)),
        payments=payments,
        asks=_asks(rng, payments),
        profile=profile,
        trouble_seconds=rng.choice((240.0, 900.0, 2 * HOUR, 2 * DAY)),
        crashes=rng.choice((0, 1, 2, 4)) if some(0.7) else 0,
        power=some(0.3),
        cancels=rng.choice((1, 3)) if some(0.3) else 0,
        clock=some(0.25),
        stalls=0.5 if some(0.2) else 0.0,
        slow_path=0.3 if some(0.25) else 0.0,
        storms=some(0.2),
        lies=0.3 if some(0.1) else 0.0,
        forgets=some(0.1),
        # As a bounce: what no webhook tells of is found by settlement.
        outside=rng.choice((1, 2)) if some(0.25) and not profile.webhook_silent else 0,
        planted=some(0.05),
        lost_answers=0.3 if some(0.3) else 0.0,
        alters=0.5 if some(0.1) else 0.0,
        quiet=quiet,
        neighbour=rng.random() < 0.15,
        slow_disk=some(0.3),
        seals=loss is not None or seed % SEALED_EVERY == 9,
        loss=loss,
    )
