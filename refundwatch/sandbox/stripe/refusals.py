"""Stripe's error answers.

Source: gateways/stripe.md section 5 (Stripe "Errors", read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.answers import Json, json_reply
from refundwatch.sandbox.model import Reply


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer; ``stored`` when it stays under the idempotency key."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str = ""
    param: str = ""
    charge: str = ""
    stored: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def reply(self) -> Reply:
        """Build the answer."""
        error: Json = {"type": self.type, "message": self.message}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code}"
        if self.param:
            error["param"] = self.param
        if self.charge:
            error["charge"] = self.charge
        return json_reply(self.status, {"error": error}, self.headers)


def missing(kind: str, reference: str, param: str, *, stored: bool = False) -> Refusal:
    """Say that an object does not exist."""
    return Refusal(
        status=404,
        code="resource_missing",
        param=param,
        message=f"No such {kind}: '{reference}'",
        stored=stored,
    )


def unknown_parameter(name: str) -> Refusal:
    """Say that a parameter is unknown."""
    return Refusal(
        status=400,
        code="parameter_unknown",
        param=name,
        message=f"Received unknown parameter: {name}",
    )


def invalid_integer(name: str, value: str) -> Refusal:
    """Say that a parameter is no integer of the allowed range."""
    return Refusal(
        status=400,
        code="parameter_invalid_integer",
        param=name,
        message=f"Invalid integer: {value}",
    )


def other_parameters(key: str) -> Refusal:
    """Say that a key came back with other parameters."""
    return Refusal(
        status=400,
        type="idempotency_error",
        message=(
            "Keys for idempotent requests can only be used with the same parameters "
            f"they were first used with. Try using a key other than '{key}' if you "
            "meant to execute a different request."
        ),
    )


def key_in_use() -> Refusal:
    """Say that the first call under a key still runs."""
    return Refusal(
        status=409,
        code="idempotency_key_in_use",
        message=(
            "There is currently another in-progress request using this Idempotent "
            "Key. Please try again later."
        ),
    )


def server_error(status: int = 500) -> Refusal:
    """Say that something went wrong at Stripe."""
    return Refusal(
        status=status,
        type="api_error",
        message="Sorry! There was an error while talking to one of our backends.",
    )
