from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from refundwatch.domain.policy import Principal, Role
from refundwatch.errors import RefundwatchError
from refundwatch.flow.intake import Intake, check_text
from refundwatch.store.contract import (
    BulkReport,
    CreateRefund,
    CreateRefunds,
    NewRefund,
    Policy,
    RowProblem,
)
from tests.flow.fakes import FakePaths, FakeStore, a_path
from tests.flow.simloop import START
from tests.flow.toy import TOY, Toy

GOOD = NewRefund("r-1", "pi_1", 500, "EUR", "returned", account="toy-eu")
CALLER = Principal("machine:shop", frozenset({Role.REQUESTER}))


def intake(store: FakeStore, gateway: Toy | None = None) -> Intake:
    bench: Any = SimpleNamespace(
        store=store,
        paths=FakePaths((a_path(gateway=gateway or Toy()),)),
        clock=SimpleNamespace(now=lambda: START),
        policy=lambda: Policy("v1", (), 3600),
    )
    return Intake(bench)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"request_id": ""}, "value.text_invalid", "request_id"),
        ({"request_id": "x" * 129}, "value.text_invalid", "request_id"),
        ({"request_id": "a b"}, "value.text_invalid", "request_id"),
        ({"request_id": "ä"}, "value.text_invalid", "request_id"),
        ({"request_id": "a\n"}, "value.text_invalid", "request_id"),
        ({"payment": ""}, "value.text_invalid", "payment"),
        ({"account": "a b"}, "value.text_invalid", "account"),
        ({"invoice": "\x00"}, "value.text_invalid", "invoice"),
        ({"reason_code": ""}, "value.text_invalid", "reason_code"),
        ({"reason_code": "Returned"}, "value.text_invalid", "reason_code"),
        ({"reason_code": "a" * 65}, "value.text_invalid", "reason_code"),
        ({"reason_code": "a\n"}, "value.text_invalid", "reason_code"),
        ({"reason_text": ""}, "value.text_invalid", "reason_text"),
        ({"reason_text": "x" * 2001}, "value.text_invalid", "reason_text"),
        ({"reason_text": "\x1b[31m"}, "value.text_invalid", "reason_text"),
        ({"currency": "eur"}, "value.currency_unknown", "currency"),
        ({"currency": "XXX"}, "value.currency_unknown", "currency"),
        ({"amount_minor": 0}, "refund.amount_invalid", "amount_minor"),
        ({"amount_minor": -1}, "refund.amount_invalid", "amount_minor"),
        ({"amount_minor": 2**53}, "refund.amount_invalid", "amount_minor"),
        ({"amount_minor": 1.0}, "refund.amount_invalid", "amount_minor"),
        ({"amount_minor": True}, "refund.amount_invalid", "amount_minor"),
        (
            {"expected_remaining_minor": -1},
            "refund.amount_invalid",
            "expected_remaining_minor",
        ),
    ],
)
def test_request_of_another_form_is_refused_by_field(
    changes: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(RefundwatchError) as refused:
        check_text(replace(GOOD, **changes))

    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"request_id": "~" * 128},
        {"reason_code": "a-b_c.9"},
        {"reason_text": "Zwei Zeilen,\n\tgrüßend"},
        {"expected_remaining_minor": 0},
        {"amount_minor": 2**53 - 1},
    ],
)
def test_request_of_the_documented_form_passes(changes: dict[str, Any]) -> None:
    check_text(replace(GOOD, **changes))


async def test_good_request_is_stored_with_its_principal() -> None:
    store = FakeStore()
    await intake(store).create(CALLER, GOOD)

    (command,) = store.of(CreateRefund)
    assert (command.refund, command.principal, command.at) == (GOOD, CALLER, START)


@pytest.mark.parametrize("account", ["toy-eu", None])
async def test_amount_that_the_gateway_cannot_be_told_is_refused_before_anything(
    account: str | None,
) -> None:
    gateway = Toy(replace(TOY, multiples={"EUR": 10}))
    store = FakeStore({"GetPayment": SimpleNamespace(account="toy-eu")})
    new = replace(GOOD, amount_minor=501, account=account)
    with pytest.raises(RefundwatchError) as refused:
        await intake(store, gateway).create(CALLER, new)

    assert refused.value.code == "gateway.not_expressible"
    assert store.commands == []


async def test_part_of_a_payment_is_refused_where_it_is_refunded_whole() -> None:
    gateway = Toy(replace(TOY, partial_refunds=False))
    payment = SimpleNamespace(account="toy-eu", captured_minor=900)
    store = FakeStore({"GetPayment": payment})
    with pytest.raises(RefundwatchError, match="whole or not at all"):
        await intake(store, gateway).create(CALLER, GOOD)
    await intake(store, gateway).create(CALLER, replace(GOOD, amount_minor=900))

    assert len(store.of(CreateRefund)) == 1


async def test_bulk_with_good_rows_is_stored_once() -> None:
    store = FakeStore({"CreateRefunds": BulkReport(2, 0, ("rf_1", "rf_2"))})
    rows = [GOOD, replace(GOOD, request_id="r-2")]
    report = await intake(store).create_many(CALLER, rows)

    assert report.created == 2
    assert store.of(CreateRefunds)[0].dry_run is False


async def test_bulk_reports_every_bad_row_and_stores_none() -> None:
    found = BulkReport(0, 0, (), (RowProblem(1, "payment.unknown", "No payment."),))
    store = FakeStore({"CreateRefunds": found})
    rows = [
        replace(GOOD, currency="eur"),
        GOOD,
        replace(GOOD, request_id="r 2"),
        replace(GOOD, request_id="r-3", payment="pi_unknown"),
    ]
    report = await intake(store).create_many(CALLER, rows)

    assert [(one.index, one.code) for one in report.problems] == [
        (0, "value.currency_unknown"),
        (2, "value.text_invalid"),
        (3, "payment.unknown"),
    ]
    assert store.of(CreateRefunds)[0].dry_run is True
    assert report.created == 0
