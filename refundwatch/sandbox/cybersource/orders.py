"""The bodies of Cybersource's calls, checked as Cybersource checks them.

Invariant: an amount comes out in ISO minor units; decimals that the currency does not
have are cut off, never refused.
Source: gateways/cybersource.md sections 1, 5 and 7 (read 2026-11).
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.cybersource.refusals import Refusal
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.money import iso_digits

_AMOUNT = re.compile(r"(\d{1,15})(?:\.(\d+))?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_MAX_CODE = 50
_MAX_ATTEMPT = 30
_DETAILS = "orderInformation.amountDetails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a refund call asks for, in ISO minor units."""

    code: str
    attempt: str
    amount_minor: int
    currency: str
    is_check: bool


def read_body(request: Request) -> Json:
    """Read a JSON object.

    Raises: Refusal.
    """
    try:
        body = json.loads(request.body)
    except ValueError as malformed:
        raise Refusal(reason="INVALID_DATA", message="Not JSON") from malformed
    if not isinstance(body, dict):
        raise Refusal(reason="INVALID_DATA")
    return body


def read_refund(request: Request) -> Order:
    """Check a refund call.

    Raises: Refusal.
    """
    body = read_body(request)
    code, attempt = read_reference(body)
    details = _inner(body, "orderInformation", "amountDetails")
    written, currency = details.get("totalAmount"), details.get("currency")
    for name, value in (("totalAmount", written), ("currency", currency)):
        if value is None:
            raise Refusal(reason="MISSING_FIELD", field=f"{_DETAILS}.{name}")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise Refusal(reason="INVALID_DATA", field=f"{_DETAILS}.currency")
    kind = _inner(body, "paymentInformation", "paymentType").get("name")
    return Order(
        code=code,
        attempt=attempt,
        amount_minor=_cut(written, currency),
        currency=currency,
        is_check=kind == "CHECK",
    )


def read_reference(body: Json) -> tuple[str, str]:
    """Read the merchant's reference and the id of the attempt.

    Raises: Refusal.
    """
    reference = _inner(body, "clientReferenceInformation")
    code = reference.get("code", "")
    attempt = reference.get("transactionId", "")
    field = "clientReferenceInformation"
    if not code:
        raise Refusal(reason="MISSING_FIELD", field=f"{field}.code")
    if not isinstance(code, str) or len(code) > _MAX_CODE:
        raise Refusal(reason="INVALID_DATA", field=f"{field}.code")
    if not isinstance(attempt, str) or len(attempt) > _MAX_ATTEMPT:
        raise Refusal(reason="INVALID_DATA", field=f"{field}.transactionId")
    return code, attempt


def _inner(body: Json, *path: str) -> Json:
    found: Any = body
    for name in path:
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _cut(written: object, currency: str) -> int:
    found = _AMOUNT.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise Refusal(reason="INVALID_DATA", field=f"{_DETAILS}.totalAmount")
    digits = iso_digits(currency)
    minor = int(found[1] + (found[2] or "")[:digits].ljust(digits, "0"))
    if minor <= 0:
        raise invalid_amount()
    return minor


def invalid_amount() -> Refusal:
    """Say that this amount cannot be refunded."""
    return Refusal(
        reason="INVALID_AMOUNT",
        message="The requested amount exceeds what was captured",
        field=f"{_DETAILS}.totalAmount",
    )
