"""Requests to AnetApi, checked as the schema's sequences are.

Invariant: JSON is mapped onto XML, so a member out of order is refused, like one that
is unknown; a transaction without its amount is no refund.
Source: gateways/specs/AnetApiSchema.xsd; gateways/authorizenet.md section 1.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.authorizenet.refusals import Refusal
from refundwatch.sandbox.model import Request

REFUND, VOID = "refundTransaction", "voidTransaction"
CREATE = "createTransactionRequest"

_ENVELOPE = ("merchantAuthentication", "clientId", "refId")
_PAGED = ("sorting", "paging")
_CONTENTS = {
    CREATE: ("transactionRequest",),
    "authenticateTestRequest": (),
    "getTransactionDetailsRequest": ("transId",),
    "getUnsettledTransactionListRequest": ("status", *_PAGED),
    "getSettledBatchListRequest": (
        "includeStatistics",
        "firstSettlementDate",
        "lastSettlementDate",
    ),
    "getTransactionListRequest": ("batchId", *_PAGED),
}
_ORDER = (
    "transactionType",
    "amount",
    "currencyCode",
    "payment",
    "refTransId",
    "order",
    "customer",
    "transactionSettings",
    "userFields",
)
_CARD = ("cardNumber", "expirationDate")
_BANK = ("accountType", "routingNumber", "accountNumber", "nameOnAccount", "echeckType")
_LONGEST = 20
_LONGEST_WINDOW = 28_800
_DEFAULT_WINDOW = 120
_NUMBER = re.compile(r"\d{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold a request: its operation, its members, and our reference for it."""

    name: str
    content: Json
    ref_id: str
    login: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold a transaction that is asked for; ``amount`` is its text."""

    kind: str
    amount: str
    currency: str
    digits: str
    sale_id: str
    invoice_number: str
    window_seconds: int
    window_stated: bool


def read_call(request: Request) -> Call:
    """Read the envelope.

    Raises: Refusal.
    """
    try:
        body = json.loads(request.body)
    except ValueError as malformed:
        raise Refusal(code="E00003") from malformed
    if not isinstance(body, dict) or len(body) != 1:
        raise Refusal(code="E00003")
    [(name, content)] = body.items()
    if name not in _CONTENTS:
        raise Refusal(code="E00045")
    if not isinstance(content, dict):
        raise Refusal(code="E00003")
    _in_order(content, (*_ENVELOPE, *_CONTENTS[name]))
    proof = content.get("merchantAuthentication")
    if not isinstance(proof, dict):
        raise Refusal(code="E00003")
    _in_order(proof, ("name", "transactionKey"))
    return Call(
        name=name,
        content=content,
        ref_id=_limited(content.get("refId", "")),
        login=str(proof.get("name", "")),
        key=str(proof.get("transactionKey", "")),
    )


def _in_order(found: Json, known: tuple[str, ...]) -> None:
    """Refuse a member that is unknown or comes after a later one."""
    places = [known.index(name) if name in known else -1 for name in found]
    if -1 in places or places != sorted(places):
        raise Refusal(code="E00003")


def _limited(value: Any) -> str:
    if not isinstance(value, str):
        raise Refusal(code="E00003")
    if len(value) > _LONGEST:
        raise Refusal(code="E00015")
    return value


def read_order(call: Call) -> Order:
    """Read the transaction that is asked for.

    Raises: Refusal.
    """
    found = _part(call.content, "transactionRequest", _ORDER)
    kind = found.get("transactionType")
    if kind not in (REFUND, VOID):
        raise Refusal(code="E00013")
    sale_id = str(found.get("refTransId", ""))
    if not _NUMBER.fullmatch(sale_id):
        raise Refusal(reason="33", ref_id=call.ref_id)
    order = _part(found, "order", ("invoiceNumber", "description"))
    window = _window(found)
    return Order(
        kind=kind,
        amount=str(found.get("amount", "")),
        currency=str(found.get("currencyCode", "")),
        digits=_digits(found),
        sale_id=sale_id,
        invoice_number=_limited(order.get("invoiceNumber", "")),
        window_seconds=_DEFAULT_WINDOW if window is None else window,
        window_stated=window is not None,
    )


def _part(source: Json, name: str, known: tuple[str, ...]) -> Json:
    found = source.get(name, {})
    if not isinstance(found, dict):
        raise Refusal(code="E00003")
    _in_order(found, known)
    return found


def _digits(found: Json) -> str:
    """Give the last four digits of card or account."""
    payment = _part(found, "payment", ("creditCard", "bankAccount"))
    card = _part(payment, "creditCard", _CARD)
    account = _part(payment, "bankAccount", _BANK)
    number = str(card.get("cardNumber") or account.get("accountNumber") or "")
    return number[-4:]


def _window(found: Json) -> int | None:
    settings = found.get("transactionSettings", {})
    listed = settings.get("setting", []) if isinstance(settings, dict) else None
    if not isinstance(listed, list):
        raise Refusal(code="E00003")
    for one in listed:
        if isinstance(one, dict) and one.get("settingName") == "duplicateWindow":
            value = str(one.get("settingValue", ""))
            if not _NUMBER.fullmatch(value) or int(value) > _LONGEST_WINDOW:
                raise Refusal(code="E00013")
            return int(value)
    return None
