"""`python -m tests.simulation`: run seeds, count what happened, say what broke."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.simulation.gateways import KNOWN
from tests.simulation.kept import FIRST_GATEWAYS
from tests.simulation.mutants import MUTANTS, play_mutant
from tests.simulation.plan import GATEWAYS
from tests.simulation.play import play
from tests.simulation.protocol import INVARIANTS
from tests.simulation.tally import FAULTS, Tally

if TYPE_CHECKING:
    from tests.simulation.play import Report


REPLAYED_EVERY: Final = 200
"""One seed of so many is played a second time: it must tell the same story (S20)."""


COVERED_FROM: Final = 2_000
"""From so many seeds on, every fault must have fired and every rule been checked.

The rarest fault falls upon one seed in about a hundred (`docs/proof.md`): a shorter
run says what it missed, and judges only what it saw.
"""

STORIES: Final = 5
"""So many broken seeds are told whole; the others are named."""


def run_many(
    first: int, count: int, jobs: int, gateways: tuple[str, ...] = GATEWAYS
) -> tuple[Tally, list[Report]]:
    """Run seeds on several processes; return the counts and the broken seeds."""
    total, broken = Tally(), []
    seeds = range(first, first + count)
    played = partial(play, gateways=gateways)
    told: dict[int, str] = dict.fromkeys(seeds[::REPLAYED_EVERY], "")
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for report in pool.imap_unordered(played, seeds, chunksize=10):
            total.add(report.tally)
            if report.seed in told:
                told[report.seed] = report.trace_hash
            if report.broken:
                broken.append(report)
        for report in pool.imap_unordered(played, told):
            total.checked("S20")
            if report.trace_hash != told[report.seed]:
                report.broken, report.what = "S20", "it told another story before"
                broken.append(report)
    return total, sorted(broken, key=lambda report: report.seed)


def main() -> int:
    """Run; exit 1 when an invariant broke, or a long run missed a fault or a check."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="one seed, with its whole story")
    parser.add_argument(
        "--gateway",
        choices=(*KNOWN, "first"),
        help="play this one alone; first: Stripe, PayPal and Adyen",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--mutants", action="store_true", help="switch on one bug after another"
    )
    chosen = parser.parse_args()
    gateways = _gateways(chosen.gateway)
    if chosen.seed is not None:
        return _tell(chosen.seed, gateways)
    if chosen.mutants:
        return _find_mutants(chosen.first, chosen.seeds, chosen.jobs)
    begun = time.perf_counter()
    total, broken = run_many(chosen.first, chosen.seeds, chosen.jobs, gateways)
    _print(total, chosen.seeds, time.perf_counter() - begun)
    for report in broken[:STORIES]:
        print(report.text())
    for report in broken[STORIES:]:
        print(f"seed {report.seed}: {report.broken} is broken: {report.what[:100]}")
    # What one gateway cannot do, another does.
    missing = [] if chosen.gateway in KNOWN else total.never_fired()
    missing += total.never_checked(INVARIANTS)
    for name in missing:
        print(f"NEVER HAPPENED: {name}")
    print(f"{len(broken)} of {chosen.seeds} seeds broke an invariant")
    return 1 if broken or (missing and chosen.seeds >= COVERED_FROM) else 0


def _gateways(chosen: str | None) -> tuple[str, ...]:
    if chosen == "first":
        return FIRST_GATEWAYS
    return GATEWAYS if chosen is None else (chosen,)


def _tell(seed: int, gateways: tuple[str, ...]) -> int:
    report = play(seed, gateways)
    print("\n".join(report.story))
    print(report.text())
    return 1 if report.broken else 0


def _find_mutants(first: int, count: int, jobs: int) -> int:
    """Say which seed finds each bug, and by what; exit 1 when one stays hidden."""
    hidden = 0
    for name in MUTANTS:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            # In order, so that the seed that is named is the first.
            works = [(name, seed) for seed in range(first, first + count)]
            found = next(
                (it for it in pool.imap(play_mutant, works) if it.broken), None
            )
            pool.terminate()
        if found is None:
            hidden += 1
            print(f"{name:<40} NOT FOUND in {count} seeds")
        else:
            print(f"{name:<40} seed {found.seed:<6}{found.broken}: {found.what[:90]}")
    return 1 if hidden else 0


def _print(total: Tally, seeds: int, seconds: float) -> None:
    for code, names in FAULTS.items():
        for name in names:
            print(f"{code:<5}{name:<34}{total.faults[name]:>9}")
    for name in INVARIANTS:
        print(f"{name:<39}{total.checks[name]:>9} checks")
    print(f"{seeds} seeds, {seeds / seconds:.1f} seeds/s, {total.steps} steps")


if __name__ == "__main__":
    sys.exit(main())
