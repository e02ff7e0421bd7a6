"""What the details of a transaction say, of a sale and of a refund.

Invariant: details count only for the transaction that was asked for; an amount is
exact in the account's currency, which no answer names, or it is a doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import Stated, heard
from refundwatch.gateways.authorizenet import building, facts
from refundwatch.gateways.authorizenet.answers import Trouble, told
from refundwatch.gateways.decimals import stated_decimal

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Heard, Operation
    from refundwatch.gateways.reading import Json, JsonObject

_MASKED: Final = re.compile(r"X{4}[0-9]{4}")
_ACCOUNT_TYPES: Final = frozenset({"checking", "savings", "businessChecking"})
_LONGEST_NAME: Final = 22


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction as it was read; `currency` is the account's."""

    found: JsonObject
    currency: str
    reference: str | None

    @property
    def id(self) -> str:
        """Give its id."""
        return reading.required_text(self.found, "transId")

    @property
    def type(self) -> str | None:
        """Give its type."""
        return reading.text(self.found, "transactionType")

    @property
    def status(self) -> str | None:
        """Give its status."""
        return reading.text(self.found, "transactionStatus")

    @property
    def invoice_number(self) -> str | None:
        """Give the reference that its sender put on it."""
        return reading.text(self.found, "order", "invoiceNumber")

    def amount(self) -> Stated:
        """Give what it is worth: what settles, or what it was before a void.

        A sale that is only authorized settles nothing yet; what is held for it counts.
        """
        settles = self._stated("settleAmount")
        if settles.amount_minor == 0 or self.status == facts.AUTHORIZED:
            return self._stated("authAmount")
        return settles

    def _stated(self, name: str) -> Stated:
        value = self.found.get(name)
        if value is None:
            return Stated()
        return stated_amount(value, self.currency)


def stated_amount(value: Json, currency: str) -> Stated:
    """Read an amount written as decimal text or as a number without a point."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return stated_decimal(facts.CAPABILITIES, str(value) if whole else value, currency)


def read(
    operation: str, transaction_id: str, currency: str
) -> Operation[Transaction | Trouble]:
    """Read the details of one transaction."""
    answer = told((yield building.details_request(operation, transaction_id)))
    if isinstance(answer, Trouble):
        return answer
    found = reading.member(answer, "transaction")
    if found is None:
        return Trouble("no_transaction")
    if reading.text(found, "transId") != transaction_id:
        return Trouble("another_transaction")
    return Transaction(found, currency, reading.text(answer, "transrefId"))


# --- a refund ---------------------------------------------------------------------


def refund_of(transaction: Transaction, source: str) -> Heard | Trouble:
    """Read a transaction as a refund."""
    if transaction.type != facts.REFUND_TYPE:
        return Trouble("not_a_refund")
    raw = transaction.status
    word = facts.WORDS.get(raw or "", Word.UNSEEN)
    evidence = Evidence(
        source=source,
        raw_status=reading.shown(raw),
        gateway_reference=transaction.id,
        merchant_reference=transaction.invoice_number or transaction.reference,
        payment_reference=reading.text(transaction.found, "refTransId"),
        requires_action=raw in facts.NEEDS_ACTION | facts.UNCLEAR,
        failure_code=raw if word in {Word.FAILED, Word.REVERSED} else None,
    )
    # What a failed refund would have been worth is not told the same way.
    stated = Stated() if word is Word.FAILED else transaction.amount()
    return heard(word, evidence, stated)


# --- a sale -----------------------------------------------------------------------


def is_sale(transaction: Transaction) -> bool:
    """Tell whether a transaction took money or holds it."""
    return transaction.type in facts.SALE_TYPES


def void_of(sale: Transaction, source: str) -> Heard:
    """Read a sale that was voided as the refund of all of it.

    A void bears no reference of its own: what it gave back is the whole sale, and
    that is given back once, whoever asked for it.
    """
    evidence = Evidence(
        source=source,
        raw_status=facts.VOIDED,
        gateway_reference=sale.id,
        payment_reference=sale.id,
    )
    return heard(Word.SUCCEEDED, evidence, sale.amount())


def masked_payment(sale: Transaction) -> JsonObject | None:
    """Give the card or bank account of a sale as a refund must repeat it."""
    card = reading.text(sale.found, "payment", "creditCard", "cardNumber")
    if card is not None and _MASKED.fullmatch(card):
        return {"creditCard": {"cardNumber": card, "expirationDate": "XXXX"}}
    account = reading.member(sale.found, "payment", "bankAccount")
    return None if account is None else _bank_account(account)


def _bank_account(account: JsonObject) -> JsonObject | None:
    routing = reading.text(account, "routingNumber") or ""
    number = reading.text(account, "accountNumber") or ""
    holder = reading.text(account, "nameOnAccount", limit=_LONGEST_NAME)
    if not _MASKED.fullmatch(routing) or not _MASKED.fullmatch(number) or not holder:
        return None
    kind = reading.text(account, "accountType")
    return {
        "bankAccount": {
            **({"accountType": kind} if kind in _ACCOUNT_TYPES else {}),
            "routingNumber": routing,
            "accountNumber": number,
            "nameOnAccount": holder,
        }
    }
