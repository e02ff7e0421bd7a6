"""What a person signs to log in, as bytes.

Invariant: the statement names the daemon that asked, the key that answers and the
daemon's own TLS key, so that an answer made for one line is void on every other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.canonical import canonical_bytes
from refundwatch.domain.stating import Stated, time_text

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue

LOGIN_TYPE: Final = "login"
LOGIN_VERSION: Final = 1
_FIELDS: Final = frozenset(
    {
        "actor",
        "expires_at",
        "instance",
        "issued_at",
        "key",
        "nonce",
        "server_spki_sha256",
        "type",
        "v",
    }
)


@dataclass(frozen=True, slots=True)
class Login:
    """One answer to a challenge; `server_spki_sha256` is None where no TLS is."""

    instance: str
    actor: str
    key: str
    server_spki_sha256: str | None
    nonce: str
    issued_at: datetime
    expires_at: datetime

    def statement(self) -> bytes:
        """Give the canonical bytes that are signed."""
        stated: dict[str, JsonValue] = {
            "v": LOGIN_VERSION,
            "type": LOGIN_TYPE,
            "instance": self.instance,
            "actor": self.actor,
            "key": self.key,
            "server_spki_sha256": self.server_spki_sha256,
            "nonce": self.nonce,
            "issued_at": time_text(self.issued_at, "issued_at"),
            "expires_at": time_text(self.expires_at, "expires_at"),
        }
        return canonical_bytes(stated)


def parse_login(statement: bytes) -> Login:
    """Read bytes back into the login that gives exactly these bytes.

    Raises:
        StatementInvalid: not canonical, a field unknown, missing or of another type.
    """
    read = Stated.parse(statement, _FIELDS, LOGIN_TYPE, LOGIN_VERSION)
    return Login(
        instance=read.text("instance"),
        actor=read.text("actor"),
        key=read.text("key"),
        server_spki_sha256=read.optional_text("server_spki_sha256"),
        nonce=read.nonce("nonce"),
        issued_at=read.time("issued_at"),
        expires_at=read.time("expires_at"),
    )
