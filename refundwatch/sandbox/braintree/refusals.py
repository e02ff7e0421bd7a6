"""Braintree's errors, as GraphQL answers them.

Invariant: an error is answered with HTTP 200 and names its class; only VALIDATION has
a legacy code.
Source: gateways/braintree.md sections 4 and 5 (read 2026-11).
"""

from dataclasses import dataclass
from typing import Self

from refundwatch.sandbox.answers import Json

_MESSAGES = {
    "4004": "Already refunded.",
    "81501": "Amount cannot be negative.",
    "81503": "Amount is an invalid format.",
    "81528": "Amount is too large.",
    "81531": "Amount must be greater than zero.",
    "91504": "Transaction can only be voided if status is authorized or "
    "submitted_for_settlement.",
    "91505": "Cannot refund credit.",
    "91506": "Cannot refund transaction unless it is settled.",
    "91512": "Transaction has already been fully refunded.",
    "91521": "Refund amount is too large.",
    "91547": "Merchant account does not support refunds.",
    "91574": "Cannot refund a transaction with a status of settling.",
    "915200": "Refund Auth Hard Declined.",
    "915201": "Refund Auth Soft Declined.",
    "915230": "API request key is too long.",
    "915232": "API request key was used with different parameters.",
    "915233": "A request with this API request key is in progress.",
    "915234": "API request key was used by a request that failed.",
    "915235": "API request keys are not available.",
    "915282": "Transaction cannot be reversed at this time.",
}
# What a key remembers nothing of: the call never began.
_FORGOTTEN = frozenset(
    {"AUTHENTICATION", "AUTHORIZATION", "NOT_FOUND", "RESOURCE_LIMIT"}
) | {"NOT_IMPLEMENTED"}


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry one error; ``code`` is a legacy code, or empty."""

    kind: str
    code: str = ""
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def invalid(cls, code: str) -> Self:
        """Say that the input breaks a rule of payments."""
        return cls(kind="VALIDATION", code=code, message=_MESSAGES[code])

    @classmethod
    def not_found(cls) -> Self:
        """Say that there is no such object."""
        message = "An object with this ID was not found."
        return cls(kind="NOT_FOUND", message=message)

    @property
    def spends_key(self) -> bool:
        """Tell whether the key remembers that its request failed."""
        return self.kind not in _FORGOTTEN

    def entry(self, field: str) -> Json:
        """Build the entry of ``errors``; ``field`` is the one at the root."""
        known = self.kind in ("VALIDATION", "NOT_FOUND", "AUTHENTICATION")
        extensions: Json = {
            "errorType": "user_error" if known else "developer_error",
            "errorClass": self.kind,
        }
        if self.code:
            extensions["legacyCode"] = self.code
            extensions["inputPath"] = ["input"]
        return {
            "message": self.message or self.kind,
            "locations": [{"line": 2, "column": 3}],
            "path": [field],
            "extensions": extensions,
        }
