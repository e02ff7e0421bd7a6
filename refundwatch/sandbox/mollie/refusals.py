"""Mollie's error answers: a status and texts, never a code.

Source: gateways/mollie.md sections 4 and 5 (Mollie "Handling errors", read 2026-11).
"""

from dataclasses import dataclass
from http import HTTPStatus

from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.model import Reply

HAL = ("Content-Type", "application/hal+json")


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer; ``stored`` when it stays under the idempotency key."""

    status: int
    detail: str
    field: str = ""
    stored: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def reply(self) -> Reply:
        """Build the answer."""
        error: Json = {
            "status": self.status,
            "title": HTTPStatus(self.status).phrase,
            "detail": self.detail,
        }
        if self.field:
            error["field"] = self.field
        link = {"href": "https://docs.mollie.com/errors", "type": "text/html"}
        error["_links"] = {"documentation": link}
        return hal_reply(self.status, error, self.headers)


def hal_reply(
    status: int, value: object, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """Build an answer with a HAL body."""
    return Reply(status=status, headers=(HAL, *headers), body=json_bytes(value))


def missing(kind: str, reference: str) -> Refusal:
    """Say that nothing exists under a token."""
    return Refusal(status=404, detail=f"No {kind} exists with token {reference}.")


def invalid(detail: str, field: str = "") -> Refusal:
    """Say that a refund cannot be made like this."""
    return Refusal(status=422, detail=detail, field=field, stored=True)


def duplicate() -> Refusal:
    """Say that an equal amount was refunded within the hour, whatever the key."""
    return Refusal(status=409, detail="A duplicate refund has been detected")


def key_in_use() -> Refusal:
    """Say that the first call under a key still runs."""
    detail = "A request with this idempotency key is still being processed"
    return Refusal(status=409, detail=detail)


def other_request() -> Refusal:
    """Say that a key came back with another request."""
    detail = "The idempotency key was used for another request"
    return Refusal(status=400, detail=detail)


def in_parallel() -> Refusal:
    """Say that another refund of the payment is being made; nothing was done."""
    detail = "Another refund of this payment is being processed, please try again"
    return Refusal(status=503, detail=detail)
