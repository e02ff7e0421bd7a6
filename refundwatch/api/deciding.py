"""What a person signs: a decision, built from nothing but what was displayed.

Invariant: no byte that the daemon prepared is ever signed. The digest that pins the
content is computed here from the view that is shown, and a daemon that serves another
one gets no signature.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.decision import Decision, Proof, Verdict, request_sha256
from refundwatch.errors import ContentDiffers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.api.heads import LogHead
    from refundwatch.api.models import RefundView

NONCE_BYTES: Final = 16
LIFETIME: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code, and the salted commitment to what was said in words, if anything."""

    code: str
    commitment: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Who signs, where, with which key, and which log they have seen.

    `key` is the fingerprint; `policy_version` is the one that was displayed.
    """

    actor: str
    key: str
    instance: str
    policy_version: str
    head: LogHead


def build_decision(
    view: RefundView,
    decision: str,
    reason: Reason,
    standing: Standing,
    *,
    now: datetime,
    nonce: bytes,
    amount_minor: int | None = None,
    refund_reason_code: str | None = None,
    evidence: Mapping[str, str] | None = None,
) -> bytes:
    """Give the bytes to sign for a decision about the refund as it is displayed.

    `amount_minor` and `refund_reason_code` are what an edit changes; `evidence` stands
    with a resolution.

    Raises:
        ContentDiffers: the daemon's digest is not that of what it showed.
        StatementInvalid: a field cannot be stated.
    """
    issued_at = now.replace(microsecond=0)
    minor = view.amount.minor if amount_minor is None else amount_minor
    return Decision(
        actor=standing.actor,
        decision=Verdict(decision),
        instance=standing.instance,
        gateway=view.gateway,
        payment_id=view.payment_id,
        refund_id=view.id,
        revision=view.revision,
        request_sha256=content_digest(view),
        amount_minor=minor,
        currency=view.amount.currency,
        exponent=view.amount.exponent,
        reason=reason.code,
        policy_version=standing.policy_version,
        issued_at=issued_at,
        evidence=evidence,
        reason_commitment=reason.commitment,
        proof=Proof(
            key=standing.key,
            log_size=standing.head.size,
            log_root=standing.head.root,
            nonce=nonce_text(nonce),
            expires_at=issued_at + LIFETIME,
        ),
        refund_reason_code=refund_reason_code,
    ).statement()


def content_digest(view: RefundView) -> str:
    """Give the digest of the content that a view shows.

    Raises:
        ContentDiffers: the daemon serves another one.
    """
    own = request_sha256(
        refund_id=view.id,
        revision=view.revision,
        account=view.account,
        payment_id=view.payment_id,
        amount_minor=view.amount.minor,
        currency=view.amount.currency,
        exponent=view.amount.exponent,
        reason_code=view.reason_code,
    )
    if own != view.request_sha256:
        raise ContentDiffers(
            f"The daemon's digest of refund {view.id} is not that of what it showed. "
            "Nothing was signed. Ask whoever runs the daemon."
        )
    return own


def nonce_text(nonce: bytes) -> str:
    """Write 16 random bytes as they stand in a statement."""
    return urlsafe_b64encode(nonce).rstrip(b"=").decode("ascii")
