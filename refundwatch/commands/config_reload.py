"""`refundwatch config reload`: the running daemon takes up what its file says now.

Invariant: what was refused changed nothing, and the daemon's own words say why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api.models_config import ReloadBody, ReloadView
from refundwatch.commands.output import emit, emit_json

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models_config import ConfigChangeView

_SHORT = 16


async def reload(client: ApiClient, arguments: Namespace) -> int:
    """Load the daemon's configuration anew; say what changed."""
    view = await client.call(
        "config.reload", ReloadView, body=ReloadBody(dry_run=arguments.dry_run)
    )
    if arguments.json:
        emit_json(view)
        return 0
    for change in view.changes:
        emit(_told(change))
    if not view.changes:
        emit("No value and no secret is another one.")
    before, now = view.policy_version_before[:_SHORT], view.policy_version[:_SHORT]
    said = "loaded" if view.loaded else "would be loaded, nothing was changed"
    was = "the same as before" if before == now else f"before: {before}"
    emit(f"policy version {now} ({was}): {said}")
    return 0


def _told(change: ConfigChangeView) -> str:
    line = f"{change.change:<8} {change.key}"
    if change.change == "changed":
        return f"{line}: {change.before} -> {change.after}"
    value = change.before if change.change == "gone" else change.after
    return line if value is None else f"{line}: {value}"
