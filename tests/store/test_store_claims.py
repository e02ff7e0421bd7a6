from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.policy import Band
from refundwatch.domain.refund import RefundState, Word
from refundwatch.errors import RefundUnknown, RefundwatchError, SealBroken
from refundwatch.store.contract import (
    Claimed,
    ClaimLost,
    DueLookups,
    DuePolls,
    DueSends,
    HoldUnsent,
    ListAlarms,
    NextDue,
    PostponeDelivery,
    RecordCall,
    RecordPaymentRead,
)
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.store import open_sqlite_store
from tests.making import (
    ANN,
    BEN,
    CAT,
    HOUSE,
    OLA,
    POLICY,
    SHOP,
    START,
    after,
    decide,
    make_payment,
    make_refund,
)
from tests.sealer import OpenSealer
from tests.store.driving import Drive, in_review
from tests.store.looking import broken_sums, dump, entries, kinds, rows, value
from tests.store.sending import (
    MAIN,
    REQUEST,
    call,
    claim,
    deliver,
    happen,
    heard,
    item,
    payment_with,
    queued,
    sending,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Store
    from refundwatch.store.sqlite.store import InlineStore, SqliteStore

S = RefundState
STRICT = replace(POLICY, version="p2", bands=(Band("GBP", 100, 200),))


# --- what a claim writes ----------------------------------------------------------


async def test_a_claim_opens_an_attempt_before_anything_leaves(
    store: InlineStore,
) -> None:
    refund = await queued(store)
    begin = len(entries(store))

    claimed = await claim(store, refund, at=after(5))

    assert isinstance(claimed, Claimed)
    assert claimed.request == REQUEST
    assert (claimed.refund.state, claimed.refund.fence) == (S.SENDING, 1)
    assert claimed.refund.first_sent_at == claimed.refund.last_sent_at == after(5)
    (entry,) = entries(store, begin)
    assert entry.kind == "refund:attempt:opened"
    assert entry.data["attempt"] == 1
    (attempt,) = rows(store, "SELECT * FROM attempt")
    assert attempt["body_sha256"] == entry.data["body_sha256"]
    assert (attempt["number"], attempt["fence"], attempt["closed_at"]) == (1, 1, None)
    assert attempt["connection"] == MAIN


async def test_the_stored_row_is_the_refund_that_is_sent(store: InlineStore) -> None:
    claimed = await claim(store, await queued(store), at=after(5))
    assert isinstance(claimed, Claimed)
    again = await store.execute(Drive(claimed.refund.id, heard(Word.PENDING), START))
    assert again.before == claimed.refund


async def test_the_request_is_stored_sealed_with_the_first_attempt(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    (stored,) = rows(store, "SELECT * FROM stored_request")
    for column in ("target", "headers", "body"):
        place = f"sealed|stored_request|{refund.id}/0|{column}|".encode()
        assert stored[column].startswith(place)


async def test_a_resend_takes_the_stored_request_whatever_is_offered(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    await happen(store, refund, ev.Unanswered(1, "timeout", START))
    other = replace(REQUEST, body=b"amount=9999", target="/elsewhere")
    for offered in (other, None):
        claimed = await claim(store, refund, request=offered)
        assert isinstance(claimed, Claimed)
        assert claimed.request == REQUEST
        fence = claimed.refund.fence
        await happen(store, refund, ev.Unanswered(fence, "timeout", START))
    assert value(store, "SELECT count(DISTINCT body_sha256) FROM attempt") == 1


async def test_an_attempt_that_never_left_keeps_its_bytes_too(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    await happen(store, refund, ev.NotExecuted(1, "refused", START))
    claimed = await claim(store, refund, request=replace(REQUEST, body=b"other"))
    assert isinstance(claimed, Claimed)
    assert claimed.request == REQUEST


async def test_the_next_generation_has_a_request_of_its_own(store: InlineStore) -> None:
    refund = await in_review(store, await queued(store))
    for person in (ANN, OLA):
        refund = (
            await decide(
                store,
                refund,
                Verdict.RESOLVE,
                person,
                resolution=Resolution.RESEND,
                evidence={"seen": "dashboard"},
            )
        ).refund
    other = replace(REQUEST, body=b"generation=1")
    claimed = await claim(store, refund, request=other)
    assert isinstance(claimed, Claimed)
    assert claimed.refund.generation == 1
    assert claimed.request == other
    lost = ev.Unanswered(claimed.refund.fence, "timeout", START)
    await happen(store, claimed.refund, lost)
    again = await claim(store, claimed.refund, request=None)
    assert isinstance(again, Claimed)
    assert again.request == other


async def test_a_moved_stored_request_is_never_sent(store: InlineStore) -> None:
    one = await sending(store)
    await happen(store, one, ev.NotExecuted(1, "refused", START))
    other = await sending(store)
    body = value(store, "SELECT body FROM stored_request WHERE refund_id = ?", other.id)
    store._connection.execute(
        "UPDATE stored_request SET body = ? WHERE refund_id = ?", (body, one.id)
    )
    before = dump(store)
    with pytest.raises(SealBroken):
        await claim(store, one)
    assert dump(store) == before


# --- what forbids a claim ---------------------------------------------------------


async def _lost(store: InlineStore, reason: str, refund: Refund, **fields: Any) -> None:
    before, log = dump(store), len(entries(store))
    assert await claim(store, refund, **fields) == ClaimLost(reason)
    assert dump(store) == before
    assert len(entries(store)) == log


@pytest.mark.parametrize(
    ("verdict", "state"), [(Verdict.HOLD, S.HELD), (Verdict.CANCEL, S.CANCELLED)]
)
async def test_what_a_person_stopped_is_not_sent(
    store: InlineStore, verdict: Verdict, state: RefundState
) -> None:
    refund = await queued(store)
    await decide(store, refund, verdict, OLA)
    await _lost(store, f"state_{state}", refund)


async def test_what_waits_for_approval_is_not_sent(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)
    await _lost(store, "state_awaiting_approval", refund)


@pytest.mark.parametrize("word", [Word.PENDING, Word.SUCCEEDED, Word.FAILED])
async def test_what_the_gateway_answered_is_not_sent_again(
    store: InlineStore, word: Word
) -> None:
    refund = await sending(store)
    await _lost(store, "state_sending", refund)
    applied = await happen(store, refund, heard(word))
    await _lost(store, f"state_{applied.after.state}", refund)


async def test_another_revision_is_not_sent(store: InlineStore) -> None:
    refund = await queued(store)
    await _lost(store, "revision_changed", refund, revision=2)


async def test_a_refund_of_a_frozen_payment_is_not_sent(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, ev.Unanswered(1, "timeout", START))
    read = RecordPaymentRead(START, refund.payment_id, 10_000, 0, "GBP", disputed=True)
    await store.execute(read)
    await _lost(store, "payment_frozen", refund)


@pytest.mark.parametrize("answered", [False, True])
async def test_one_refund_of_a_payment_at_a_time(
    store: InlineStore, answered: bool
) -> None:
    first, second = await payment_with(store, 1_000, 2_000)
    await sending(store, first)
    if answered:
        await happen(store, first, ev.Unanswered(1, "timeout", START))
    await _lost(store, "payment_busy", second)
    await happen(store, first, heard(Word.SUCCEEDED, gateway_reference="re_1"))
    assert isinstance(await claim(store, second), Claimed)


@pytest.mark.parametrize("connection", ["stripe-uk/gone", "adyen-eu/main", ""])
async def test_a_connection_of_no_or_another_account_is_not_used(
    store: InlineStore, connection: str
) -> None:
    await _lost(store, "connection_unknown", await queued(store), connection=connection)


async def test_a_connection_no_longer_configured_is_not_used(
    store: InlineStore,
) -> None:
    refund = await queued(store)
    left = tuple(c for c in HOUSE.connections if c.id != MAIN)
    await store.execute(replace(HOUSE, connections=left))
    await _lost(store, "connection_unknown", refund)


async def test_a_paused_connection_is_not_used(store: InlineStore) -> None:
    refund = await queued(store)
    await store.execute(RecordCall(START, call("unauthorized", status=401)))
    await _lost(store, "connection_paused", refund)
    assert isinstance(
        await claim(store, refund, connection="stripe-uk/second"), Claimed
    )


async def test_a_first_attempt_without_request_is_not_made(store: InlineStore) -> None:
    await _lost(store, "request_missing", await queued(store), request=None)


async def test_an_unknown_refund_is_an_error(store: InlineStore) -> None:
    refund = replace(await queued(store), id="rf_gone")
    with pytest.raises(RefundUnknown):
        await claim(store, refund)


GUARDED = [
    "UPDATE refund SET state = 'held' WHERE id = :refund",
    "UPDATE refund SET state = 'pending' WHERE id = :refund",
    "UPDATE refund SET revision = 2 WHERE id = :refund",
    "UPDATE refund SET booking = 'free' WHERE id = :refund",
    "UPDATE payment SET frozen = 'dispute' WHERE id = :payment",
    "UPDATE refund SET state = 'unknown' WHERE id = :other",
    "UPDATE refund SET state = 'sending' WHERE id = :other",
    "UPDATE connection SET paused = 'unauthorized'",
    "UPDATE connection SET configured = 0",
]


@pytest.mark.parametrize("change", ["", *GUARDED])
async def test_the_one_statement_guards_by_itself(
    store: InlineStore, change: str
) -> None:
    refund, other = await payment_with(store, 1_000, 2_000)
    names = {"refund": refund.id, "other": other.id, "payment": refund.payment_id}
    store._connection.execute(change, names)
    before = dump(store)
    guard = named_queries("sqlite", "claims")["claim"]
    values = {"refund": refund.id, "revision": 1, "connection": MAIN, "at": 0}
    touched = store._connection.execute(guard, values).fetchall()
    assert len(touched) == (0 if change else 1)
    assert (dump(store) == before) is bool(change)


# --- approvals at the claim -------------------------------------------------------


async def _approved(store: InlineStore, *persons: Any, amount: int = 60_000) -> Refund:
    payment = await make_payment(store, 100_000)
    refund = await make_refund(store, payment, amount)
    for person in persons:
        refund = (await decide(store, refund, Verdict.APPROVE, person)).refund
    assert refund.state is S.QUEUED
    return refund


async def test_approvals_of_the_revision_let_it_go(store: InlineStore) -> None:
    refund = await _approved(store, ANN, BEN)
    assert isinstance(await claim(store, refund, policy=POLICY), Claimed)


async def test_a_stricter_policy_asks_again_and_says_so(store: InlineStore) -> None:
    refund = await queued(store, 1_000)
    begin = len(entries(store))

    assert await claim(store, refund, policy=STRICT) == ClaimLost("approvals_invalid")

    row = rows(store, "SELECT * FROM refund WHERE id = ?", refund.id)[0]
    assert (row["state"], row["required_approvals"]) == (S.AWAITING_APPROVAL, 2)
    assert kinds(store, begin) == ["alarm:opened", "refund:approvals:void"]
    alarms = await store.read(ListAlarms())
    assert [alarm.kind for alarm in alarms] == ["refund_approvals_invalid"]


async def test_an_unanswered_refund_is_not_resent_without_its_approvals(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    await happen(store, refund, ev.Unanswered(1, "timeout", START))
    assert await claim(store, refund, policy=STRICT) == ClaimLost("approvals_invalid")
    assert value(store, "SELECT state FROM refund") == S.UNKNOWN
    assert value(store, "SELECT count(*) FROM attempt") == 1


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE decision SET statement = x'00' WHERE number = 2",
        """
        UPDATE decision SET statement =
            (SELECT statement FROM decision WHERE number = 1)
        WHERE number = 2
        """,
    ],
)
async def test_a_forged_approval_does_not_count(
    store: InlineStore, forgery: str
) -> None:
    refund = await _approved(store, ANN, BEN)
    store._connection.execute(forgery)
    assert await claim(store, refund, policy=POLICY) == ClaimLost("approvals_invalid")


async def test_a_state_changed_by_hand_sends_nothing(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)
    store._connection.execute("UPDATE refund SET state = 'queued'")
    assert await claim(store, refund, policy=POLICY) == ClaimLost("row_unproven")


async def test_an_approval_of_other_content_does_not_count(store: InlineStore) -> None:
    refund = await _approved(store, ANN, BEN)
    store._connection.execute("UPDATE refund SET reason_code = 'other'")
    assert await claim(store, refund, policy=POLICY) == ClaimLost("row_unproven")


async def test_a_row_without_its_person_does_not_count(store: InlineStore) -> None:
    refund = await _approved(store, ANN, BEN)
    store._connection.execute("DROP TRIGGER decision_identity")
    store._connection.execute(
        "UPDATE decision SET actor = ? WHERE actor = ?", (CAT.id, BEN.id)
    )
    assert await claim(store, refund, policy=POLICY) == ClaimLost("approvals_invalid")


# --- races ------------------------------------------------------------------------


@pytest.mark.parametrize("rival", ["hold", "cancel", "edit", "policy", "claim"])
@pytest.mark.parametrize("claim_first", [True, False])
async def test_a_claim_and_its_rival_have_one_winner(
    tmp_path: Path, rival: str, claim_first: bool
) -> None:
    store = await open_sqlite_store(tmp_path / "house.db", OpenSealer())
    try:
        await store.execute(HOUSE)
        for _ in range(5):
            await _race(store, await queued(store), rival, claim_first)
        assert broken_sums(store) == []
    finally:
        await store.close()


async def _race(
    store: SqliteStore, refund: Refund, rival: str, claim_first: bool
) -> None:
    rivals: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "hold": lambda: decide(store, refund, Verdict.HOLD, OLA),
        "cancel": lambda: decide(store, refund, Verdict.CANCEL, SHOP),
        "edit": lambda: _hold_and_edit(store, refund),
        "policy": lambda: store.execute(HoldUnsent(START, refund.id, "ceiling")),
        "claim": lambda: claim(store, refund),
    }
    both = [claim(store, refund), rivals[rival]()]
    results = await asyncio.gather(
        *(both if claim_first else both[::-1]), return_exceptions=True
    )
    claimed = [r for r in results if isinstance(r, Claimed)]
    lost = [r for r in results if isinstance(r, ClaimLost | RefundwatchError)]
    attempts = value(
        store, "SELECT count(*) FROM attempt WHERE refund_id = ?", refund.id
    )
    assert attempts == len(claimed) <= 1
    state = value(store, "SELECT state FROM refund WHERE id = ?", refund.id)
    if claimed:
        assert state == S.SENDING
    else:
        assert lost
        assert state != S.SENDING


async def _hold_and_edit(store: Store, refund: Refund) -> object:
    held = (await decide(store, refund, Verdict.HOLD, OLA)).refund
    return await decide(store, held, Verdict.EDIT, OLA, amount_minor=500)


# --- what is due ------------------------------------------------------------------


async def _due(store: InlineStore, seconds: float = 0, **fields: Any) -> list[str]:
    work = await store.read(DueSends(after(seconds), fields.pop("limit", 50), **fields))
    assert all(one.payment.id == one.refund.payment_id for one in work)
    return [one.refund.id for one in work]


async def test_due_sends_come_oldest_first_and_only_when_due(
    store: InlineStore,
) -> None:
    later = await queued(store, at=after(20))
    first = await queued(store, at=after(10))
    assert await _due(store, 9) == []
    assert await _due(store, 10) == [first.id]
    assert await _due(store, 20) == [first.id, later.id]
    assert await _due(store, 20, limit=1) == [first.id]
    assert await _due(store, 20, skip=frozenset({first.id})) == [later.id]
    assert await _due(store, 20, skip_accounts=frozenset({"stripe-uk"})) == []


async def test_what_cannot_be_claimed_is_not_due(store: InlineStore) -> None:
    first, second = await payment_with(store, 1_000, 2_000)
    frozen = await queued(store)
    read = RecordPaymentRead(START, frozen.payment_id, 10_000, 0, "GBP", disputed=True)
    await store.execute(read)
    await sending(store, first)
    assert await _due(store) == []
    await happen(store, first, heard(Word.SUCCEEDED))
    assert await _due(store) == [second.id]


async def test_an_account_with_every_connection_paused_has_nothing_due(
    store: InlineStore,
) -> None:
    refund = await queued(store)
    await store.execute(RecordCall(START, call("unauthorized")))
    assert await _due(store) == [refund.id]
    other = call("unauthorized", connection="stripe-uk/second")
    await store.execute(RecordCall(START, other))
    assert await _due(store) == []


async def test_due_looks_are_of_their_state(store: InlineStore) -> None:
    unknown, pending = await sending(store), await sending(store)
    due = ev.Unanswered(1, "timeout", after(30))
    await happen(store, unknown, due)
    word = replace(heard(Word.PENDING), due_at=after(40))
    await happen(store, pending, word)

    for query, refund, seconds in (
        (DueLookups, unknown, 30),
        (DuePolls, pending, 40),
    ):
        assert await store.read(query(after(seconds - 1), 10)) == ()
        (work,) = await store.read(query(after(seconds), 10))
        assert work.refund.id == refund.id
        assert await store.read(query(after(99), 10, frozenset({refund.id}))) == ()
        accounts = frozenset({refund.account})
        assert await store.read(query(after(99), 10, skip_accounts=accounts)) == ()


async def test_next_due_is_the_earliest_of_all_work(store: InlineStore) -> None:
    assert await store.read(NextDue()) is None
    unknown, pending = await sending(store), await sending(store)
    await happen(store, unknown, ev.Unanswered(1, "timeout", after(30)))
    await happen(store, pending, replace(heard(Word.PENDING), due_at=after(20)))
    await queued(store, at=after(40))
    (job,) = await deliver(store, item())
    await store.execute(
        PostponeDelivery(START, job.delivery_id, after(10), "unmatched")
    )
    found = []
    moment = await store.read(NextDue())
    while moment is not None:
        found.append(moment)
        moment = await store.read(NextDue(moment))
    assert found == [after(10), after(20), after(30), after(40)]


@pytest.mark.parametrize(
    "ended",
    [
        ev.Unanswered(1, "http_502", START),
        ev.NotExecuted(1, "http_429", START),
    ],
    ids=["doubtful", "not executed"],
)
async def test_nothing_is_sent_again_while_a_delivery_of_it_waits(
    store: InlineStore, ended: ev.RefundEvent
) -> None:
    """What it speaks of may stand, though no read shows it, or an answer denied it."""
    refund = (await happen(store, await sending(store), ended)).after
    evidence = replace(
        heard(Word.SUCCEEDED, "webhook").evidence,
        merchant_reference=refund.merchant_reference,
        gateway_reference="re_9",
    )
    ours = replace(item("evt_9"), evidence=evidence)
    await deliver(store, ours)

    lost = await claim(store, refund)

    assert lost == ClaimLost("delivery_waits")
    assert value(store, "SELECT state FROM refund") == refund.state
    assert value(store, "SELECT count(*) FROM attempt") == 1
