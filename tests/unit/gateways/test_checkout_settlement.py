from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.unit.gateways.checkout import ACTION_ID, CHECKOUT, PAYMENT_ID

GATEWAY = Checkout()
HEADER = (
    "Payment ID,Action ID,Action Type,Breakdown Type,Reference,Processing Currency,"
    "Processing Currency Amount,Holding Currency,Holding Currency Amount,Payout ID,"
    "Processed On\n"
)
SAMPLE = (
    f"{PAYMENT_ID},{ACTION_ID},Refund,Partial Refund,rw-r-000123,USD,-12.50,USD,"
    "-12.50,00000000RW01,2026-03-02T10:15:29.368\n"
    f"{PAYMENT_ID},{ACTION_ID},Refund,Gateway Fixed Fee,rw-r-000123,USD,-0.05,USD,"
    "-0.05,00000000RW01,2026-03-02T10:15:29.368\n"
)


def lines_of(text: str) -> list[Any]:
    pieces = (text.encode()[at : at + 7] for at in range(0, len(text.encode()), 7))
    return [*GATEWAY.read_settlement(CHECKOUT, "actions.csv", pieces)]


def row(action: str, breakdown: str, *amounts: str) -> str:
    return (
        f"{PAYMENT_ID},{ACTION_ID},{action},{breakdown},,{','.join(amounts)},P1,"
        "2026-03-02\n"
    )


def test_the_documented_rows_are_a_refund_and_its_fee() -> None:
    refund = SettlementLine(
        number=2,
        kind=LineKind.REFUND,
        amount_minor=-1_250,
        currency="USD",
        gateway_reference=ACTION_ID,
        merchant_reference="rw-r-000123",
        payment_reference=PAYMENT_ID,
        booked_on=date(2026, 3, 2),
        payout="00000000RW01",
        type="Refund:Partial Refund",
    )
    first, second = lines_of(HEADER + SAMPLE)
    assert first == refund
    assert (second.kind, second.amount_minor) == (LineKind.FEE, -5)
    assert second.gateway_reference == ACTION_ID


def test_names_are_found_however_they_are_spelled() -> None:
    assert lines_of(HEADER.upper() + SAMPLE) == lines_of(HEADER + SAMPLE)
    assert lines_of("\ufeff" + HEADER + SAMPLE) == lines_of(HEADER + SAMPLE)


@pytest.mark.parametrize(
    ("text", "kind", "amount_minor", "currency"),
    [
        # A refund in the payment's own money, a fee in what the account holds.
        (
            row("Refund", "Refund", "JPY", "-500", "EUR", "-3.10"),
            LineKind.REFUND,
            -500,
            "JPY",
        ),
        (
            row("Refund", "Premium Fee", "JPY", "-5", "EUR", "-0.03"),
            LineKind.FEE,
            -3,
            "EUR",
        ),
        (
            row("Refund", "Premium Fee Tax", "EUR", "0", "EUR", "0.00"),
            LineKind.FEE,
            0,
            "EUR",
        ),
        (
            row("Capture", "Capture", "KWD", "1.230", "KWD", "1.23000000"),
            LineKind.PAYMENT,
            1_230,
            "KWD",
        ),
        (
            row("Chargeback", "Chargeback", "EUR", "-1", "EUR", "-1"),
            LineKind.CHARGEBACK,
            -100,
            "EUR",
        ),
        (
            row("Refund Reversal", "Refund Reversal", "CLP", "12", "EUR", "1"),
            LineKind.REFUND_REVERSED,
            12,
            "CLP",
        ),
        (
            row("Refund", "Rolling Reserve", "EUR", "-1.5", "EUR", "-1.5"),
            LineKind.OTHER,
            -150,
            "EUR",
        ),
        (
            row("Never Seen", "Refund", "EUR", "-1.5", "EUR", "-1.5"),
            LineKind.OTHER,
            -150,
            "EUR",
        ),
    ],
)
def test_a_row_is_what_its_action_and_breakdown_say(
    text: str, kind: LineKind, amount_minor: int, currency: str
) -> None:
    [line] = lines_of(HEADER + text)
    assert (line.kind, line.amount_minor, line.currency) == (
        kind,
        amount_minor,
        currency,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (row("Refund", "Refund", "EUR", "-1.505", "EUR", "-1.51"), "amount"),
        (row("Refund", "A Fee", "EUR", "-1", "EUR", "-0.00125"), "amount"),
        (row("Refund", "Refund", "EUR", "1e2", "EUR", "1"), "amount"),
        (row("Refund", "Refund", "", "-1", "EUR", "-1"), "amount"),
        (row("Refund", "Refund", "EUR", "", "EUR", "-1"), "amount"),
        (
            row("Refund", "Refund", "EUR", "-1", "EUR", "-1").replace(ACTION_ID, ""),
            "action_id",
        ),
        ("too,few\n", "fields"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_and_the_next_one_is_read(
    text: str, reason: str
) -> None:
    bad, good, _ = lines_of(HEADER + text + SAMPLE)
    assert bad == BadLine(2, reason)
    assert good.amount_minor == -1_250


@pytest.mark.parametrize(
    "text", ["", "a,b,c\n1,2,3\n", HEADER.replace("Action ID,", "")]
)
def test_another_file_is_no_report(text: str) -> None:
    with pytest.raises(SettlementUnreadable) as caught:
        lines_of(text)
    assert caught.value.field == "actions.csv"
