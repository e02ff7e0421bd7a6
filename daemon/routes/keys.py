"""The vault's keys: how they stand, and renewing them.

Invariant: as `daemon.routes` says; no key ever leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models_keys as mk
from refundwatch.errors import (
    ConfigError,
    KeyFileInvalid,
    KeyFileRefused,
    KeyMismatch,
    KeyMissing,
)
from refundwatch.security.datakey import KeyState

if TYPE_CHECKING:
    from daemon.keys import KeysStanding


async def status(call: Call) -> Answer:
    """Say how the keys stand; counting walks over every sealed value."""
    standing = await call.hub.keys.standing(count=call.flag("count"))
    return Answer(present_keys(standing))


async def rotate(call: Call) -> Answer:
    """Renew the data key, or wrap the data keys under the key file's first key."""
    rewrapped: int | None = None
    if call.model(mk.RotateKeysBody).kind == "data":
        await call.hub.keys.rotate(call.principal)
    else:
        try:
            rewrapped = await call.hub.keys.rewrap(call.principal)
        except (ConfigError, KeyFileInvalid, KeyMissing, KeyMismatch) as error:
            raise KeyFileRefused(f"Nothing was changed: {error.message}") from error
    standing = await call.hub.keys.standing(count=False)
    return Answer(present_keys(standing, rewrapped), 202)


def present_keys(standing: KeysStanding, rewrapped: int | None = None) -> mk.KeysView:
    """Present the keys without a byte of them."""
    values = standing.values
    current = next(
        (it.dek_id for it in standing.keys if it.state is KeyState.CURRENT), 0
    )
    return mk.KeysView(
        keys=[
            mk.KeyView(
                id=it.dek_id,
                state=it.state.value,
                wrapped_under=it.kek_id,
                created_at=it.created_at,
                uses=it.uses,
                values=None if values is None else values.get(it.dek_id, 0),
            )
            for it in standing.keys
        ],
        key_encrypting_keys=list(standing.ring),
        remaining=None
        if values is None
        else sum(count for dek_id, count in values.items() if dek_id != current),
        rotation=_rotation(standing),
        rewrapped=rewrapped,
    )


def _rotation(standing: KeysStanding) -> mk.RotationView | None:
    row = standing.rotation
    if row is None:
        return None
    return mk.RotationView(
        key=row.dek_id,
        cause=row.cause,
        started_by=row.started_by,
        started_at=row.started_at,
        moved_at=row.moved_at,
        finished_at=row.finished_at,
        passes=row.passes,
        rows_walked=row.walked,
        values_resealed=row.resealed,
        unreadable=row.unreadable,
        destroyed=list(row.destroyed),
        per_second=standing.per_second,
    )


HANDLERS: Final[dict[str, RouteHandler]] = {
    "keys.status": status,
    "keys.rotate": rotate,
}
