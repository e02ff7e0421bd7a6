"""A decision's record: the statement's bytes, its reason, and what the log says.

Invariant: what is stored is exactly the statement of the decision that is acted on,
about exactly the content that the refund has at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from refundwatch.domain.decision import (
    Decision,
    Verdict,
    parse_statement,
    request_sha256,
)
from refundwatch.domain.money import exponent
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.sealing import SealedText, seal_text
from refundwatch.store.sqlite.signing import refusal, reject, signature_sha256

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
    text = _seal_reason(tx, place, command)
    built = _statement(tx, case, text, amount_minor or refund.amount_minor)
    proof = None
    if command.principal.is_person and tx.roster is not None:
        built = accepted(tx, case, built)
        proof = built.proof
    statement = built.statement()
    digest = sha256(statement).hexdigest()
    signature = command.signed.signature if command.signed and proof else None
    sealed = None
    if signature is not None:
        bytes_ = signature.encode("utf-8")
        sealed = tx.sealer.seal("decision", place, "signature", bytes_)
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
        "key": proof.key if proof else None,
        "nonce": proof.nonce if proof else None,
        "signature": sealed,
        "signature_sha256": signature_sha256(signature) if signature else None,
    }
    tx.change(_SQL["add"], values)
    stated = _stated(case, number, digest, text)
    if proof is not None:
        stated["key"] = proof.key
        stated["signature_sha256"] = values["signature_sha256"]
    return stated


def accepted(tx: Transaction, case: Case, built: Decision) -> Decision:
    """Give the person's signed decision, once it says exactly what is acted on.

    Raises:
        DecisionDenied: it does not count; that is audited with the reason.
    """
    signed = case.command.signed

    def no(code: str) -> Exception:
        command = case.command
        return reject(code, command.at, case.actor, case.refund.id, command.decision)

    if signed is None:
        raise no("signature_missing")
    said = parse_statement(signed.statement)
    if said.proof is None:
        raise no("signature_missing")
    if said.policy_version != built.policy_version:
        raise no("policy_stale")
    wanted = replace(built, issued_at=said.issued_at, proof=said.proof)
    if wanted.statement() != signed.statement:
        raise no("statement_differs")
    if tx.one(_SQL["nonce"], (said.proof.nonce,)) is not None:
        raise no("statement_replayed")
    code = refusal(tx, signed, said, case.command.at)
    if code is not None:
        raise no(code)
    return said


def _seal_reason(
    tx: Transaction, place: str, command: DecideRefund
) -> SealedText | None:
    if command.reason_text is None:
        return None
    return seal_text(
        tx.sealer,
        tx.entropy,
        "decision",
        place,
        "reason_text",
        command.reason_text,
        command.reason_salt,
    )


def _statement(
    tx: Transaction, case: Case, text: SealedText | None, amount_minor: int
) -> Decision:
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
        refund_reason_code=command.refund_reason_code,
    )


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
