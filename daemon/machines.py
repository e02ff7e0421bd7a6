"""What a machine's token may do at the door, beyond its permissions.

Invariant: a token with limits reaches only operations that know them; an operation
that nobody listed here knows none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.filter_terms import Column, ValueTerm
from refundwatch.domain.machine import (
    MachineGrant,
    address_denial,
    certificate_denial,
    reach_denial,
)
from refundwatch.domain.policy import Denial, Permission, Principal
from refundwatch.errors import RefundUnknown, RefundwatchError
from refundwatch.security.certificates import spki_sha256
from refundwatch.store.contract import NoteTokenUse

if TYPE_CHECKING:
    import ssl

    from aiohttp import web

    from daemon.hub import Hub
    from refundwatch.api.paths import Route
    from refundwatch.domain.filter import RefundFilter
    from refundwatch.store.contract import RefundSummary, TokenRow

REACHED: Final = frozenset(
    {"me", "status", "refunds.create", "refunds.bulk", "refunds.list", "refunds.show"}
)
"""The operations that see to it that a token's gateways and currencies are kept."""

RAISES_AMOUNTS: Final = frozenset({Permission.REFUND_EDIT})
"""What could raise an amount that was counted against a ceiling."""

USE_NOTED_SECONDS: Final = 60.0
_REMEMBERED: Final = 4096


def principal_of(row: TokenRow) -> Principal:
    """Give the principal of a token, with what limits it."""
    grant = None if row.grant == MachineGrant() else row.grant
    return Principal(row.principal, row.roles, grant)


def place_denial(principal: Principal, request: web.Request) -> Denial | None:
    """Decide whether a token may come from where this request comes from."""
    grant = principal.machine
    if grant is None:
        return None
    denial = address_denial(grant, peer_address(request))
    if denial is not None or grant.certificate_sha256 is None:
        return denial
    return certificate_denial(grant, certificate_sha256(request))


def operation_denial(principal: Principal, route: Route) -> Denial | None:
    """Decide whether an operation keeps the limits of the caller's token."""
    grant = principal.machine
    if grant is None:
        return None
    raises = bool(grant.ceilings) and route.permission in RAISES_AMOUNTS
    if not raises and (grant.reaches_all or route.name in REACHED):
        return None
    return Denial("operation_refused", "This token's limits do not fit this operation.")


def peer_address(request: web.Request) -> str | None:
    """Give the address that the connection comes from; None for the Unix socket.

    No header counts: behind a proxy this is the proxy's own address.
    """
    transport = request.transport
    found = None if transport is None else transport.get_extra_info("peername")
    return str(found[0]) if isinstance(found, tuple) else None


def certificate_sha256(request: web.Request) -> str | None:
    """Give the digest of the verified client certificate's public key, if one came."""
    transport = request.transport
    if transport is None:
        return None
    secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    encoded = None if secured is None else secured.getpeercert(binary_form=True)
    return spki_sha256(encoded) if encoded else None


def narrowed(filtered: RefundFilter, principal: Principal) -> RefundFilter:
    """Let a list show only what the caller's token reaches."""
    grant = principal.machine
    if grant is None or grant.reaches_all:
        return filtered
    terms = list(filtered.terms)
    if grant.gateways:
        terms.append(ValueTerm(Column.GATEWAY, grant.gateways))
    if grant.currencies:
        terms.append(ValueTerm(Column.CURRENCY, grant.currencies))
    return replace(filtered, terms=tuple(terms))


def check_shown(principal: Principal, row: RefundSummary) -> None:
    """Treat a refund that the caller's token does not reach as one that is not there.

    Raises:
        RefundUnknown: as for any other id.
    """
    grant = principal.machine
    if grant is None:
        return
    if reach_denial(grant, row.gateway, row.refund.currency) is not None:
        raise RefundUnknown(f"There is no refund {row.refund.id}.", field="refund")


class UseNotes:
    """Remembers when tokens were last used: at most one write a minute for each."""

    def __init__(self, hub: Hub) -> None:
        """Begin with nothing noted by this process."""
        self._hub = hub
        self._noted: dict[str, float] = {}

    async def note(self, token_id: str) -> None:
        """Note a use, unless one was noted within the minute."""
        now = self._hub.clock.monotonic()
        before = self._noted.get(token_id)
        if before is not None and now - before < USE_NOTED_SECONDS:
            return
        if len(self._noted) >= _REMEMBERED:
            self._noted.clear()
        self._noted[token_id] = now
        try:
            await self._hub.store.execute(NoteTokenUse(self._hub.clock.now(), token_id))
        except RefundwatchError as error:
            # A store that takes no work has an alarm; reading must go on meanwhile.
            self._hub.log.problem("token:use_not_noted", code=error.code)
