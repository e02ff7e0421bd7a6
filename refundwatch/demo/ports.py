"""Loopback ports that a later bind will find free.

Invariant: a port is drawn from below the range that the system gives to outgoing
connections, else one of those could take it before its listener does.
"""

from __future__ import annotations

import socket
from contextlib import closing
from random import SystemRandom
from typing import Final

LOWEST: Final = 15_000
HIGHEST: Final = 32_000
"""Linux gives out 32768 and above by itself."""


def free_ports(count: int) -> list[int]:
    """Return so many different ports on which nothing listens now."""
    found: list[int] = []
    draw = SystemRandom()
    while len(found) < count:
        port = draw.randrange(LOWEST, HIGHEST)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
