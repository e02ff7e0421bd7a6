"""Requests to Cybersource, before they are signed.

Invariant: an order always carries its amount, our reference and the id of its attempt,
and the same instruction always gives the same bytes. A stand-alone credit is never
built: nothing at the gateway would bound it.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.cybersource import facts, signing
from refundwatch.gateways.decimals import decimal_text
from refundwatch.gateways.reading import is_plain_id

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, RefundInstruction
    from refundwatch.gateways.reading import JsonObject

# What the search reads without quoting.
_REFERENCE: Final = re.compile(r"[A-Za-z0-9-]+")
_JSON: Final = ("Content-Type", "application/json")
_ACCEPT: Final = ("Accept", "application/hal+json;charset=utf-8")


def check(instruction: RefundInstruction) -> None:
    """Refuse what Cybersource cannot be told.

    Raises:
        NotExpressible: the amount, the payment or our reference cannot be stated.
    """
    decimal_text(facts.CAPABILITIES, instruction.amount_minor, instruction.currency)
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id of a transaction."
        raise NotExpressible(message, field="payment_reference")
    if not is_searchable(instruction.merchant_reference):
        message = (
            f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters of "
            "A-Z a-z 0-9 and -."
        )
        raise NotExpressible(message, field="merchant_reference")


def is_searchable(reference: str) -> bool:
    """Tell whether a reference can be written and searched as it is."""
    return (
        len(reference) <= facts.REFERENCE_LIMIT
        and _REFERENCE.fullmatch(reference) is not None
    )


def attempt_id(instruction: RefundInstruction) -> str:
    """Give the attempt an id of its own: 30 letters and digits.

    Cybersource can undo an order by it whose answer was lost. Nothing here does that:
    a refund that was wanted would be undone too.
    """
    hashed = sha256(instruction.idempotency_key.encode("utf-8", "surrogatepass"))
    return b32encode(hashed.digest()).decode("ascii")[: facts.ATTEMPT_LIMIT]


# --- what moves money -------------------------------------------------------------


def refund_request(
    instruction: RefundInstruction, *, separately_captured: bool, electronic_check: bool
) -> HttpRequest:
    """Build the order of a refund, on the capture or on the sale that took the money.

    An electronic check names its kind.

    Raises:
        NotExpressible: the amount cannot be stated.
    """
    amount = decimal_text(
        facts.CAPABILITIES, instruction.amount_minor, instruction.currency
    )
    body: JsonObject = {
        "clientReferenceInformation": {
            "code": instruction.merchant_reference,
            "transactionId": attempt_id(instruction),
        },
        "orderInformation": {
            "amountDetails": {"totalAmount": amount, "currency": instruction.currency}
        },
    }
    if electronic_check:
        body["paymentInformation"] = {"paymentType": {"name": "CHECK"}}
    kind = "captures" if separately_captured else "payments"
    target = f"/pts/v2/{kind}/{instruction.payment_reference}/refunds"
    return _post(instruction.account, "refund", target, body, moves_money=True)


def void_request(instruction: RefundInstruction, refund_id: str) -> HttpRequest:
    """Build the cancellation of an accepted refund: of all of it, by its nature."""
    code = instruction.merchant_reference
    code = code[: facts.REFERENCE_LIMIT - len(facts.VOID_SUFFIX)] + facts.VOID_SUFFIX
    body: JsonObject = {"clientReferenceInformation": {"code": code}}
    target = f"/pts/v2/refunds/{refund_id}/voids"
    return _post(instruction.account, "void", target, body, moves_money=True)


# --- what only reads --------------------------------------------------------------


def transaction_request(
    account: AccountView, operation: str, transaction_id: str
) -> HttpRequest:
    """Ask for one transaction."""
    target = f"/tss/v2/transactions/{transaction_id}"
    return HttpRequest(operation, "GET", target, _headers(account))


def search_request(account: AccountView, reference: str) -> HttpRequest:
    """Search for everything that carries our reference."""
    days = f"submitTimeUtc:[NOW/DAY-{facts.SEARCH_DAYS}DAYS TO NOW/DAY+1DAY}}"
    query = f"clientReferenceInformation.code:{reference} AND {days}"
    return _search(account, "look_up", query, facts.SEARCH_LIMIT)


def probe_request(account: AccountView) -> HttpRequest:
    """Search for anything: it proves the key, the merchant and the clock."""
    query = "submitTimeUtc:[NOW/DAY-1DAYS TO NOW/DAY+1DAY}"
    return _search(account, "probe", query, 1)


def _search(
    account: AccountView, operation: str, query: str, limit: int
) -> HttpRequest:
    body: JsonObject = {
        "save": False,
        "name": "refundwatch",
        "timezone": "GMT",
        "query": query,
        "offset": 0,
        "limit": limit,
        "sort": "submitTimeUtc:desc",
    }
    return _post(account, operation, "/tss/v2/searches", body, moves_money=False)


def _post(
    account: AccountView,
    operation: str,
    target: str,
    body: JsonObject,
    *,
    moves_money: bool,
) -> HttpRequest:
    return HttpRequest(
        operation=operation,
        method="POST",
        target=target,
        headers=(*_headers(account), _JSON),
        body=json.dumps(body, separators=(",", ":")).encode("ascii"),
        moves_money=moves_money,
    )


def _headers(account: AccountView) -> tuple[tuple[str, str], ...]:
    """Name the host and the merchant: both are signed, so both are part of it."""
    merchant = account.settings.get(facts.MERCHANT_ID)
    if not merchant:
        message = f"Account {account.name} has no setting {facts.MERCHANT_ID}."
        raise InvariantBroken(message)
    named = (
        (signing.HOST, urlsplit(account.endpoint).netloc),
        (signing.MERCHANT, merchant),
        _ACCEPT,
    )
    match account.settings.get(facts.AUTHENTICATION, facts.JWT):
        case facts.JWT:
            return (*named, signing.TOKEN_WANTED)
        case facts.HTTP_SIGNATURE:
            return named
        case _:
            message = (
                f"Account {account.name}: {facts.AUTHENTICATION} is "
                f"{facts.JWT} or {facts.HTTP_SIGNATURE}."
            )
            raise InvariantBroken(message)
