from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.refund import Booking, RefundState, Word
from refundwatch.errors import PaymentUnknown, RefundUnknown
from refundwatch.store.contract import (
    ApplyEvent,
    Claimed,
    ListAlarms,
    Postpone,
    RecordPaymentRead,
)
from tests.making import START, after, make_payment, make_refund
from tests.store.looking import broken_sums, dump, entries, kinds, rows, value
from tests.store.sending import (
    call,
    claim,
    happen,
    heard,
    payment_with,
    queued,
    sending,
)

if TYPE_CHECKING:
    from refundwatch.store.contract import Committed, Store
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState


async def alarm_kinds(store: Store) -> list[str]:
    """Kinds of the alarms that stand open, in the order they were opened."""
    return [alarm.kind for alarm in await store.read(ListAlarms())][::-1]


# --- the end of an attempt --------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "state", "outcome", "reason"),
    [
        (ev.NotExecuted(1, "refused", START), S.QUEUED, "not_executed", "refused"),
        (ev.Unanswered(1, "timeout", START), S.UNKNOWN, "unknown", "timeout"),
        (
            ev.Refusal(
                1, "disputed", may_be_echo=False, authoritative=True, due_at=START
            ),
            S.DECLINED,
            "declined",
            "disputed",
        ),
        (ev.ProcessDied(START), S.UNKNOWN, "unknown", None),
        (heard(Word.PENDING), S.PENDING, "pending", "pending"),
        (heard(Word.SUCCEEDED), S.SUCCEEDED, "succeeded", "succeeded"),
        (heard(Word.FAILED, failure_code="lost"), S.DECLINED, "declined", "lost"),
        (heard(Word.REVERSED), S.REVERSED, "succeeded", "reversed"),
        (heard(Word.UNSEEN, raw_status="odd"), S.REVIEW, "review", "unseen_status:odd"),
        (
            heard(Word.SUCCEEDED, amount_minor=999),
            S.REVIEW,
            "review",
            "amount_mismatch",
        ),
    ],
)
async def test_an_attempt_ends_with_what_came_of_it(
    store: InlineStore,
    event: ev.RefundEvent,
    state: RefundState,
    outcome: str,
    reason: str | None,
) -> None:
    refund = await sending(store)
    answer = call("ok", status=200, duration_ms=120, response_sha256="d" * 64)

    applied = await happen(store, refund, event, at=after(3), call=answer)

    assert applied.after.state is state
    (attempt,) = rows(store, "SELECT * FROM attempt")
    assert (attempt["outcome"], attempt["reason"]) == (outcome, reason)
    assert (attempt["status"], attempt["duration_ms"]) == (200, 120)
    assert attempt["closed_at"] is not None
    (noted,) = rows(store, "SELECT * FROM gateway_call")
    assert noted["refund_id"] == refund.id
    assert broken_sums(store) == []


async def test_one_entry_says_what_was_believed_and_why(store: InlineStore) -> None:
    refund = await sending(store)
    begin = len(entries(store))
    answer = call("ok", status=200, response_sha256="d" * 64)
    await happen(store, refund, heard(Word.PENDING, raw_status="new"), call=answer)
    (entry,) = entries(store, begin)
    assert entry.kind == "refund:gateway:pending"
    assert entry.refund_id == refund.id
    assert entry.data["before"] == "sending"
    assert entry.data["after"] == "pending"
    assert entry.data["raw_status"] == "new"
    assert entry.data["source"] == "answer"
    assert entry.data["response_sha256"] == "d" * 64


@pytest.mark.parametrize(
    "event",
    [
        ev.NotExecuted(1, "late", START),
        ev.Unanswered(1, "late", START),
        ev.Refusal(1, "late", may_be_echo=False, authoritative=True, due_at=START),
    ],
)
async def test_a_conclusion_under_an_old_fence_changes_nothing(
    store: InlineStore, event: ev.RefundEvent
) -> None:
    refund = await sending(store)
    await happen(store, refund, ev.Unanswered(1, "timeout", START))
    assert isinstance(await claim(store, refund), Claimed)
    before = rows(store, "SELECT * FROM refund"), rows(store, "SELECT * FROM attempt")
    log = len(entries(store))

    applied = await happen(store, refund, event)

    assert applied.ignored == "stale_fence"
    now = rows(store, "SELECT * FROM refund"), rows(store, "SELECT * FROM attempt")
    assert [tuple(r) for part in now for r in part] == [
        tuple(r) for part in before for r in part
    ]
    assert len(entries(store)) == log
    assert value(store, "SELECT sum(count) FROM ignored_count") == 1


async def test_a_word_that_overtakes_the_answer_ends_the_attempt(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    word = heard(Word.SUCCEEDED, "webhook", gateway_reference="re_1")
    await happen(store, refund, word)
    (attempt,) = rows(store, "SELECT * FROM attempt")
    assert attempt["outcome"] == "succeeded"

    late = await happen(store, refund, ev.Unanswered(1, "timeout", START), call=call())

    assert late.after.state is S.SUCCEEDED
    assert late.after.gateway_reference == "re_1"
    assert rows(store, "SELECT * FROM attempt")[0]["outcome"] == "succeeded"


async def test_the_same_word_again_is_counted_not_written(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(Word.SUCCEEDED))
    log, before = len(entries(store)), rows(store, "SELECT * FROM refund")
    for _ in range(3):
        applied = await happen(store, refund, heard(Word.SUCCEEDED))
        assert applied.ignored == "repeat_or_older"
    assert len(entries(store)) == log
    assert [tuple(r) for r in rows(store, "SELECT * FROM refund")] == [
        tuple(r) for r in before
    ]
    assert value(store, "SELECT sum(count) FROM ignored_count") == 3


async def test_a_word_of_an_unknown_refund_is_an_error(store: InlineStore) -> None:
    with pytest.raises(RefundUnknown):
        await store.execute(ApplyEvent(START, "rf_gone", heard(Word.PENDING)))


async def test_a_call_of_a_connection_that_is_gone_loses_no_word(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    lost = call("ok", connection="stripe-uk/gone")
    applied = await happen(store, refund, heard(Word.SUCCEEDED), call=lost)
    assert applied.after.state is S.SUCCEEDED
    assert value(store, "SELECT count(*) FROM gateway_call") == 0


async def test_a_word_that_is_no_unicode_is_booked_all_the_same(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    word = heard(
        Word.FAILED, raw_status="bad\udcff" * 200, failure_code="\ud800", currency=None
    )
    odd = call("ok", error="\udcff", version_answered="\udcff")
    applied = await happen(store, refund, word, call=odd)
    assert applied.after.state is S.DECLINED
    stored = value(store, "SELECT last_status FROM refund")
    assert stored.startswith("bad?")
    assert len(stored) == 256


# --- another refund's reference ---------------------------------------------------


@pytest.mark.parametrize("word", [Word.PENDING, Word.SUCCEEDED, Word.FAILED])
async def test_the_reference_of_another_refund_is_a_contradiction(
    store: InlineStore, word: Word
) -> None:
    other = await sending(store)
    await happen(store, other, heard(Word.SUCCEEDED, gateway_reference="re_1"))
    refund = await sending(store)

    applied = await happen(store, refund, heard(word, gateway_reference="re_1"))

    assert applied.after.state is S.REVIEW
    assert applied.after.gateway_reference is None
    frozen = value(store, "SELECT frozen FROM payment WHERE id = ?", refund.payment_id)
    assert frozen is not None
    assert "refund_contradiction" in await alarm_kinds(store)
    holder = "SELECT id FROM refund WHERE gateway_reference = 're_1'"
    assert value(store, holder) == other.id


async def test_the_same_reference_in_another_account_is_no_contradiction(
    store: InlineStore,
) -> None:
    other = await sending(store)
    await happen(store, other, heard(Word.SUCCEEDED, gateway_reference="7"))
    payment = await make_payment(store, account="adyen-eu", currency="EUR")
    refund = await queued(store, payment=payment, currency="EUR")
    refund = await sending(store, refund, connection="adyen-eu/main")
    applied = await happen(store, refund, heard(Word.SUCCEEDED, gateway_reference="7"))
    assert applied.after.state is S.SUCCEEDED


async def test_a_decline_is_booked_back_and_proof_after_it_freezes(
    store: InlineStore,
) -> None:
    first, second = await payment_with(store, 9_000, 1_000)
    first = await sending(store, first)
    declined = ev.Refusal(
        1, "lost", may_be_echo=False, authoritative=True, due_at=START
    )
    await happen(store, first, declined)
    assert value(store, "SELECT reserved_minor FROM payment") == 1_000
    await queued(store, 9_000, payment=first.payment_id)

    applied = await happen(store, first, heard(Word.SUCCEEDED, "webhook"))

    assert (applied.after.state, applied.after.booking) == (
        S.DECLINED,
        Booking.REFUNDED,
    )
    payment = rows(store, "SELECT * FROM payment")[0]
    assert payment["refunded_minor"] == 9_000
    assert payment["frozen"] == "executed_after_end"
    assert broken_sums(store) == []
    assert second.payment_id == first.payment_id


async def test_listeners_hear_of_what_may_go_on(store: InlineStore) -> None:
    first, second = await payment_with(store, 1_000, 2_000)
    first = await sending(store, first)
    heard_of: list[Committed] = []
    stop = store.subscribe(heard_of.append)
    await happen(store, first, ev.Unanswered(1, "timeout", START))
    await happen(store, first, heard(Word.SUCCEEDED))
    await happen(store, first, heard(Word.SUCCEEDED))
    stop()
    assert [sorted(c.touched) for c in heard_of] == [["lookup"], ["send"], []]
    assert second.state is S.QUEUED


# --- the next look ----------------------------------------------------------------


async def test_postponing_moves_the_next_look_and_nothing_else(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    await happen(store, refund, ev.Unanswered(1, "timeout", START))
    log, before = len(entries(store)), dict(rows(store, "SELECT * FROM refund")[0])
    moved = Postpone(START, refund.id, after(60), call("timeout"))
    await store.execute(moved)
    now = dict(rows(store, "SELECT * FROM refund")[0])
    assert now.pop("due_at") - before.pop("due_at") == 60_000_000
    assert now == before
    assert len(entries(store)) == log
    assert value(store, "SELECT count(*) FROM gateway_call") == 1


async def test_a_refund_that_waits_for_nothing_is_not_postponed(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    for _ in range(2):
        await store.execute(Postpone(START, refund.id, after(60)))
        assert value(store, "SELECT due_at FROM refund") is None
        await happen(store, refund, heard(Word.SUCCEEDED))
    with pytest.raises(RefundUnknown):
        await store.execute(Postpone(START, "rf_gone", after(60)))


# --- reading the payment ----------------------------------------------------------


async def read(
    store: Store,
    payment: str,
    captured: int | None = 10_000,
    refunded: int | None = 0,
    currency: str | None = "GBP",
    *,
    disputed: bool = False,
    at: float = 0,
) -> None:
    await store.execute(
        RecordPaymentRead(after(at), payment, captured, refunded, currency, disputed)
    )


def payment_row(store: InlineStore, payment: str) -> dict[str, Any]:
    return dict(rows(store, "SELECT * FROM payment WHERE id = ?", payment)[0])


async def test_what_was_read_replaces_what_was_declared(store: InlineStore) -> None:
    refund = await queued(store)
    begin = len(entries(store))
    await read(store, refund.payment_id, 8_000)
    row = payment_row(store, refund.payment_id)
    assert (row["captured_minor"], row["declared_minor"]) == (8_000, 10_000)
    assert (row["knowledge"], row["frozen"]) == ("read", None)
    assert kinds(store, begin) == ["payment:read"]
    assert await alarm_kinds(store) == []


@pytest.mark.parametrize("captured", [None, 10_000])
async def test_another_currency_is_believed_with_or_without_an_amount(
    store: InlineStore, captured: int | None
) -> None:
    refund = await queued(store)
    await read(store, refund.payment_id, captured, None, "JPY")
    row = payment_row(store, refund.payment_id)
    assert (row["knowledge"], row["frozen"]) == ("unread", "currency_mismatch")
    assert await alarm_kinds(store) == ["payment_currency_mismatch"]


async def test_less_captured_than_asked_for_freezes_and_holds(
    store: InlineStore,
) -> None:
    refund = await queued(store, 5_000)
    waiting = await make_refund(store, refund.payment_id, 5_000)
    await read(store, refund.payment_id, 7_000)
    row = payment_row(store, refund.payment_id)
    assert (row["captured_minor"], row["frozen"]) == (7_000, "over_captured")
    states = rows(store, "SELECT state, hold_reason FROM refund")
    assert {tuple(r) for r in states} == {(S.HELD, "over_captured")}
    assert await alarm_kinds(store) == ["payment_over_captured"]
    assert waiting.state is S.AWAITING_APPROVAL
    assert broken_sums(store) == []


async def test_money_given_back_elsewhere_is_booked(store: InlineStore) -> None:
    refund = await queued(store, 1_000)
    for _ in range(2):
        await read(store, refund.payment_id, 10_000, 3_000)
        row = payment_row(store, refund.payment_id)
        assert (row["external_minor"], row["refunded_minor"]) == (3_000, 3_000)
        assert row["frozen"] is None
    assert await alarm_kinds(store) == ["payment_refunded_elsewhere"]
    assert value(store, "SELECT state FROM refund") == S.QUEUED
    assert broken_sums(store) == []


async def test_money_given_back_elsewhere_may_break_the_limit(
    store: InlineStore,
) -> None:
    refund = await queued(store, 8_000)
    await read(store, refund.payment_id, 10_000, 3_000)
    row = payment_row(store, refund.payment_id)
    assert (row["external_minor"], row["frozen"]) == (3_000, "over_captured")
    assert value(store, "SELECT state FROM refund") == S.HELD
    assert await alarm_kinds(store) == [
        "payment_over_captured",
        "payment_refunded_elsewhere",
    ]
    assert broken_sums(store) == []


async def test_open_refunds_of_ours_explain_what_was_read(store: InlineStore) -> None:
    done, open_, _ = await payment_with(store, 1_000, 2_000, 500)
    done = await sending(store, done)
    await happen(store, done, heard(Word.SUCCEEDED))
    open_ = await sending(store, open_)
    await happen(store, open_, ev.Unanswered(1, "timeout", START))
    await read(store, done.payment_id, 10_000, 3_000)
    assert payment_row(store, done.payment_id)["external_minor"] == 0
    await read(store, done.payment_id, 10_000, 3_001)
    assert payment_row(store, done.payment_id)["external_minor"] == 1


async def test_what_was_booked_is_not_taken_back_by_a_read(store: InlineStore) -> None:
    refund = await queued(store)
    await read(store, refund.payment_id, 10_000, 3_000)
    await read(store, refund.payment_id, 10_000, 0)
    assert payment_row(store, refund.payment_id)["external_minor"] == 3_000


async def test_what_the_gateway_cannot_tell_stays_declared(store: InlineStore) -> None:
    refund = await queued(store)
    begin = len(entries(store))
    for _ in range(2):
        await read(store, refund.payment_id, None, None, None)
    row = payment_row(store, refund.payment_id)
    assert (row["knowledge"], row["captured_minor"]) == ("declared", 10_000)
    assert kinds(store, begin) == ["payment:declared"]
    await read(store, refund.payment_id)
    assert payment_row(store, refund.payment_id)["knowledge"] == "read"
    await read(store, refund.payment_id, None, None, None)
    assert payment_row(store, refund.payment_id)["knowledge"] == "read"


async def test_a_disputed_payment_freezes_and_holds(store: InlineStore) -> None:
    refund = await queued(store)
    await read(store, refund.payment_id, disputed=True)
    row = payment_row(store, refund.payment_id)
    assert (row["frozen"], row["knowledge"]) == ("disputed", "read")
    assert value(store, "SELECT state FROM refund") == S.HELD
    assert await alarm_kinds(store) == ["payment_disputed"]


async def test_another_currency_freezes_and_books_nothing(store: InlineStore) -> None:
    refund = await queued(store)
    await read(store, refund.payment_id, 1, 1, "JPY")
    row = payment_row(store, refund.payment_id)
    assert (row["frozen"], row["captured_minor"]) == ("currency_mismatch", 10_000)
    assert (row["external_minor"], row["knowledge"]) == (0, "unread")
    assert await alarm_kinds(store) == ["payment_currency_mismatch"]


async def test_a_read_of_no_payment_is_an_error(store: InlineStore) -> None:
    before = dump(store)
    with pytest.raises(PaymentUnknown):
        await read(store, "pay_gone")
    assert dump(store) == before
