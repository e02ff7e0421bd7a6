from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.unit.gateways.klarna import (
    GATEWAY,
    KLARNA,
    ORDER_ID,
    RECORDED,
    REFUND_ID,
)

PAGE: dict[str, Any] = RECORDED["transactions"]["body"]
ROW: dict[str, Any] = PAGE["transactions"][0]
HEADER = "type,detailed_type,amount,currency_code,order_id,refund_id,capture_date\n"


def lines(*pieces: bytes) -> list[SettlementLine | BadLine]:
    return list(GATEWAY.read_settlement(KLARNA, "page.json", iter(pieces)))


def page(*rows: Any) -> bytes:
    return json.dumps({"transactions": list(rows), "pagination": {}}).encode()


def test_a_return_is_a_refund_with_our_reference() -> None:
    [line] = lines(json.dumps(PAGE).encode())
    assert line == SettlementLine(
        number=1,
        kind=LineKind.REFUND,
        amount_minor=-5950,
        currency="SEK",
        gateway_reference=REFUND_ID,
        merchant_reference="rw-000123",
        payment_reference=ORDER_ID,
        booked_on=date(2026, 3, 2),
        payout="RWPAY0001",
        type="PURCHASE_RETURN",
    )


@pytest.mark.parametrize(
    ("kind_name", "kind", "amount"),
    [
        ("SALE", LineKind.PAYMENT, 5950),
        ("RETURN", LineKind.REFUND, -5950),
        ("FEE", LineKind.FEE, -5950),
        ("FEE_REFUND", LineKind.FEE, 5950),
        ("COMMISSION", LineKind.FEE, -5950),
        ("TAX", LineKind.FEE, -5950),
        ("REVERSAL", LineKind.CHARGEBACK, -5950),
        ("REVERSAL_MERCHANT_PROTECTION", LineKind.CHARGEBACK_REVERSED, 5950),
        ("CHARGE", LineKind.OTHER, -5950),
        ("CREDIT", LineKind.OTHER, 5950),
        ("HOLDBACK", LineKind.OTHER, -5950),
        ("RELEASE", LineKind.OTHER, 5950),
    ],
)
def test_the_type_decides_the_sign(kind_name: str, kind: LineKind, amount: int) -> None:
    for written in (5950, -5950):
        [line] = lines(page(ROW | {"type": kind_name, "amount": written}))
        assert isinstance(line, SettlementLine)
        assert (line.kind, line.amount_minor) == (kind, amount)


def test_a_correction_keeps_its_sign() -> None:
    rows = (ROW | {"type": "CORRECTION", "amount": amount} for amount in (5, -5))
    assert [getattr(line, "amount_minor", None) for line in lines(page(*rows))] == [
        5,
        -5,
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "NEW_TYPE"}, "type"),
        ({"type": None}, "type"),
        ({"amount": 59.5}, "amount"),
        ({"amount": "5950"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"currency_code": "JPY"}, "currency"),
        ({"currency_code": None}, "currency"),
        ({"capture_date": "yesterday"}, "capture_date"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_and_the_others_are_not_lost(
    changes: dict[str, Any], reason: str
) -> None:
    first, bad, last = lines(page(ROW, ROW | changes, ROW))
    assert bad == BadLine(2, reason)
    assert isinstance(first, SettlementLine)
    assert isinstance(last, SettlementLine)
    assert last.number == 3


def test_what_is_no_row_is_told() -> None:
    assert lines(page("x")) == [BadLine(1, "not_an_object")]


def test_the_csv_report_reads_like_the_page() -> None:
    rows = f"RETURN,PURCHASE_RETURN,5950,SEK,{ORDER_ID},{REFUND_ID},2026-03-02T00:00Z\n"
    text = f"\ufeff{HEADER}{rows}FEE,RETURN_FEE,1.5,SEK,{ORDER_ID},,\nshort,row\n"
    content = text.encode()
    read = lines(content[:10], content[10:40], content[40:])
    assert isinstance(read[0], SettlementLine)
    assert (read[0].number, read[0].amount_minor) == (2, -5950)
    assert read[0].gateway_reference == REFUND_ID
    assert read[0].booked_on == date(2026, 3, 2)
    assert read[1:] == [BadLine(3, "amount"), BadLine(4, "fields")]


def test_empty_columns_are_no_references() -> None:
    [line] = lines(f"{HEADER}SALE,PURCHASE,1,EUR,{ORDER_ID},,\n".encode())
    assert isinstance(line, SettlementLine)
    assert line.gateway_reference is None
    assert line.booked_on is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n",
        b"{",
        b"{}",
        b'{"transactions": 7}',
        b"type,amount\nSALE,1\n",
        b"%PDF-1.4",
        b"{" + b" " * (1024 * 1024 + 1),
    ],
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable):
        lines(content)
