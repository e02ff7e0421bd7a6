"""What a person orders about no single refund, as the bytes that are signed.

Invariant: an order names one act, its subject and everything that decides its effect;
its bytes are canonical. Reasons are codes: of free text the salted commitment stands
here, or null.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from refundwatch.domain.canonical import canonical_bytes
from refundwatch.domain.decision import Proof
from refundwatch.domain.stating import Stated, invalid, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue

ORDER_TYPE: Final = "hub.order"
ORDER_VERSION: Final = 1
UNTIL_CLOSED: Final = "until closed"
_FIELDS: Final = frozenset(
    {
        "act",
        "actor",
        "detail",
        "expires_at",
        "instance",
        "issued_at",
        "key",
        "log_root",
        "log_size",
        "nonce",
        "policy_version",
        "reason",
        "reason_commitment",
        "subject",
        "type",
        "v",
    }
)
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")


class OrderAct(StrEnum):
    """What is ordered; its subject is a connection, or a payment."""

    TRIP = "circuit.trip"
    CLOSE = "circuit.close"
    UNFREEZE = "payment.unfreeze"


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `detail` holds what else decides its effect, as texts.

    Raises:
        StatementInvalid: a field cannot be stated.
    """

    actor: str
    act: OrderAct
    subject: str
    detail: Mapping[str, str]
    instance: str
    reason: str
    reason_commitment: str | None
    policy_version: str
    issued_at: datetime
    proof: Proof

    def __post_init__(self) -> None:
        """Refuse what no reader could check."""
        for name, text in (
            ("log_root", self.proof.log_root),
            ("reason_commitment", self.reason_commitment),
        ):
            if text is not None and not _SHA256_HEX.fullmatch(text):
                raise invalid(name, "is not 64 lower-case hex digits")

    def statement(self) -> bytes:
        """Give the canonical bytes that are signed and stored."""
        stated: dict[str, JsonValue] = {
            "v": ORDER_VERSION,
            "type": ORDER_TYPE,
            "actor": self.actor,
            "act": self.act,
            "subject": self.subject,
            "detail": dict(self.detail),
            "instance": self.instance,
            "reason": self.reason,
            "reason_commitment": self.reason_commitment,
            "policy_version": self.policy_version,
            "issued_at": time_text(self.issued_at, "issued_at"),
            "key": self.proof.key,
            "log_size": self.proof.log_size,
            "log_root": self.proof.log_root,
            "nonce": self.proof.nonce,
            "expires_at": time_text(self.proof.expires_at, "expires_at"),
        }
        return canonical_bytes(stated)


def parse_order(statement: bytes) -> Order:
    """Read bytes back into the order that gives exactly these bytes.

    Raises:
        StatementInvalid: not canonical, a field unknown, missing or of another type.
    """
    read = Stated.parse(statement, _FIELDS, ORDER_TYPE, ORDER_VERSION)
    return Order(
        actor=read.text("actor"),
        act=read.one_of("act", OrderAct),
        subject=read.text("subject"),
        detail=read.texts("detail"),
        instance=read.text("instance"),
        reason=read.text("reason"),
        reason_commitment=read.optional_text("reason_commitment"),
        policy_version=read.text("policy_version"),
        issued_at=read.time("issued_at"),
        proof=Proof(
            key=read.text("key"),
            log_size=read.count("log_size"),
            log_root=read.digest("log_root"),
            nonce=read.nonce("nonce"),
            expires_at=read.time("expires_at"),
        ),
    )


def trip_detail(part: str, seconds: int | None) -> dict[str, str]:
    """Give what decides a trip's effect: the part, and for how long."""
    lasts = UNTIL_CLOSED if seconds is None else f"{seconds} seconds"
    return {"part": part, "lasts": lasts}


def close_detail(part: str) -> dict[str, str]:
    """Give what decides a closing's effect."""
    return {"part": part}


def unfreeze_detail(was: str, since: datetime | None) -> dict[str, str]:
    """Give what is lifted: a freeze for another reason, or a later one, is another.

    `since` None stands for a freeze whose begin was not written down.
    """
    begin = (
        "unknown"
        if since is None
        else since.astimezone(UTC).isoformat(timespec="microseconds")
    )
    return {"was": was, "since": begin}
