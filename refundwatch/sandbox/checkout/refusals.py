"""Checkout.com's error answers.

Source: gateways/checkout.md section 5 (read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.answers import json_reply
from refundwatch.sandbox.model import Reply


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer; without codes and type its body is empty."""

    status: int
    codes: tuple[str, ...] = ()
    type: str = ""
    request_id: str = ""

    def reply(self) -> Reply:
        """Build the answer."""
        if not self.codes and not self.type:
            return Reply(status=self.status)
        body = {
            "request_id": self.request_id,
            "error_type": self.type or "request_invalid",
            "error_codes": list(self.codes),
        }
        return json_reply(self.status, body)


def invalid(*codes: str, kind: str = "request_invalid") -> Refusal:
    """Say that an order cannot be carried out."""
    return Refusal(status=422, codes=codes, type=kind)


def not_found() -> Refusal:
    """Say that there is no such thing, in no words."""
    return Refusal(status=404)


def not_allowed() -> Refusal:
    """Say that the payment does not allow an order, in no words."""
    return Refusal(status=403)
