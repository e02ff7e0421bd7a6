"""Razorpay's error answers.

Source: gateways/razorpay.md section 5 (Razorpay "Errors", read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.answers import Json, json_reply
from refundwatch.sandbox.model import Reply


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer; nearly every refusal is a 400."""

    description: str
    status: int = 400
    code: str = "BAD_REQUEST_ERROR"
    field: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def reply(self) -> Reply:
        """Build the answer."""
        error: Json = {
            "code": self.code,
            "description": self.description,
            "source": "business",
            "step": "payment_initiation",
            "reason": "input_validation_failed",
            "metadata": {},
        }
        if self.field:
            error["field"] = self.field
        return json_reply(self.status, {"error": error}, self.headers)


def unknown_id() -> Refusal:
    """Say that an id names nothing here."""
    return Refusal(description="The id provided does not exist")


def no_such_url() -> Refusal:
    """Say that a path is none; Razorpay answers 400."""
    return Refusal(description="The requested URL was not found on the server.")


def invalid_field(field: str, problem: str) -> Refusal:
    """Say that a member of the body is wrong."""
    return Refusal(description=f"The {field} {problem}", field=field)


def unauthorised() -> Refusal:
    """Say that the key is wrong."""
    return Refusal(status=401, description="The API {key/secret} provided is invalid.")


def access_denied() -> Refusal:
    """Say that the caller's address is not on the list of allowed ones."""
    return Refusal(status=401, description="Access Denied")


def other_request() -> Refusal:
    """Say that a key came back with another body."""
    return Refusal(
        description=(
            "Different request with the same idempotency key has already been "
            "processed."
        )
    )


def still_running() -> Refusal:
    """Say that the first call under a key still runs."""
    return Refusal(
        status=409,
        description=(
            "Another request with the same idempotency key is still in progress."
        ),
    )


def server_error(status: int = 500, code: str = "SERVER_ERROR") -> Refusal:
    """Say that something went wrong at Razorpay or behind it."""
    message = "We are facing some trouble completing your request at the moment."
    return Refusal(status=status, code=code, description=message)
