"""Whether a person's statement counts: its key, its signature, its time, its log head.

Invariant: nothing that people decide is acted on before the statement's own bytes were
checked against the key that the roster, held in memory, gives that person; what is
refused is written down with its reason.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import Denial
from refundwatch.errors import SignatureRefused, StatementInvalid
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.heads import root_at

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.decision import Decision
    from refundwatch.domain.order import Order
    from refundwatch.store.contract import SignedText
    from refundwatch.store.sqlite.transaction import Transaction

LONGEST_SECONDS: Final = 300
SKEW_SECONDS: Final = 60
PURPOSE: Final = "decision"

_SENTENCES: Final[Mapping[str, str]] = {
    "signature_missing": "A person decides by a statement signed with its own key.",
    "key_unknown": "The key that the statement names is not one of yours that counts.",
    "signature_refused": "The signature is not accepted.",
    "statement_expired": "The statement's time is over, or has not begun: sign anew.",
    "statement_replayed": "This statement was used before: sign anew.",
    "policy_stale": "Another policy is in force now: look again, and sign anew.",
    "log_unknown": "The statement names a head that the audit log never had.",
    "statement_differs": "The statement says something else than what was asked.",
}


def check_window(
    issued_at: datetime, expires_at: datetime, now: datetime, longest_seconds: int
) -> None:
    """Refuse a statement whose time is over, has not begun, or is too long.

    Raises:
        StatementInvalid: it is.
    """
    if not in_window(issued_at, expires_at, now, longest_seconds):
        raise StatementInvalid(_SENTENCES["statement_expired"], field="expires_at")


def in_window(
    issued_at: datetime, expires_at: datetime, now: datetime, longest_seconds: int
) -> bool:
    """Tell whether `now` is inside a statement's time, clocks being a minute apart."""
    skew = timedelta(seconds=SKEW_SECONDS)
    short = timedelta() < expires_at - issued_at <= timedelta(seconds=longest_seconds)
    return short and issued_at - skew <= now <= expires_at + skew


def refusal(
    tx: Transaction, signed: SignedText, said: Decision | Order, now: datetime
) -> str | None:
    """Name why a statement of a person does not count, in a code; None: it does."""
    proof = said.proof
    if proof is None:
        return "signature_missing"
    key = None if tx.roster is None else tx.roster.key(said.actor, proof.key)
    if key is None or not key.counts(now):
        return "key_unknown"
    try:
        tx.signatures.check(signed.statement, signed.signature, PURPOSE, key.line)
    except SignatureRefused as error:
        return f"signature_refused:{error.reason_code}"
    if not in_window(said.issued_at, proof.expires_at, now, LONGEST_SECONDS):
        return "statement_expired"
    if root_at(tx, proof.log_size) != bytes.fromhex(proof.log_root):
        return "log_unknown"
    return None


def is_signed(tx: Transaction, signed: SignedText, said: Decision) -> bool:
    """Tell whether a stored statement still counts: its key may be revoked by now."""
    if said.proof is None or tx.roster is None:
        return False
    key = tx.roster.key(said.actor, said.proof.key)
    if key is None or not key.counts(said.issued_at):
        return False
    try:
        tx.signatures.check(signed.statement, signed.signature, PURPOSE, key.line)
    except SignatureRefused:
        return False
    return True


def reject(
    code: str, at: datetime, person: str, refund_id: str | None, action: str
) -> Exception:
    """Word a refusal; it is audited with its code."""
    sentence = _SENTENCES[code.partition(":")[0]]
    return denied(Denial(code, sentence), at, person, refund_id, action)


def signature_sha256(signature: str) -> str:
    """Give the digest by which the audit log names a signature."""
    return sha256(signature.encode("utf-8")).hexdigest()
