"""A decision's record: the statement's bytes, its reason, and what the log says.

Invariant: what is stored is exactly the statement of the decision that is acted on,
about exactly the content that the refund has at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from refundwatch.domain.decision import Decision, Verdict, request_sha256
from refundwatch.domain.money import exponent
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.sealing import SealedText, seal_text

if TYPE_CHECKING:
    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import DecideRefund
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "decisions")


@dataclass(frozen=True, slots=True)
class Case:
    """A decision on the table: what was asked, the refund, and what surrounds it."""

    command: DecideRefund
    refund: Refund
    gateway: str
    reviews: int

    @property
    def actor(self) -> str:
        """Name who decides."""
        return self.command.principal.id


def content_sha256(refund: Refund) -> str:
    """Give the digest that pins the content of a refund's current revision."""
    return request_sha256(
        refund_id=refund.id,
        revision=refund.revision,
        account=refund.account,
        payment_id=refund.payment_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        exponent=exponent(refund.currency),
        reason_code=refund.reason_code,
    )


def record(
    tx: Transaction, case: Case, amount_minor: int | None = None
) -> dict[str, JsonValue]:
    """Store a decision's statement; give what its audit entry says of it."""
    command, refund = case.command, case.refund
    row = tx.one(_SQL["next_number"], (refund.id,))
    number = int(row["number"]) if row is not None else 1
    place = f"{refund.id}/{number}"
    text = _seal_reason(tx, place, command.reason_text)
    statement = _statement(tx, case, text, amount_minor or refund.amount_minor)
    digest = sha256(statement).hexdigest()
    values: dict[str, SqlValue] = {
        "refund_id": refund.id,
        "number": number,
        "kind": command.decision.value,
        "actor": case.actor,
        "at": micros(command.at),
        "revision": refund.revision,
        "review_round": case.reviews,
        "resolution": command.resolution.value if command.resolution else None,
        "reason_code": command.reason_code,
        "reason_text": text.sealed if text else None,
        "statement": tx.sealer.seal("decision", place, "statement", statement),
        "statement_sha256": digest,
        "policy_version": command.policy.version,
    }
    tx.change(_SQL["add"], values)
    return _stated(case, number, digest, text)


def _seal_reason(tx: Transaction, place: str, text: str | None) -> SealedText | None:
    if text is None:
        return None
    return seal_text(tx.sealer, tx.entropy, "decision", place, "reason_text", text)


def _statement(
    tx: Transaction, case: Case, text: SealedText | None, amount_minor: int
) -> bytes:
    command, refund = case.command, case.refund
    evidence = None
    if command.decision is Verdict.RESOLVE and command.resolution is not None:
        evidence = {**command.evidence, "resolution": command.resolution.value}
    return Decision(
        actor=case.actor,
        decision=command.decision,
        instance=tx.instance,
        gateway=case.gateway,
        payment_id=refund.payment_id,
        refund_id=refund.id,
        revision=refund.revision,
        request_sha256=content_sha256(refund),
        amount_minor=amount_minor,
        currency=refund.currency,
        exponent=exponent(refund.currency),
        reason=command.reason_code,
        policy_version=command.policy.version,
        issued_at=command.at,
        evidence=evidence,
        reason_commitment=text.commitment if text else None,
    ).statement()


def _stated(
    case: Case, number: int, digest: str, text: SealedText | None
) -> dict[str, JsonValue]:
    command = case.command
    stated: dict[str, JsonValue] = {
        "decision": command.decision.value,
        "decision_number": number,
        "decided_revision": case.refund.revision,
        "reason": command.reason_code,
        "reason_commitment": text.commitment if text else None,
        "statement_sha256": digest,
        "policy_version": command.policy.version,
    }
    if command.decision is Verdict.RESOLVE and command.resolution is not None:
        stated["resolution"] = command.resolution.value
    return stated
