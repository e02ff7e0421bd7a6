"""From tokens as the store knows them to what the wire shows.

Invariant: as `daemon.present` says; no secret and no hash of one comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api import models as m
from refundwatch.api import models_tokens as mt
from refundwatch.domain.machine import MachineGrant, Scope
from refundwatch.domain.money import exponent

if TYPE_CHECKING:
    from refundwatch.store.contract import TokenRow


def token(row: TokenRow) -> mt.TokenView:
    """Present a token without its secret."""
    return mt.TokenView.model_validate(
        {
            "id": row.token_id,
            "principal": row.principal,
            "roles": sorted(row.roles),
            "created_at": row.created_at,
            "created_by": row.created_by,
            "expires_at": row.expires_at,
            "revoked_at": row.revoked_at,
            "last_used_at": row.last_used_at,
            "replaces": row.replaces,
            "grant": None if row.grant == MachineGrant() else _grant(row.grant),
        }
    )


def _grant(grant: MachineGrant) -> mt.GrantView:
    return mt.GrantView.model_validate(
        {
            "scopes": sorted(scope.value for scope in grant.scopes),
            "gateways": sorted(grant.gateways),
            "currencies": sorted(grant.currencies),
            "ceilings": [
                m.AmountView(minor=minor, currency=code, exponent=exponent(code))
                for code, minor in sorted(grant.ceilings)
            ],
            "networks": list(grant.networks),
            "certificate_sha256": grant.certificate_sha256,
        }
    )


def grant_of(body: mt.GrantBody | None) -> MachineGrant:
    """Turn what was asked for into the domain's form.

    Raises:
        TextInvalid, AmountInvalid, CurrencyUnknown: as `MachineGrant`.
    """
    if body is None:
        return MachineGrant()
    return MachineGrant(
        scopes=frozenset(Scope(name) for name in body.scopes),
        gateways=frozenset(body.gateways),
        currencies=frozenset(body.currencies),
        ceilings=tuple(sorted((it.currency, it.amount_minor) for it in body.ceilings)),
        networks=tuple(dict.fromkeys(body.networks)),
        certificate_sha256=body.certificate_sha256,
    )
