from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import intake as planning
from refundwatch.domain.refund import RefundState
from refundwatch.errors import (
    AmountExceedsRefundable,
    AmountInvalid,
    CurrencyMismatch,
    DecisionDenied,
    ExpectedRemainingMismatch,
    InvoiceUnknown,
    PaymentFrozen,
    PaymentUnknown,
    RefundwatchError,
    RequestConflict,
    TextInvalid,
)
from refundwatch.store.contract import (
    CreateRefund,
    CreateRefunds,
    InvoiceShare,
)
from refundwatch.store.rows import refund_from_row
from refundwatch.store.sqlite.sealing import open_text
from tests.making import (
    POLICY,
    SHOP,
    START,
    VIC,
    after,
    make_payment,
    make_refund,
    new_refund,
)
from tests.sealer import OpenSealer
from tests.store.looking import (
    broken_sums,
    dump,
    entries,
    kinds,
    rows,
    size,
    value,
    verified,
)

if TYPE_CHECKING:
    from refundwatch.store.sqlite.store import InlineStore


async def test_a_request_becomes_a_queued_refund(store: InlineStore) -> None:
    payment = await make_payment(store)
    before = size(store)

    refund = await make_refund(store, payment, 1_000, request_id="r-1")

    assert refund.state is RefundState.QUEUED
    (row,) = rows(store, "SELECT * FROM refund")
    assert refund_from_row(row) == refund
    assert row["seq"] == before
    assert kinds(store, before) == ["refund:created"]
    assert value(store, "SELECT reserved_minor FROM payment") == 1_000
    (generation,) = rows(store, "SELECT * FROM refund_generation")
    assert generation["idempotency_key"] == refund.idempotency_key
    assert verified(store)


async def test_the_band_of_the_sum_decides_about_approvals(store: InlineStore) -> None:
    payment = await make_payment(store, 100_000)

    small = await make_refund(store, payment, 4_000)
    second = await make_refund(store, payment, 4_000)
    large = await make_refund(store, payment, 45_000)

    assert small.required_approvals == 0
    assert second.required_approvals == 1
    assert second.state is RefundState.AWAITING_APPROVAL
    assert large.required_approvals == 2
    assert broken_sums(store) == []


async def test_the_same_request_is_the_same_refund(store: InlineStore) -> None:
    payment = await make_payment(store)
    new = new_refund(payment, reason_text="too small", expected_remaining_minor=10_000)
    first = await store.execute(CreateRefund(START, SHOP, new, POLICY))
    stored, length = dump(store), size(store)

    again = await store.execute(CreateRefund(after(60), SHOP, new, POLICY))

    assert first.created
    assert not again.created
    assert again.refund == first.refund
    assert (dump(store), size(store)) == (stored, length)


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 1_001},
        {"reason_code": "other"},
        {"reason_text": "Too small"},
        {"reason_text": None},
        {"expected_remaining_minor": 10_000},
        {"account": "stripe-uk"},
        {"invoice": "I-1"},
    ],
)
async def test_the_same_request_with_another_body_conflicts(
    store: InlineStore, change: dict[str, Any]
) -> None:
    payment = await make_payment(store)
    new = new_refund(payment, reason_text="too small")
    await store.execute(CreateRefund(START, SHOP, new, POLICY))
    stored, length = dump(store), size(store)

    with pytest.raises(RequestConflict):
        await store.execute(CreateRefund(START, SHOP, replace(new, **change), POLICY))

    assert (dump(store), size(store)) == (stored, length)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"payment": "pay_none"}, PaymentUnknown),
        ({"account": "adyen-eu"}, PaymentUnknown),
        ({"currency": "EUR"}, CurrencyMismatch),
        ({"amount_minor": 10_001}, AmountExceedsRefundable),
        ({"amount_minor": 0}, AmountInvalid),
        ({"amount_minor": -5}, AmountInvalid),
        ({"amount_minor": 2**53}, AmountInvalid),
        ({"expected_remaining_minor": 9_999}, ExpectedRemainingMismatch),
        ({"invoice": "I-2"}, InvoiceUnknown),
        ({"request_id": ""}, TextInvalid),
        ({"reason_code": ""}, TextInvalid),
    ],
)
async def test_a_request_that_cannot_stand_stores_nothing(
    store: InlineStore, change: dict[str, Any], error: type[RefundwatchError]
) -> None:
    payment = await make_payment(store, invoices=(InvoiceShare("I-1", 10_000),))
    stored, length = dump(store), size(store)

    new = replace(new_refund(payment), **change)
    with pytest.raises(error):
        await store.execute(CreateRefund(START, SHOP, new, POLICY))

    assert (dump(store), size(store)) == (stored, length)


async def test_a_frozen_payment_gives_nothing(store: InlineStore) -> None:
    payment = await make_payment(store)
    store._connection.execute("UPDATE payment SET frozen = 'dispute'")
    stored = dump(store)

    with pytest.raises(PaymentFrozen):
        await make_refund(store, payment)

    assert dump(store) == stored


async def test_a_payment_is_found_by_its_reference_in_its_account(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, reference="pi_x")
    await make_payment(store, reference="pi_x", account="adyen-eu")

    refund = await make_refund(store, "pi_x", account="stripe-uk")

    assert refund.payment_id == payment
    with pytest.raises(PaymentUnknown):
        await make_refund(store, "pi_x")


async def test_whoever_may_not_ask_is_refused_and_written_down(
    store: InlineStore,
) -> None:
    payment = await make_payment(store)
    stored, length = dump(store), size(store)

    with pytest.raises(DecisionDenied):
        await make_refund(store, payment, principal=VIC)

    assert dump(store) == stored
    (entry,) = entries(store, length)
    assert (entry.kind, entry.actor) == ("request:denied", "person:vic")
    assert entry.data == {"action": "refund:create", "reason": "role_missing"}


async def test_a_reason_is_sealed_and_only_committed_to(store: InlineStore) -> None:
    refund = await make_refund(store, reason_text="Ms Miller broke it")

    sealed = value(store, "SELECT reason_text FROM refund")
    text = open_text(OpenSealer(), "refund", refund.id, "reason_text", sealed)
    assert text == "Ms Miller broke it"
    logged = b"".join(row[0] for row in rows(store, "SELECT entry FROM audit_entry"))
    assert b"Miller" not in logged
    assert entries(store)[-1].data["reason_commitment"] is not None


async def test_of_200_parallel_60_percent_refunds_one_stands(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, 10_000)
    wishes = [make_refund(store, payment, 6_000) for _ in range(200)]

    found = await asyncio.gather(*wishes, return_exceptions=True)

    errors = [each for each in found if isinstance(each, BaseException)]
    assert len(errors) == 199
    assert {type(error) for error in errors} == {AmountExceedsRefundable}
    assert value(store, "SELECT reserved_minor FROM payment") == 6_000
    assert broken_sums(store) == []


async def test_the_guarded_statement_decides_where_the_check_was_wrong(
    store: InlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await make_payment(store, 10_000)
    await make_refund(store, payment, 6_000)
    stored = dump(store)
    monkeypatch.setattr(planning, "check_amount", lambda *_args, **_more: None)

    with pytest.raises(AmountExceedsRefundable):
        await make_refund(store, payment, 6_000)

    assert dump(store) == stored


async def test_the_guarded_statement_knows_a_freeze_too(
    store: InlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await make_payment(store, 10_000)
    store._connection.execute("UPDATE payment SET frozen = 'dispute'")
    stored = dump(store)
    monkeypatch.setattr(planning, "check_amount", lambda *_args, **_more: None)

    with pytest.raises(PaymentFrozen):
        await make_refund(store, payment, 6_000)

    assert dump(store) == stored


# --- many at once -----------------------------------------------------------------


async def test_many_refunds_stand_all(store: InlineStore) -> None:
    payment = await make_payment(store, 10_000)
    news = tuple(new_refund(payment, 2_000, request_id=f"b-{n}") for n in range(3))

    report = await store.execute(CreateRefunds(START, SHOP, news, POLICY))

    assert (report.created, report.unchanged, report.problems) == (3, 0, ())
    assert len(set(report.ids)) == 3
    stored, length = dump(store), size(store)
    again = await store.execute(CreateRefunds(after(9), SHOP, news, POLICY))
    assert (again.created, again.unchanged) == (0, 3)
    assert again.ids == report.ids
    assert (dump(store), size(store)) == (stored, length)


async def test_with_one_bad_row_of_many_none_stands(store: InlineStore) -> None:
    payment = await make_payment(store, 10_000)
    stored, length = dump(store), size(store)
    news = (
        new_refund(payment, 6_000),
        new_refund(payment, 6_000),
        new_refund("pay_none", 1),
        new_refund(payment, 1_000, currency="EUR"),
    )

    report = await store.execute(CreateRefunds(START, SHOP, news, POLICY))

    assert [(each.index, each.code) for each in report.problems] == [
        (1, "refund.amount_exceeds_refundable"),
        (2, "payment.unknown"),
        (3, "refund.currency_mismatch"),
    ]
    assert (report.created, report.ids) == (0, ())
    assert (dump(store), size(store)) == (stored, length)


async def test_a_dry_run_of_many_reports_and_stores_nothing(store: InlineStore) -> None:
    payment = await make_payment(store, 10_000)
    stored, length = dump(store), size(store)
    news = (new_refund(payment, 6_000), new_refund(payment, 4_000))

    report = await store.execute(CreateRefunds(START, SHOP, news, POLICY, dry_run=True))

    assert (report.created, report.problems) == (2, ())
    assert (dump(store), size(store)) == (stored, length)
    real = await store.execute(CreateRefunds(START, SHOP, news, POLICY))
    assert real.ids == report.ids
