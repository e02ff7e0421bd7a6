"""What a person orders about no single refund, as the bytes that are signed.

Invariant: an order names one act, its subject and everything that decides its effect;
its bytes are canonical.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.canonical import canonical_bytes
from refundwatch.domain.decision import Proof
from refundwatch.domain.stating import Stated, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue

ORDER_TYPE: Final = "house.order"
ORDER_VERSION: Final = 1
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
        "subject",
        "type",
        "v",
    }
)


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `detail` holds what else decides its effect, as texts."""

    actor: str
    act: str
    subject: str
    detail: Mapping[str, str]
    instance: str
    reason: str
    policy_version: str
    issued_at: datetime
    proof: Proof

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
        act=read.text("act"),
        subject=read.text("subject"),
        detail=read.texts("detail"),
        instance=read.text("instance"),
        reason=read.text("reason"),
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
