from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict, parse_statement
from refundwatch.domain.events import Resolution
from refundwatch.domain.refund import RefundState, Word
from refundwatch.errors import CursorInvalid
from refundwatch.store.contract import (
    ChangesSince,
    GetInvoice,
    GetPayment,
    GetRefund,
    InvoiceShare,
    LastSeq,
    ListPayments,
    PaymentRow,
    ReadAudit,
    RecordPaymentRead,
    RefundDetail,
)
from refundwatch.store.sqlite.store import open_sqlite_store
from tests.making import (
    ANN,
    BEN,
    HOUSE,
    OLA,
    PIA,
    START,
    after,
    decide,
    make_payment,
    make_refund,
)
from tests.sealer import OpenSealer
from tests.store.driving import in_review
from tests.store.looking import entries, value
from tests.store.sending import (
    MAIN,
    call,
    deliver,
    happen,
    heard,
    item,
    queued,
    sending,
)
from tests.store.test_store_deliveries import apply_

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.store.contract import Page, Store
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState


async def detail(store: Store, name: str) -> RefundDetail:
    found = await store.read(GetRefund(name))
    assert found is not None
    return found


# --- one refund -------------------------------------------------------------------


async def test_a_refund_is_shown_with_everything_known(store: InlineStore) -> None:
    payment = await make_payment(store, invoices=(InvoiceShare("INV-1", 10_000),))
    refund = await make_refund(
        store,
        payment,
        6_000,
        reason_text="box was empty",
        invoice="INV-1",
    )
    approved = await decide(
        store, refund, Verdict.APPROVE, ANN, reason_text="called them"
    )
    refund = await sending(store, approved.refund)
    answer = call("ok", status=200, duration_ms=80)
    word = heard(Word.PENDING, gateway_reference="re_1")
    await happen(store, refund, word, at=after(9), call=answer)
    (job,) = await deliver(store, item(gateway_reference="re_1"))
    await apply_(store, job, refund)

    found = await detail(store, refund.id)

    assert found.summary.refund.state is S.SUCCEEDED
    assert found.summary.approvals == 1
    assert found.payment.refunded_minor == 6_000
    assert found.payment.invoices == (InvoiceShare("INV-1", 10_000),)
    assert found.editors == {"machine:shop"}
    assert (found.reason_text, found.invoice) == ("box was empty", "INV-1")
    (decision,) = found.decisions
    assert (decision.kind, decision.actor) == (Verdict.APPROVE, ANN.id)
    assert (decision.reason_text, decision.valid) == ("called them", True)
    assert parse_statement(decision.statement).refund_id == refund.id
    (attempt,) = found.attempts
    assert (attempt.connection, attempt.fence) == (MAIN, 1)
    assert (attempt.outcome, attempt.status, attempt.duration_ms) == (
        "pending",
        200,
        80,
    )
    assert attempt.closed_at == after(9)
    (delivery,) = found.deliveries
    assert (delivery.id, delivery.state) == (job.delivery_id, "applied")
    told = [entry for entry in entries(store) if entry.refund_id == refund.id]
    assert [row.seq for row in found.entries] == [entry.seq for entry in told]
    assert found.summary.seq == found.entries[-1].seq


async def test_a_refund_is_found_by_each_of_its_names(store: InlineStore) -> None:
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
    names = (
        refund.id,
        refund.request_id,
        refund.merchant_reference,
        decided.refund.merchant_reference,
    )
    for name in names:
        assert (await detail(store, name)).summary.refund == decided.refund
    assert await store.read(GetRefund("gone")) is None


async def test_an_edit_voids_what_was_approved(store: InlineStore) -> None:
    refund = await make_refund(store, None, 60_000)
    refund = (await decide(store, refund, Verdict.APPROVE, ANN)).refund
    edited = await decide(store, refund, Verdict.EDIT, OLA, amount_minor=59_000)
    found = await detail(store, refund.id)
    assert [d.valid for d in found.decisions] == [False, True]
    assert found.editors == {"machine:shop", OLA.id}
    assert found.summary.approvals == 0
    await decide(store, edited.refund, Verdict.APPROVE, BEN)
    assert (await detail(store, refund.id)).summary.approvals == 1


async def test_a_word_of_an_earlier_review_counts_no_more(store: InlineStore) -> None:
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
    refund = await in_review(store, refund)
    await decide(
        store,
        refund,
        Verdict.RESOLVE,
        PIA,
        resolution=Resolution.DECLINED,
        evidence={"seen": "dashboard"},
    )
    found = await detail(store, refund.id)
    assert [d.valid for d in found.decisions] == [False, False, True]


# --- payments and invoices --------------------------------------------------------


async def test_a_payment_is_found_by_both_its_names(store: InlineStore) -> None:
    payment = await make_payment(
        store,
        reference="pi_1",
        order_reference="SO-1",
        invoices=(InvoiceShare("B", 4_000), InvoiceShare("A", 6_000)),
    )
    twin = await make_payment(store, account="adyen-eu", reference="pi_1")
    found = await store.read(GetPayment(payment))
    assert isinstance(found, PaymentRow)
    assert found.invoices == (InvoiceShare("A", 6_000), InvoiceShare("B", 4_000))
    assert (found.gateway, found.order_reference) == ("stripe", "SO-1")
    assert await store.read(GetPayment("pi_1", "stripe-uk")) == found
    other = await store.read(GetPayment("pi_1", "adyen-eu"))
    assert other is not None
    assert other.id == twin
    for question in (
        GetPayment("pi_1"),
        GetPayment("pi_1", "paypal-us"),
        GetPayment(payment, "adyen-eu"),
    ):
        assert await store.read(question) is None


async def _listed(store: InlineStore, **fields: Any) -> Page[PaymentRow]:
    return await store.read(ListPayments(**fields))


async def test_payments_are_listed_newest_first_in_pages(store: InlineStore) -> None:
    made = [
        await make_payment(
            store,
            at=after(n),
            account=("stripe-uk", "adyen-eu")[n % 2],
            invoices=(InvoiceShare(f"N-{n}", 10_000),),
        )
        for n in range(5)
    ]
    found: list[PaymentRow] = []
    cursor = None
    while True:
        page = await _listed(store, limit=2, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [row.id for row in found] == made[::-1]
    assert [row.invoices[0].number for row in found] == [
        f"N-{n}" for n in (4, 3, 2, 1, 0)
    ]
    adyen = await _listed(store, account="adyen-eu")
    assert [row.id for row in adyen.items] == [made[3], made[1]]
    with pytest.raises(CursorInvalid):
        await _listed(store, cursor="?")


async def test_frozen_payments_and_those_of_a_customer(store: InlineStore) -> None:
    ada = {"email": "Ada@Example.org"}
    one = await make_payment(store, customer=ada, at=after(1))
    two = await make_payment(store, customer=ada, at=after(2), account="adyen-eu")
    await make_payment(store, customer={"email": "bob@example.org"})
    frozen = RecordPaymentRead(START, one, 10_000, 0, "GBP", disputed=True)
    await store.execute(frozen)

    async def ids(**fields: Any) -> list[str]:
        return [row.id for row in (await _listed(store, **fields)).items]

    assert await ids(frozen_only=True) == [one]
    assert await ids(customer_email="ada@example.org") == [two, one]
    assert await ids(customer_email="ada@example.org", frozen_only=True) == [one]
    assert await ids(customer_email="ada@example.org", account="adyen-eu") == [two]
    assert await ids(customer_email="ada@example") == []
    first = await _listed(store, customer_email="ada@example.org", limit=1)
    rest = await ids(customer_email="ada@example.org", cursor=first.next_cursor)
    assert rest == [one]


async def test_an_invoice_shows_what_was_given_back_of_it(store: InlineStore) -> None:
    alone = await make_payment(store, invoices=(InvoiceShare("A", 10_000),))
    shared = await make_payment(
        store, invoices=(InvoiceShare("A", 4_000), InvoiceShare("B", 6_000))
    )
    done = await sending(store, await queued(store, 1_000, payment=alone))
    await happen(store, done, heard(Word.SUCCEEDED))
    await queued(store, 200, payment=alone)
    await queued(store, 30, payment=shared, invoice="A")
    await queued(store, 4, payment=shared, invoice="B")
    await queued(store, 5, payment=shared)

    found = await store.read(GetInvoice("A"))

    assert found is not None
    assert dict(found.payments) == {alone: 10_000, shared: 4_000}
    assert (found.refunded_minor, found.reserved_minor) == (1_000, 230)
    other = await store.read(GetInvoice("B"))
    assert other is not None
    assert (other.refunded_minor, other.reserved_minor) == (0, 4)
    assert await store.read(GetInvoice("C")) is None


# --- the log ----------------------------------------------------------------------


async def test_changes_come_in_order_with_their_refund_as_it_is_now(
    store: InlineStore,
) -> None:
    begin = await store.read(LastSeq())
    refund = await sending(store)
    await happen(store, refund, heard(Word.PENDING))
    changes = await store.read(ChangesSince(begin))
    last = await store.read(LastSeq())
    assert [c.seq for c in changes] == list(range(begin + 1, last + 1))
    assert [c.kind for c in changes] == [
        "payment:created",
        "refund:created",
        "refund:attempt:opened",
        "refund:gateway:pending",
    ]
    assert changes[0].refund is None
    assert {c.refund.refund.state for c in changes[1:] if c.refund} == {S.PENDING}
    assert (changes[-1].actor, changes[-1].at) == ("system", START)
    assert [c.seq for c in await store.read(ChangesSince(begin, 2))] == [
        begin + 1,
        begin + 2,
    ]
    assert await store.read(ChangesSince(last)) == ()


async def test_the_log_is_read_as_it_was_stored(store: InlineStore) -> None:
    await queued(store)
    last = await store.read(LastSeq())
    whole = await store.read(ReadAudit())
    assert [row.seq for row in whole] == list(range(last + 1))
    assert await store.read(ReadAudit(1, 1)) == whole[1:2]
    stored = value(store, "SELECT entry FROM audit_entry WHERE seq = 1")
    assert whole[1].entry == stored


async def test_an_empty_log_has_no_last_entry() -> None:
    empty = await open_sqlite_store(None, OpenSealer(), inline=True)
    try:
        assert await empty.read(LastSeq()) == -1
        assert await empty.read(ReadAudit()) == ()
    finally:
        await empty.close()


async def test_questions_are_answered_by_readers_that_cannot_write(
    tmp_path: Path,
) -> None:
    store = await open_sqlite_store(tmp_path / "house.db", OpenSealer())
    try:
        await store.execute(HOUSE)
        refund = await sending(store)
        unanswered = ev.Unanswered(1, "timeout", START)
        await happen(store, refund, unanswered)
        found = await detail(store, refund.id)
        assert found.summary.refund.state is S.UNKNOWN
    finally:
        await store.close()
