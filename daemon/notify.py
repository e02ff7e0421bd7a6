"""Telling systemd how the daemon is, by datagrams to `$NOTIFY_SOCKET`.

Invariant: without systemd nothing happens; a failing notice never stops the daemon.

Source: sd_notify(3), https://www.freedesktop.org/software/systemd/man/sd_notify.html
(read 2026-11).
"""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*lines: str) -> None:
    """Send lines such as `READY=1` or `STATUS=…` to the service manager."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        # A manager that does not read must not hold up whoever tells it something.
        sock.setblocking(False)  # noqa: FBT003 - the standard library's own
        sock.sendto("\n".join(lines).encode(), address)


def watchdog_seconds() -> float | None:
    """Return half of the watchdog's time, None where there is no watchdog."""
    text = os.environ.get("WATCHDOG_USEC", "")
    microseconds = int(text) if text.isascii() and text.isdigit() else 0
    return microseconds / 2_000_000 if microseconds else None
