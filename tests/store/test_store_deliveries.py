from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.refund import Evidence, RefundState, Word
from refundwatch.errors import AccountUnknown, InvariantBroken
from refundwatch.store.contract import (
    ApplyDelivery,
    ApplyDispute,
    CloseDelivery,
    DeliveryItem,
    DueInbox,
    GetRefund,
    ListAccounts,
    PostponeDelivery,
    StoreDelivery,
)
from tests.making import ANN, OLA, START, after, decide, make_payment
from tests.store.driving import in_review
from tests.store.looking import broken_sums, dump, entries, kinds, rows, value
from tests.store.sending import (
    call,
    deliver,
    happen,
    heard,
    item,
    payment_with,
    queued,
    sending,
)
from tests.store.test_store_events import alarm_kinds, payment_row, read

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.transition import Applied
    from refundwatch.store.contract import InboxJob
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState


async def apply_(store: InlineStore, job: InboxJob, refund: Refund) -> Applied | None:
    assert job.item.word is not None
    assert job.item.evidence is not None
    word = ev.GatewayWord(job.item.word, job.item.evidence)
    return await store.execute(ApplyDelivery(START, job.delivery_id, refund.id, word))


async def close(
    store: InlineStore, job: InboxJob, *, external: bool = True, at: float = 0
) -> None:
    command = CloseDelivery(after(at), job.delivery_id, "unmatched", external)
    await store.execute(command)


# --- storing ----------------------------------------------------------------------


async def test_a_delivery_its_job_and_its_entry_are_one_commit(
    store: InlineStore,
) -> None:
    begin = len(entries(store))
    heard_of: list[Any] = []
    store.subscribe(heard_of.append)
    whole = DeliveryItem(
        dedupe_id="evt_1",
        type="refund.updated",
        kind="refund",
        occurred_at="2026-11-02T09:00:00Z",
        word=Word.SUCCEEDED,
        evidence=Evidence(
            source="webhook",
            raw_status="succeeded",
            gateway_reference="re_1",
            merchant_reference="rw1",
            payment_reference="pi_1",
            amount_minor=1_000,
            currency="GBP",
            requires_action=True,
            failure_code="none",
        ),
        payment_reference="pi_1",
        hint=True,
        payment_aliases=("ch_1", "pi_1"),
    )

    (job,) = await deliver(store, whole, at=after(7), body=b'{"a":1}')

    assert job.item == whole
    assert (job.account, job.received_at, job.tries) == ("stripe-uk", after(7), 0)
    assert job.refund is None
    (entry,) = entries(store, begin)
    assert entry.kind == "delivery:stored"
    assert entry.data["dedupe_id"] == "evt_1"
    (body,) = rows(store, "SELECT * FROM delivery_body")
    assert body["body"] == b'sealed|delivery_body|1|body|{"a":1}'
    assert entry.data["body_sha256"] == body["body_sha256"]
    assert heard_of[0].touched == {"inbox"}


async def test_an_item_without_a_word_is_stored_too(store: InlineStore) -> None:
    bare = DeliveryItem(dedupe_id="e", type="payout.paid", kind="other")
    (job,) = await deliver(store, bare)
    assert job.item == bare


async def test_repeats_are_counted_not_stored(store: InlineStore) -> None:
    one, two = item("evt_1"), item("evt_2")
    assert await store.execute(StoreDelivery(START, "stripe-uk", (one,), b"1")) == 1
    log = len(entries(store))
    again = StoreDelivery(START, "stripe-uk", (one,), b"1")
    assert await store.execute(again) == 0
    assert len(entries(store)) == log
    assert value(store, "SELECT count(*) FROM delivery_body") == 1
    both = StoreDelivery(START, "stripe-uk", (two, one, two), b"2")
    assert await store.execute(both) == 1
    counts = rows(store, "SELECT dedupe_id, repeats FROM delivery ORDER BY id")
    assert [tuple(r) for r in counts] == [("evt_1", 2), ("evt_2", 0)]


async def test_the_same_id_in_another_account_is_another_delivery(
    store: InlineStore,
) -> None:
    await deliver(store, item())
    assert len(await deliver(store, item(), account="adyen-eu")) == 2


async def test_a_delivery_of_no_account_stores_nothing(store: InlineStore) -> None:
    before = dump(store)
    with pytest.raises(AccountUnknown):
        await store.execute(StoreDelivery(START, "gone", (item(),), b""))
    assert dump(store) == before


async def test_an_item_that_is_no_unicode_is_stored(store: InlineStore) -> None:
    odd = item("\ud800", raw_status="\udcff", gateway_reference="\udcff" * 999)
    (job,) = await deliver(store, odd)
    assert job.item.evidence is not None
    assert job.item.evidence.gateway_reference == "?" * 256
    assert await store.execute(StoreDelivery(START, "stripe-uk", (odd,), b"")) == 0


# --- matching ---------------------------------------------------------------------


async def test_their_reference_matches_before_ours(store: InlineStore) -> None:
    one, two = await sending(store), await sending(store)
    await happen(store, one, heard(Word.PENDING, gateway_reference="re_1"))
    (job,) = await deliver(
        store,
        item(gateway_reference="re_1", merchant_reference=two.merchant_reference),
    )
    assert job.refund is not None
    assert job.refund.id == one.id
    applied = await apply_(store, job, one)
    assert applied is not None
    assert applied.after.review_reason == "reference_mismatch"


async def test_our_reference_matches_also_within_the_account_only(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    ours = item(gateway_reference="re_9", merchant_reference=refund.merchant_reference)
    (job,) = await deliver(store, ours)
    assert job.refund is not None
    assert job.refund.id == refund.id
    await deliver(store, ours, account="adyen-eu")
    jobs = await store.read(DueInbox(START, 10))
    assert [j.refund is None for j in jobs] == [False, True]


async def test_an_older_reference_of_ours_still_means_its_refund(
    store: InlineStore,
) -> None:
    refund = await in_review(store, await queued(store))
    for person in (ANN, OLA):
        decided = await decide(
            store,
            refund,
            Verdict.RESOLVE,
            person,
            resolution=Resolution.RESEND,
            evidence={"seen": "dashboard"},
        )
    old = refund.merchant_reference
    assert decided.refund.merchant_reference != old

    (job,) = await deliver(store, item(merchant_reference=old))

    assert job.refund is not None
    assert job.refund.id == refund.id
    applied = await apply_(store, job, refund)
    assert applied is not None
    assert applied.after.state is S.REVIEW
    frozen = payment_row(store, refund.payment_id)["frozen"]
    assert frozen == "reference_mismatch"


async def test_due_items_come_oldest_first(store: InlineStore) -> None:
    (first,) = await deliver(store, item("a"))
    await deliver(store, item("b"), at=after(5), account="adyen-eu")
    assert [j.item.dedupe_id for j in await store.read(DueInbox(START, 9))] == ["a"]
    both = await store.read(DueInbox(after(5), 9))
    assert [j.item.dedupe_id for j in both] == ["a", "b"]
    first_only = await store.read(DueInbox(after(5), 1))
    assert len(first_only) == 1
    skipped = await store.read(DueInbox(after(5), 9, frozenset({first.delivery_id})))
    assert [j.item.dedupe_id for j in skipped] == ["b"]
    accounts = frozenset({"adyen-eu"})
    left = await store.read(DueInbox(after(5), 9, skip_accounts=accounts))
    assert [j.item.dedupe_id for j in left] == ["a"]


# --- applying ---------------------------------------------------------------------


async def test_an_item_is_applied_once_with_its_job_closed(store: InlineStore) -> None:
    refund = await sending(store)
    (job,) = await deliver(store, item(merchant_reference=refund.merchant_reference))
    begin = len(entries(store))

    applied = await apply_(store, job, refund)

    assert applied is not None
    assert applied.after.state is S.SUCCEEDED
    (entry,) = entries(store, begin)
    assert entry.data["delivery_id"] == job.delivery_id
    assert await store.read(DueInbox(after(9), 9)) == ()
    detail = await store.read(GetRefund(refund.id))
    assert detail is not None
    assert [d.state for d in detail.deliveries] == ["applied"]

    before = dump(store)
    assert await apply_(store, job, refund) is None
    await close(store, job)
    await store.execute(PostponeDelivery(START, job.delivery_id, after(1), "x"))
    await store.execute(ApplyDispute(START, job.delivery_id, closed=False))
    assert dump(store) == before


async def test_a_repeat_closes_its_job_without_an_entry(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(Word.SUCCEEDED))
    (job,) = await deliver(store, item(merchant_reference=refund.merchant_reference))
    log = len(entries(store))
    applied = await apply_(store, job, refund)
    assert applied is not None
    assert applied.ignored == "repeat_or_older"
    assert len(entries(store)) == log
    assert value(store, "SELECT state FROM delivery") == "applied"


async def test_an_item_is_not_applied_across_accounts(store: InlineStore) -> None:
    refund = await sending(store)
    (job,) = await deliver(store, item(), account="adyen-eu")
    with pytest.raises(InvariantBroken):
        await apply_(store, job, refund)


async def test_unmatched_first_then_matched(store: InlineStore) -> None:
    (job,) = await deliver(store, item(gateway_reference="re_1"))
    assert job.refund is None
    begin = len(entries(store))
    for tries, reason in enumerate(("unmatched", "unmatched", "read_failed"), 1):
        moved = PostponeDelivery(
            START, job.delivery_id, after(tries * 60), reason, call("ok")
        )
        await store.execute(moved)
        unmatched = sum(a.unmatched for a in await store.read(ListAccounts()))
        assert unmatched == (reason == "unmatched")
    assert kinds(store, begin) == ["delivery:postponed"] * 2
    assert value(store, "SELECT count(*) FROM gateway_call") == 3
    assert await store.read(DueInbox(after(179), 9)) == ()

    refund = await sending(store)
    await happen(store, refund, heard(Word.PENDING, gateway_reference="re_1"))
    (job,) = await store.read(DueInbox(after(180), 9))
    assert job.tries == 3
    assert job.refund is not None
    applied = await apply_(store, job, job.refund)
    assert applied is not None
    assert applied.after.state is S.SUCCEEDED


async def test_accounts_say_when_they_were_heard_from(store: InlineStore) -> None:
    await deliver(store, item("a"), at=after(9))
    await deliver(store, item("b"), at=after(5))
    found = {a.name: a for a in await store.read(ListAccounts())}
    assert found["stripe-uk"].last_delivery_at == after(9)
    assert found["adyen-eu"].last_delivery_at is None
    assert found["stripe-uk"].connections == ("stripe-uk/main", "stripe-uk/second")


# --- disputes ---------------------------------------------------------------------


def dispute(dedupe_id: str = "dp_1", **fields: Any) -> DeliveryItem:
    return DeliveryItem(
        dedupe_id=dedupe_id, type="dispute", kind="dispute_opened", **fields
    )


async def test_a_dispute_freezes_and_holds_what_is_not_sent(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, reference="pi_d")
    waiting = await queued(store, 1_000, payment=payment)
    sent = await sending(store, await queued(store, 2_000, payment=payment))
    (job,) = await deliver(store, dispute(payment_reference="pi_d"))

    await store.execute(ApplyDispute(START, job.delivery_id, closed=False))

    assert payment_row(store, payment)["frozen"] == "disputed"
    states = dict(
        tuple(r) for r in rows(store, "SELECT id, state FROM refund ORDER BY id")
    )
    assert states == {waiting.id: S.HELD, sent.id: S.SENDING}
    assert await alarm_kinds(store) == ["payment_disputed"]
    assert value(store, "SELECT state FROM delivery") == "applied"

    jobs = await deliver(store, dispute("dp_2", payment_aliases=("ch_x", "pi_d")))
    await store.execute(ApplyDispute(START, jobs[0].delivery_id, closed=True))
    assert payment_row(store, payment)["frozen"] == "disputed"
    assert await alarm_kinds(store) == ["payment_dispute_closed"]


async def test_a_dispute_of_no_payment_of_ours_alarms(store: InlineStore) -> None:
    (job,) = await deliver(store, dispute(payment_reference="pi_gone"))
    await store.execute(ApplyDispute(START, job.delivery_id, closed=False))
    assert await alarm_kinds(store) == ["dispute_unmatched"]
    assert value(store, "SELECT state FROM delivery") == "ignored"


# --- money that moved without us --------------------------------------------------


def moved(
    dedupe_id: str = "evt_1", amount: int | None = 3_000, **fields: Any
) -> DeliveryItem:
    fields.setdefault("gateway_reference", "re_x")
    fields.setdefault("payment_reference", "pi_x")
    fields.setdefault("currency", "GBP")
    return item(dedupe_id, amount_minor=amount, **fields)


async def test_money_that_moved_without_us_is_booked_once(store: InlineStore) -> None:
    payment = await make_payment(store, reference="pi_x")
    refund = await queued(store, payment=payment)
    for number in range(3):
        (job,) = await deliver(store, moved(f"evt_{number}"))
        await close(store, job)
    row = payment_row(store, payment)
    assert (row["external_minor"], row["refunded_minor"]) == (3_000, 3_000)
    assert row["frozen"] is None
    assert await alarm_kinds(store) == ["payment_refunded_elsewhere"]
    states = {r["state"] for r in rows(store, "SELECT state FROM delivery")}
    assert states == {"external"}
    assert value(store, "SELECT state FROM refund") == refund.state
    (job,) = await deliver(store, moved("other", 500, gateway_reference="re_y"))
    await close(store, job)
    assert payment_row(store, payment)["external_minor"] == 3_500
    assert broken_sums(store) == []


async def test_money_that_moved_without_us_may_break_the_limit(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, reference="pi_x")
    refund = await queued(store, 8_000, payment=payment)
    (job,) = await deliver(store, moved())
    await close(store, job)
    row = payment_row(store, payment)
    assert (row["external_minor"], row["frozen"]) == (3_000, "over_captured")
    assert value(store, "SELECT state FROM refund") == S.HELD
    assert "payment_over_captured" in await alarm_kinds(store)
    assert refund.state is S.QUEUED
    assert broken_sums(store) == []


@pytest.mark.parametrize(
    "odd",
    [
        moved(payment_reference="pi_gone"),
        moved(currency="EUR"),
        moved(amount=None),
        moved(amount=0),
        replace(moved(), evidence=None),
    ],
)
async def test_what_cannot_be_booked_calls_for_people(
    store: InlineStore, odd: DeliveryItem
) -> None:
    payment = await make_payment(store, reference="pi_x")
    await queued(store, payment=payment)
    (job,) = await deliver(store, odd)
    await close(store, job)
    row = payment_row(store, payment)
    assert row["external_minor"] == 0
    known = odd.payment_reference == "pi_x"
    assert (row["frozen"] is not None) is known
    assert await alarm_kinds(store) == ["external_refund_unbooked"]


async def test_what_came_back_is_taken_off_again(store: InlineStore) -> None:
    payment = await make_payment(store, reference="pi_x")
    (job,) = await deliver(store, moved())
    await close(store, job)
    for name in ("evt_2", "evt_3"):
        (job,) = await deliver(store, moved(name, word=Word.FAILED))
        await close(store, job, external=False)
        assert payment_row(store, payment)["external_minor"] == 0
    assert payment_row(store, payment)["refunded_minor"] == 0


async def test_what_a_read_has_counted_is_only_named(store: InlineStore) -> None:
    payment = await make_payment(store, reference="pi_x")
    (told,) = await deliver(store, moved(), at=after(1))
    await read(store, payment, 10_000, 2_000, at=2)
    other = moved("later", 700, gateway_reference="re_y")
    (_, late) = await deliver(store, other, at=after(3))
    await close(store, late)
    assert payment_row(store, payment)["external_minor"] == 2_700
    await close(store, told, at=86_400)
    assert payment_row(store, payment)["external_minor"] == 3_700


async def _unanswered_beside(store: InlineStore, amount: int) -> tuple[str, Refund]:
    """An open question of 4,000, and money moved under a reference not yet known."""
    payment = await make_payment(store, reference="pi_x")
    refund = await sending(store, await queued(store, 4_000, payment=payment))
    await happen(store, refund, ev.Unanswered(1, "timeout", START))
    (job,) = await deliver(store, moved(amount=amount))
    await close(store, job)
    assert payment_row(store, payment)["external_minor"] == amount
    return payment, refund


async def test_what_proves_to_be_ours_is_not_counted_twice(store: InlineStore) -> None:
    payment, refund = await _unanswered_beside(store, 4_000)
    found = heard(Word.SUCCEEDED, gateway_reference="re_x")
    applied = await happen(store, refund, found)
    assert applied.after.state is S.SUCCEEDED
    row = payment_row(store, payment)
    assert (row["refunded_minor"], row["external_minor"]) == (4_000, 0)
    assert row["frozen"] is None
    assert broken_sums(store) == []


@pytest.mark.parametrize("said", [None, 3_000])
async def test_what_is_ours_with_another_amount_stays_booked(
    store: InlineStore, said: int | None
) -> None:
    payment, refund = await _unanswered_beside(store, 3_000)
    found = heard(Word.SUCCEEDED, gateway_reference="re_x", amount_minor=said)
    await happen(store, refund, found)
    assert payment_row(store, payment)["external_minor"] == 3_000
    assert broken_sums(store) == []


@pytest.mark.parametrize("theirs", [True, False])
async def test_what_became_ours_meanwhile_goes_back_to_the_desk(
    store: InlineStore, theirs: bool
) -> None:
    payment = await make_payment(store, reference="pi_x")
    refund = await sending(store, await queued(store, 3_000, payment=payment))
    if theirs:
        await happen(store, refund, heard(Word.PENDING, gateway_reference="re_x"))
        (job,) = await deliver(store, moved())
    else:
        ours = refund.merchant_reference
        (job,) = await deliver(store, moved(merchant_reference=ours))
    await close(store, job, at=5)
    assert payment_row(store, payment)["external_minor"] == 0
    (again,) = await store.read(DueInbox(after(5), 9))
    assert again.refund is not None
    assert again.refund.id == refund.id


async def test_closing_without_money_keeps_the_reason(store: InlineStore) -> None:
    (job,) = await deliver(store, item())
    begin = len(entries(store))
    command = CloseDelivery(START, job.delivery_id, "not_about_refunds")
    await store.execute(command)
    row = rows(store, "SELECT state, reason FROM delivery")[0]
    assert tuple(row) == ("ignored", "not_about_refunds")
    assert kinds(store, begin) == ["delivery:closed"]
    assert await alarm_kinds(store) == []


async def test_a_delivery_that_is_not_there_is_a_bug(store: InlineStore) -> None:
    with pytest.raises(InvariantBroken):
        await store.execute(CloseDelivery(START, 99, "x"))


async def test_refunds_of_one_payment_hold_together(store: InlineStore) -> None:
    one, two = await payment_with(store, 4_000, 6_000)
    await sending(store, one)
    await happen(store, one, heard(Word.SUCCEEDED))
    await sending(store, two)
    await happen(store, two, heard(Word.SUCCEEDED))
    assert broken_sums(store) == []
