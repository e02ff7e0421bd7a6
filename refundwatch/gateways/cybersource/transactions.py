"""What Cybersource's transactions say: captures, sales, refunds.

Invariant: what a transaction did is read from its applications, and whether it did it
from their codes; an id is text, never a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.cybersource import facts
from refundwatch.gateways.decimals import stated_decimal

if TYPE_CHECKING:
    from refundwatch.gateways.amounts import Stated
    from refundwatch.gateways.contract import Heard
    from refundwatch.gateways.reading import Json, JsonObject

_RELATED: Final = re.compile(r"/tss/v2/transactions/([A-Za-z0-9][A-Za-z0-9_-]{0,63})\Z")
_MAX_LINK: Final = 2048


def read_transaction(body: bytes, transaction_id: str) -> JsonObject:
    """Read the transaction that was asked for.

    Raises:
        MalformedResponse: it is no object, or another one.
    """
    found = reading.parse_object(body)
    if reading.required_text(found, "id") != transaction_id:
        raise MalformedResponse("another_transaction")
    return found


# --- what it did ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """Which of some applications a transaction has, and how one of them ended."""

    name: str
    code: str
    flag: str | None


def did(transaction: Json, names: frozenset[str]) -> Done | None:
    """Find the first application with one of these names."""
    listed = reading.items(transaction, "applicationInformation", "applications") or []
    for one in listed:
        name = reading.text(one, "name")
        if name in names:
            code = reading.at(one, "rCode")
            if code is None:
                code = reading.at(transaction, "applicationInformation", "rCode")
            return Done(name or "", reading.shown(code), reading.text(one, "rFlag"))
    return None


def status_of(transaction: Json) -> str | None:
    """Give the status in upper case; None where there is none."""
    status = reading.text(transaction, "applicationInformation", "status")
    return None if status is None else status.upper()


@dataclass(frozen=True, slots=True)
class Captured:
    """How the money of a payment was taken."""

    separately: bool
    check: bool


def captured(transaction: Json) -> Captured | None:
    """Say how a transaction took money; None where it took none."""
    if status_of(transaction) in facts.NOT_CAPTURED:
        return None
    debit = did(transaction, facts.CHECK_DEBITS)
    if debit is not None and debit.code == facts.DONE:
        return Captured(separately=False, check=True)
    bill = did(transaction, facts.CAPTURES)
    if bill is None or bill.code != facts.DONE:
        return None
    sale = did(transaction, facts.AUTHORIZATIONS) is not None
    return Captured(separately=not sale, check=False)


# --- refunds ----------------------------------------------------------------------


def read_refund(transaction: Json, source: str, ours: str | None) -> Heard:
    """Read a refund, whole or as the search sums it up.

    `ours` is the payment that it should be of: it is named where the refund is.

    Raises:
        MalformedResponse: it has no id, or is no refund.
    """
    credit = did(transaction, facts.CREDITS)
    if credit is None:
        raise MalformedResponse("not_a_refund")
    word, raw_status = _word(credit, status_of(transaction))
    evidence = Evidence(
        source=source,
        raw_status=raw_status,
        gateway_reference=reading.required_text(transaction, "id"),
        merchant_reference=code_of(transaction),
        payment_reference=ours if ours in names_of_payment(transaction) else None,
        failure_code=raw_status if word is Word.FAILED else None,
    )
    return heard(word, evidence, amount_of(transaction))


def _word(credit: Done, status: str | None) -> tuple[Word, str]:
    if credit.code in facts.NOT_DONE:
        return Word.FAILED, reading.shown(credit.flag or f"rCode:{credit.code}")
    if credit.code != facts.DONE:
        return Word.UNSEEN, reading.shown(f"rCode:{credit.code}")
    if status is None:
        # The code says that it was accepted, and nothing says more.
        return Word.PENDING, facts.PENDING
    return facts.WORDS.get(status, Word.UNSEEN), reading.shown(status)


def code_of(transaction: Json) -> str | None:
    """Give the reference that the merchant wrote."""
    return reading.text(transaction, "clientReferenceInformation", "code")


def amount_of(transaction: Json) -> Stated:
    """Give the amount; the currency may come back in lower case."""
    details = reading.member(transaction, "orderInformation", "amountDetails") or {}
    return stated_amount(details.get("totalAmount"), details.get("currency"))


def stated_amount(value: Json, currency: Json) -> Stated:
    """Read an amount and its currency, either of which may be missing."""
    code = currency.upper() if isinstance(currency, str) else currency
    if value is None:
        return stated_units(facts.CAPABILITIES, None, code)
    return stated_decimal(facts.CAPABILITIES, value, code)


# --- what it belongs to -----------------------------------------------------------


def names_of_payment(transaction: Json) -> tuple[str, ...]:
    """Give every transaction that this one follows from or stands beside."""
    root = reading.text(transaction, "rootId")
    own = reading.text(transaction, "id")
    names = ((root,) if root else ()) + related(transaction)
    return tuple(dict.fromkeys(name for name in names if name != own))


def related(transaction: Json) -> tuple[str, ...]:
    """Give the ids of the related transactions, each once."""
    found: list[str] = []
    for link in reading.items(transaction, "_links", "relatedTransactions") or []:
        match = _RELATED.search(reading.text(link, "href", limit=_MAX_LINK) or "")
        if match is not None:
            found.append(match[1])
    return tuple(dict.fromkeys(found))
