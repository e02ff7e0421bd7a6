"""`python -m tests.simulation`: run seeds, count what happened, say what broke."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING

from tests.simulation.play import play
from tests.simulation.rules import INVARIANTS
from tests.simulation.tally import FAULTS, Tally

if TYPE_CHECKING:
    from tests.simulation.play import Report


def run_many(first: int, count: int, jobs: int) -> tuple[Tally, list[Report]]:
    """Run seeds on several processes; return the counts and the broken seeds."""
    total, broken = Tally(), []
    seeds = range(first, first + count)
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for report in pool.imap_unordered(play, seeds, chunksize=10):
            total.add(report.tally)
            if report.broken:
                broken.append(report)
    return total, sorted(broken, key=lambda report: report.seed)


def main() -> int:
    """Run; exit 1 when an invariant broke, or a fault or a check never happened."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="one seed, with its whole story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return _tell(chosen.seed)
    begun = time.perf_counter()
    total, broken = run_many(chosen.first, chosen.seeds, chosen.jobs)
    _print(total, chosen.seeds, time.perf_counter() - begun)
    for report in broken[:10]:
        print(report.text())
    missing = total.never_fired() + total.never_checked(INVARIANTS)
    for name in missing:
        print(f"NEVER HAPPENED: {name}")
    print(f"{len(broken)} of {chosen.seeds} seeds broke an invariant")
    return 1 if broken or missing else 0


def _tell(seed: int) -> int:
    report = play(seed)
    print("\n".join(report.story))
    print(report.text())
    return 1 if report.broken else 0


def _print(total: Tally, seeds: int, seconds: float) -> None:
    for code, names in FAULTS.items():
        for name in names:
            print(f"{code:<5}{name:<34}{total.faults[name]:>9}")
    for name in INVARIANTS:
        print(f"{name:<39}{total.checks[name]:>9} checks")
    print(f"{seeds} seeds, {seeds / seconds:.1f} seeds/s, {total.steps} steps")


if __name__ == "__main__":
    sys.exit(main())
