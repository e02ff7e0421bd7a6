"""Klarna's error answers.

Source: gateways/klarna.md section 5 (Klarna "Error codes: Order Management", read
2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.answers import json_reply
from refundwatch.sandbox.model import Reply

_EDGE_PAGE = b"<html><body><h1>403</h1><p>Request blocked.</p></body></html>"


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer."""

    status: int
    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()

    def reply(self, correlation_id: str) -> Reply:
        """Build the answer."""
        error = {
            "correlation_id": correlation_id,
            "error_code": self.code,
            "error_messages": [self.message],
        }
        return json_reply(self.status, error, self.headers)


def bad_value(message: str) -> Refusal:
    """Say that a body is not what the call takes."""
    return Refusal(status=400, code="BAD_VALUE", message=message)


def not_allowed(message: str) -> Refusal:
    """Say that this refund cannot be."""
    return Refusal(status=403, code="REFUND_NOT_ALLOWED", message=message)


def no_such_order(order_id: str) -> Refusal:
    """Say that an order does not exist, here or at all."""
    return Refusal(
        status=404, code="NO_SUCH_ORDER", message=f"Order {order_id} was not found."
    )


def not_found(what: str) -> Refusal:
    """Say that something does not exist."""
    return Refusal(status=404, code="NOT_FOUND", message=f"{what} was not found.")


def unauthorised() -> Refusal:
    """Say that the credentials are wrong, or of another region."""
    return Refusal(status=401, code="UNAUTHORIZED", message="Invalid credentials.")


def still_running() -> Refusal:
    """Say that the first call under a key still runs."""
    message = "A request with this idempotency key is being processed."
    return Refusal(status=409, code="CONFLICT", message=message)


def edge_page() -> Reply:
    """Build what the DDoS protection answers: no error object, nothing passed on."""
    return Reply(status=403, headers=(("Content-Type", "text/html"),), body=_EDGE_PAGE)
