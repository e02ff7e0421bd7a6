"""What a machine's token is made for: scopes, and limits that only ever take away.

Invariant: a limit is never widened by another one, and a token that names ceilings
initiates in no currency without one. Amounts are minor units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from refundwatch.domain.money import check_minor_units, exponent, format_decimal
from refundwatch.domain.policy import Denial, Permission
from refundwatch.errors import TextInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

LONGEST_DAYS: Final = 90
"""How long a machine's token may count; then it is rotated."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_GATEWAY: Final = re.compile(r"[a-z][a-z0-9-]{1,40}")


class Scope(StrEnum):
    """One thing that a token is made for; a machine's permission in its own words."""

    REFUND_INITIATE = "refund:initiate"
    REFUND_READ = "refund:read"
    REFUND_CANCEL = "refund:cancel"
    PAYMENT_CREATE = "payment:create"
    PAYMENT_READ = "payment:read"
    ACCOUNT_READ = "account:read"
    ALARM_READ = "alarm:read"
    METRIC_READ = "metric:read"
    EVENT_READ = "event:read"
    AUDIT_READ = "audit:read"


_PERMISSIONS: Final[Mapping[Scope, Permission]] = {
    scope: Permission.REFUND_CREATE
    if scope is Scope.REFUND_INITIATE
    else Permission(scope.value)
    for scope in Scope
}


@dataclass(frozen=True, slots=True)
class MachineGrant:
    """The scopes and limits of one token; an empty set limits nothing.

    `ceilings` are minor units a UTC day by currency, `networks` the address ranges
    (CIDR) it may come from over TCP, `certificate_sha256` the hex digest of the client
    certificate's public key (SPKI) that must come with it.

    Raises:
        TextInvalid, AmountInvalid, CurrencyUnknown: a part has another form, or two
            parts contradict each other.
    """

    scopes: frozenset[Scope] = frozenset()
    gateways: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    ceilings: tuple[tuple[str, int], ...] = ()
    networks: tuple[str, ...] = ()
    certificate_sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be kept as it is written."""
        for gateway in self.gateways:
            if not _GATEWAY.fullmatch(gateway):
                raise TextInvalid(f"{gateway[:64]!a} is no gateway.", field="gateways")
        for currency in self.currencies:
            exponent(currency)
        self._check_ceilings()
        for network in self.networks:
            check_network(network)
        digest = self.certificate_sha256
        if digest is not None and not _DIGEST.fullmatch(digest):
            message = "A certificate is named by 64 lower-case hex digits: SHA-256."
            raise TextInvalid(message, field="certificate_sha256")

    def _check_ceilings(self) -> None:
        named = [currency for currency, _ in self.ceilings]
        for currency, amount_minor in self.ceilings:
            exponent(currency)
            if check_minor_units(amount_minor, "ceilings") <= 0:
                raise TextInvalid("A ceiling is above zero.", field="ceilings")
            if named.count(currency) > 1:
                message = f"{currency} has two ceilings."
                raise TextInvalid(message, field="ceilings")
            if self.currencies and currency not in self.currencies:
                message = f"{currency} has a ceiling and is not among the currencies."
                raise TextInvalid(message, field="ceilings")

    @property
    def permissions(self) -> frozenset[Permission] | None:
        """Give what the scopes allow; None where the token goes by its roles."""
        if not self.scopes:
            return None
        return frozenset(_PERMISSIONS[scope] for scope in self.scopes)

    @property
    def reaches_all(self) -> bool:
        """Tell whether no gateway and no currency is out of reach."""
        return not self.gateways and not self.currencies

    def ceiling_minor(self, currency: str) -> int | None:
        """Give the day's ceiling of a currency; None where the token has none."""
        return dict(self.ceilings).get(currency)


def check_network(network: str) -> None:
    """Refuse what is no address range, or one whose host bits are set.

    Raises:
        TextInvalid: names the range.
    """
    try:
        ip_network(network)
    except ValueError as error:
        message = f"{network[:64]!a} is no address range such as 10.0.0.0/8: {error}."
        raise TextInvalid(message, field="networks") from error


def address_denial(grant: MachineGrant, address: str | None) -> Denial | None:
    """Decide whether a token may come from a peer's address; None means yes.

    `address` None is the Unix socket, where the file's mode decides instead.
    """
    if not grant.networks or address is None:
        return None
    try:
        peer = ip_address(address.partition("%")[0])
    except ValueError:
        peer = None
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    if peer is not None and any(peer in ip_network(one) for one in grant.networks):
        return None
    return Denial("address_refused", "This token does not count from this address.")


def certificate_denial(
    grant: MachineGrant, presented_sha256: str | None
) -> Denial | None:
    """Decide whether the client certificate is the one that the token is bound to."""
    if grant.certificate_sha256 in {None, presented_sha256}:
        return None
    return Denial(
        "certificate_refused",
        "This token counts only with the client certificate that it is bound to.",
    )


def reach_denial(grant: MachineGrant, gateway: str, currency: str) -> Denial | None:
    """Decide whether gateway and currency are within the token's reach."""
    if grant.gateways and gateway not in grant.gateways:
        return Denial("out_of_reach", f"This token does not reach {gateway}.")
    if grant.currencies and currency not in grant.currencies:
        return Denial("out_of_reach", f"This token does not reach {currency}.")
    return None


def initiation_denial(
    grant: MachineGrant, gateway: str, currency: str
) -> Denial | None:
    """Decide whether the token may initiate there at all, whatever the amount."""
    denial = reach_denial(grant, gateway, currency)
    if denial is None and grant.ceilings and grant.ceiling_minor(currency) is None:
        return Denial(
            "out_of_reach",
            f"This token has ceilings, and none in {currency}.",
        )
    return denial


def ceiling_sentence(
    currency: str, ceiling_minor: int, spent_minor: int, frees_at: datetime
) -> str:
    """Say how much of a day's ceiling is left, and when it is whole again."""
    left = max(ceiling_minor - spent_minor, 0)
    return (
        f"Today's ceiling of {currency} {format_decimal(ceiling_minor, currency)} has "
        f"{currency} {format_decimal(left, currency)} left; it is whole again at "
        f"{frees_at:%Y-%m-%dT%H:%MZ}. Nothing was stored."
    )


def check_token(
    principal: str, grant: MachineGrant, roles: Iterable[str], lifetime_days: float
) -> None:
    """Refuse a token whose principal, roles, grant and lifetime do not go together.

    Raises:
        TextInvalid: names the field that does not fit.
    """
    machine = principal.startswith("machine:")
    if not machine and grant != MachineGrant():
        message = "Scopes and limits are for machines' tokens."
        raise TextInvalid(message, field="grant")
    if machine and lifetime_days > LONGEST_DAYS:
        message = f"A machine's token counts at most {LONGEST_DAYS} days; rotate it."
        raise TextInvalid(message, field="expires_in_days")
    if bool(grant.scopes) == bool(tuple(roles)):
        words = "roles or scopes, not both" if grant.scopes else "a role or a scope"
        raise TextInvalid(f"A token has {words}.", field="roles")
