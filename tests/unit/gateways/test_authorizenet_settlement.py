from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.unit.gateways.anet import ANET, BOM, GATEWAY, GOOD, OURS, row

PAGE = {
    "transactions": [
        row() | {"transactionStatus": "refundSettledSuccessfully"},
        row("60190000100", None)
        | {"transactionStatus": "settledSuccessfully", "settleAmount": "50.00"},
        row("60190000101") | {"transactionStatus": "chargeback", "settleAmount": 7},
        row("60190000102") | {"transactionStatus": "declined", "settleAmount": 0.0},
        row("60190000103") | {"settleAmount": 0.001},
        row("x"),
        7,
    ],
    "totalNumInResultSet": 7,
    "messages": GOOD,
}


def lines(page: Any, pieces: int = 1) -> list[SettlementLine | BadLine]:
    raw = page if isinstance(page, bytes) else BOM + json.dumps(page).encode()
    size = -(-len(raw) // pieces) or 1
    content = [raw[at : at + size] for at in range(0, len(raw), size)]
    return list(GATEWAY.read_settlement(ANET, "page.json", content))


def test_a_page_of_a_batch_gives_a_line_for_every_row() -> None:
    first, second, third, fourth, *bad = lines(PAGE, pieces=50)
    assert first == SettlementLine(
        number=1,
        kind=LineKind.REFUND,
        amount_minor=-1250,
        currency="USD",
        gateway_reference="60190000123",
        merchant_reference=OURS,
        type="refundSettledSuccessfully",
    )
    assert isinstance(second, SettlementLine)
    assert (second.kind, second.amount_minor) == (LineKind.PAYMENT, 5000)
    assert isinstance(third, SettlementLine)
    assert (third.kind, third.amount_minor) == (LineKind.CHARGEBACK, -700)
    assert isinstance(fourth, SettlementLine)
    assert (fourth.kind, fourth.amount_minor) == (LineKind.OTHER, 0)
    assert bad == [
        BadLine(5, "amount"),
        BadLine(6, "not_a_transaction"),
        BadLine(7, "not_a_transaction"),
    ]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("refundSettledSuccessfully", LineKind.REFUND),
        ("settledSuccessfully", LineKind.REFUND),
        ("returnedItem", LineKind.REFUND_REVERSED),
        ("voided", LineKind.OTHER),
    ],
)
def test_the_details_of_a_refund_name_sale_batch_and_day(
    status: str, kind: LineKind
) -> None:
    details = {
        "transId": "60190000123",
        "refTransId": "60190000100",
        "transactionType": "refundTransaction",
        "transactionStatus": status,
        "order": {"invoiceNumber": OURS},
        "settleAmount": 12.5,
        "batch": {"batchId": "71", "settlementTimeLocal": "2026-11-20T23:00:00.01"},
    }
    (line,) = lines({"transaction": details, "messages": GOOD})
    assert isinstance(line, SettlementLine)
    assert line.kind is kind
    assert line.payment_reference == "60190000100"
    assert line.merchant_reference == OURS
    assert line.payout == "71"
    assert line.booked_on == date(2026, 11, 20)


def test_an_empty_batch_has_no_lines() -> None:
    assert lines({"messages": GOOD}) == []


@pytest.mark.parametrize(
    "page",
    [b"", b"[]", b"id,amount\n", b"{}", {"transactions": {}}, b" " * (2**20 + 1)],
)
def test_what_is_no_page_is_refused_whole(page: Any) -> None:
    with pytest.raises(SettlementUnreadable):
        lines(page)
