"""uvloop where it is there, as the daemon itself chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop, or None for asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - it need not be there
    except ModuleNotFoundError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop
