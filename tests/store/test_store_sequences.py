"""Whatever is asked in whatever order, the books agree after every commit."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.refund import (
    IN_FLIGHT,
    TRANSITIONS,
    Booking,
    RefundState,
    Word,
)
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
from refundwatch.store.rows import optional_moment, refund_from_row
from tests.making import (
    ANN,
    BEN,
    INSTANCE,
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
from tests.signing import ordered
from tests.store.driving import Drive, word
from tests.store.looking import broken_sums, entries, rows, size, verified

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Command, NewRefund
    from refundwatch.store.sqlite.store import InlineStore

PAYMENTS = 3
SEEDS = 25
STEPS = 60
PEOPLE = (ANN, BEN, OLA, PIA, SHOP)
AMOUNTS = (900, 900, 4_000, 6_000, 6_000, 40_000, 60_000, 0, -1)
S = RefundState

# What is worth trying in a state; each also meets everything else now and then.
LIKELY: dict[RefundState, tuple[Any, ...]] = {
    S.AWAITING_APPROVAL: (*[Verdict.APPROVE] * 6, *Verdict, "hold", "expire"),
    S.HELD: (Verdict.RELEASE, Verdict.EDIT, Verdict.CANCEL, Word.SUCCEEDED),
    S.QUEUED: (*["claim"] * 8, Verdict.HOLD, "hold", Word.SUCCEEDED, Word.FAILED),
    S.SENDING: (
        *("unanswered", "unanswered", "not_executed", "refusal", "abandon"),
        *Word,
        *Word,
    ),
    S.UNKNOWN: ("claim", "unresolvable", "proven", "look", "doubt", *Word),
    S.PENDING: (*Word, Word.SUCCEEDED, "look"),
    S.SUCCEEDED: tuple(Word),
    S.SETTLED: tuple(Word),
    S.REVIEW: (*[Verdict.RESOLVE] * 12, Word.SUCCEEDED, "unfreeze"),
}
ANYTHING: tuple[Any, ...] = (
    *Verdict,
    *Word,
    *("claim", "unanswered", "not_executed", "refusal", "unresolvable", "proven"),
    *("expire", "abandon", "hold", "look", "doubt", "unfreeze"),
)


async def test_the_books_agree_after_every_commit() -> None:
    reached: set[str] = set()
    for seed in range(SEEDS):
        try:
            reached |= await _walk(Random(seed))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    # A walk that never comes to a state proves nothing about it.
    assert reached == {state.value for state in RefundState}


async def _walk(draw: Random) -> set[str]:
    reached: set[str] = set()
    store = await open_house()
    try:
        payments = [await make_payment(store, 60_000) for _ in range(PAYMENTS)]
        for number in range(STEPS):
            before = {refund.id: refund for refund in _refunds(store)}
            length = size(store)
            try:
                await _take(store, payments, draw, after(60 * number))
            except InvariantBroken:
                raise
            except RefundwatchError:
                # Refused: then nothing may have moved, only a denial is noted.
                assert {refund.id: refund for refund in _refunds(store)} == before
            _check(store, before, length)
            reached |= {refund.state.value for refund in _refunds(store)}
        assert verified(store)
        return reached
    finally:
        await store.close()


def _refunds(store: InlineStore) -> list[Refund]:
    return [refund_from_row(row) for row in rows(store, "SELECT * FROM refund")]


async def _take(
    store: InlineStore, payments: list[str], draw: Random, at: datetime
) -> None:
    known = _refunds(store)
    kind = draw.random()
    if not known or kind < 0.15:
        new = _new(payments, draw, f"r{draw.randrange(40)}")
        await store.execute(CreateRefund(at, SHOP, new, POLICY))
    elif kind < 0.2:
        news = tuple(_new(payments, draw, f"b{draw.randrange(40)}") for _ in range(3))
        await store.execute(CreateRefunds(at, SHOP, news, POLICY))
    else:
        refund = draw.choice(known)
        likely = LIKELY.get(refund.state, ANYTHING)
        await _act(
            store, refund, draw.choice(likely if kind < 0.9 else ANYTHING), draw, at
        )


def _new(payments: list[str], draw: Random, request_id: str) -> NewRefund:
    return new_refund(
        draw.choice(payments), draw.choice(AMOUNTS), request_id=request_id
    )


async def _act(
    store: InlineStore, refund: Refund, what: Any, draw: Random, at: datetime
) -> None:
    if isinstance(what, Verdict):
        fields: dict[str, Any] = {}
        if what is Verdict.EDIT:
            fields["amount_minor"] = draw.choice(AMOUNTS)
        if what is Verdict.RESOLVE:
            fields["resolution"] = draw.choice((Resolution.SUCCEEDED, *Resolution))
        await decide(store, refund, what, draw.choice(PEOPLE), at=at, **fields)
    elif what in OTHERS:
        await store.execute(_signed(store, OTHERS[what](refund, at)))
    elif what != "claim" or _may_claim(store, refund):
        echo = draw.choice((None, None, None, f"re_{draw.randrange(5)}", "wrong"))
        await store.execute(Drive(refund.id, _event(refund, at, what, echo), at))


def _signed(store: InlineStore, command: Command[Any]) -> Command[Any]:
    if not isinstance(command, UnfreezePayment):
        return command
    frozen = "SELECT frozen, frozen_at FROM payment WHERE id = ?"
    (row,) = rows(store, frozen, command.payment_id)
    return ordered(
        command,
        instance=INSTANCE,
        was=row["frozen"] or "none",
        since=optional_moment(row["frozen_at"]),
    )


def _may_claim(store: InlineStore, refund: Refund) -> bool:
    """Ask what the claim itself asks: nobody else in flight, and still reserved."""
    busy = any(
        other.payment_id == refund.payment_id and other.id != refund.id
        for other in _refunds(store)
        if other.state in IN_FLIGHT
    )
    return (
        not busy
        and refund.state in {S.QUEUED, S.UNKNOWN}
        and refund.booking is Booking.RESERVED
    )


OTHERS: dict[str, Callable[[Refund, datetime], Command[Any]]] = {
    "expire": lambda _refund, _at: ExpireApprovals(after(10**7)),
    "abandon": lambda _refund, at: AbandonAttempts(at, at, all_open=True),
    "hold": lambda refund, at: HoldUnsent(at, refund.id, "ceiling", "refund_held"),
    "look": lambda refund, at: LookUpNow(at, OLA, refund.id),
    "doubt": lambda _refund, at: RaiseDoubtAlarms(at, (60, 600)),
    "unfreeze": lambda refund, at: UnfreezePayment(
        at, OLA, refund.payment_id, "checked", None
    ),
}


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
        case _ if echo == "wrong":
            return word(Word(what), amount_minor=refund.amount_minor + 1)
        case _:
            return word(Word(what), gateway_reference=echo)


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
