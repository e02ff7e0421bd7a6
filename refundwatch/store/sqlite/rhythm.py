"""Listening: how often each account's webhooks come, and the alarm when they do not.

Invariant: an account is judged by its own past; while its silence is alarmed its
pending refunds fall due again and again, where its gateway can be asked.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from refundwatch.domain.histogram import Histogram
from refundwatch.domain.rhythm import Learned, Look, Rhythm, listen
from refundwatch.store.contract import ListenForWebhooks
from refundwatch.store.rows import micros, optional_micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import ALARM_SILENCE, open_alarm
from refundwatch.store.sqlite.registry import Reading, unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "rhythm")

LEAST_POLL_SECONDS: Final = 300
"""A silent account's refunds are not all asked about more often than this."""


@unit(ListenForWebhooks)
def _listen(tx: Transaction, command: ListenForWebhooks) -> tuple[str, ...]:
    silent = []
    for row in tx.every(_SQL["accounts"]):
        rhythm = listen(_rhythm_of(row), _look_at(row, command))
        polled_at = optional_moment(row["polled_at"])
        if not rhythm.is_too_long:
            polled_at = None
        else:
            silent.append(row["name"])
            wait = max(rhythm.expected_seconds, LEAST_POLL_SECONDS)
            if polled_at is None or command.at - polled_at >= timedelta(seconds=wait):
                _call(tx, command, row["name"], rhythm)
                polled_at = command.at
        _save(tx, row["name"], rhythm, optional_micros(polled_at))
    return tuple(silent)


def _call(
    tx: Transaction, command: ListenForWebhooks, account: str, rhythm: Rhythm
) -> None:
    """Call people, and ask about what waits where anybody can be asked."""
    readable = account in command.readable
    detail = {
        "silent_seconds": round(rhythm.silent_seconds),
        "expected_seconds": round(rhythm.expected_seconds),
        "polls": "pending refunds" if readable else "none: the gateway reads nothing",
    }
    open_alarm(tx, command.at, ALARM_SILENCE, account, detail=detail)
    if readable:
        values: dict[str, SqlValue] = {"at": micros(command.at), "account": account}
        tx.change(_SQL["poll_now"], values)
        tx.touch("poll")


def rhythms_of(reading: Reading) -> dict[str, Rhythm]:
    """Give what is known of each configured account that was listened to."""
    rows = reading.connection.execute(_SQL["accounts"])
    return {row["name"]: _rhythm_of(row) for row in rows if row["account"] is not None}


# --- rows -------------------------------------------------------------------------


def _look_at(row: Row, command: ListenForWebhooks) -> Look:
    return Look(
        at=command.at,
        local=command.at.astimezone(ZoneInfo(row["timezone"])),
        heard_at=optional_moment(row["last_delivery_at"]),
        awaited=row["awaited"] or 0,
    )


def _rhythm_of(row: Row) -> Rhythm:
    if row["account"] is None:
        return Rhythm()
    return Rhythm(
        looked_at=optional_moment(row["looked_at"]),
        heard_at=optional_moment(row["heard_at"]),
        silent_since=optional_moment(row["silent_since"]),
        silent=json.loads(row["silent"]),
        learned={
            block: Learned(
                week=stated["week"],
                gaps=stated["gaps"],
                recent=_histogram(stated["recent"]),
                before=_histogram(stated["before"]),
            )
            for block, stated in json.loads(row["learned"]).items()
        },
    )


def _save(tx: Transaction, account: str, rhythm: Rhythm, polled_at: int | None) -> None:
    values: tuple[SqlValue, ...] = (
        account,
        optional_micros(rhythm.looked_at),
        optional_micros(rhythm.heard_at),
        optional_micros(rhythm.silent_since),
        json.dumps(dict(rhythm.silent), sort_keys=True),
        _learned_text(rhythm.learned),
        polled_at,
    )
    tx.change(_SQL["save"], values)


def _learned_text(learned: Mapping[str, Learned]) -> str:
    stated = {
        block: {
            "week": it.week,
            "gaps": it.gaps,
            "recent": it.recent.counts,
            "before": it.before.counts,
        }
        for block, it in learned.items()
    }
    return json.dumps(stated, separators=(",", ":"), sort_keys=True)


def _histogram(counts: Iterable[tuple[int, int]]) -> Histogram:
    return Histogram.of_buckets((bucket, seconds) for bucket, seconds in counts)
