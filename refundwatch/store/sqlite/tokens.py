"""Tokens of principals: their hashes, roles, scopes, limits and ends.

Invariant: a token's secret never comes here; who holds which roles is changed only by
units that are audited; a row that the daemon did not write itself opens nothing.
"""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

from refundwatch.domain.machine import MachineGrant, check_token
from refundwatch.domain.policy import PEOPLE_ROLES, Role, check_principal_id
from refundwatch.errors import (
    DecisionDenied,
    InvariantBroken,
    TokenConflict,
    TokenUnknown,
)
from refundwatch.store.contract import (
    CreateToken,
    GetToken,
    ListTokens,
    NoteTokenUse,
    RevokeToken,
    RotateToken,
    TokenRow,
    TokenSecret,
)
from refundwatch.store.rows import micros, moment, optional_micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.machines import (
    grant_from_text,
    grant_text,
    grant_values,
)
from refundwatch.store.sqlite.registry import Reading, question, unit
from refundwatch.store.sqlite.token_proofs import is_proven, prove

if TYPE_CHECKING:
    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "tokens")


@unit(CreateToken)
def _create_token(tx: Transaction, command: CreateToken) -> TokenRow:
    principal = check_principal_id(command.principal)
    if command.roles & PEOPLE_ROLES and not principal.startswith("person:"):
        raise DecisionDenied("Approver and admin are roles of persons.")
    if command.first_admin and _has_admin(tx, command):
        raise TokenConflict("There is an admin already; that one may make others.")
    _add(tx, command, None)
    data: dict[str, JsonValue] = {
        "token_id": command.token_id,
        "principal": principal,
        "roles": sorted(command.roles),
        "expires_at": command.expires_at.isoformat() if command.expires_at else None,
        "first_admin": command.first_admin,
    }
    if command.grant != MachineGrant():
        data["grant"] = grant_values(command.grant)
    tx.append(command.at, "token:created", command.actor, None, data)
    return _load(tx, command.token_id)


def _lifetime_days(command: CreateToken) -> float:
    if command.expires_at is None:
        return inf
    return (command.expires_at - command.at) / timedelta(days=1)


def _add(tx: Transaction, command: CreateToken, replaces: str | None) -> None:
    """Store a token that may stand."""
    check_token(
        command.principal, command.grant, command.roles, _lifetime_days(command)
    )
    if tx.one(_SQL["one"], (command.token_id,)) is not None:
        raise TokenConflict("This token id is taken; make another.")
    values = (
        command.token_id,
        command.secret_sha256,
        command.principal,
        " ".join(sorted(command.roles)),
        micros(command.at),
        command.actor,
        optional_micros(command.expires_at),
        grant_text(command.grant),
        replaces,
    )
    tx.change(_SQL["add"], values)
    prove(tx, command.token_id)


def _has_admin(tx: Transaction, command: CreateToken) -> bool:
    rows = tx.every(_SQL["live_roles"], (micros(command.at),))
    return any(Role.ADMIN in _roles(row["roles"]) for row in rows)


@unit(RevokeToken)
def _revoke_token(tx: Transaction, command: RevokeToken) -> TokenRow:
    token_id = command.token_id
    if tx.one(_SQL["one"], (token_id,)) is None:
        raise TokenUnknown(f"There is no token {token_id[:32]!a}.")
    if tx.change(_SQL["revoke"], (micros(command.at), token_id)):
        prove(tx, token_id)
        data = {"token_id": token_id}
        tx.append(command.at, "token:revoked", command.actor, None, data)
    return _load(tx, token_id)


@unit(RotateToken)
def _rotate_token(tx: Transaction, command: RotateToken) -> TokenRow:
    row = tx.one(_SQL["one"], (command.old_id,))
    if row is None:
        raise TokenUnknown(f"There is no token {command.old_id[:32]!a}.")
    if not is_proven(tx.sealer, row):
        raise TokenConflict("This token's row is not the daemon's own: revoke it.")
    old = _load(tx, command.old_id)
    ends = old.expires_at
    if old.revoked_at is not None or (ends is not None and ends <= command.at):
        raise TokenConflict("This token counts no more; make a new one.")
    new = CreateToken(
        at=command.at,
        actor=command.actor,
        token_id=command.token_id,
        secret_sha256=command.secret_sha256,
        principal=old.principal,
        roles=old.roles,
        expires_at=command.expires_at,
        grant=old.grant,
    )
    _add(tx, new, old.token_id)
    if command.old_until <= command.at:
        tx.change(_SQL["revoke"], (micros(command.at), old.token_id))
    elif ends is None or command.old_until < ends:
        tx.change(_SQL["shorten"], (micros(command.old_until), old.token_id))
    prove(tx, old.token_id)
    data: dict[str, JsonValue] = {
        "token_id": command.token_id,
        "replaces": old.token_id,
        "principal": old.principal,
        "expires_at": command.expires_at.isoformat(),
        "old_until": command.old_until.isoformat(),
    }
    tx.append(command.at, "token:rotated", command.actor, None, data)
    return _load(tx, command.token_id)


@unit(NoteTokenUse)
def _note_use(tx: Transaction, command: NoteTokenUse) -> None:
    tx.change(_SQL["used"], (command.token_id, micros(command.at)))


def _load(tx: Transaction, token_id: str) -> TokenRow:
    row = tx.one(_SQL["one"], (token_id,))
    if row is None:
        raise InvariantBroken("A token that was stored is not there.")
    return token_from_row(row)


def token_from_row(row: Row) -> TokenRow:
    """Read a token without its secret."""
    return TokenRow(
        token_id=row["token_id"],
        principal=row["principal"],
        roles=_roles(row["roles"]),
        created_at=moment(row["created_at"]),
        created_by=row["created_by"],
        expires_at=optional_moment(row["expires_at"]),
        revoked_at=optional_moment(row["revoked_at"]),
        grant=grant_from_text(row["scopes_and_limits"]),
        replaces=row["replaces"],
        last_used_at=optional_moment(row["used_at"]),
    )


def _roles(stored: str) -> frozenset[Role]:
    return frozenset(Role(word) for word in stored.split())


@question(ListTokens)
def _list_tokens(reading: Reading, _query: ListTokens) -> tuple[TokenRow, ...]:
    rows = reading.connection.execute(_SQL["list"])
    return tuple(token_from_row(row) for row in rows)


@question(GetToken)
def _get_token(reading: Reading, query: GetToken) -> TokenSecret | None:
    row = reading.connection.execute(_SQL["one"], (query.token_id,)).fetchone()
    if row is None:
        return None
    proven = is_proven(reading.sealer, row)
    return TokenSecret(token_from_row(row), row["secret_sha256"], proven)
