"""Cybersource's error answers, which have a shape for each of its services.

Source: gateways/cybersource.md section 5 (cybersource-rest-spec.json, read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.answers import json_reply, utc_text
from refundwatch.sandbox.model import Reply


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer of the payment services."""

    reason: str
    message: str = "One or more fields in the request contains invalid data"
    field: str = ""
    status: int = 400

    def reply(self, now: float) -> Reply:
        """Build the answer."""
        words = {400: "INVALID_REQUEST", 404: "NOT_FOUND"}
        body: dict[str, object] = {
            "submitTimeUtc": utc_text(now),
            "status": words.get(self.status, "SERVER_ERROR"),
            "reason": self.reason,
            "message": self.message,
        }
        if self.field:
            body["details"] = [{"field": self.field, "reason": "INVALID_DATA"}]
        return json_reply(self.status, body)


def unauthenticated() -> Reply:
    """Say that nobody is known by this key, signature or clock."""
    return json_reply(401, {"response": {"rmsg": "Authentication Failed"}})


def no_transaction() -> Reply:
    """Say that the search service knows no such transaction; it says no more."""
    return Reply(status=404, headers=(("Content-Type", "application/json"),))
