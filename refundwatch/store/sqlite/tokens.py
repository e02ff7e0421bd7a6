"""Tokens of principals: their hashes, roles and ends.

Invariant: a token's secret never comes here; who holds which roles is changed only by
units that are audited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    RevokeToken,
    TokenRow,
    TokenSecret,
)
from refundwatch.store.rows import micros, moment, optional_micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.registry import Reading, question, unit

if TYPE_CHECKING:
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
    if tx.one(_SQL["one"], (command.token_id,)) is not None:
        raise TokenConflict("This token id is taken; make another.")
    roles = " ".join(sorted(command.roles))
    values = (
        command.token_id,
        command.secret_sha256,
        principal,
        roles,
        micros(command.at),
        command.actor,
        optional_micros(command.expires_at),
    )
    tx.change(_SQL["add"], values)
    data = {
        "token_id": command.token_id,
        "principal": principal,
        "roles": sorted(command.roles),
        "expires_at": command.expires_at.isoformat() if command.expires_at else None,
        "first_admin": command.first_admin,
    }
    tx.append(command.at, "token:created", command.actor, None, data)
    return _load(tx, command.token_id)


def _has_admin(tx: Transaction, command: CreateToken) -> bool:
    rows = tx.every(_SQL["live_roles"], (micros(command.at),))
    return any(Role.ADMIN in _roles(row["roles"]) for row in rows)


@unit(RevokeToken)
def _revoke_token(tx: Transaction, command: RevokeToken) -> TokenRow:
    token_id = command.token_id
    if tx.one(_SQL["one"], (token_id,)) is None:
        raise TokenUnknown(f"There is no token {token_id[:32]!a}.")
    if tx.change(_SQL["revoke"], (micros(command.at), token_id)):
        data = {"token_id": token_id}
        tx.append(command.at, "token:revoked", command.actor, None, data)
    return _load(tx, token_id)


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
    return TokenSecret(token_from_row(row), row["secret_sha256"])
