"""Versions and their notices as API models.

Invariant: an interval is computed from the counts that stand beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api import models as m
from refundwatch.domain.proportion import difference

if TYPE_CHECKING:
    from refundwatch.domain.proportion import Share
    from refundwatch.store import contract as c


def version(row: c.VersionRow) -> m.VersionView:
    """Present what one version answered."""
    run = row.run
    return m.VersionView(
        connection=row.connection,
        operation=row.operation,
        version=run.version,
        version_asked=run.asked,
        stated=run.stated,
        current=row.current,
        since=run.since,
        last_at=run.last_at,
        answered=_timeouts(run.tried),
        notices=[_notice(it) for it in row.notices],
    )


def _notice(it: c.NoticeRow) -> m.VersionNoticeView:
    known = bool(it.before.whole and it.after.whole)
    seen = difference(it.before, it.after)
    return m.VersionNoticeView(
        id=it.id,
        version_before=it.version_before,
        version=it.version,
        unseen_status=it.unseen_status,
        opened_at=it.opened_at,
        before=_timeouts(it.before),
        after=_timeouts(it.after),
        difference=seen.value if known else None,
        low=seen.low if known else None,
        high=seen.high if known else None,
        effect=it.effect.value,
        judged_at=it.judged_at,
        first_sample=it.first_sample,
        failing_sample=it.failing_sample,
        failing_at=it.failing_at,
    )


def _timeouts(share: Share) -> m.TimeoutsView:
    return m.TimeoutsView(calls=share.whole, timeouts=share.part)
