from __future__ import annotations

from datetime import date

import pytest

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.unit.gateways.braintree_talk import BRAINTREE

FLAT = (
    "Merchant Account ID,Transaction ID,Original Transaction ID,Transaction Type,"
    "Presentment Currency,Original Sale Amount,Settlement Currency,Settlement Amount,"
    "Settlement Date,Disbursement Date,Payment Instrument,Card Brand,Card Type,"
    "First 6 of CC,Issuing Bank,Refunded Amount,Refund Type,Exchange Rate,Order ID,"
    "Acquirer Reference Number,Card Issuing Country,Discount,Discount Credit,"
    "Per Transaction Fee,Per Transaction Fee Credit,Multicurrency Fee Amount,"
    "Multicurrency Fee Credit,Total Fee Amount\n"
)
CREDIT = (
    "ACME-eu,rwrefund01,rwsale0001,credit,USD,50.00,USD,12.50,2026-03-03,2026-03-05,"
    "credit_card,Visa,Debit,411111,Example Bank,12.50,partial,1.00,rw-r-000123,"
    "39713938783714623130001,USA,0.0259,0.32,0.00,0.00,0.00,0.00,-0.32\n"
)
SALE = (
    "ACME-eu,rwsale0001,,sale,USD,50.00,EUR,46.10,2026-03-02,2026-03-04,"
    "credit_card,Visa,Debit,411111,Example Bank,,,0.922,shop-1,"
    "39713938783714623130002,USA,0.0259,0.00,0.30,0.00,0.00,0.00,1.49\n"
)
PLUS = (
    "Merchant Account ID,Transaction ID,Original Transaction ID,Transaction Type,"
    "Settlement Currency,Settlement Amount,Settlement Date,Disbursement Date,"
    "Order ID,Est. Total Fee Amount\n"
    "ACME-eu,rwrefund01,rwsale0001,credit,JPY,1250,2026-03-03,,rw-r-000123,7\n"
)


def lines(text: str, piece: int = 7) -> list[SettlementLine | BadLine]:
    content = text.encode()
    pieces = (content[at : at + piece] for at in range(0, len(content), piece))
    return list(Braintree().read_settlement(BRAINTREE, "fees.csv", pieces))


def test_a_refund_is_matched_by_legacy_id_and_order_id() -> None:
    assert lines(FLAT + CREDIT) == [
        SettlementLine(
            number=2,
            kind=LineKind.REFUND,
            amount_minor=-1250,
            currency="USD",
            gateway_reference="rwrefund01",
            merchant_reference="rw-r-000123",
            payment_reference="rwsale0001",
            fee_minor=-32,
            fee_currency="USD",
            booked_on=date(2026, 3, 3),
            payout="ACME-eu/2026-03-05",
            type="credit",
        )
    ]


def test_a_sale_is_stated_as_it_was_presented() -> None:
    (line,) = lines(FLAT + SALE)
    assert isinstance(line, SettlementLine)
    assert (line.kind, line.amount_minor, line.currency) == (
        LineKind.PAYMENT,
        5000,
        "USD",
    )
    assert (line.fee_minor, line.fee_currency) == (149, "EUR")
    assert line.payment_reference is None


def test_the_other_pricing_is_read_by_its_own_header() -> None:
    (line,) = lines(PLUS)
    assert isinstance(line, SettlementLine)
    assert (line.amount_minor, line.currency, line.fee_minor) == (-1250, "JPY", 7)
    assert line.payout is None


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (",12.50,partial", ",12.505,partial", "amount"),
        (",12.50,partial", ",x,partial", "amount"),
        (",credit,USD,", ",credit,US,", "amount"),
        (",-0.32", ",-0.325", "fee"),
        ("rwrefund01", "", "transaction_id"),
        ("2026-03-03", "03.03.2026", "date"),
        (",-0.32", "", "fields"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_number(
    before: str, after: str, reason: str
) -> None:
    broken = CREDIT.replace(before, after, 1)
    assert lines(FLAT + SALE + broken + CREDIT)[1] == BadLine(3, reason)


def test_a_negative_refund_is_the_same_refund() -> None:
    negative = CREDIT.replace(",12.50,partial", ",-12.50,partial")
    assert lines(FLAT + negative) == lines(FLAT + CREDIT)


def test_a_file_without_the_columns_is_no_report() -> None:
    with pytest.raises(SettlementUnreadable):
        lines("a,b\n1,2\n")
