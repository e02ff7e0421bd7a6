"""One refund's whole story, as lines in the order in which they happened.

Invariant: everything that the daemon told is told; text from outside is plain.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui import format as f

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.api.models import EntryView, RefundDetailView, RouteNoteView


@dataclass(frozen=True, slots=True)
class Moment:
    """One line: when, of which sort, in which tone, and the words."""

    at: datetime
    sort: str
    tone: str
    words: str


def moments(detail: RefundDetailView) -> list[Moment]:
    """Give attempts, answers, webhooks, decisions and audit entries in order."""
    found = [*_attempts(detail), *_deliveries(detail), *_decisions(detail)]
    for entry in detail.timeline:
        words = f"#{entry.seq} {entry.kind} by {entry.actor}  {_told(entry)}"
        found.append(Moment(entry.at, "audit", "dim", f.plain(words)))
    return sorted(found, key=lambda moment: moment.at)


def _told(entry: EntryView) -> str:
    """Write an entry's facts as pairs; the move itself first, absent ones not."""
    data = entry.data
    before, after = data.get("before"), data.get("after")
    pairs = [f"{before} -> {after}"] if before and after and before != after else []
    for key, value in sorted(data.items()):
        if value is None or (pairs and key in ("before", "after")):
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        pairs.append(f"{key}={text}")
    return "  ".join(pairs)


def route_words(note: RouteNoteView) -> str:
    """Say of a connection why it was taken, or passed over."""
    detail = f" ({note.detail})" if note.detail else ""
    return f"{note.connection} {note.reason.replace('_', ' ')}{detail}"


def _attempts(detail: RefundDetailView) -> list[Moment]:
    found = []
    for it in detail.attempts:
        opened = f"attempt {it.number} opened through {it.connection}"
        found.append(Moment(it.opened_at, "sent", "wait", f.plain(opened)))
        if it.route:
            words = "; ".join(map(route_words, it.route))
            found.append(Moment(it.opened_at, "way", "", f.plain(words)))
        if it.closed_at is None:
            continue
        took = "" if it.duration_ms is None else f" after {it.duration_ms} ms"
        status = "" if it.status is None else f", HTTP {it.status}"
        why = "" if it.reason is None else f", {it.reason}"
        words = f"attempt {it.number}: {it.outcome or 'closed'}{status}{why}{took}"
        tone = {"succeeded": "good", "declined": "bad", "unknown": "warn"}
        found.append(
            Moment(
                it.closed_at, "answer", tone.get(it.outcome or "", ""), f.plain(words)
            )
        )
    return found


def _deliveries(detail: RefundDetailView) -> list[Moment]:
    return [
        Moment(
            it.received_at,
            "webhook",
            "ask",
            f.plain(
                f"{it.type} at {it.account}: {it.state}"
                + (f", {it.reason}" if it.reason else "")
            ),
        )
        for it in detail.deliveries
    ]


def _decisions(detail: RefundDetailView) -> list[Moment]:
    return [
        Moment(
            it.at,
            "decision",
            "key",
            f.plain(
                f"{it.decision} by {it.actor}, revision {it.revision}, "
                f"{it.reason_code}"
                + (f": {it.reason_text}" if it.reason_text else "")
                + ("" if it.valid else " (void)")
            ),
        )
        for it in detail.decisions
    ]
