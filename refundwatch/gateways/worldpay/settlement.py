"""Worldpay's settlement: the reports it pushes as XML, or a CSV of agreed columns.

Invariant: what a booking debits the merchant is negative; a journal without a settled
booking moves nothing, and a line whose amounts cannot be read is told as bad.

Source: "report" in paymentService DTD 1.4.2 (Worldpay/hybris); account types of
transfer reports, https://developer.worldpay.com (WPG pages, read 2026-11). The columns
of file reports are agreed per contract, so the account names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse, SettlementUnreadable
from refundwatch.gateways.decimals import stated_decimal
from refundwatch.gateways.settlement import (
    BadLine,
    LineKind,
    SettlementLine,
    csv_rows,
)
from refundwatch.gateways.worldpay import facts
from refundwatch.gateways.worldpay.events import reference_of
from refundwatch.gateways.worldpay.money import stated_amount
from refundwatch.gateways.xml import attribute, child, stream_xml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from refundwatch.gateways.contract import AccountView

KINDS: Final = {
    "REFUNDED": LineKind.REFUND,
    "REFUNDED_BY_MERCHANT": LineKind.REFUND,
    "REFUND_FAILED": LineKind.REFUND_REVERSED,
    "SETTLED": LineKind.PAYMENT,
    "SETTLED_BY_MERCHANT": LineKind.PAYMENT,
    "CHARGED_BACK": LineKind.CHARGEBACK,
    "CHARGEBACK_REVERSED": LineKind.CHARGEBACK_REVERSED,
    "PAYOUT": LineKind.PAYOUT,
}
_OUTGOING: Final = frozenset(
    {LineKind.REFUND, LineKind.CHARGEBACK, LineKind.PAYOUT, LineKind.FEE}
)
_PAYOUT: Final = "PAYOUT"
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_NEEDED: Final = ("amount", "currency", "type", "order")
_COLUMNS: Final = frozenset({*_NEEDED, "reference", "fee", "date", "batch"})


def read(
    account: AccountView, name: str, content: Iterable[bytes]
) -> Iterator[SettlementLine | BadLine]:
    """Read a pushed report, or a CSV where the first mark opens no element.

    Raises:
        SettlementUnreadable: neither; or a CSV, and the account names no columns.
    """
    pieces = iter(content)
    head = b""
    for piece in pieces:
        head += piece
        if head.strip(_BLANK):
            break
    whole = chain((head,), pieces)
    if head.lstrip(_BLANK).startswith(b"<"):
        return _report(account, name, whole)
    return _file(_columns(account, name), whole)


# --- pushed reports ---------------------------------------------------------------


def _report(
    account: AccountView, name: str, content: Iterable[bytes]
) -> Iterator[SettlementLine | BadLine]:
    batch: str | None = None
    number = 0
    items = frozenset({"orderStatusEvent", "journal"})
    heads = frozenset({"paymentService", "report"})
    seen: set[str] = set()
    try:
        for one in stream_xml(content, items, heads):
            if one.tag in heads:
                seen.add(one.tag)
                batch = one.get("batchId", batch)
                _check_merchant(account, name, one)
                continue
            number += 1
            yield _line(number, one, batch)
    except MalformedResponse as error:
        message = f"Worldpay's report is unreadable: {error.message}."
        raise SettlementUnreadable(message, field=name) from error
    if seen != heads:
        message = "This document holds no report of Worldpay's."
        raise SettlementUnreadable(message, field=name)


def _check_merchant(account: AccountView, name: str, head: Element) -> None:
    theirs = head.get("merchantCode")
    if theirs is not None and theirs != account.settings.get(facts.MERCHANT_CODE):
        message = "This report is another merchant's."
        raise SettlementUnreadable(message, field=name)


@dataclass(slots=True)
class _Booked:
    """What the bookings of one journal come to, in minor units of one currency."""

    currency: str
    net: int | None = None
    fee: int | None = None
    payout: int | None = None

    def add(self, kind: str, signed: int) -> None:
        match kind:
            case facts.NET:
                self.net = (self.net or 0) + signed
            case facts.COMMISSION:
                self.fee = (self.fee or 0) - signed
            case _:
                self.payout = (self.payout or 0) + signed


def _line(number: int, item: Element, batch: str | None) -> SettlementLine | BadLine:
    journal = item if item.tag == "journal" else child(item, "journal")
    event = attribute(journal, "journalType")
    if journal is None or event is None:
        return BadLine(number, "journal")
    day = _day(child(journal, "bookingDate", "date"))
    if isinstance(day, str):
        return BadLine(number, day)
    booked = _booked(item, journal)
    if isinstance(booked, str):
        return BadLine(number, booked)
    kind, amount = _moved(event, booked)
    reference = reference_of(item)
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=amount,
        currency=booked.currency,
        gateway_reference=reference,
        merchant_reference=reference,
        payment_reference=item.get("orderCode"),
        fee_minor=booked.fee,
        fee_currency=None if booked.fee is None else booked.currency,
        booked_on=day,
        payout=batch or _batch_of(journal),
        type=event,
    )


def _moved(event: str, booked: _Booked) -> tuple[LineKind, int]:
    """Say what moved: nothing did where no settled account was booked."""
    if booked.payout is not None:
        return LineKind.PAYOUT, booked.payout
    if booked.net is not None:
        return KINDS.get(event, LineKind.OTHER), booked.net
    if booked.fee is not None:
        return LineKind.FEE, -booked.fee
    return LineKind.OTHER, 0


def _booked(item: Element, journal: Element) -> _Booked | str:
    """Add up the settled bookings; a text says what is wrong with them."""
    settled = [
        tx
        for tx in journal.findall("accountTx")
        if tx.get("accountType") in {facts.NET, facts.COMMISSION, _PAYOUT}
    ]
    stated = [stated_amount(child(tx, "amount")) for tx in settled]
    named = {one.currency for one in stated}
    if not settled:
        named = {stated_amount(child(item, "payment", "amount")).currency}
    if len(named) != 1 or None in named:
        return "currency"
    booked = _Booked(str(named.pop()))
    for tx, one in zip(settled, stated, strict=True):
        if one.amount_minor is None:
            return "amount"
        way = attribute(tx, "debitCreditIndicator", "amount") or "credit"
        if way not in {"debit", "credit"}:
            return "direction"
        signed = one.amount_minor if way == "credit" else -one.amount_minor
        booked.add(tx.get("accountType", ""), signed)
    return booked


def _batch_of(journal: Element) -> str | None:
    named = {tx.get("batchId") for tx in journal.findall("accountTx")} - {None}
    return named.pop() if len(named) == 1 else None


def _day(stated: Element | None) -> date | str | None:
    """Read a booking day; a text says what is wrong with it."""
    if stated is None:
        return None
    parts = [stated.get(name, "") for name in ("year", "month", "dayOfMonth")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        return "date"
    try:
        return date(*(int(part) for part in parts))
    except ValueError:
        return "date"


# --- files of agreed columns ------------------------------------------------------


def _columns(account: AccountView, name: str) -> Mapping[str, str]:
    """Give the account's column names by what they hold.

    Raises:
        SettlementUnreadable: none are named, or not those that are needed.
    """
    written = account.settings.get(facts.SETTLEMENT_COLUMNS, "")
    pairs = [part.partition("=") for part in written.split(",") if part.strip()]
    columns = {what.strip(): column.strip() for what, _, column in pairs}
    wrong = [what for what in columns if what not in _COLUMNS or not columns[what]]
    missing = [what for what in _NEEDED if what not in columns]
    if wrong or missing:
        message = (
            f"{facts.SETTLEMENT_COLUMNS} must name the columns of the file, as "
            f"amount=…,currency=…,type=…,order=…; see {(wrong + missing)[0]!a}."
        )
        raise SettlementUnreadable(message, field=name)
    return columns


def _file(
    columns: Mapping[str, str], content: Iterable[bytes]
) -> Iterator[SettlementLine | BadLine]:
    for number, row in csv_rows(content, columns.values()):
        if isinstance(row, BadLine):
            yield row
            continue
        told = {what: row[column] for what, column in columns.items()}
        yield _row(number, told)


def _row(number: int, told: Mapping[str, str]) -> SettlementLine | BadLine:
    currency = told["currency"]
    amount = stated_decimal(facts.CAPABILITIES, told["amount"], currency)
    if amount.amount_minor is None or amount.currency is None:
        return BadLine(number, "amount")
    fee = None
    if told.get("fee"):
        stated = stated_decimal(facts.CAPABILITIES, told["fee"], currency)
        if stated.amount_minor is None:
            return BadLine(number, "fee")
        fee = abs(stated.amount_minor)
    try:
        day = date.fromisoformat(told["date"]) if told.get("date") else None
    except ValueError:
        return BadLine(number, "date")
    kind = KINDS.get(told["type"], LineKind.OTHER)
    signed = amount.amount_minor
    if kind is not LineKind.OTHER:
        # Contracts differ in the sign; what the line is about does not.
        signed = -abs(signed) if kind in _OUTGOING else abs(signed)
    reference = told.get("reference") or None
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=signed,
        currency=currency,
        gateway_reference=reference,
        merchant_reference=reference,
        payment_reference=told["order"] or None,
        fee_minor=fee,
        fee_currency=None if fee is None else currency,
        booked_on=day,
        payout=told.get("batch") or None,
        type=told["type"],
    )
