"""Keeps a program that would listen everywhere on loopback, and its file in its room.

Python imports this by itself where its folder stands in PYTHONPATH. The program gets
no flag for either: it binds all interfaces and keeps its store in one fixed file.
"""

from __future__ import annotations

import builtins
import socket
from typing import Any

FIXED = "/tmp/localstripe.pickle"

_open = builtins.open


class Loopback(socket.socket):
    """A socket that is reached from this machine alone."""

    def __init__(self, family: int = -1, *rest: Any, **named: Any) -> None:
        everywhere = family == socket.AF_INET6
        super().__init__(socket.AF_INET if everywhere else family, *rest, **named)

    def bind(self, address: Any) -> None:
        host, port, *_ = address
        super().bind(("127.0.0.1" if host in ("::", "0.0.0.0", "") else host, port))


def open_here(file: Any, *rest: Any, **named: Any) -> Any:
    """Open the fixed file in the working directory instead."""
    return _open("store.pickle" if file == FIXED else file, *rest, **named)


socket.socket = Loopback  # type: ignore[misc]
builtins.open = open_here
