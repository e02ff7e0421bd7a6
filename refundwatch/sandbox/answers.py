"""JSON bodies, times and credentials as text, the same at every gateway."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from refundwatch.sandbox.model import Reply

JSON_TYPE = ("Content-Type", "application/json; charset=utf-8")

# A JSON object whose shape belongs to a gateway, not to this program.
Json = dict[str, Any]


def json_bytes(value: object) -> bytes:
    """Write compact UTF-8 JSON in insertion order."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def json_reply(
    status: int, value: object, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """Build an answer with a JSON body."""
    return Reply(status=status, headers=(JSON_TYPE, *headers), body=json_bytes(value))


def edited(reply: Reply, changes: Mapping[str, Any]) -> Json:
    """Return a JSON answer's object with some members replaced."""
    found: Json = json.loads(reply.body)
    return {**found, **changes}


def utc_text(at: float) -> str:
    """Write a moment as RFC 3339 in UTC with whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def offset_text(at: float, hours: int) -> str:
    """Write a moment as RFC 3339 with an offset of whole hours."""
    zone = timezone(timedelta(hours=hours))
    return datetime.fromtimestamp(int(at), zone).isoformat()


def moment(text: str) -> float | None:
    """Read an RFC 3339 moment, or None when it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None


def basic_credentials(header: str) -> tuple[str, str] | None:
    """Read an HTTP Basic header, or None when it is none."""
    scheme, _, packed = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(packed.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
