"""Orders of people about no single refund: checked and kept before they act.

Invariant: where the roster is known, nothing of this kind happens but by a person's
signed statement that says exactly what happens; it is stored as it was signed, in the
unit that acts on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from refundwatch.domain.audit import salted_commitment
from refundwatch.domain.order import Order, OrderAct, parse_order
from refundwatch.domain.policy import Denial
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.signing import refusal, reject, signature_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.policy import Principal
    from refundwatch.store.contract import Signing
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "orders")


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is about to happen, and who asked for it; a signature must say the same."""

    at: datetime
    principal: Principal
    act: OrderAct
    subject: str
    detail: Mapping[str, str]
    reason_code: str
    reason_text: str | None
    signing: Signing | None


def take_order(tx: Transaction, asked: Ordered) -> dict[str, JsonValue]:
    """Check and store a person's signed order; give what its audit entry says.

    Where nobody signs (a sandbox without root operators) there is nothing to store.

    Raises:
        DecisionDenied: it does not count; that is audited with the reason.
        StatementInvalid: its bytes are no order.
    """
    if tx.roster is None:
        return {}
    if not asked.principal.is_person:
        raise denied(
            Denial("people_only", "Only a person may order this."),
            asked.at,
            asked.principal.id,
            None,
            asked.act,
            data={"subject": asked.subject[:64]},
        )
    statement, signature, said = _accepted(tx, asked)
    digests = (sha256(statement).hexdigest(), signature_sha256(signature))
    values = (
        said.proof.nonce,
        said.act.value,
        said.subject,
        said.actor,
        said.proof.key,
        micros(asked.at),
        statement,
        digests[0],
        signature,
        digests[1],
    )
    tx.change(_SQL["add"], values)
    return {
        "key": said.proof.key,
        "statement_sha256": digests[0],
        "signature_sha256": digests[1],
        "policy_version": said.policy_version,
    }


def _accepted(tx: Transaction, asked: Ordered) -> tuple[bytes, str, Order]:
    person = asked.principal.id

    def no(code: str) -> Exception:
        return reject(code, asked.at, person, None, asked.act)

    signing = asked.signing
    if signing is None or signing.signed is None:
        raise no("signature_missing")
    signed = signing.signed
    said = parse_order(signed.statement)
    if said.policy_version != signing.policy_version:
        raise no("policy_stale")
    if asked.reason_text is not None and signing.reason_salt is None:
        # Without its salt no statement commits to these words.
        raise no("statement_differs")
    wanted = Order(
        actor=person,
        act=asked.act,
        subject=asked.subject,
        detail=asked.detail,
        instance=tx.instance,
        reason=asked.reason_code,
        reason_commitment=_commitment(asked, signing),
        policy_version=said.policy_version,
        issued_at=said.issued_at,
        proof=said.proof,
    )
    if wanted.statement() != signed.statement:
        raise no("statement_differs")
    if tx.one(_SQL["nonce"], (said.proof.nonce,)) is not None:
        raise no("statement_replayed")
    code = refusal(tx, signed, said, asked.at)
    if code is not None:
        raise no(code)
    return signed.statement, signed.signature, said


def salt_of(signing: Signing | None) -> bytes | None:
    """Give the salt of the commitment that was signed, if there is one."""
    return None if signing is None else signing.reason_salt


def _commitment(asked: Ordered, signing: Signing) -> str | None:
    if asked.reason_text is None or signing.reason_salt is None:
        return None
    return salted_commitment(signing.reason_salt, asked.reason_text.encode("utf-8"))
