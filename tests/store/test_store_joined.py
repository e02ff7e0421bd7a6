from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.refund import Word
from refundwatch.store.contract import (
    ApplyDelivery,
    ApplyEvent,
    Claimed,
    ClaimLost,
    ClaimRefund,
)
from refundwatch.store.sqlite.writer import Done, Failed
from tests.making import FREE, after, make_payment, open_house
from tests.store.looking import broken_sums, dump, entries, rows, value, verified
from tests.store.sending import (
    MAIN,
    REQUEST,
    call,
    deliver,
    heard,
    item,
    queued,
    sending,
)

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.domain.refund import Refund
    from refundwatch.store.sqlite.store import InlineStore
    from refundwatch.store.sqlite.writer import Outcome

OUTCOMES = ("ok", "ok", "server_error", "ok", "unauthorized", "timeout", "timeout")


def claims(refunds: list[Refund]) -> list[ClaimRefund]:
    return [
        ClaimRefund(
            at=after(number),
            about=refund,
            connection=MAIN,
            request=REQUEST,
            lease_until=after(number + 60),
            policy=FREE,
        )
        for number, refund in enumerate(refunds)
    ]


def outcomes(claimed: list[Outcome]) -> list[ApplyEvent]:
    """Answers of every kind, each with its exchange."""
    found = []
    for number, done in enumerate(claimed):
        assert isinstance(done, Done)
        if not isinstance(done.value, Claimed):
            continue
        refund, outcome = done.value.refund, OUTCOMES[number % len(OUTCOMES)]
        event: ev.RefundEvent = (
            heard(Word.SUCCEEDED, gateway_reference=f"re_{number}")
            if outcome == "ok"
            else ev.Unanswered(refund.fence, outcome, after(500))
        )
        made = call(outcome, at=100 + number)
        found.append(ApplyEvent(after(100 + number), refund.id, event, made))
    return found


def counted(store: InlineStore) -> dict[str, int]:
    """What the sums say of each state."""
    found = rows(store, "SELECT state, sum(count) FROM state_count GROUP BY 1")
    return {state: count for state, count in map(tuple, found) if count}


def standing(store: InlineStore) -> dict[str, int]:
    """How many refunds truly are in each state."""
    found = rows(store, "SELECT state, count(*) FROM refund GROUP BY 1")
    return dict(map(tuple, found))


@pytest.mark.parametrize("count", [1, 2, 5, 17, 70])
async def test_what_is_sent_together_is_stored_as_if_it_were_sent_singly(
    tmp_path: Path, count: int
) -> None:
    paths = (tmp_path / "together.db", tmp_path / "singly.db")
    first = await open_house(paths[0])
    payment = await make_payment(first, 100_000)
    refunds = [await queued(first) for _ in range(count)]
    refunds += [await queued(first, payment=payment) for _ in range(2)]
    await first.close()
    shutil.copy(*paths)
    left = []
    for path in paths:
        store = await open_house(path)
        run = store._writer.run
        if path is paths[0]:
            claimed = run(claims(refunds)).outcomes
            applied = run(outcomes(claimed)).outcomes
        else:
            claimed = [run([it]).outcomes[0] for it in claims(refunds)]
            applied = [run([it]).outcomes[0] for it in outcomes(claimed)]
        assert all(isinstance(it, Done) for it in (*claimed, *applied))
        assert claimed[-1] == Done(ClaimLost("payment_busy"))
        assert verified(store)
        assert broken_sums(store) == []
        assert counted(store) == standing(store)
        left.append((dump(store), entries(store), claimed, applied))
        await store.close()
    for one, other in zip(*left, strict=True):
        assert one == other


@pytest.mark.parametrize("count", [1, 2, 5, 30])
async def test_what_is_delivered_together_is_applied_as_if_it_came_singly(
    tmp_path: Path, count: int
) -> None:
    paths = (tmp_path / "together.db", tmp_path / "singly.db")
    first = await open_house(paths[0])
    given = []
    for number in range(count):
        refund, theirs = await sending(first), f"re_{number}"
        said = (Word.PENDING, Word.SUCCEEDED, Word.SUCCEEDED)
        items = [
            item(f"e{number}_{it}", word, gateway_reference=theirs)
            for it, word in enumerate(said)
        ]
        jobs = await deliver(first, *items)
        given += [
            ApplyDelivery(
                after(90),
                job.delivery_id,
                refund.id,
                heard(word, gateway_reference=theirs),
            )
            for job, word in zip(jobs[-3:], said, strict=True)
        ]
    # What was applied already is passed over.
    given.append(given[-1])
    await first.close()
    shutil.copy(*paths)
    left = []
    for path in paths:
        store = await open_house(path)
        run = store._writer.run
        if path is paths[0]:
            done = run(given).outcomes
        else:
            done = [run([it]).outcomes[0] for it in given]
        assert all(isinstance(it, Done) for it in done)
        assert done[-1] == Done(None)
        assert standing(store) == {"succeeded": count}
        assert verified(store)
        assert broken_sums(store) == []
        # A state that was passed through within one commit has no row of its own.
        kept = dump(store)
        kept["state_count"] = [it for it in kept["state_count"] if it[-1]]
        left.append((kept, entries(store), done))
        await store.close()
    for one, other in zip(*left, strict=True):
        assert one == other


async def test_one_bad_claim_takes_no_other_along(store: InlineStore) -> None:
    refunds = [await queued(store) for _ in range(3)]
    gone = ClaimRefund(
        at=after(9),
        about=replace(refunds[0], id="rf_gone"),
        connection=MAIN,
        request=REQUEST,
        lease_until=after(60),
        policy=FREE,
    )
    first, *rest = claims(refunds)
    done = store._writer.run([first, gone, *rest]).outcomes
    assert [type(it) for it in done] == [Done, Failed, Done, Done]
    assert value(store, "SELECT count(*) FROM attempt") == 3
    assert len(rows(store, "SELECT * FROM stored_request")) == 3
    assert verified(store)
    assert broken_sums(store) == []
