"""Adyen's error answers.

Source: gateways/adyen.md sections 4 and 5 (Adyen "Error codes", read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.answers import json_reply
from refundwatch.sandbox.model import Reply

TRANSIENT = (("transient-error", "true"),)


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry an error answer; a transient one is not kept under the key."""

    status: int
    code: str
    message: str
    type: str = "validation"
    psp_reference: str = ""
    transient: bool = False

    def reply(self) -> Reply:
        """Build the answer."""
        body: dict[str, object] = {
            "status": self.status,
            "errorCode": self.code,
            "message": self.message,
            "errorType": self.type,
        }
        if self.psp_reference:
            body["pspReference"] = self.psp_reference
        return json_reply(self.status, body, TRANSIENT if self.transient else ())


def unauthorised() -> Refusal:
    """Say that the credentials are wrong."""
    return Refusal(
        status=401,
        code="000",
        message="HTTP Status Response - Unauthorized",
        type="security",
    )


def wrong_merchant() -> Refusal:
    """Say that the merchant account is not this credential's."""
    return Refusal(
        status=403, code="901", message="Invalid Merchant Account", type="security"
    )


def unreadable(message: str) -> Refusal:
    """Say that the body has not the structure of the call."""
    return Refusal(status=400, code="702", message=message)


def in_progress(status: int) -> Refusal:
    """Say that the first call under a key still runs; no side effect."""
    return Refusal(
        status=status,
        code="704",
        message="request already processed or in progress",
        transient=True,
    )


def key_store_down(status: int) -> Refusal:
    """Say that keys cannot be checked; no side effect."""
    return Refusal(
        status=status,
        code="703",
        message="The idempotency service is unavailable",
        type="internal",
        transient=True,
    )
