"""What a person decided about a refund, as the bytes that a signature will cover.

Invariant: a statement names the exact content it decides about (`revision` and
`request_sha256`), and its bytes are canonical. The proof fields are all null or all
filled, so that a signed statement differs from an unsigned one in them alone. Reasons
are codes: free text is sealed elsewhere and only its salted commitment stands here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from refundwatch.domain.canonical import (
    canonical_bytes,
    canonical_sha256,
    parse_canonical,
)
from refundwatch.errors import RefundwatchError, StatementInvalid

if TYPE_CHECKING:
    from refundwatch.domain.canonical import JsonValue

STATEMENT_TYPE: Final = "refund.decision"
STATEMENT_VERSION: Final = 1

_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_PROOF_FIELDS: Final = frozenset({"key", "log_size", "log_root", "nonce", "expires_at"})
# Written only where they say something; every other field stands even when null.
_OPTIONAL_FIELDS: Final = frozenset(
    {"evidence", "reason_commitment", "refund_reason_code"}
)
_TEXT_FIELDS: Final = frozenset(
    {
        "actor",
        "currency",
        "gateway",
        "instance",
        "payment_id",
        "policy_version",
        "reason",
        "refund_id",
    }
)
_COUNT_FIELDS: Final = frozenset({"amount_minor", "exponent", "revision"})
_OTHER_FIELDS: Final = frozenset(
    {"decision", "issued_at", "request_sha256", "type", "v"}
)
_FIELDS: Final = _TEXT_FIELDS | _COUNT_FIELDS | _OTHER_FIELDS | _PROOF_FIELDS


class Verdict(StrEnum):
    """What was decided."""

    APPROVE = "approve"
    REFUSE = "refuse"
    EDIT = "edit"
    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a signer adds: its key, the log head it saw, and a nonce for one use.

    `log_root` is lower-case hex; `expires_at` is kept to the second.
    """

    key: str
    log_size: int
    log_root: str
    nonce: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one revision of a refund; amounts in minor units.

    `reason` is a code. `evidence` stands only with a resolution, and
    `refund_reason_code` with an edit that changes the refund's own reason. `issued_at`
    is kept to the second.

    Raises:
        StatementInvalid: a field cannot be stated.
    """

    actor: str
    decision: Verdict
    instance: str
    gateway: str
    payment_id: str
    refund_id: str
    revision: int
    request_sha256: str
    amount_minor: int
    currency: str
    exponent: int
    reason: str
    policy_version: str
    issued_at: datetime
    evidence: Mapping[str, str] | None = None
    reason_commitment: str | None = None
    proof: Proof | None = None
    refund_reason_code: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no reader could check."""
        _require_sha256(self.request_sha256, "request_sha256")
        if self.reason_commitment is not None:
            _require_sha256(self.reason_commitment, "reason_commitment")
        if self.evidence is not None and self.decision is not Verdict.RESOLVE:
            raise _invalid("evidence", "stands only with a resolution")
        if self.refund_reason_code is not None and self.decision is not Verdict.EDIT:
            raise _invalid("refund_reason_code", "stands only with an edit")
        if self.proof is not None:
            _require_sha256(self.proof.log_root, "log_root")

    def statement(self) -> bytes:
        """Give the canonical bytes that are stored, and signed once there are keys."""
        stated: dict[str, JsonValue] = {
            "v": STATEMENT_VERSION,
            "type": STATEMENT_TYPE,
            "actor": self.actor,
            "decision": self.decision,
            "instance": self.instance,
            "gateway": self.gateway,
            "payment_id": self.payment_id,
            "refund_id": self.refund_id,
            "revision": self.revision,
            "request_sha256": self.request_sha256,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "exponent": self.exponent,
            "reason": self.reason,
            "policy_version": self.policy_version,
            "issued_at": _time_text(self.issued_at, "issued_at"),
            **_proof_fields(self.proof),
        }
        if self.evidence is not None:
            stated["evidence"] = self.evidence
        if self.reason_commitment is not None:
            stated["reason_commitment"] = self.reason_commitment
        if self.refund_reason_code is not None:
            stated["refund_reason_code"] = self.refund_reason_code
        return canonical_bytes(stated)


def request_sha256(
    *,
    refund_id: str,
    revision: int,
    account: str,
    payment_id: str,
    amount_minor: int,
    currency: str,
    exponent: int,
    reason_code: str,
) -> str:
    """Give the digest, in hex, that pins the exact content of one revision."""
    return canonical_sha256(
        {
            "refund_id": refund_id,
            "revision": revision,
            "account": account,
            "payment_id": payment_id,
            "amount_minor": amount_minor,
            "currency": currency,
            "exponent": exponent,
            "reason_code": reason_code,
        }
    )


def parse_statement(statement: bytes) -> Decision:
    """Read stored bytes back into the decision that gives exactly these bytes.

    Raises:
        StatementInvalid: not canonical, a field unknown, missing or of another type.
    """
    try:
        stated = parse_canonical(statement)
    except RefundwatchError as error:
        message = "The statement is not canonical JSON."
        raise StatementInvalid(message) from error
    if not isinstance(stated, Mapping):
        message = "The statement is not an object."
        raise StatementInvalid(message)
    _require_fields(stated)
    read = _Reader(stated)
    return Decision(
        actor=read.text("actor"),
        decision=read.verdict(),
        instance=read.text("instance"),
        gateway=read.text("gateway"),
        payment_id=read.text("payment_id"),
        refund_id=read.text("refund_id"),
        revision=read.count("revision"),
        request_sha256=read.text("request_sha256"),
        amount_minor=read.count("amount_minor"),
        currency=read.text("currency"),
        exponent=read.count("exponent"),
        reason=read.text("reason"),
        policy_version=read.text("policy_version"),
        issued_at=read.time("issued_at"),
        evidence=read.evidence(),
        reason_commitment=(
            read.text("reason_commitment") if "reason_commitment" in stated else None
        ),
        proof=read.proof(),
        refund_reason_code=(
            read.text("refund_reason_code") if "refund_reason_code" in stated else None
        ),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads fields of a parsed statement, each as exactly one type."""

    stated: Mapping[str, JsonValue]

    def text(self, name: str) -> str:
        value = self.stated[name]
        if not isinstance(value, str):
            raise _invalid(name, "is not text")
        return value

    def count(self, name: str) -> int:
        value = self.stated[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _invalid(name, "is not a whole number from zero")
        return value

    def time(self, name: str) -> datetime:
        text = self.text(name)
        try:
            moment = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise _invalid(name, "is not a UTC time") from error
        # `strptime` also takes one-digit fields, which would be second spellings.
        if moment.strftime(_TIME) != text:
            raise _invalid(name, "is not a UTC time")
        return moment

    def verdict(self) -> Verdict:
        try:
            return Verdict(self.text("decision"))
        except ValueError as error:
            raise _invalid("decision", "is not a decision") from error

    def evidence(self) -> Mapping[str, str] | None:
        value = self.stated.get("evidence")
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise _invalid("evidence", "is not an object")
        if not all(isinstance(text, str) for text in value.values()):
            raise _invalid("evidence", "holds something that is not text")
        return {name: str(text) for name, text in value.items()}

    def proof(self) -> Proof | None:
        nulls = [name for name in _PROOF_FIELDS if self.stated[name] is None]
        if len(nulls) == len(_PROOF_FIELDS):
            return None
        if nulls:
            raise _invalid(min(nulls), "is null while other proof fields are not")
        return Proof(
            key=self.text("key"),
            log_size=self.count("log_size"),
            log_root=self.text("log_root"),
            nonce=self.text("nonce"),
            expires_at=self.time("expires_at"),
        )


def _require_fields(stated: Mapping[str, JsonValue]) -> None:
    names = frozenset(stated)
    for name in sorted(_FIELDS - names):
        raise _invalid(name, "is missing")
    for name in sorted(names - _FIELDS - _OPTIONAL_FIELDS):
        raise _invalid(name, "is unknown")
    for name in sorted(_OPTIONAL_FIELDS & names):
        if stated[name] is None:
            raise _invalid(name, "stands only where it says something")
    if stated["type"] != STATEMENT_TYPE:
        raise _invalid("type", f"is not {STATEMENT_TYPE}")
    # `True == 1`, and the two have different bytes.
    if stated["v"] != STATEMENT_VERSION or isinstance(stated["v"], bool):
        raise _invalid("v", f"is not {STATEMENT_VERSION}")


def _proof_fields(proof: Proof | None) -> dict[str, JsonValue]:
    if proof is None:
        return dict.fromkeys(_PROOF_FIELDS)
    return {
        "key": proof.key,
        "log_size": proof.log_size,
        "log_root": proof.log_root,
        "nonce": proof.nonce,
        "expires_at": _time_text(proof.expires_at, "expires_at"),
    }


def _require_sha256(text: str, name: str) -> None:
    if not _SHA256_HEX.fullmatch(text):
        raise _invalid(name, "is not 64 lower-case hex digits")


def _time_text(moment: datetime, name: str) -> str:
    if moment.tzinfo is None:
        raise _invalid(name, "has no zone")
    return moment.astimezone(UTC).strftime(_TIME)


def _invalid(name: str, problem: str) -> StatementInvalid:
    shown = ascii(name)[1:-1][:64]
    return StatementInvalid(f"{shown} {problem}.", field=shown)
