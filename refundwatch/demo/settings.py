"""What a demo run is asked for.

Invariant: the same seed asks for the same refunds in the same order.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final

from refundwatch.demo.accounts import EVERY

PROFILES: Final = ("none", "rough", "hostile")
DRAIN_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """One run: `rate` requests a second for `seconds` (None: until one leaves).

    `accounts` names those of `refundwatch.demo.accounts` that take part.
    """

    headless: bool
    seconds: float | None
    rate: float
    seed: int
    faults: str
    time_scale: float
    keep: str | None
    accounts: tuple[str, ...] = tuple(EVERY)


def parse(argv: list[str], *, terminal: bool) -> DemoSettings:
    """Read the flags; without a terminal the run is headless and 60 s long."""
    parser = argparse.ArgumentParser(
        prog="refundwatch demo",
        description="Run sandbox, daemon and dashboard with throwaway data.",
    )
    parser.add_argument(
        "--headless", action="store_true", help="no dashboard; end with a report"
    )
    parser.add_argument("--seconds", type=_positive, help="how long to ask for refunds")
    parser.add_argument("--rate", type=_positive, default=5.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=7, help="seed of every draw")
    parser.add_argument("--faults", choices=PROFILES, default="rough")
    parser.add_argument(
        "--time-scale",
        type=_positive,
        default=0.05,
        help="multiply the gateways' and look-ups' delays (default 0.05)",
    )
    parser.add_argument(
        "--accounts",
        nargs="+",
        choices=tuple(EVERY),
        default=tuple(EVERY),
        metavar="ACCOUNT",
        help="leave the others out: " + ", ".join(EVERY),
    )
    parser.add_argument("--keep", metavar="FOLDER", help="keep the data there")
    given = parser.parse_args(argv)
    headless = given.headless or not terminal
    return DemoSettings(
        headless=headless,
        seconds=given.seconds or (60.0 if headless else None),
        rate=given.rate,
        seed=given.seed,
        faults=given.faults,
        time_scale=given.time_scale,
        keep=given.keep,
        accounts=tuple(given.accounts),
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1_000_000:  # noqa: PLR2004 - beyond any use
        raise argparse.ArgumentTypeError("must be above zero")
    return value
