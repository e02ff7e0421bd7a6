from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from refundwatch.gateways.square.adapter import Square
from tests.unit.gateways.mutations import bodies
from tests.unit.gateways.square import SQUARE

GATEWAY = Square()


def usd(amount: object, key: str = "currency_code", code: object = "USD") -> Any:
    return {"amount": amount, key: code}


ENTRY: dict[str, Any] = {
    "id": "poe_RW1",
    "payout_id": "po_RW1",
    "effective_at": "2026-03-03T07:00:00Z",
    "type": "REFUND",
    "gross_amount_money": usd(-1250),
    "fee_amount_money": usd(-36),
    "net_amount_money": usd(-1214),
    "type_refund_details": {"payment_id": "PAY8", "refund_id": "PAY8_RFD8"},
}
REFUND_LINE = SettlementLine(
    number=1,
    kind=LineKind.REFUND,
    amount_minor=-1250,
    currency="USD",
    gateway_reference="PAY8_RFD8",
    payment_reference="PAY8",
    fee_minor=-36,
    fee_currency="USD",
    payout="po_RW1",
    type="REFUND",
)


def page(*entries: object, **more: Any) -> bytes:
    return json.dumps({"payout_entries": list(entries)} | more).encode()


def read(*pieces: bytes) -> list[SettlementLine | BadLine]:
    return list(GATEWAY.read_settlement(SQUARE, "po_RW1.json", pieces))


def line(**changes: Any) -> SettlementLine | BadLine:
    (only,) = read(page(ENTRY | changes))
    return only


def test_the_documented_entry_is_a_refund_with_its_fee_given_back() -> None:
    assert read(page(ENTRY)) == [REFUND_LINE]


def test_both_names_of_the_currency_are_read() -> None:
    money = {
        "gross_amount_money": usd(-1250, "currency"),
        "fee_amount_money": usd(-36, "currency"),
        "net_amount_money": usd(-1214, "currency"),
    }
    assert line(**money) == REFUND_LINE


@pytest.mark.parametrize(
    ("kind_name", "gross", "kind"),
    [
        ("CHARGE", 1250, LineKind.PAYMENT),
        ("DISPUTE", -1250, LineKind.CHARGEBACK),
        ("DISPUTE", 1250, LineKind.CHARGEBACK_REVERSED),
        ("PAYOUT", -1250, LineKind.PAYOUT),
        ("PROCESSING_FEE_REFUND", 36, LineKind.FEE),
        ("THIRD_PARTY_FEE_REFUND", -36, LineKind.FEE),
        ("ADJUSTMENT", 5, LineKind.OTHER),
        ("NEVER_HEARD_OF", 5, LineKind.OTHER),
    ],
)
def test_each_type_has_its_kind(kind_name: str, gross: int, kind: LineKind) -> None:
    details = {f"type_{kind_name.lower()}_details": {"payment_id": "PAY9"}}
    changes = {
        "type": kind_name,
        "gross_amount_money": usd(gross),
        "fee_amount_money": None,
        "net_amount_money": None,
        "type_refund_details": None,
    }
    found = line(**changes, **details)
    assert isinstance(found, SettlementLine)
    assert (found.kind, found.amount_minor, found.fee_minor) == (kind, gross, None)
    assert found.type == kind_name


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": None}, "missing_type"),
        ({"payout_id": ""}, "missing_payout_id"),
        ({"type_refund_details": {}}, "missing_refund_id"),
        ({"gross_amount_money": None}, "missing_gross_amount_money"),
        ({"gross_amount_money": usd(-12.5)}, "amount_of_gross_amount_money"),
        ({"gross_amount_money": usd("-1250")}, "amount_of_gross_amount_money"),
        (
            {"gross_amount_money": usd(-1250, code="XXX")},
            "amount_of_gross_amount_money",
        ),
        ({"gross_amount_money": {"amount": 5}}, "currency_of_gross_amount_money"),
        (
            {"fee_amount_money": usd(-36) | {"currency": "EUR"}},
            "currency_of_fee_amount_money",
        ),
        ({"fee_amount_money": usd(-36, code="EUR")}, "currencies_differ"),
        ({"net_amount_money": usd(-1286)}, "net_is_not_gross_less_fee"),
        (
            {"gross_amount_money": usd(1250), "net_amount_money": None},
            "refund_not_negative",
        ),
    ],
)
def test_an_entry_that_cannot_be_read_is_told_with_its_number(
    changes: dict[str, Any], reason: str
) -> None:
    found = read(page(ENTRY, ENTRY | changes, ENTRY))
    assert found[1] == BadLine(2, reason)
    assert [one.number for one in found] == [1, 2, 3]
    assert isinstance(found[2], SettlementLine)


@pytest.mark.parametrize("entry", [None, 7, [], "x"])
def test_what_is_no_entry_is_a_bad_line(entry: object) -> None:
    assert read(page(entry)) == [BadLine(1, "missing_type")]


def test_pages_of_one_line_each_are_numbered_through() -> None:
    first = page(ENTRY, cursor="next")
    found = read(first[:100], first[100:] + b"\n", page(ENTRY, ENTRY))
    assert [one.number for one in found] == [1, 2, 3]
    assert all(isinstance(one, SettlementLine) for one in found)


def test_one_page_over_several_lines_is_read_whole() -> None:
    written = json.dumps({"payout_entries": [ENTRY, ENTRY]}, indent=2).encode()
    assert len(read(*(written[n : n + 7] for n in range(0, len(written), 7)))) == 2


def test_a_last_page_that_names_a_next_one_is_told() -> None:
    found = read(page(ENTRY, cursor="next"))
    assert found == [REFUND_LINE, BadLine(2, "pages_missing")]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}", b'{"payout_entries":[]}'])
def test_an_empty_payout_has_no_lines(content: bytes) -> None:
    assert read(content) == []


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"id,amount\n1,2\n",
        b'{"payout_entries":{}}',
        b'{"payouts":[]}',
        b'{"errors":[{"code":"NOT_FOUND"}]}',
        page(ENTRY) + b"\n" + page(ENTRY)[:-3],
        b"\xff",
        b'{"payout_entries":[' + b" " * (1 << 20) + b"]}",
    ],
)
def test_what_is_no_page_is_refused(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable) as caught:
        read(content)
    assert caught.value.field == "po_RW1.json"


@given(bodies({"payout_entries": [ENTRY]}), st.integers(1, 400))
def test_any_bytes_give_lines_bad_lines_or_a_refusal(content: bytes, at: int) -> None:
    try:
        found = read(content[:at], content[at:])
    except SettlementUnreadable:
        return
    for one in found:
        assert isinstance(one, SettlementLine | BadLine)
