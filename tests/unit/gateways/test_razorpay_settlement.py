from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.unit.gateways.razorpay import (
    GATEWAY,
    PAYMENT_ID,
    RAZORPAY,
    RECORDED,
    REFUND_ID,
)

PAGE: dict[str, Any] = RECORDED["settled"]["body"]
ROW: dict[str, Any] = PAGE["items"][0]


def lines(*pieces: bytes) -> list[SettlementLine | BadLine]:
    return list(GATEWAY.read_settlement(RAZORPAY, "page.json", iter(pieces)))


def read(**changes: Any) -> Any:
    [line] = lines(json.dumps({"items": [ROW | changes]}).encode())
    return line


def test_a_refund_is_money_out_with_its_bank_day() -> None:
    content = json.dumps(PAGE).encode()
    assert lines(content[:9], content[9:]) == [
        SettlementLine(
            number=1,
            kind=LineKind.REFUND,
            amount_minor=-50000,
            currency="INR",
            gateway_reference=REFUND_ID,
            merchant_reference="rw-000123",
            payment_reference=PAYMENT_ID,
            fee_minor=0,
            fee_currency="INR",
            booked_on=date(2026, 3, 5),
            payout="setl_RW000000000001",
            type="refund",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "kind", "amount"),
    [
        ({"type": "refund"}, LineKind.REFUND, -50000),
        (
            {"type": "refund", "debit": 0, "credit": 50000},
            LineKind.REFUND_REVERSED,
            50000,
        ),
        (
            {"type": "payment", "debit": 0, "credit": 48820, "fee": 1180},
            LineKind.PAYMENT,
            50000,
        ),
        ({"type": "payment", "debit": 0, "credit": 0}, LineKind.PAYMENT, 50000),
        ({"type": "transfer"}, LineKind.OTHER, -50000),
        ({"type": "adjustment", "debit": 0, "credit": 1}, LineKind.OTHER, 50000),
        (
            {"type": "adjustment", "dispute_id": "disp_1"},
            LineKind.CHARGEBACK,
            -50000,
        ),
        (
            {"type": "adjustment", "dispute_id": "disp_1", "debit": 0, "credit": 1},
            LineKind.CHARGEBACK_REVERSED,
            50000,
        ),
    ],
)
def test_debit_and_credit_tell_the_way(
    changes: dict[str, Any], kind: LineKind, amount: int
) -> None:
    line = read(**changes)
    assert (line.kind, line.amount_minor) == (kind, amount)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"settled": False}, "not_settled"),
        ({"settled": None}, "not_settled"),
        ({"settled_at": None}, "not_settled"),
        ({"settled_at": "2026-03-05"}, "not_settled"),
        ({"settled_at": 10**18}, "not_settled"),
        ({"amount": "50000"}, "amount"),
        ({"amount": 500.0}, "amount"),
        ({"debit": None}, "amount"),
        ({"debit": -1}, "amount"),
        ({"type": "payout"}, "type"),
        ({"type": None}, "type"),
        ({"debit": 0}, "type"),
        ({"type": "payment"}, "type"),
        ({"type": "transfer", "debit": 0}, "type"),
        ({"currency": "CLF"}, "currency"),
        ({"currency": None}, "currency"),
    ],
)
def test_a_line_that_cannot_be_read_is_told(
    changes: dict[str, Any], reason: str
) -> None:
    assert read(**changes) == BadLine(1, reason)


def test_what_is_no_row_is_told_and_the_others_are_not_lost() -> None:
    first, second = lines(json.dumps({"items": [7, ROW]}).encode())
    assert first == BadLine(1, "not_an_object")
    assert isinstance(second, SettlementLine)


@pytest.mark.parametrize(
    ("notes", "reference"),
    [
        ("rw-000123", "rw-000123"),
        ({"rw_refund_id": "rw-000123"}, "rw-000123"),
        ([], None),
        ({}, None),
        ("x" * 41, None),
        (None, None),
    ],
)
def test_notes_come_in_several_forms(notes: Any, reference: str | None) -> None:
    assert read(notes=notes).merchant_reference == reference


def test_a_late_evening_in_utc_is_the_next_indian_day() -> None:
    assert read(settled_at=1772649000).booked_on == date(2026, 3, 5)
    assert read(settled_at=1772648999).booked_on == date(2026, 3, 4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"items":7}',
        b"entity_id,type,debit\nrfnd_1,refund,500.00\n",
        b"{" + b" " * (1024 * 1024 + 1),
    ],
)
def test_what_is_no_page_is_refused(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable):
        lines(content)
