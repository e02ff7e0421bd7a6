from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from refundwatch.gateways import registry
from tests.simulation import losses
from tests.simulation.gateways import KNOWN
from tests.simulation.kept import (
    FIRST_GATEWAYS,
    KEPT,
    KEPT_ALONE,
    KEPT_AT,
    KEPT_AT_ALL,
)
from tests.simulation.mutants import MUTANTS, play_mutant
from tests.simulation.play import play
from tests.simulation.tally import FAULTS, Tally

ROOT = Path(__file__).resolve().parents[2]

# As `make mutants` prints them: the first seed that finds each.
FOUND_AT = {
    "new key on retry": 5,
    "timeout treated as declined": 33,
    "balance read, then written": 11,
    "apply() without the terminal guard": 14,
    "commits lost on power failure": 2,
    "negative conclusion without fence check": 136,
    "2xx before commit": 0,
    "event id not unique": 0,
    "signature over a re-serialised body": 73,
    "resend outside the window": 1,
    "approval not voided by edit": 21,
    "amount not compared": 124,
    "look-up by amount instead of reference": 68,
    "one of the deliveries that meet is lost": 5,
}

# The first seed at which a start meets each.
LOST_AT = {
    "backup restored": 9,
    "log truncated": 243,
    "log entry changed": 61,
    "checkpoint file lost": 126,
}


@pytest.mark.parametrize("block", range(6))
def test_whatever_goes_wrong_the_invariants_hold(block: int) -> None:
    total = Tally()
    for seed in range(block * 10, block * 10 + 10):
        report = play(seed)
        assert report.broken is None, report.text()
        total.add(report.tally)
    assert sum(total.faults.values()) > 50


@pytest.mark.parametrize("seed", KEPT, ids=str)
def test_seed_that_once_broke_an_invariant_holds(seed: int) -> None:
    report = play(seed, FIRST_GATEWAYS)

    assert report.broken is None, f"{KEPT[seed]}\n{report.text()}"


@pytest.mark.parametrize("seed", KEPT_AT_ALL, ids=str)
def test_seed_that_once_broke_one_among_all_gateways_holds(seed: int) -> None:
    report = play(seed)

    assert report.broken is None, f"{KEPT_AT_ALL[seed]}\n{report.text()}"


@pytest.mark.parametrize(("gateway", "seed"), KEPT_ALONE)
def test_seed_that_once_broke_one_at_a_gateway_holds(gateway: str, seed: int) -> None:
    report = play(seed, (gateway,))

    assert report.broken is None, f"{KEPT_ALONE[gateway, seed]}\n{report.text()}"


@pytest.mark.parametrize("gateway", KNOWN)
def test_whatever_goes_wrong_at_each_gateway_the_invariants_hold(gateway: str) -> None:
    report = play(KEPT_AT[gateway], (gateway,))

    assert report.broken is None, report.text()
    assert len(report.tally.faults) >= 8


@pytest.mark.parametrize("fault", FAULTS["F22"])
def test_start_on_another_database_is_noticed_and_pays_nothing_twice(
    fault: str,
) -> None:
    report = play(LOST_AT[fault])

    assert report.broken is None, report.text()
    assert report.tally.faults[fault]


def test_start_that_compares_nothing_is_found() -> None:
    async def blind(*_: object) -> None:
        return None

    with patch.object(losses, "holds", blind):
        report = play(LOST_AT["backup restored"])

    assert report.broken == "S10"


def test_every_gateway_that_can_be_configured_is_played() -> None:
    assert set(KNOWN) == set(registry.NAMES)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_found(name: str) -> None:
    seed = FOUND_AT[name]

    assert play_mutant((name, seed)).broken is not None
    assert play(seed).broken is None


def test_mutant_leaves_the_product_as_it_was() -> None:
    before = play(3).trace_hash
    for name in MUTANTS:
        with MUTANTS[name]():
            pass

    assert play(3).trace_hash == before


@pytest.mark.parametrize("seed", [8, 30, 73])
def test_same_seed_tells_the_same_story_in_another_process(seed: int) -> None:
    """S20, whatever the order of sets and addresses."""
    here = play(seed).trace_hash
    code = f"from tests.simulation.play import play; print(play({seed}).trace_hash)"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == here


def test_broken_seed_is_told_with_its_story() -> None:
    name = "new key on retry"
    report = play_mutant((name, FOUND_AT[name]))

    text = report.text()
    assert f"seed {report.seed}" in text
    assert report.trace_hash in text
    assert "order" in text
    assert play_mutant((name, report.seed)).trace_hash == report.trace_hash
