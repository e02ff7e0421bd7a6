"""Keyed proofs of rows: what the daemon wrote itself, and nobody else.

Invariant: a refund's proof follows it from move to move, each only from a row that was
proven; a row that was changed behind the daemon's back is unproven for ever, and an
unproven one is never sent. The key is the vault's, so the database file holds none.

An older copy of a row brings its older proof back: the attempts that the audit log
tells of must be as many as the row's, so that whoever wants a second send must rewrite
the log too, which its checkpoints show.
"""

from __future__ import annotations

import hmac
import json
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from refundwatch.store.rows import micros, optional_micros
from refundwatch.store.sql import named_queries

if TYPE_CHECKING:
    from refundwatch.domain.intake import PaymentBalance
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Sealer
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "proving")

ORIGIN: Final = "refund/origin"
STANDING: Final = "refund/standing"
PAYMENT: Final = "payment"

_OPENED: Final = "refund:attempt:opened"

_born_with = attrgetter(
    "id",
    "request_id",
    "account",
    "payment_id",
    "payment_reference",
    "currency",
)
_stands_with = attrgetter(
    "id",
    "amount_minor",
    "reason_code",
    "merchant_reference",
    "idempotency_key",
    "state",
    "booking",
    "revision",
    "generation",
    "required_approvals",
    "fence",
    "attempts",
    "gateway_reference",
)


def origin_proof(sealer: Sealer, refund: Refund, created_by: str) -> bytes:
    """Prove what a refund is born with: who asked, and which payment it returns."""
    born = (*_born_with(refund), micros(refund.created_at), created_by)
    return sealer.prove(ORIGIN, _bytes(born))


def standing_proof(sealer: Sealer, refund: Refund) -> bytes:
    """Prove where a refund stands: its content, its state, and what was sent."""
    times = (
        optional_micros(refund.approvals_expire_at),
        optional_micros(refund.first_sent_at),
    )
    return sealer.prove(STANDING, _bytes((*_stands_with(refund), *times)))


def payment_proof(
    sealer: Sealer, payment_id: str, account: str, reference: str, currency: str
) -> bytes:
    """Prove which payment at the gateway a payment of ours is."""
    return sealer.prove(PAYMENT, _bytes((payment_id, account, reference, currency)))


def is_payment_proven(tx: Transaction, row: Row) -> bool:
    """Tell whether a payment's row still names the payment that was declared."""
    expected = payment_proof(
        tx.sealer, row["id"], row["account"], row["gateway_reference"], row["currency"]
    )
    return _equal(row["proof"], expected)


def flaw(tx: Transaction, refund: Refund) -> str | None:
    """Name what of a refund's row was not written by the daemon, in a code."""
    row = tx.one(_SQL["proofs"], (_OPENED, refund.id))
    if row is None:
        return "row_missing"
    born = origin_proof(tx.sealer, refund, row["created_by"])
    if not _equal(row["origin_proof"], born):
        return "origin_changed"
    if not _equal(row["proof"], standing_proof(tx.sealer, refund)):
        return "standing_changed"
    if row["opened"] != refund.attempts:
        return "attempts_hidden"
    return None if row["edits"] == refund.revision - 1 else "edits_hidden"


def redirection(refund: Refund, payment: PaymentBalance) -> str | None:
    """Say that a payment is no longer the one that the refund was asked for."""
    same = (payment.account, payment.gateway_reference, payment.currency) == (
        refund.account,
        refund.payment_reference,
        refund.currency,
    )
    return None if same else "payment_changed"


def _equal(stored: bytes | None, expected: bytes) -> bool:
    return stored is not None and hmac.compare_digest(stored, expected)


def _bytes(values: tuple[object, ...]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode("ascii")
