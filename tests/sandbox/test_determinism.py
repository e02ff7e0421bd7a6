from __future__ import annotations

import json

import pytest

from refundwatch.sandbox.world import World
from tests.sandbox.hands import START, Hands, config, signer

TOLD = ("stripe", "adyen", "paypal")


def story(hands: Hands, steps: range) -> list[object]:
    told: list[object] = []
    for step in steps:
        for gateway in TOLD:
            reference = f"rw-{step}"
            ours = "rw_id" if gateway == "stripe" else "reference"
            reply = hands.refund(gateway, key=f"k{step}", **{ours: reference})
            told.append(reply)
            if reply.status == 401:
                hands.token = ""
        # A PayPal signature depends on the certificate's key, all else on the seed.
        told.extend(
            (post.event, post.attempt, post.body, post.forged) for post in hands.wait(7)
        )
    return told


@pytest.mark.parametrize("profile", ["rough", "hostile"])
def test_same_seed_same_requests_same_replies(profile: str) -> None:
    first, second = Hands(profile, seed=11), Hands(profile, seed=11)
    assert story(first, range(60)) == story(second, range(60))
    assert first.world.counters() == second.world.counters()


def test_another_seed_tells_another_story() -> None:
    assert story(Hands(seed=1), range(3)) != story(Hands(seed=2), range(3))


def test_an_account_does_not_disturb_anothers_draws() -> None:
    alone, mixed = Hands("hostile"), Hands("hostile")
    for step in range(20):
        mixed.adyen_refund(key=f"x{step}")
    quiet = [alone.stripe_refund(key=f"k{step}") for step in range(40)]
    noisy = [mixed.stripe_refund(key=f"k{step}") for step in range(40)]
    assert quiet == noisy


def test_a_sandbox_goes_on_from_its_snapshot_as_if_nothing_had_happened() -> None:
    whole, parted = Hands("hostile", seed=5), Hands("hostile", seed=5)
    assert story(whole, range(25)) == story(parted, range(25))
    state = json.loads(json.dumps(parted.world.dump()))
    parted.world = World(config("hostile", seed=5), signer())
    parted.world.load(state)
    assert json.loads(json.dumps(parted.world.dump())) == state
    assert parted.world.ledger.dump() == whole.world.ledger.dump()
    assert story(whole, range(25, 60)) == story(parted, range(25, 60))
    assert parted.world.ledger.dump() == whole.world.ledger.dump()


def test_a_snapshot_of_another_version_is_refused() -> None:
    hands = Hands()
    with pytest.raises(ValueError, match="version"):
        hands.world.load({"version": 99})


def test_time_starts_where_it_is_told() -> None:
    assert Hands().now == START
