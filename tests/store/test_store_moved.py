"""Where and when a question was asked decides what may be done with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.refund import RefundState
from refundwatch.store.contract import AbandonAttempts, GetRefund
from tests.making import HOUSE, START, after
from tests.store.looking import kinds, size
from tests.store.sending import happen, queued, sending

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState
MOVED = replace(
    HOUSE,
    at=after(60),
    connections=tuple(
        replace(one, endpoint="https://elsewhere.test") if one.name == "main" else one
        for one in HOUSE.connections
    ),
)


async def row(store: InlineStore, refund: Refund) -> Any:
    detail = await store.read(GetRefund(refund.id))
    assert detail is not None
    return detail.summary.refund


@pytest.mark.parametrize(("house", "stuck"), [(HOUSE, False), (MOVED, True)])
async def test_open_question_is_not_sent_again_to_another_endpoint(
    store: InlineStore, house: Any, *, stuck: bool
) -> None:
    unknown = await sending(store)
    await happen(store, unknown, ev.Unanswered(1, "timeout", START))
    open_one = await sending(store)
    waiting = await queued(store)
    length = size(store)

    await store.execute(house)
    await store.execute(AbandonAttempts(after(61), after(61), all_open=True))

    for refund in (unknown, open_one):
        after_start = await row(store, refund)
        assert after_start.state is S.UNKNOWN
        assert after_start.key_stuck is stuck
    assert not (await row(store, waiting)).key_stuck
    told = kinds(store, length).count("refund:key:unprotected")
    assert told == (2 if stuck else 0)


async def test_question_of_another_connection_is_left_alone(store: InlineStore) -> None:
    refund = await sending(store, connection="stripe-uk/second")
    await happen(store, refund, ev.Unanswered(1, "timeout", START))

    await store.execute(MOVED)

    assert not (await row(store, refund)).key_stuck


@pytest.mark.parametrize(("set_back", "left"), [(30, 0), (7_200, 1), (10**8, 1)])
async def test_attempt_of_a_clock_that_was_ahead_is_asked_about(
    store: InlineStore, set_back: int, left: int
) -> None:
    refund = await sending(store, at=after(set_back))

    moved = await store.execute(AbandonAttempts(START, START, all_open=False))

    assert len(moved) == left
    assert (await row(store, refund)).state is (S.UNKNOWN if left else S.SENDING)
