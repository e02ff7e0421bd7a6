"""Sealing everything anew under another data key.

Invariant: as `refundwatch.store.contract` says; a data key is destroyed only by the
pass that found no value which names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from refundwatch.store.contract.base import Command, Query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.policy import Principal
    from refundwatch.store.contract.house import KeyCheckRow, KeyRow

Cause = Literal["asked", "age"]


@dataclass(frozen=True, slots=True)
class RotationRow:
    """One rotation as it stands; `walked` counts the rows of the present pass."""

    id: int
    dek_id: int
    cause: Cause
    started_by: str
    started_at: datetime
    moved_at: datetime
    finished_at: datetime | None
    passes: int
    walked: int
    resealed: int
    unreadable: int
    destroyed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StartRotation(Command[RotationRow]):
    """Begin to seal every value under the data key `dek_id`, which becomes current.

    What changes of the keys for that (`keys`, `checks`) is saved in the same unit.
    Of age it turns a rotation that is under way to the newer key; asked for, it is
    refused while one runs. Raises DecisionDenied, KeyRotationRunning.
    """

    at: datetime
    principal: Principal
    cause: Cause
    dek_id: int
    keys: tuple[KeyRow, ...] = field(default=(), repr=False)
    checks: tuple[KeyCheckRow, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ResealSome(Command[RotationRow | None]):
    """Go on with the rotation under way for some rows; None when there is none."""

    patient: ClassVar[bool] = True

    at: datetime
    at_most: int = 200


@dataclass(frozen=True, slots=True)
class LatestRotation(Query[RotationRow | None]):
    """The newest rotation, under way or finished."""


@dataclass(frozen=True, slots=True)
class SealedCount:
    """How many values each data key sealed in some rows, and where to go on."""

    values: Mapping[int, int]
    place: int
    behind: str | None


@dataclass(frozen=True, slots=True)
class CountSealed(Query[SealedCount | None]):
    """Count values by data key in the next rows; None behind the last table.

    It is asked in pieces, so that no reader holds an old state of the database long.
    """

    place: int = 0
    behind: str | None = None
    at_most: int = field(default=20_000)
