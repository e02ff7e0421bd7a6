"""PayPal's webhook signature: the message, and the check of the verify API.

Source: gateways/paypal.md section 6 (read 2026-11).
"""

import json
import zlib

from refundwatch.sandbox.answers import Json

ALGORITHM = "SHA256withRSA"

_BLANKS = " \t\n\r"


def signed_message(
    transmission_id: str, transmission_time: str, webhook_id: str, body: bytes
) -> bytes:
    """Join the four signed values; the checksum is unsigned decimal text."""
    checksum = zlib.crc32(body)
    return f"{transmission_id}|{transmission_time}|{webhook_id}|{checksum}".encode()


def member_text(document: str, wanted: str) -> str | None:
    """Return the text of one member of a JSON object exactly as it was written.

    The verify API checks the original text of an event, not its meaning.
    """
    decoder = json.JSONDecoder()
    at = _skip(document, 0)
    if document[at : at + 1] != "{":
        return None
    at = _skip(document, at + 1)
    while document[at : at + 1] == '"':
        name, at = decoder.raw_decode(document, at)
        start = _skip(document, _skip(document, at) + 1)
        _, at = decoder.raw_decode(document, start)
        if name == wanted:
            return document[start:at]
        at = _skip(document, at)
        if document[at : at + 1] != ",":
            return None
        at = _skip(document, at + 1)
    return None


def _skip(document: str, at: int) -> int:
    while at < len(document) and document[at] in _BLANKS:
        at += 1
    return at


def call_message(call: Json, event_text: str) -> bytes:
    """Return the message that a call of the verify API says was signed."""
    return signed_message(
        str(call.get("transmission_id")),
        str(call.get("transmission_time")),
        str(call.get("webhook_id")),
        event_text.encode(),
    )
