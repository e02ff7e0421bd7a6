"""A payout's entries as Square's API pages them, read as settlement lines.

Invariant: a line's amounts are exact and its net is gross less fee, or it is a bad
line; a last page that names a next one is told, because lines are missing then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse, SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import stated_units
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine
from refundwatch.gateways.square import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from refundwatch.gateways.reading import Json, JsonObject

_MEMBERS: Final = frozenset({"payout_entries", "cursor", "errors"})
_NAMES_ITS_PAYMENT: Final = ("charge", "refund", "dispute", "third_party_fee_refund")


def lines(name: str, content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    """Read one page, or several of one line each; entries are numbered through.

    Raises:
        SettlementUnreadable: what stands there is no page of payout entries.
    """
    number, more = 0, False
    for page in _pages(name, content):
        for entry in _entries(name, page):
            number += 1
            yield _line(number, entry)
        more = bool(page.get("cursor"))
    if more:
        yield BadLine(number + 1, "pages_missing")


def _pages(name: str, content: Iterable[bytes]) -> Iterator[JsonObject]:
    """Give each page; the first line decides whether each has one or all are one."""
    written = _written_lines(name, content)
    for line in written:
        page = reading.object_or_none(line)
        if page is not None:
            yield page
        elif line.strip():
            yield _page_over_lines(name, line, written)


def _page_over_lines(name: str, first: bytes, rest: Iterator[bytes]) -> JsonObject:
    whole = first
    for line in rest:
        whole += line
        _check_size(name, whole)
    try:
        return reading.parse_object(whole)
    except MalformedResponse as error:
        message = f"This is no page of payout entries ({error.message})."
        raise SettlementUnreadable(message, field=name) from error


def _written_lines(name: str, content: Iterable[bytes]) -> Iterator[bytes]:
    waiting = b""
    for piece in content:
        *whole, waiting = (waiting + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
        _check_size(name, waiting)
    yield waiting


def _check_size(name: str, written: bytes) -> None:
    if len(written) > reading.MAX_BYTES:
        message = "A page of payout entries does not end."
        raise SettlementUnreadable(message, field=name)


def _entries(name: str, page: JsonObject) -> list[Json]:
    """Give a page's entries; an empty page has no such member."""
    entries = page.get("payout_entries", [])
    if not isinstance(entries, list) or set(page) - _MEMBERS or page.get("errors"):
        message = "This is no page of payout entries."
        raise SettlementUnreadable(message, field=name)
    return entries


# --- one entry --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Amounts:
    """Gross and fee of an entry, in ISO minor units."""

    gross_minor: int
    fee_minor: int | None
    currency: str


def _line(number: int, entry: Json) -> SettlementLine | BadLine:
    try:
        return _settlement_line(number, entry)
    except MalformedResponse as error:
        return BadLine(number, error.message)


def _settlement_line(number: int, entry: Json) -> SettlementLine:
    kind_name = reading.required_text(entry, "type")
    amounts = _amounts(entry)
    refund_id = reading.text(entry, "type_refund_details", "refund_id")
    kind = _kind(kind_name, amounts.gross_minor)
    if kind is LineKind.REFUND and refund_id is None:
        raise MalformedResponse("missing_refund_id")
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=amounts.gross_minor,
        currency=amounts.currency,
        gateway_reference=refund_id,
        payment_reference=_payment(entry),
        fee_minor=amounts.fee_minor,
        fee_currency=amounts.currency if amounts.fee_minor is not None else None,
        payout=reading.required_text(entry, "payout_id"),
        type=reading.shown(kind_name),
    )


def _kind(kind_name: str, gross_minor: int) -> LineKind:
    """Give the kind of an entry; a refund that brings money in stands nowhere."""
    kind = facts.LINE_KINDS.get(kind_name, LineKind.OTHER)
    if kind is LineKind.REFUND and gross_minor >= 0:
        raise MalformedResponse("refund_not_negative")
    if kind is LineKind.CHARGEBACK and gross_minor > 0:
        return LineKind.CHARGEBACK_REVERSED
    return kind


def _amounts(entry: Json) -> _Amounts:
    gross = _money(entry, "gross_amount_money")
    fee = _money(entry, "fee_amount_money")
    net = _money(entry, "net_amount_money")
    if gross is None:
        raise MalformedResponse("missing_gross_amount_money")
    amount, currency = gross
    if {one[1] for one in (gross, fee, net) if one is not None} != {currency}:
        raise MalformedResponse("currencies_differ")
    fee_minor = fee[0] if fee is not None else None
    if net is not None and net[0] != amount - (fee_minor or 0):
        raise MalformedResponse("net_is_not_gross_less_fee")
    return _Amounts(amount, fee_minor, currency)


def _money(entry: Json, key: str) -> tuple[int, str] | None:
    """Read an amount, whose currency the examples call otherwise than the schema."""
    if reading.at(entry, key) is None:
        return None
    names = ("currency", "currency_code")
    written = [reading.at(entry, key, name) for name in names]
    stated = {one for one in written if isinstance(one, str)}
    if len(stated) != 1:
        raise MalformedResponse(f"currency_of_{key}")
    amount = reading.at(entry, key, "amount")
    found = stated_units(facts.CAPABILITIES, amount, stated.pop())
    if found.amount_minor is None or found.currency is None:
        raise MalformedResponse(f"amount_of_{key}")
    return found.amount_minor, found.currency


def _payment(entry: Json) -> str | None:
    for kind_name in _NAMES_ITS_PAYMENT:
        found = reading.text(entry, f"type_{kind_name}_details", "payment_id")
        if found is not None:
            return found
    return None
