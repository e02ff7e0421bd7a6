"""Where the hub may connect to: configured hosts, declared ones, and no others.

Invariant: money goes to its connection's endpoint; anything else only to an origin
that the adapter declares; and of a live hub nothing goes to an address that is not
public, whatever a name resolves to at that moment.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver
from aiohttp.resolver import DefaultResolver

from refundwatch.errors import InvariantBroken

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import HttpRequest

# RFC 6052: an IPv4 address stands in the last four bytes.
_NAT64: Final = ip_network("64:ff9b::/96")


class NotPublicError(OSError):
    """A name means this machine or a private network alone."""


def address_of(path: ConnectionPath, request: HttpRequest) -> str:
    """Give the whole address of a request.

    Raises:
        InvariantBroken: the request names a host that is neither configured nor
            declared, or names one for money.
    """
    if request.target.startswith("/"):
        return path.endpoint + request.target
    if request.moves_money:
        raise InvariantBroken(f"{request.operation} names its own host")
    allowed = {origin_of(path.endpoint), *path.gateway.origins(path.account)}
    if origin_of(request.target) not in allowed:
        raise InvariantBroken(f"{request.operation} names a host that is not declared")
    return request.target


def origin_of(address: str) -> str:
    """Give scheme, host and port as they are written; a user makes it another one."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the internet; False for what is none."""
    try:
        found = _meant(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    return found.is_global and not found.is_multicast


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give the IPv4 address that an IPv6 one only wraps."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def check_literal(address: str) -> None:
    """Refuse an address whose host is written as an IP that is not public.

    Raises:
        NotPublicError: no connection was tried.
    """
    host = urlsplit(address).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return
    if not is_public(host):
        raise NotPublicError(f"{host} is no public address")


class PublicResolver(AbstractResolver):
    """Resolves names, and leaves out what is not public.

    The connection is made to an address that was looked at here, never to a name that
    is resolved again: a name that changes its meaning in between gains nothing.
    """

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        """Ask the system, or `inner`."""
        self._inner = DefaultResolver() if inner is None else inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name.

        Raises:
            NotPublicError: nothing that is public stands behind it.
        """
        found = await self._inner.resolve(host, port, family)
        public = [one for one in found if is_public(one["host"])]
        if not public:
            raise NotPublicError(f"{host} has no public address")
        return public

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._inner.close()
