"""The requests that Authorize.Net is sent.

Invariant: members stand in the order of the schema, because JSON is mapped onto its
sequences; a refund always states its amount, and no body that is kept holds a
credential: `with_authentication` puts it in front at the moment of sending.

Source: AuthorizeNet/sdk-php AnetApiSchema.xsd (read 2026-11).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.authorizenet import facts
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.decimals import decimal_text

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Credentials,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import JsonObject

REFUND: Final = "refund"
VOID: Final = "void"
CANCEL: Final = "cancel"
PAGE: Final = 500
"""Transactions asked for at once; a thousand might not fit one answer."""

_TARGET: Final = "/xml/v1/request.api"
_TRANSACTION_ID: Final = re.compile(r"[1-9][0-9]{0,19}")
_ROOT: Final = re.compile(rb'\{"[A-Za-z]+":\{')
_REFERENCE: Final = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST_LOGIN: Final = 25
_LONGEST_KEY: Final = 16


def is_transaction_id(reference: str | None) -> bool:
    """Tell whether a text can be the id of a transaction."""
    return reference is not None and _TRANSACTION_ID.fullmatch(reference) is not None


def currency_of(account: AccountView) -> str:
    """Give the one currency of the account; no answer names it.

    Raises:
        InvariantBroken: the account has no such setting.
    """
    currency = account.settings.get(facts.CURRENCY)
    if not currency:
        message = f"Account {account.name} has no setting {facts.CURRENCY}."
        raise InvariantBroken(message)
    return currency


# --- orders -----------------------------------------------------------------------


def check(instruction: RefundInstruction) -> None:
    """Refuse what cannot be stated to Authorize.Net.

    Raises:
        NotExpressible: the amount, the payment or our reference cannot be stated.
    """
    _amount(instruction)
    if not is_transaction_id(instruction.payment_reference):
        message = "This payment reference is no transaction id."
        raise NotExpressible(message, field="payment_reference")
    if instruction.currency != currency_of(instruction.account):
        message = f"This account does not take {instruction.currency}."
        raise NotExpressible(message, field="currency")
    reference = instruction.merchant_reference
    if len(reference) > facts.REFERENCE_LIMIT or not _REFERENCE.fullmatch(reference):
        message = (
            f"An invoice number has 1 to {facts.REFERENCE_LIMIT} plain characters."
        )
        raise NotExpressible(message, field="merchant_reference")


def _amount(instruction: RefundInstruction) -> str:
    return decimal_text(
        facts.CAPABILITIES, instruction.amount_minor, instruction.currency
    )


def refund_request(instruction: RefundInstruction, payment: JsonObject) -> HttpRequest:
    """Build the order of a refund; `payment` is the masked card or bank account.

    Our reference is the invoice number: the only one that lists show, and a part of
    what makes two transactions equal.
    """
    reference = instruction.merchant_reference
    window = str(facts.DUPLICATE_WINDOW_SECONDS)
    setting: JsonObject = {"settingName": "duplicateWindow", "settingValue": window}
    return _transaction(
        REFUND,
        reference,
        {
            "transactionType": facts.REFUND_TYPE,
            "amount": _amount(instruction),
            "currencyCode": instruction.currency,
            "payment": payment,
            "refTransId": instruction.payment_reference,
            "order": {"invoiceNumber": reference, "description": f"refund {reference}"},
            "transactionSettings": {"setting": [setting]},
        },
    )


def void_request(
    operation: str, instruction: RefundInstruction, transaction_id: str
) -> HttpRequest:
    """Build the order of a void; it has no amount, because it is always the whole."""
    return _transaction(
        operation,
        instruction.merchant_reference,
        {"transactionType": "voidTransaction", "refTransId": transaction_id},
    )


def _transaction(operation: str, reference: str, order: JsonObject) -> HttpRequest:
    return _request(
        operation,
        "createTransactionRequest",
        {"refId": reference, "transactionRequest": order},
        moves_money=True,
    )


# --- reads ------------------------------------------------------------------------


def details_request(operation: str, transaction_id: str) -> HttpRequest:
    """Ask for one transaction."""
    return _request(
        operation, "getTransactionDetailsRequest", {"transId": transaction_id}
    )


def unsettled_request(operation: str, page: int) -> HttpRequest:
    """Ask for a page, from 1, of what no batch has settled yet, the newest first."""
    return _request(operation, "getUnsettledTransactionListRequest", _paged(page))


def batches_request(operation: str, first: datetime, last: datetime) -> HttpRequest:
    """Ask for the batches that were settled in at most 31 days."""
    return _request(
        operation,
        "getSettledBatchListRequest",
        {"firstSettlementDate": _moment(first), "lastSettlementDate": _moment(last)},
    )


def batch_request(operation: str, batch_id: str, page: int) -> HttpRequest:
    """Ask for a page, from 1, of the transactions of a batch."""
    return _request(
        operation, "getTransactionListRequest", {"batchId": batch_id, **_paged(page)}
    )


def probe_request() -> HttpRequest:
    """Ask whether login and key are right: it moves no money."""
    return _request("probe", "authenticateTestRequest", {})


def _paged(page: int) -> JsonObject:
    # Whether the offset counts pages or transactions is not documented surely; the
    # official examples step it by one page.
    return {
        "sorting": {"orderBy": "submitTimeUTC", "orderDescending": True},
        "paging": {"limit": PAGE, "offset": page},
    }


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _request(
    operation: str, root: str, content: JsonObject, *, moves_money: bool = False
) -> HttpRequest:
    return HttpRequest(
        operation=operation,
        method="POST",
        target=_TARGET,
        headers=(("Content-Type", "application/json"),),
        body=_encoded({root: content}),
        moves_money=moves_money,
    )


def _encoded(value: JsonObject) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


# --- authentication ---------------------------------------------------------------


def with_authentication(body: bytes, credentials: Credentials) -> bytes:
    """Put login and key in front of the other members of a request.

    Raises:
        InvariantBroken: a credential is missing or longer than the schema takes, or
            these bytes were not built here.
    """
    login = credentials.values.get("api_login_id", "")
    key = credentials.values.get("transaction_key", "")
    if not 0 < len(login) <= _LONGEST_LOGIN or not 0 < len(key) <= _LONGEST_KEY:
        message = "The connection to Authorize.Net has no usable credential."
        raise InvariantBroken(message)
    root = _ROOT.match(body)
    if root is None:
        message = "This is no request to Authorize.Net."
        raise InvariantBroken(message)
    proof = _encoded({"name": login, "transactionKey": key})
    rest = body[root.end() :]
    comma = b"" if rest.startswith(b"}") else b","
    return root[0] + b'"merchantAuthentication":' + proof + comma + rest
