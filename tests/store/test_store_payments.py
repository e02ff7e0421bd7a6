from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.errors import (
    DecisionDenied,
    PaymentConflict,
    PaymentFrozen,
    PaymentUnknown,
)
from refundwatch.store.contract import (
    InvoiceShare,
    NewInvoice,
    NewPayment,
    PutInvoices,
    PutPayments,
    UnfreezePayment,
)
from refundwatch.store.rows import moment
from refundwatch.store.sqlite.sealing import open_text
from tests.making import (
    INSTANCE,
    OLA,
    SHOP,
    START,
    VIC,
    after,
    make_payment,
    make_refund,
)
from tests.sealer import OpenSealer
from tests.signing import ordered
from tests.store.driving import claimed, drive, word
from tests.store.looking import (
    broken_sums,
    dump,
    entries,
    kinds,
    rows,
    size,
    value,
)

if TYPE_CHECKING:
    from refundwatch.store.sqlite.store import InlineStore

PAYMENT = NewPayment(
    account="stripe-uk",
    gateway_reference="pi_1",
    captured_minor=12_345,
    currency="GBP",
    captured_at=START,
    order_reference="order 7",
    invoices=(InvoiceShare("I-1", 12_000),),
    customer={"name": "Ada King", "email": "Ada@Example.org ", "last_four": "4242"},
)


def put(*payments: NewPayment, **fields: Any) -> PutPayments:
    return PutPayments(START, "machine:shop", payments, **fields)


async def test_a_payment_is_stored_with_its_customer_sealed(store: InlineStore) -> None:
    length = size(store)

    report = await store.execute(put(PAYMENT))

    assert (report.created, report.unchanged) == (1, 0)
    (row,) = rows(store, "SELECT * FROM payment")
    assert row["id"] == report.ids[0]
    sealer = OpenSealer()
    name = sealer.open("payment", row["id"], "customer_name", row["customer_name"])
    assert name == b"Ada King"
    assert row["customer_email_index"] == sealer.blind_index(
        "customer_email", "ada@example.org"
    )
    assert row["customer_account"] is None
    assert row["customer_account_index"] is None
    assert "customer_last_four_index" not in row.keys()  # noqa: SIM118
    assert value(store, "SELECT amount_minor FROM payment_invoice") == 12_000
    assert value(store, "SELECT implied FROM invoice") == 1
    (entry,) = entries(store, length)
    assert entry.kind == "payment:created"
    assert "Ada" not in str(entry)


async def test_the_same_payments_again_change_nothing(store: InlineStore) -> None:
    both = put(PAYMENT, replace(PAYMENT, gateway_reference="pi_2", invoices=()))
    first = await store.execute(both)
    stored, length = dump(store), size(store)

    again = await store.execute(replace(both, at=after(60)))

    assert (again.created, again.unchanged, again.ids) == (0, 2, first.ids)
    assert (dump(store), size(store)) == (stored, length)


async def test_what_the_gateway_corrected_is_no_conflict_when_told_again(
    store: InlineStore,
) -> None:
    await store.execute(put(PAYMENT))
    store._connection.execute("UPDATE payment SET captured_minor = 11000")

    again = await store.execute(put(PAYMENT))

    assert (again.unchanged, again.problems) == (1, ())


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"captured_minor": 12_346}, "payment.conflict", "captured_minor"),
        ({"currency": "EUR"}, "payment.conflict", "currency"),
        ({"invoices": ()}, "payment.conflict", "invoices"),
        (
            {"invoices": (InvoiceShare("I-1", 11_999),)},
            "payment.conflict",
            "invoices",
        ),
    ],
)
async def test_the_same_payment_with_other_content_is_a_problem(
    store: InlineStore, change: dict[str, Any], code: str, field: str
) -> None:
    await store.execute(put(PAYMENT))
    stored, length = dump(store), size(store)

    report = await store.execute(put(replace(PAYMENT, **change)))

    assert [(each.code, each.field) for each in report.problems] == [(code, field)]
    assert (dump(store), size(store)) == (stored, length)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"account": "nowhere"}, "account.unknown"),
        ({"currency": "XXX"}, "value.currency_unknown"),
        ({"captured_minor": 0}, "refund.amount_invalid"),
        ({"captured_minor": -1}, "refund.amount_invalid"),
        ({"captured_minor": 2**53}, "refund.amount_invalid"),
        ({"captured_minor": True}, "refund.amount_invalid"),
        ({"gateway_reference": ""}, "value.text_invalid"),
        ({"customer": {"card": "4242"}}, "value.text_invalid"),
        ({"invoices": (InvoiceShare("I", 0),)}, "refund.amount_invalid"),
        ({"invoices": (InvoiceShare("I", 12_346),)}, "refund.amount_invalid"),
        (
            {"invoices": (InvoiceShare("I", 1), InvoiceShare("I", 2))},
            "value.text_invalid",
        ),
        ({"invoices": (InvoiceShare("EU-1", 5),)}, "invoice.conflict"),
    ],
)
async def test_one_bad_payment_keeps_all_out(
    store: InlineStore, change: dict[str, Any], code: str
) -> None:
    await store.execute(
        PutInvoices(START, "machine:shop", (NewInvoice("EU-1", 5, "EUR"),))
    )
    stored, length = dump(store), size(store)
    bad = replace(PAYMENT, gateway_reference="pi_bad")

    report = await store.execute(put(PAYMENT, replace(bad, **change)))

    assert [(each.index, each.code) for each in report.problems] == [(1, code)]
    assert (report.created, report.ids) == (0, ())
    assert (dump(store), size(store)) == (stored, length)


async def test_a_dry_run_stores_nothing(store: InlineStore) -> None:
    stored, length = dump(store), size(store)

    report = await store.execute(put(PAYMENT, dry_run=True))

    assert (report.created, len(report.ids)) == (1, 1)
    assert (dump(store), size(store)) == (stored, length)


async def test_an_invoice_grows_with_its_shares_until_it_is_declared(
    store: InlineStore,
) -> None:
    second = replace(PAYMENT, gateway_reference="pi_2")
    await store.execute(put(PAYMENT, second))
    assert value(store, "SELECT amount_minor FROM invoice") == 24_000
    told = PutInvoices(
        START, "machine:shop", (NewInvoice("I-1", 25_000, "GBP", START),)
    )

    declared = await store.execute(told)
    stored = dump(store)
    again = await store.execute(told)

    assert (declared.created, again.created, again.unchanged) == (1, 0, 1)
    (row,) = rows(store, "SELECT * FROM invoice")
    assert (row["amount_minor"], row["implied"]) == (25_000, 0)
    assert dump(store) == stored
    assert kinds(store)[-1] == "invoice:created"


@pytest.mark.parametrize(
    ("invoice", "code"),
    [
        (NewInvoice("I-1", 6, "GBP"), "invoice.conflict"),
        (NewInvoice("I-1", 5, "EUR"), "invoice.conflict"),
        (NewInvoice("I-1", 5, "GBP", START), "invoice.conflict"),
        (NewInvoice("I-2", 0, "GBP"), "refund.amount_invalid"),
        (NewInvoice("", 5, "GBP"), "value.text_invalid"),
        (NewInvoice("I-2", 5, "ABC"), "value.currency_unknown"),
    ],
)
async def test_a_bad_invoice_keeps_all_out(
    store: InlineStore, invoice: NewInvoice, code: str
) -> None:
    known = NewInvoice("I-1", 5, "GBP")
    await store.execute(PutInvoices(START, "machine:shop", (known,)))
    stored, length = dump(store), size(store)

    report = await store.execute(
        PutInvoices(START, "machine:shop", (NewInvoice("I-9", 5, "GBP"), invoice))
    )

    assert [(each.index, each.code) for each in report.problems] == [(1, code)]
    assert (dump(store), size(store)) == (stored, length)


# --- freezes ----------------------------------------------------------------------


def unfreeze(payment: str, **fields: Any) -> UnfreezePayment:
    fields.setdefault("principal", OLA)
    fields.setdefault("reason_text", None)
    freeze = {name: fields.pop(name) for name in ("was", "since") if name in fields}
    command = UnfreezePayment(
        at=after(5), payment_id=payment, reason_code="checked", **fields
    )
    return ordered(command, instance=INSTANCE, **freeze)


async def test_a_freeze_is_lifted_with_a_sealed_reason(store: InlineStore) -> None:
    payment = await make_payment(store)
    refund = await drive(store, await make_refund(store, payment), claimed())
    await drive(store, refund, word(Word.SUCCEEDED, amount_minor=999))
    assert value(store, "SELECT frozen FROM payment") == "amount_mismatch"
    frozen_at = moment(value(store, "SELECT frozen_at FROM payment"))
    length = size(store)

    await store.execute(
        unfreeze(
            payment, reason_text="Asked Ada", was="amount_mismatch", since=frozen_at
        )
    )

    assert value(store, "SELECT frozen FROM payment") is None
    (entry,) = entries(store, length)
    assert (entry.kind, entry.actor) == ("payment:unfrozen", "person:ola")
    assert entry.data["was"] == "amount_mismatch"
    assert "Ada" not in str(entry)
    sealed = value(store, "SELECT text FROM note")
    text = open_text(OpenSealer(), "note", f"{payment}/1", "text", sealed)
    assert text == "Asked Ada"


async def test_a_freeze_stays_where_amounts_exceed(store: InlineStore) -> None:
    payment = await make_payment(store)
    store._connection.execute(
        "UPDATE payment SET frozen = 'external', refunded_minor = 20000, "
        "external_minor = 20000"
    )
    stored, length = dump(store), size(store)

    with pytest.raises(PaymentFrozen):
        await store.execute(unfreeze(payment))

    assert (dump(store), size(store)) == (stored, length)


async def test_a_freeze_is_lifted_by_persons_only(store: InlineStore) -> None:
    payment = await make_payment(store)
    store._connection.execute("UPDATE payment SET frozen = 'dispute'")
    stored = dump(store)

    for who, reason in ((SHOP, "people_only"), (VIC, "role_missing")):
        with pytest.raises(DecisionDenied):
            await store.execute(unfreeze(payment, principal=who))
        assert entries(store)[-1].data["reason"] == reason

    assert dump(store) == stored


async def test_only_a_known_and_frozen_payment_is_unfrozen(store: InlineStore) -> None:
    payment = await make_payment(store)

    with pytest.raises(PaymentConflict):
        await store.execute(unfreeze(payment))
    with pytest.raises(PaymentUnknown):
        await store.execute(unfreeze("pay_none"))


async def test_a_late_success_is_booked_and_freezes(store: InlineStore) -> None:
    """A fact about money is stored even where it breaks the limit."""
    payment = await make_payment(store, 10_000)
    refund = await drive(
        store,
        await make_refund(store, payment, 4_000),
        claimed(),
        word(Word.FAILED),
    )
    await make_refund(store, payment, 4_000)
    await make_refund(store, payment, 4_000)

    await drive(store, refund, word(Word.SUCCEEDED))

    (row,) = rows(store, "SELECT * FROM payment")
    assert (row["reserved_minor"], row["refunded_minor"]) == (8_000, 4_000)
    assert row["frozen"] == "executed_after_end"
    assert kinds(store)[-3:] == [
        "refund:gateway:succeeded",
        "payment:frozen",
        "alarm:opened",
    ]
    assert broken_sums(store) == []


async def test_a_repeated_word_is_counted_and_not_stored(store: InlineStore) -> None:
    refund = await drive(
        store, await make_refund(store), claimed(), word(Word.SUCCEEDED)
    )
    length = size(store)

    await drive(store, refund, word(Word.SUCCEEDED), word(Word.PENDING))

    assert size(store) == length
    counted = rows(store, "SELECT kind, reason, count FROM ignored_count ORDER BY kind")
    assert [tuple(row) for row in counted] == [
        ("refund:gateway:pending", "repeat_or_older", 1),
        ("refund:gateway:succeeded", "repeat_or_older", 1),
    ]
