"""Square's error answers: a list of categories and codes.

Source: square/connect-api-specification api.json (2025-08-20), ErrorCode and
ErrorCategory; "Handling errors", https://developer.squareup.com (read 2026-11).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from refundwatch.sandbox.answers import Json, json_reply
from refundwatch.sandbox.model import Reply

_DETAILS: Mapping[str, str] = {
    "CONFLICT": "Another request with this key is being handled.",
    "CURRENCY_MISMATCH": "The currency is not the payment's.",
    "IDEMPOTENCY_KEY_REUSED": (
        "The idempotency key can only be retried with the same request data."
    ),
    "NOT_FOUND": "Could not find what was asked for.",
    "PAYMENT_NOT_REFUNDABLE": "The payment is not refundable.",
    "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE": "The payment has been disputed.",
    "REFUND_ALREADY_PENDING": "Another refund of the payment is pending.",
    "REFUND_AMOUNT_INVALID": "Refund is larger than what is left.",
    "REFUND_DECLINED": "The issuer declined the refund.",
    "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION": "The payment is not completed yet.",
}


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer; none is ever kept under a key."""

    status: int
    code: str
    category: str = "INVALID_REQUEST_ERROR"
    field: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def invalid(cls, code: str, field: str) -> Self:
        """Say that a field breaks the schema."""
        return cls(status=400, code=code, field=field)

    @classmethod
    def business(cls, code: str, field: str = "") -> Self:
        """Say that the rules of refunds forbid it."""
        return cls(status=400, category="REFUND_ERROR", code=code, field=field)

    @classmethod
    def not_found(cls) -> Self:
        """Say that there is no such object or address."""
        return cls(status=404, code="NOT_FOUND")

    @classmethod
    def down(cls, status: int) -> Self:
        """Say that something went wrong at Square."""
        code = _OF_STATUS[status]
        return cls(status=status, category="API_ERROR", code=code)

    def errors(self) -> list[Json]:
        """Build the list of errors."""
        error: Json = {"category": self.category, "code": self.code}
        error["detail"] = _DETAILS.get(self.code, self.code.replace("_", " "))
        if self.field:
            error["field"] = self.field
        return [error]

    def reply(self) -> Reply:
        """Build the answer."""
        return json_reply(self.status, {"errors": self.errors()}, self.headers)


_OF_STATUS: Mapping[int, str] = {
    500: "INTERNAL_SERVER_ERROR",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}
