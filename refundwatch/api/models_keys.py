"""Keys of the vault, on the wire: never a key, only what it is for.

Invariant: as `refundwatch.api.models` says.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from refundwatch.api.models import Body, View


class KeyView(View):
    """A data key; `values` counts what it sealed, null where nobody counted."""

    id: int
    state: Literal["current", "decrypt_only", "index", "destroyed"]
    wrapped_under: str
    created_at: datetime
    uses: int
    values: int | None


class RotationView(View):
    """A walk that seals everything under a new data key."""

    key: int
    cause: Literal["asked", "age"]
    started_by: str
    started_at: datetime
    moved_at: datetime
    finished_at: datetime | None
    passes: int
    rows_walked: int
    values_resealed: int
    unreadable: int
    destroyed: list[int]
    per_second: float | None


class KeysView(View):
    """How the keys stand; `remaining` are the values under older data keys."""

    keys: list[KeyView]
    key_encrypting_keys: list[str]
    remaining: int | None
    rotation: RotationView | None
    rewrapped: int | None = None


class RotateKeysBody(Body):
    """`data`: seal everything anew. `kek`: read the key file, wrap the keys anew."""

    kind: Literal["data", "kek"]
