"""Whatever is asked in whatever order, the books agree after every commit."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.refund import TRANSITIONS, Booking, RefundState, Word
from refundwatch.errors import InvariantBroken, RefundwatchError
from refundwatch.store.contract import (
    AbandonAttempts,
    CreateRefund,
    CreateRefunds,
    ExpireApprovals,
    HoldUnsent,
    LookUpNow,
    RaiseDoubtAlarms,
    UnfreezePayment,
)
from refundwatch.store.rows import refund_from_row
from tests.making import (
    ANN,
    BEN,
    OLA,
    PIA,
    POLICY,
    SHOP,
    after,
    decide,
    make_payment,
    new_refund,
    open_house,
)
from tests.store.driving import Drive, word
from tests.store.looking import broken_sums, entries, rows, verified

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.store.sqlite.store import InlineStore

PAYMENTS = 2
PEOPLE = (ANN, BEN, OLA, PIA, SHOP)
AMOUNTS = st.sampled_from((1, 900, 4_000, 6_000, 40_000, 60_000, 0, -1))

CREATE = st.tuples(
    st.just("create"), st.integers(0, PAYMENTS - 1), st.integers(0, 5), AMOUNTS
)
BULK = st.tuples(
    st.just("bulk"),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9), AMOUNTS), max_size=3),
)
DECIDE = st.tuples(
    st.just("decide"),
    st.integers(0, 9),
    st.sampled_from(Verdict),
    st.sampled_from(PEOPLE),
    AMOUNTS,
    st.sampled_from(Resolution),
)
HAPPEN = st.tuples(
    st.just("happen"),
    st.integers(0, 9),
    st.sampled_from(
        (
            "claim",
            "unanswered",
            "not_executed",
            "refusal",
            "unresolvable",
            "proven",
            *Word,
        )
    ),
    st.sampled_from((None, "re_1", "re_2", "wrong_amount")),
)
OTHER = st.tuples(
    st.just("other"),
    st.integers(0, 9),
    st.sampled_from(("expire", "abandon", "hold", "look", "doubt", "unfreeze")),
)
STEPS = st.lists(st.one_of(CREATE, BULK, DECIDE, HAPPEN, HAPPEN, OTHER), max_size=30)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(STEPS)
def test_the_books_agree_after_every_commit(steps: list[Any]) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[Any]) -> None:
    store = await open_house()
    try:
        payments = [await make_payment(store, 60_000) for _ in range(PAYMENTS)]
        for number, step in enumerate(steps):
            before = {refund.id: refund for refund in _refunds(store)}
            length = len(entries(store))
            try:
                await _take(store, payments, step, after(60 * number))
            except InvariantBroken:
                raise
            except RefundwatchError:
                # Refused: then nothing may have moved, only a denial is noted.
                assert {refund.id: refund for refund in _refunds(store)} == before
            _check(store, before, length)
        assert verified(store)
    finally:
        await store.close()


def _refunds(store: InlineStore) -> list[Refund]:
    return [refund_from_row(row) for row in rows(store, "SELECT * FROM refund")]


async def _take(
    store: InlineStore, payments: list[str], step: Any, at: datetime
) -> None:
    known = _refunds(store)
    match step:
        case ("create", payment, request, amount):
            new = new_refund(payments[payment], amount, request_id=f"r{request}")
            await store.execute(CreateRefund(at, SHOP, new, POLICY))
        case ("bulk", wishes):
            news = tuple(
                new_refund(payments[payment], amount, request_id=f"b{request}")
                for payment, request, amount in wishes
            )
            await store.execute(CreateRefunds(at, SHOP, news, POLICY))
        case (kind, which, *rest) if known:
            refund = known[which % len(known)]
            await _ACTS[kind](store, refund, at, *rest)


async def _decide(
    store: InlineStore,
    refund: Refund,
    at: datetime,
    verdict: Verdict,
    who: Any,
    amount: int,
    resolution: Resolution,
) -> None:
    fields: dict[str, Any] = {}
    if verdict is Verdict.EDIT:
        fields["amount_minor"] = amount
    if verdict is Verdict.RESOLVE:
        fields["resolution"] = resolution
    await decide(store, refund, verdict, who, at=at, **fields)


async def _happen(
    store: InlineStore, refund: Refund, at: datetime, what: str, echo: str | None
) -> None:
    in_flight = {
        other.payment_id
        for other in _refunds(store)
        if other.state in {RefundState.SENDING, RefundState.UNKNOWN}
        and other.id != refund.id
    }
    if what == "claim" and (
        refund.payment_id in in_flight
        or refund.state not in {RefundState.QUEUED, RefundState.UNKNOWN}
        or refund.booking is not Booking.RESERVED
    ):
        return
    await store.execute(Drive(refund.id, _event(refund, at, what, echo), at))


def _event(refund: Refund, at: datetime, what: str, echo: str | None) -> ev.RefundEvent:
    match what:
        case "claim":
            return ev.Claimed("stripe-uk/main")
        case "unanswered":
            return ev.Unanswered(refund.fence, "timeout", at)
        case "not_executed":
            return ev.NotExecuted(refund.fence, "refused", at)
        case "refusal":
            return ev.Refusal(
                refund.fence, "no", may_be_echo=False, authoritative=True, due_at=at
            )
        case "unresolvable":
            return ev.Unresolvable("absent")
        case "proven":
            return ev.ProvenAbsent("listing", at)
        case _ if echo == "wrong_amount":
            return word(Word(what), amount_minor=refund.amount_minor + 1)
        case _:
            return word(Word(what), gateway_reference=echo)


async def _other(store: InlineStore, refund: Refund, at: datetime, what: str) -> None:
    match what:
        case "expire":
            await store.execute(ExpireApprovals(after(10**7)))
        case "abandon":
            await store.execute(AbandonAttempts(at, at, all_open=True))
        case "hold":
            await store.execute(HoldUnsent(at, refund.id, "ceiling", "refund_held"))
        case "look":
            await store.execute(LookUpNow(at, OLA, refund.id))
        case "doubt":
            await store.execute(RaiseDoubtAlarms(at, (60, 600)))
        case _:
            await store.execute(
                UnfreezePayment(at, OLA, refund.payment_id, "checked", None)
            )


_ACTS: Any = {"decide": _decide, "happen": _happen, "other": _other}


def _check(store: InlineStore, before: dict[str, Refund], length: int) -> None:
    assert broken_sums(store) == []
    told = [entry for entry in entries(store, length) if entry.refund_id]
    moved = [entry for entry in told if "before" in entry.data]
    now = {refund.id: refund for refund in _refunds(store)}
    for refund in now.values():
        was = before.get(refund.id)
        mine = [entry for entry in moved if entry.refund_id == refund.id]
        if was is None:
            assert [entry.kind for entry in mine][:1] == ["refund:created"]
            continue
        # S7: a path of the table. S10: one entry for each change of the row.
        for entry in mine:
            path = _path(entry.data)
            assert all(there in TRANSITIONS[here] for here, there in pairwise(path))
        if mine:
            assert mine[0].data["before"] == was.state
            assert mine[-1].data["after"] == refund.state
        assert bool(mine) == (was != refund)
    _check_counts(store)


def _path(data: Any) -> list[RefundState]:
    """Read the states that an entry says were passed."""
    path = data.get("path", [data["after"]])
    stays = path == [data["before"]] and data["before"] != "awaiting_approval"
    if stays or (path == [data["before"]] and "revision" not in data):
        return [RefundState(data["before"])]
    return [RefundState(state) for state in (data["before"], *path)]


def _check_counts(store: InlineStore) -> None:
    counted = {
        row["state"]: row["count"]
        for row in rows(
            store,
            "SELECT state, sum(count) AS count FROM state_count "
            "GROUP BY state HAVING sum(count) > 0",
        )
    }
    stored = {
        row["state"]: row["count"]
        for row in rows(
            store, "SELECT state, count(*) AS count FROM refund GROUP BY state"
        )
    }
    assert counted == stored
