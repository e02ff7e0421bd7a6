"""Versions of gateways' APIs, what a change of them did, and how long calls are kept.

Invariant: as `refundwatch.store.contract` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from refundwatch.store.contract.base import Command, Query

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.proportion import Share
    from refundwatch.domain.versions import Effect, Run


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A version that began to answer, or a status never seen, and what came of it.

    Shares are timeouts of calls; `after` is as of now where its version answers still.
    Samples say in codes what the first call looked like, and the first that failed.
    """

    id: int
    version_before: str
    version: str
    unseen_status: str | None
    opened_at: datetime
    before: Share
    after: Share
    effect: Effect
    judged_at: datetime | None
    first_sample: str
    failing_sample: str | None
    failing_at: datetime | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """What one version answered of an operation, with its notices, newest first."""

    connection: str
    operation: str
    current: bool
    run: Run
    notices: tuple[NoticeRow, ...]


@dataclass(frozen=True, slots=True)
class ListVersions(Query[tuple[VersionRow, ...]]):
    """The version that answers each operation now; with `past` the earlier ones too."""

    past: bool = False


@dataclass(frozen=True, slots=True)
class DropCalls(Command[int]):
    """Drop the oldest call records from before a moment, few at once; count them.

    With the last of them go versions that answered before it and their notices.
    """

    patient: ClassVar[bool] = True

    before: datetime
    at_most: int = 500


@dataclass(frozen=True, slots=True)
class UptimeRow:
    """How long a connection was observed within a window, and how long down."""

    connection: str
    window_seconds: int
    observed_ms: int
    down_ms: int


@dataclass(frozen=True, slots=True)
class GetUptime(Query[tuple[UptimeRow, ...]]):
    """Uptime of every connection over windows that end now, from the rollups."""

    at: datetime
    windows_seconds: tuple[int, ...]
