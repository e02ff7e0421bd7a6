from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.contract.schemas import conforms, document
from tests.unit.gateways.mollie_hand import GATEWAY, GOOD, MOLLIE, PAYMENT, REFUND_ID

CONTEXT = {"paymentId": PAYMENT, "refundId": REFUND_ID}
BOOKING: dict[str, Any] = {
    "resource": "balance-transaction",
    "id": "baltr_rw0001",
    "type": "refund",
    "initialAmount": {"currency": "EUR", "value": "-5.95"},
    "deductions": {"currency": "EUR", "value": "-0.25"},
    "deductionDetails": {"fees": {"currency": "EUR", "value": "-0.25"}},
    "resultAmount": {"currency": "EUR", "value": "-6.20"},
    "context": {"refund": CONTEXT},
    "createdAt": "2026-03-01T23:30:05+00:00",
}
BOOKINGS = {"count": 1, "_embedded": {"balance_transactions": [BOOKING]}}
SETTLED_REFUND = GOOD | {
    "status": "refunded",
    "settlementId": "stl_rw0001",
    "settlementAmount": {"currency": "EUR", "value": "-10.50"},
}
SETTLED = {"count": 1, "_embedded": {"refunds": [SETTLED_REFUND]}}


def lines(kind: str, *entries: Any) -> list[Any]:
    page = json.dumps({"_embedded": {kind: list(entries)}}).encode()
    pieces = [page[:7], page[7:]]
    return list(GATEWAY.read_settlement(MOLLIE, "page.json", pieces))


def bookings(*entries: Any) -> list[Any]:
    return lines("balance_transactions", *entries)


def test_a_booked_refund_is_read_with_its_fee() -> None:
    conforms(
        document("mollie-refunds.json"),
        BOOKING,
        {"$ref": "#/components/schemas/entity-balance-transaction"},
    )
    assert bookings(BOOKING) == [
        SettlementLine(
            number=1,
            kind=LineKind.REFUND,
            amount_minor=-595,
            currency="EUR",
            gateway_reference=REFUND_ID,
            payment_reference=PAYMENT,
            fee_minor=25,
            fee_currency="EUR",
            booked_on=date(2026, 3, 1),
            type="refund",
        )
    ]


def test_ids_are_read_flat_as_well() -> None:
    assert bookings(BOOKING | {"context": CONTEXT}) == bookings(BOOKING)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("payment", LineKind.PAYMENT),
        ("returned-refund", LineKind.REFUND_REVERSED),
        ("chargeback", LineKind.CHARGEBACK),
        ("chargeback-reversal", LineKind.CHARGEBACK_REVERSED),
        ("payment-fee", LineKind.FEE),
        ("outgoing-transfer", LineKind.PAYOUT),
        ("rolling-reserve-hold", LineKind.OTHER),
        ("never-seen", LineKind.OTHER),
    ],
)
def test_other_bookings_are_told_by_their_kind(name: str, kind: LineKind) -> None:
    context = {name: {"settlementId": "stl_1", **CONTEXT}}
    (line,) = bookings(BOOKING | {"type": name, "context": context})
    assert (line.kind, line.type, line.payout) == (kind, name, "stl_1")


def test_a_settled_refund_is_money_that_went_out() -> None:
    (line,) = lines("refunds", SETTLED_REFUND)
    assert (line.amount_minor, line.currency) == (-1050, "EUR")
    assert (line.merchant_reference, line.payout) == ("rw-000001", "stl_rw0001")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"initialAmount": {"currency": "EUR", "value": "-5.951"}}, "amount"),
        ({"deductionDetails": {"fees": {"value": "x"}}}, "amount"),
        ({"initialAmount": None}, "no_amount"),
        ({"resource": "refund"}, "no_balance_transaction"),
        ({"type": None}, "no_balance_transaction"),
    ],
    ids=str,
)
def test_a_bad_line_is_told_and_the_others_read(changes: Any, reason: str) -> None:
    read = bookings(BOOKING, BOOKING | changes, "x", BOOKING)
    assert read[1] == BadLine(2, reason)
    assert read[2] == BadLine(3, "no_balance_transaction")
    assert [type(line) for line in read].count(SettlementLine) == 2
    assert read[3].number == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": {"currency": "EUR", "value": "1,00"}}, "amount"),
        ({"amount": None}, "no_amount"),
        ({"status": "failed"}, "status"),
        ({"resource": "payment"}, "no_refund"),
    ],
    ids=str,
)
def test_a_settled_refund_that_is_none_is_told(changes: Any, reason: str) -> None:
    assert lines("refunds", SETTLED_REFUND | changes) == [BadLine(1, reason)]


def test_a_day_that_is_none_is_not_made_up() -> None:
    for written in (None, "2026-03-01", "x"):
        (line,) = bookings(BOOKING | {"createdAt": written})
        assert line.booked_on is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"_embedded":{"payments":[]}}', b"\xff", b"a;b\n1;2\n"],
)
def test_what_is_no_page_is_refused_before_the_first_line(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable):
        GATEWAY.read_settlement(MOLLIE, "page.json", [content])


def test_a_page_without_end_is_left() -> None:
    endless = (b" " * 65_536 for _ in range(1_000_000))
    with pytest.raises(SettlementUnreadable, match=str(reading.MAX_BYTES)):
        GATEWAY.read_settlement(MOLLIE, "page.json", endless)
