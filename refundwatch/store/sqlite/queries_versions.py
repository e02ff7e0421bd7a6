"""Answers about versions and uptime, and the end of call records that are old.

Invariant: what a question costs depends on how many versions and windows there are,
never on how many calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from refundwatch.domain.numbers import Measure, pieces
from refundwatch.domain.proportion import Share
from refundwatch.domain.versions import Effect, Run
from refundwatch.store.contract import (
    DropCalls,
    GetUptime,
    ListVersions,
    NoticeRow,
    UptimeRow,
    VersionRow,
)
from refundwatch.store.rows import micros, moment, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.registry import Reading, question, unit
from refundwatch.store.sqlite.versions import run_from_row

if TYPE_CHECKING:
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "versions")
_ROLLUPS = named_queries("sqlite", "rollups")


@question(ListVersions)
def _list_versions(reading: Reading, query: ListVersions) -> tuple[VersionRow, ...]:
    notices: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in reading.connection.execute(_SQL["notices"]):
        notices[row["connection"], row["operation"], row["version"]].append(row)
    found = []
    for row in reading.connection.execute(_SQL["runs"], {"past": query.past}):
        run = run_from_row(row)
        of_run = notices[row["connection"], row["operation"], run.version]
        found.append(
            VersionRow(
                connection=row["connection"],
                operation=row["operation"],
                current=bool(row["current"]),
                run=run,
                notices=tuple(_notice(it, run) for it in of_run),
            )
        )
    return tuple(found)


def _notice(row: Row, run: Run) -> NoticeRow:
    after = Share(row["after_timeouts"], row["after_calls"])
    base = Share(row["base_timeouts"], row["base_calls"])
    if moment(row["opened_at"]) >= run.since:
        # Not of an earlier time of this version: what it counted goes on.
        after = run.tried - base
    return NoticeRow(
        id=row["id"],
        version_before=row["version_before"],
        version=row["version"],
        unseen_status=row["unseen_status"],
        opened_at=moment(row["opened_at"]),
        before=Share(row["before_timeouts"], row["before_calls"]),
        after=after,
        effect=Effect(row["effect"]),
        judged_at=optional_moment(row["judged_at"]),
        first_sample=row["first_sample"],
        failing_sample=row["failing_sample"],
        failing_at=optional_moment(row["failing_at"]),
    )


@unit(DropCalls)
def _drop_calls(tx: Transaction, command: DropCalls) -> int:
    before = micros(command.before)
    dropped = tx.change(_SQL["drop_calls"], (command.at_most, before))
    if dropped < command.at_most:
        tx.change(_SQL["drop_runs"], (before,))
        tx.change(_SQL["drop_notices"], (before,))
    return dropped


@question(GetUptime)
def _get_uptime(reading: Reading, query: GetUptime) -> tuple[UptimeRow, ...]:
    configured = reading.connection.execute(_ROLLUPS["configured_connections"])
    names = [row["id"] for row in configured]
    found = []
    for seconds in query.windows_seconds:
        sums: Counter[tuple[str, str]] = Counter()
        for piece in pieces(query.at, timedelta(seconds=seconds)):
            values = (piece.grain.value, micros(piece.start), micros(piece.end))
            for row in reading.connection.execute(_ROLLUPS["sum_observed"], values):
                sums[row["subject"], row["measure"]] += row["amount"]
        found += [
            UptimeRow(
                connection=name,
                window_seconds=seconds,
                observed_ms=sums[name, Measure.OBSERVED.value],
                down_ms=sums[name, Measure.DOWN.value],
            )
            for name in names
        ]
    return tuple(found)
