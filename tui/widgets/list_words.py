"""What is said below a list: what is wrong, what is new, where the cursor is.

Invariant: the gravest stands first, because the line may be cut at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import format as f

if TYPE_CHECKING:
    from tui.state import HubState
    from tui.window import Window


def summary(
    window: Window,
    hub: HubState,
    *,
    paused: HubState | None,
    new_above: int,
    trouble: str | None,
    notice: str | None,
    order: str,
    follows: bool,
) -> list[tuple[str, str]]:
    """Give words with their tones; `paused` is the state when it was paused."""
    said: list[tuple[str, str]] = []
    if trouble is not None:
        said.append((trouble, "bad"))
    if not hub.live and hub.heard_at is not None:
        said.append(("stale", "warn"))
    if paused is not None:
        new = hub.created - paused.created
        changes = hub.changes - paused.changes
        said.append((f"paused: {new} new, {changes} changes", "ask"))
    if new_above:
        said.append((f"{f.count(new_above)} new above, g goes there", "ask"))
    if notice is not None:
        said.append((notice, "ask"))
    if window.searched_to is not None:
        reached = f.when(window.searched_to)
        said.append((f"searched to {reached}; an age in the filter goes on", "ask"))
    if window.total is not None:
        more = "" if window.searched_to is None else " or more"
        at = "" if window.cursor is None else f"{f.count(window.cursor + 1)} of "
        said.append((f"{at}{f.count(window.total)}{more}, {order}", "dim"))
    if follows and window.cursor is None and window.total:
        said.append(("following the newest", "dim"))
    return said
