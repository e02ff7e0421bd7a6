"""Pictures of the three screens, drawn without a terminal.

Invariant: a picture is only taken of what the daemon said; without it there is none.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from refundwatch.errors import ApiUnreachable
from tui.widgets.refund_list import RefundList

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from tui.app import Dashboard

SCREENS: Final = ("overview", "refunds", "approvals")
PATIENCE_SECONDS: Final = 15.0
_STEP_SECONDS: Final = 0.1
_SETTLE_SECONDS: Final = 0.6


async def take_pictures(
    app: Dashboard, folder: Path, size: tuple[int, int]
) -> list[Path]:
    """Save one SVG for each screen; return where.

    Raises:
        ApiUnreachable: no daemon answered in time.
    """
    saved: list[Path] = []

    async def pilot_all(pilot: Pilot[object]) -> None:
        if await _until_live(app):
            saved.extend([await _picture(app, pilot, folder, it) for it in SCREENS])
        app.exit()

    await app.run_async(headless=True, size=size, auto_pilot=pilot_all)
    if not saved:
        why = app.state.trouble or f"No daemon answers at {app.server}."
        raise ApiUnreachable(why)
    return saved


async def _picture(
    app: Dashboard, pilot: Pilot[object], folder: Path, name: str
) -> Path:
    await app.action_mode(name)
    await pilot.pause()
    for rows in app.screen.query(RefundList):
        await _until_loaded(rows)
        rows.action_move(0)
    await asyncio.sleep(_SETTLE_SECONDS)
    await pilot.pause()
    return _save(app, folder, name)


def _save(app: Dashboard, folder: Path, name: str) -> Path:
    path = folder / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(app.export_screenshot(title="refundwatch"), "utf-8")
    return path


async def _until_live(app: Dashboard) -> bool:
    for _ in range(int(PATIENCE_SECONDS / _STEP_SECONDS)):
        if app.state.live:
            return True
        await asyncio.sleep(_STEP_SECONDS)
    return False


async def _until_loaded(rows: RefundList) -> None:
    for _ in range(int(PATIENCE_SECONDS / _STEP_SECONDS)):
        if rows.total is not None or rows.trouble is not None:
            return
        await asyncio.sleep(_STEP_SECONDS)
