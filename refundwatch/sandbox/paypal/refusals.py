"""PayPal's error answers.

Source: gateways/paypal.md section 5; gateways/specs/paypal-refunds.json (read 2026-11).
"""

from dataclasses import dataclass
from typing import Self

from refundwatch.sandbox.answers import Json, json_reply
from refundwatch.sandbox.model import Reply

_MESSAGES = {
    "INVALID_REQUEST": (
        "Request is not well-formed, syntactically incorrect, or violates schema."
    ),
    "AUTHENTICATION_FAILURE": (
        "Authentication failed due to missing authorization header, or invalid "
        "authentication credentials."
    ),
    "RESOURCE_NOT_FOUND": "The specified resource does not exist.",
    "RESOURCE_CONFLICT": (
        "The server has detected a conflict while processing this request."
    ),
    "UNSUPPORTED_MEDIA_TYPE": (
        "The server does not support the request payload's media type."
    ),
    "UNPROCESSABLE_ENTITY": (
        "The requested action could not be performed, semantically incorrect, or "
        "failed business validation."
    ),
    "RATE_LIMIT_REACHED": "Too many requests. Blocked due to rate limiting.",
    "INTERNAL_SERVER_ERROR": "An internal server error has occurred.",
    "SERVICE_UNAVAILABLE": "Service Unavailable.",
}
_DESCRIPTIONS = {
    "INVALID_RESOURCE_ID": (
        "Specified resource ID does not exist. Please check the resource ID and try "
        "again."
    ),
    "PREVIOUS_REQUEST_IN_PROGRESS": (
        "A previous request on this resource is currently in progress. Please wait "
        "for sometime and try again. It is best to space out the initial and the "
        "subsequent request(s) to avoid receiving this error."
    ),
    "CAPTURE_FULLY_REFUNDED": "The capture has already been fully refunded",
    "REFUND_CAPTURE_CURRENCY_MISMATCH": (
        "Refund must be in the same currency as the capture"
    ),
    "REFUND_NOT_ALLOWED": "Capture cannot be refunded.",
    "REFUND_TIME_LIMIT_EXCEEDED": (
        "You are over the time limit to perform a refund on this capture"
    ),
    "REFUND_AMOUNT_EXCEEDED": (
        "The refund amount must be less than or equal to the capture amount that has "
        "not yet been refunded."
    ),
    "REFUND_FAILED_INSUFFICIENT_FUNDS": (
        "Capture could not be refunded due to insufficient funds. Please check to see "
        "if you have sufficient funds in your PayPal account or if the bank account "
        "linked to your PayPal account is verified and has sufficient funds."
    ),
    "PARTIAL_REFUND_NOT_ALLOWED": (
        "You cannot do a refund less than the original capture amount."
    ),
    "PENDING_CAPTURE": (
        "Cannot initiate a refund as the capture is pending. Capture is typically "
        "pending when the payer has funded the transaction using e-check/bank funded."
    ),
    "DUPLICATE_INVOICE_ID": "Invoice ID was previously used to refund a capture.",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": (
        "The payer account cannot be used for this transaction."
    ),
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": (
        "Refunds are not allowed on this capture due to a chargeback on the card or "
        "bank. Please contact the payee to resolve the chargeback."
    ),
    "TRANSACTION_DISPUTED": (
        "Partial refunds cannot be offered at this time because there is an open case "
        "on this transaction. Visit the PayPal Resolution Center to review this case."
    ),
}


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer; ``issue`` becomes the one entry of its details."""

    status: int
    name: str
    issue: str = ""
    field: str = ""
    value: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def invalid(cls, issue: str, field: str, value: str = "") -> Self:
        """Say that the request breaks the schema."""
        return cls(
            status=400, name="INVALID_REQUEST", issue=issue, field=field, value=value
        )

    @classmethod
    def business(cls, issue: str, field: str = "", value: str = "") -> Self:
        """Say that the rules of refunds forbid it."""
        return cls(
            status=422,
            name="UNPROCESSABLE_ENTITY",
            issue=issue,
            field=field,
            value=value,
        )

    @classmethod
    def not_found(cls) -> Self:
        """Say that there is no such object."""
        return cls(status=404, name="RESOURCE_NOT_FOUND", issue="INVALID_RESOURCE_ID")

    @classmethod
    def in_progress(cls) -> Self:
        """Say that an earlier call on the resource is running."""
        return cls(
            status=409, name="RESOURCE_CONFLICT", issue="PREVIOUS_REQUEST_IN_PROGRESS"
        )

    def reply(self, debug_id: str) -> Reply:
        """Build the answer."""
        body: Json = {
            "name": self.name,
            "message": _MESSAGES[self.name],
            "debug_id": debug_id,
        }
        if self.issue:
            body["details"] = [self._detail()]
        link = f"https://developer.paypal.com/docs/api/payments/v2/#error-{self.issue}"
        body["links"] = [{"href": link, "rel": "information_link", "method": "GET"}]
        return json_reply(self.status, body, self.headers)

    def _detail(self) -> Json:
        detail: Json = {"issue": self.issue}
        if self.field:
            detail.update(field=self.field, location="body")
        if self.value:
            detail["value"] = self.value
        detail["description"] = _DESCRIPTIONS.get(self.issue, self.issue)
        return detail


def token_refusal(status: int, error: str, text: str) -> Reply:
    """Answer in the form of OAuth2, which differs from the API's."""
    return json_reply(status, {"error": error, "error_description": text})
