"""What a machine may initiate: its token's reach, and its ceiling of the day.

Invariant: whoever has a ceiling is counted in the transaction that stores the refund,
so no two requests at once pass it together; what was refused was not counted.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from refundwatch.domain.machine import (
    MachineGrant,
    Scope,
    ceiling_sentence,
    initiation_denial,
)
from refundwatch.errors import CeilingReached, InvariantBroken, TokenOutOfReach
from refundwatch.store.sql import named_queries

if TYPE_CHECKING:
    from refundwatch.domain.policy import Principal
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "machines")


def check_reach(
    tx: Transaction, principal: Principal, account: str, currency: str
) -> None:
    """Refuse what lies outside the reach of the token that the caller showed.

    Raises:
        TokenOutOfReach: gateway or currency.
    """
    if principal.machine is None:
        return
    row = tx.one(_SQL["gateway"], (account,))
    if row is None:
        raise InvariantBroken(f"No account {account!a} stands behind a payment.")
    denial = initiation_denial(principal.machine, row["gateway"], currency)
    if denial is not None:
        raise TokenOutOfReach(denial.sentence, field="payment")


def spend(
    tx: Transaction,
    principal: Principal,
    currency: str,
    amount_minor: int,
    at: datetime,
) -> None:
    """Count an amount against the day's ceiling, if there is one.

    Raises:
        CeilingReached: the amount would pass it; nothing was counted.
    """
    grant = principal.machine
    ceiling_minor = grant.ceiling_minor(currency) if grant is not None else None
    if ceiling_minor is None:
        return
    day = at.astimezone(UTC).date()
    key = (principal.id, day.isoformat(), currency)
    row = tx.one(_SQL["spent"], key)
    spent_minor = int(row["amount_minor"]) if row is not None else 0
    if spent_minor + amount_minor > ceiling_minor:
        frees_at = datetime.combine(day + timedelta(days=1), time(), UTC)
        raise CeilingReached(
            ceiling_sentence(currency, ceiling_minor, spent_minor, frees_at),
            field="amount_minor",
        )
    tx.change(_SQL["spend"], (*key, amount_minor))


def grant_text(grant: MachineGrant) -> str | None:
    """Write a grant for its column; None for one that says nothing."""
    if grant == MachineGrant():
        return None
    return json.dumps(grant_values(grant), sort_keys=True)


def grant_values(grant: MachineGrant) -> dict[str, Any]:
    """Give a grant's parts as JSON holds them, for the column and the log."""
    return {
        "scopes": sorted(grant.scopes),
        "gateways": sorted(grant.gateways),
        "currencies": sorted(grant.currencies),
        "ceilings": dict(sorted(grant.ceilings)),
        "networks": list(grant.networks),
        "certificate_sha256": grant.certificate_sha256,
    }


def grant_from_text(stored: str | None) -> MachineGrant:
    """Read a grant's column.

    Raises:
        InvariantBroken: it holds no grant; such a token counts for nothing.
    """
    if stored is None:
        return MachineGrant()
    try:
        found = json.loads(stored)
        return MachineGrant(
            scopes=frozenset(Scope(word) for word in found["scopes"]),
            gateways=frozenset(found["gateways"]),
            currencies=frozenset(found["currencies"]),
            ceilings=tuple(sorted(found["ceilings"].items())),
            networks=tuple(found["networks"]),
            certificate_sha256=found["certificate_sha256"],
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvariantBroken("A token's scopes and limits cannot be read.") from error
