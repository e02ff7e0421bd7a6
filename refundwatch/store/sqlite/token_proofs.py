"""Keyed proofs of tokens: a row that somebody else wrote opens no door.

Invariant: a token's proof covers its secret's hash, its rights, its limits and its end;
rows from before there were proofs are taken over once, each only if the log tells of
its making, and people are told which.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import SYSTEM
from refundwatch.store.contract import ProveTokens
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import open_alarm
from refundwatch.store.sqlite.registry import unit

if TYPE_CHECKING:
    from refundwatch.store.contract import Sealer
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "tokens")

ALARM_UNPROVEN: Final = "token_row_unproven"
ALARM_ADOPTED: Final = "tokens_adopted"
_ADOPTED: Final = "token:adopted"
_KIND: Final = "token"
_FIELDS: Final = (
    "token_id",
    "principal",
    "roles",
    "created_at",
    "created_by",
    "expires_at",
    "revoked_at",
    "scopes_and_limits",
    "replaces",
)


def is_proven(sealer: Sealer, row: Row) -> bool:
    """Tell whether a token's row is as the daemon wrote it."""
    stored = row["proof"]
    return stored is not None and hmac.compare_digest(stored, _proof(sealer, row))


def prove(tx: Transaction, token_id: str) -> None:
    """Prove a token's row as it stands now, in the unit that wrote it."""
    row = tx.one(_SQL["one"], (token_id,))
    if row is not None:
        tx.change(_SQL["prove"], (_proof(tx.sealer, row), token_id))


def _proof(sealer: Sealer, row: Row) -> bytes:
    told = [row[name] for name in _FIELDS]
    content = json.dumps([*told, row["secret_sha256"].hex()], separators=(",", ":"))
    return sealer.prove(_KIND, content.encode("ascii"))


@unit(ProveTokens)
def _prove_tokens(tx: Transaction, command: ProveTokens) -> tuple[str, ...]:
    if tx.one(_SQL["proofs_since"]) is None:
        _begin(tx, command)
    strangers = [row for row in tx.every(_SQL["list"]) if not is_proven(tx.sealer, row)]
    for row in strangers:
        token_id = row["token_id"]
        detail = {"principal": row["principal"]}
        open_alarm(tx, command.at, ALARM_UNPROVEN, token_id, detail=detail)
    return tuple(row["token_id"] for row in strangers)


def _begin(tx: Transaction, command: ProveTokens) -> None:
    """Take over the tokens from before there were proofs, unless that was done."""
    tx.change(_SQL["proofs_begin"], (micros(command.at),))
    if tx.one(_SQL["adoptions"], (_ADOPTED,)) is not None:
        # Whoever removed the mark has not removed what the log says.
        return
    told = _told_of(tx)
    rows = [row for row in tx.every(_SQL["bare"]) if _made(row) in told]
    names = [str(row["token_id"]) for row in rows]
    for name in names:
        prove(tx, name)
    tx.append(command.at, _ADOPTED, SYSTEM.id, None, {"token_ids": [*names]})
    if names:
        detail = {"tokens": len(names)}
        open_alarm(tx, command.at, ALARM_ADOPTED, _KIND, detail=detail)


def _made(row: Row) -> tuple[str, str]:
    return row["token_id"], row["principal"]


def _told_of(tx: Transaction) -> set[tuple[str, str]]:
    """Give which tokens of whom the log says were made."""
    entries = [json.loads(row["entry"])["data"] for row in tx.every(_SQL["told_of"])]
    return {(told["token_id"], told["principal"]) for told in entries}
