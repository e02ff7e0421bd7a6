"""`refundwatch gateways`: versions.

Invariant: an effect is never a bare percentage: beside it stand the counts and the
interval, and where there is none it says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.models import VersionsView
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import (
    Column,
    emit,
    emit_json,
    emit_table,
    when,
    when_exactly,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import TimeoutsView, VersionNoticeView, VersionView

COLUMNS: Final = (
    Column("CONNECTION", shrinks=True),
    Column("OPERATION"),
    Column("VERSION", shrinks=True),
    Column("SINCE"),
    Column("CALLS", right=True),
    Column("TIMEOUTS", right=True),
    Column("NOTICE"),
)
_SHORT: Final = {
    "open": "new",
    "more_timeouts": "more timeouts",
    "fewer_timeouts": "fewer timeouts",
    "no_effect": "no effect",
    "too_few_calls": "too few calls",
}
_VERDICTS: Final = {
    "open": "too early to judge",
    "more_timeouts": "more timeouts",
    "fewer_timeouts": "fewer timeouts",
    "no_effect": "no effect: the interval holds 0",
    "too_few_calls": "too few calls to judge",
}


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("gateways", "Gateways as they answer: versions.")
    lists = noun.verb(
        "versions", versions, "List API versions, and what a change did to timeouts"
    )
    lists.add_argument(
        "--past", action="store_true", help="versions that answer no more too"
    )
    return noun.run(argv)


async def versions(client: ApiClient, arguments: Namespace) -> int:
    """List versions, then their notices in words."""
    view = await client.call(
        "gateways.versions", VersionsView, query={"past": arguments.past or None}
    )
    if arguments.json:
        emit_json(view)
        return 0
    emit_table(COLUMNS, [_row(it) for it in view.items], "No call was made yet.")
    for it in view.items:
        for notice in it.notices:
            emit("")
            for line in _told(it, notice):
                emit(line)
    return 0


def _row(it: VersionView) -> tuple[str, ...]:
    return (
        it.connection,
        it.operation,
        (it.version or "-") + ("" if it.stated else " (asked)" if it.version else ""),
        when(it.since),
        str(it.answered.calls),
        str(it.answered.timeouts),
        _SHORT[it.notices[0].effect] if it.notices else "-",
    )


def _told(it: VersionView, notice: VersionNoticeView) -> list[str]:
    what = f"{notice.version_before or '-'} became {notice.version}"
    if notice.unseen_status is not None:
        what = f"unseen status {notice.unseen_status} in version {notice.version}"
    lines = [
        f"{it.connection} {it.operation}: {what} at {when_exactly(notice.opened_at)}",
        f"  timeouts {_share(notice.before)} before, {_share(notice.after)} since: "
        + _VERDICTS[notice.effect],
    ]
    if (
        notice.difference is not None
        and notice.low is not None
        and notice.high is not None
    ):
        lines.append(
            f"  {_points(notice.difference)} points, 95 % interval "
            f"{_points(notice.low)} to {_points(notice.high)}"
        )
    lines.append(f"  first sample: {notice.first_sample}")
    if notice.failing_sample is not None:
        lines.append(
            f"  first failing: {notice.failing_sample} "
            f"at {when_exactly(notice.failing_at)}"
        )
    return lines


def _share(share: TimeoutsView) -> str:
    if not share.calls:
        return "none of 0"
    return f"{share.timeouts / share.calls:.1%} ({share.timeouts} of {share.calls})"


def _points(rate: float) -> str:
    return f"{rate * 100:+.1f}"
