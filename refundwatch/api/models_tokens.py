"""The wire: tokens, and the scopes and limits of machines' tokens.

Invariant: as `refundwatch.api.models` says; a secret stands in the one answer that
made it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from refundwatch.api.models import (
    AmountView,
    Body,
    Currency,
    Minor,
    Name,
    PrincipalId,
    View,
)
from refundwatch.api.words import RoleName, ScopeName

Network = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f.:/]{2,49}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Days = Annotated[int, Field(ge=1, le=366)]


class CeilingBody(Body):
    """What may be initiated in a currency within one UTC day."""

    currency: Currency
    amount_minor: Minor


class GrantBody(Body):
    """What a machine's token is made for; an empty list limits nothing.

    A token with ceilings initiates in no currency without one. `networks` are address
    ranges, `certificate_sha256` digests a client certificate's public key.
    """

    scopes: list[ScopeName] = Field(default_factory=list, max_length=20)
    gateways: list[Name] = Field(default_factory=list, max_length=50)
    currencies: list[Currency] = Field(default_factory=list, max_length=200)
    ceilings: list[CeilingBody] = Field(default_factory=list, max_length=200)
    networks: list[Network] = Field(default_factory=list, max_length=50)
    certificate_sha256: Digest | None = None


class TokenBody(Body):
    """A token to make; `expires_in_days` counts from now, for a machine at most 90."""

    principal: PrincipalId
    roles: list[RoleName] = Field(default_factory=list, max_length=5)
    expires_in_days: Days = 90
    grant: GrantBody | None = None


class RotateBody(Body):
    """A token to make in another's place, which counts for some hours more."""

    expires_in_days: Days = 90
    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class GrantView(View):
    """The scopes and limits of a token; an empty list limits nothing."""

    scopes: list[ScopeName]
    gateways: list[str]
    currencies: list[str]
    ceilings: list[AmountView]
    networks: list[str]
    certificate_sha256: str | None


class TokenView(View):
    """A token without its secret; `last_used_at` is true to the minute."""

    id: str
    principal: str
    roles: list[RoleName]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = None
    replaces: str | None = None
    grant: GrantView | None = None


class NewTokenView(View):
    """A token with its secret, shown once and never again."""

    token: TokenView
    secret: str = Field(repr=False)


class TokensView(View):
    """Every token."""

    items: list[TokenView]
