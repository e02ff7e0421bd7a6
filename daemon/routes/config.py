"""The configuration of the running daemon.

Invariant: as `daemon.routes` says.
"""

from __future__ import annotations

from typing import Final

from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api.models_config import ConfigChangeView, ReloadBody, ReloadView


async def reload_config(call: Call) -> Answer:
    """Load the configuration anew, or say what that would change."""
    dry_run = call.model(ReloadBody).dry_run
    loaded = await call.hub.reloader.load(call.principal.id, only_try=dry_run)
    changes = [
        ConfigChangeView(key=it.key, change=it.what, before=it.before, after=it.after)
        for it in loaded.changes
    ]
    return Answer(
        ReloadView(
            loaded=not dry_run,
            policy_version_before=loaded.before,
            policy_version=loaded.digest,
            changes=changes,
        )
    )


HANDLERS: Final[dict[str, RouteHandler]] = {"config.reload": reload_config}
