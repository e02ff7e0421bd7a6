from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.unit.gateways.cybersource_making import ACCOUNT, GATEWAY, REFUND

PAGE: dict[str, Any] = {
    "offset": 0,
    "limit": 2000,
    "pageResults": 1,
    "requestDetails": [
        {
            "requestId": REFUND,
            "merchantReferenceNumber": "rw-000123",
            "transactionReferenceNumber": "RW7XXEXAMPLE1",
        }
    ],
    "settlements": [
        {
            "requestId": REFUND,
            "transactionType": "Refunds",
            "submissionTime": "2026-03-02T20:00:05Z",
            "amount": "5.95",
            "currencyCode": "USD",
            "cybersourceBatchTime": "2026-03-02T20:00:00Z",
            "cybersourceBatchId": "1234567",
        }
    ],
    "settlementStatuses": [
        {
            "requestId": REFUND,
            "status": "Settled",
            "settlementTime": "2026-03-04T08:00:00Z",
            "reasonCode": "",
            "errorText": "",
        }
    ],
    "feeAndFundingDetails": [
        {"requestId": REFUND, "totalFee": "0.10", "feeCurrency": "USD"}
    ],
}
LINE = SettlementLine(
    number=1,
    kind=LineKind.REFUND,
    amount_minor=-595,
    currency="USD",
    gateway_reference=REFUND,
    merchant_reference="rw-000123",
    fee_minor=10,
    fee_currency="USD",
    booked_on=date(2026, 3, 4),
    payout="1234567",
    type="Refunds",
)


def lines(page: Any) -> list[Any]:
    raw = page if isinstance(page, bytes) else json.dumps(page).encode()
    pieces = (raw[at : at + 7] for at in range(0, len(raw), 7))
    return list(GATEWAY.read_settlement(ACCOUNT, "page.json", pieces))


def page(**changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(PAGE)
    made["settlements"][0].update(changes)
    return made


def test_the_documented_page_is_one_refund() -> None:
    assert lines(PAGE) == [LINE]


def test_a_sale_is_money_in() -> None:
    (line,) = lines(page(transactionType="Sales"))
    assert (line.kind, line.amount_minor) == (LineKind.PAYMENT, 595)


def test_without_a_status_the_batch_says_when() -> None:
    made = page() | {"settlementStatuses": [], "feeAndFundingDetails": []}
    (line,) = lines(made)
    assert line.booked_on == date(2026, 3, 2)
    assert (line.fee_minor, line.fee_currency) == (None, None)


@pytest.mark.parametrize("status", ["Failed", "REJECTED"])
def test_a_refusal_after_transmission_brings_the_money_back(status: str) -> None:
    made = page()
    made["settlementStatuses"][0].update(status=status, errorText="Account closed")
    first, second = lines(made)
    assert (first.kind, first.amount_minor) == (LineKind.REFUND, -595)
    assert (second.kind, second.amount_minor) == (LineKind.REFUND_REVERSED, 595)
    assert (second.number, second.gateway_reference) == (2, REFUND)
    assert first.amount_minor + second.amount_minor == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"requestId": 7}, "request_id"),
        ({"transactionType": "Adjustments"}, "transaction_type"),
        ({"transactionType": None}, "transaction_type"),
        ({"amount": "5.955"}, "amount"),
        ({"amount": 5.95}, "amount"),
        ({"amount": "-5.95"}, "amount_sign"),
        ({"amount": None}, "amount"),
        ({"currencyCode": "dollars"}, "amount"),
        ({"currencyCode": None}, "amount"),
    ],
)
def test_a_row_that_cannot_be_read_is_told(
    changes: dict[str, Any], reason: str
) -> None:
    assert lines(page(**changes)) == [BadLine(1, reason)]


def test_an_unseen_status_settles_nothing() -> None:
    made = page()
    made["settlementStatuses"][0]["status"] = "Pending"
    assert lines(made) == [BadLine(1, "settlement_status")]


def test_a_refused_request_without_its_row_is_told() -> None:
    made = page()
    made["settlementStatuses"].append({"requestId": "1", "status": "Failed"})
    assert lines(made) == [LINE, BadLine(3, "refused_without_amount")]


def test_a_doubtful_fee_is_no_fee() -> None:
    made = page()
    made["feeAndFundingDetails"][0]["totalFee"] = "0.105"
    assert lines(made) == [BadLine(1, "fee")]


def test_an_empty_page_has_no_lines() -> None:
    assert lines({"settlements": []}) == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"a,b\n1,2\n", b"\xff"])
def test_what_is_no_page_is_refused(raw: bytes) -> None:
    with pytest.raises(SettlementUnreadable) as caught:
        lines(raw)
    assert caught.value.field == "page.json"


def test_a_page_without_end_is_refused() -> None:
    endless = (b" " * 2**20 for _ in range(17))
    with pytest.raises(SettlementUnreadable, match="16 MiB"):
        list(GATEWAY.read_settlement(ACCOUNT, "page.json", endless))
