from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from tests.unit.gateways.worldpay_talk import (
    GATEWAY,
    ORDER,
    WORLDPAY,
    amount,
    document,
    notification,
    with_settings,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView

COLUMNS = "amount=Net,currency=Ccy,type=Event,order=Order code"
EVERY = COLUMNS + ",reference=Ref,fee=Commission,date=Day,batch=Batch"


def read(
    content: bytes, account: AccountView = WORLDPAY, size: int = 7
) -> list[SettlementLine | BadLine]:
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return list(GATEWAY.read_settlement(account, "report.xml", pieces))


def report(*items: str, merchant: str = "RWTESTGBP") -> bytes:
    inside = (
        '<notify messageType="TransferReport"><report reportType="transfer"'
        ' batchId="31" settlementCurrency="GBP"><lastDate><date dayOfMonth="05"'
        f' month="03" year="2026"/></lastDate>{"".join(items)}</report></notify>'
    )
    return document(inside, merchant)


def booking(kind: str, value: object, way: str = "debit", currency: str = "GBP") -> str:
    stated = amount(value, currency, way=way)
    return f'<accountTx accountType="{kind}" batchId="31">{stated}</accountTx>'


NET, FEE = "SETTLED_BIBIT_NET", "SETTLED_BIBIT_COMMISSION"


def one(
    event: str, bookings: str, total: str | None = None
) -> SettlementLine | BadLine:
    (line,) = read(report(notification(event, bookings=bookings, total=total)))
    return line


def test_the_documented_transfer_report_is_one_refund_and_its_fee() -> None:
    bookings = booking(NET, 595) + booking(FEE, 12)
    assert one("REFUNDED", bookings) == SettlementLine(
        number=1,
        kind=LineKind.REFUND,
        amount_minor=-595,
        currency="GBP",
        gateway_reference="rw-000123-1",
        merchant_reference="rw-000123-1",
        payment_reference=ORDER,
        fee_minor=12,
        fee_currency="GBP",
        booked_on=date(2026, 3, 2),
        payout="31",
        type="REFUNDED",
    )


@pytest.mark.parametrize(
    ("event", "bookings", "kind", "minor"),
    [
        ("SETTLED", booking(NET, 12000, "credit"), LineKind.PAYMENT, 12000),
        ("REFUND_FAILED", booking(NET, 595, "credit"), LineKind.REFUND_REVERSED, 595),
        ("CHARGED_BACK", booking(NET, 12000), LineKind.CHARGEBACK, -12000),
        (
            "CHARGEBACK_REVERSED",
            booking(NET, 12000, "credit"),
            LineKind.CHARGEBACK_REVERSED,
            12000,
        ),
        ("REFUNDED", booking(NET, 400) + booking(NET, 195), LineKind.REFUND, -595),
        ("NEVER_SEEN", booking(NET, 5), LineKind.OTHER, -5),
        ("MONTHLY_FEE", booking(FEE, 1500), LineKind.FEE, -1500),
        ("TRANSFERRED", booking("PAYOUT", 99), LineKind.PAYOUT, -99),
        # Nothing settled, nothing moved.
        ("SENT_FOR_REFUND", booking("IN_PROCESS_CAPTURED", 595), LineKind.OTHER, 0),
        ("REFUNDED", "", LineKind.OTHER, 0),
    ],
)
def test_a_journal_moves_what_its_settled_bookings_say(
    event: str, bookings: str, kind: LineKind, minor: int
) -> None:
    line = one(event, bookings)
    assert isinstance(line, SettlementLine)
    assert (line.kind, line.amount_minor, line.type) == (kind, minor, event)


def test_a_journal_may_stand_alone() -> None:
    alone = (
        '<journal journalType="PAYOUT"><bookingDate><date dayOfMonth="06" month="03"'
        f' year="2026"/></bookingDate>{booking("PAYOUT", 4711)}</journal>'
    )
    (line,) = read(report(alone))
    assert isinstance(line, SettlementLine)
    assert (line.kind, line.amount_minor) == (LineKind.PAYOUT, -4711)
    assert line.payment_reference is None
    assert line.booked_on == date(2026, 3, 6)


@pytest.mark.parametrize(
    ("bookings", "reason"),
    [
        (booking(NET, "5.95"), "amount"),
        (booking(NET, 5) + booking(NET, 5, currency="EUR"), "currency"),
        (booking(NET, 5, currency="gbp"), "currency"),
        (booking(NET, 5, "sideways"), "direction"),
    ],
)
def test_bookings_that_cannot_be_read_make_a_bad_line_with_its_number(
    bookings: str, reason: str
) -> None:
    good = notification(bookings=booking(NET, 595))
    lines = read(report(good, notification(bookings=bookings), good))
    assert lines[1] == BadLine(2, reason)
    assert [line.number for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("day", ['dayOfMonth="32"', 'dayOfMonth="x"', ""])
def test_a_day_that_is_none_makes_a_bad_line(day: str) -> None:
    item = notification(bookings=booking(NET, 5)).replace('dayOfMonth="02"', day)
    assert read(report(item)) == [BadLine(1, "date")]


def test_an_event_without_journal_is_a_bad_line() -> None:
    bare = f'<orderStatusEvent orderCode="{ORDER}"><payment/></orderStatusEvent>'
    assert read(report(bare)) == [BadLine(1, "journal")]


@pytest.mark.parametrize(
    "content",
    [
        b"<a/>",
        b"<paymentService>",
        document("<reply/>"),
        report(merchant="OTHER"),
        b'<!DOCTYPE p [<!ENTITY x "y">]><paymentService><report/></paymentService>',
    ],
)
def test_what_is_no_report_of_this_merchant_is_refused(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable) as caught:
        read(content)
    assert caught.value.field == "report.xml"


def test_a_long_report_is_read_line_by_line() -> None:
    item = notification(bookings=booking(NET, 5))
    lines = read(report(*[item] * 3000), size=65536)
    assert len(lines) == 3000
    moved = [line.amount_minor for line in lines if isinstance(line, SettlementLine)]
    assert sum(moved) == -15000


# --- files ------------------------------------------------------------------------

CSV = (
    "Order code,Event,Ref,Net,Commission,Ccy,Day,Batch,Unused\n"
    "rw-order-10042,REFUNDED,rw-000123-1,5.95,0.12,GBP,2026-03-05,31,x\n"
    "rw-order-10043,SETTLED,,120.00,,GBP,,,\n"
    "rw-order-10044,REFUNDED,rw-2,-9899,0,JPY,2026-03-05,31,x\n"
    "rw-order-10045,REFUNDED,rw-3,5.955,,GBP,,,\n"
    "rw-order-10046,REFUNDED,rw-4,5.95,1.234,GBP,,,\n"
    "rw-order-10047,REFUNDED,rw-5,5.95,,GBP,05/03/2026,,\n"
    "rw-order-10048,REFUNDED\n"
)


def test_a_file_is_read_by_the_columns_that_the_account_names() -> None:
    lines = read(CSV.encode(), with_settings(settlement_columns=EVERY))
    assert lines[0] == SettlementLine(
        number=2,
        kind=LineKind.REFUND,
        amount_minor=-595,
        currency="GBP",
        gateway_reference="rw-000123-1",
        merchant_reference="rw-000123-1",
        payment_reference=ORDER,
        fee_minor=12,
        fee_currency="GBP",
        booked_on=date(2026, 3, 5),
        payout="31",
        type="REFUNDED",
    )
    assert [
        (line.kind, line.amount_minor)
        for line in lines[1:3]
        if isinstance(line, SettlementLine)
    ] == [(LineKind.PAYMENT, 12000), (LineKind.REFUND, -9899)]
    assert lines[3:] == [
        BadLine(5, "amount"),
        BadLine(6, "fee"),
        BadLine(7, "date"),
        BadLine(8, "fields"),
    ]


@pytest.mark.parametrize(
    "columns",
    ["", "amount=Net", COLUMNS + ",colour=Red", "amount=,currency=Ccy,type=E,order=O"],
)
def test_a_file_of_unnamed_columns_is_refused(columns: str) -> None:
    with pytest.raises(SettlementUnreadable, match="settlement_columns"):
        read(CSV.encode(), with_settings(settlement_columns=columns))


def test_a_file_without_a_named_column_is_refused() -> None:
    account = with_settings(settlement_columns=COLUMNS.replace("Net", "Gross"))
    with pytest.raises(SettlementUnreadable, match="Gross"):
        read(CSV.encode(), account)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_lines_or_refused(content: bytes, inside: bool) -> None:
    whole = report("<journal>").replace(b"<journal>", content) if inside else content
    try:
        lines = read(whole, with_settings(settlement_columns=COLUMNS))
    except SettlementUnreadable:
        return
    assert all(isinstance(line, SettlementLine | BadLine) for line in lines)
