"""A refund as text: one line of a list, and everything about one.

Invariant: states are words, amounts carry their currency, times their zone.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Final

from refundwatch.api.amounts import amount_text
from refundwatch.commands.output import Column, emit, when, when_exactly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.api.models import (
        EntryView,
        RefundDetailView,
        RefundView,
        RouteNoteView,
    )

_WRAPPED_WIDTH: Final = 76
LIST_COLUMNS: Final = (
    Column("REFUND"),
    Column("STATE", shrinks=True),
    Column("AMOUNT", right=True),
    Column("ACCOUNT", shrinks=True),
    Column("REQUESTED"),
)


def list_row(view: RefundView) -> tuple[str, ...]:
    """Show a refund as a row of a list."""
    return (
        view.id,
        view.state_word,
        amount_text(view.amount),
        view.account,
        view.created_at.astimezone().strftime("%m-%d %H:%M"),
    )


def one_line(view: RefundView) -> str:
    """Show a refund in a sentence's length."""
    return (
        f"{view.id}  {amount_text(view.amount)}  {view.state_word}  "
        f"revision {view.revision}"
    )


def emit_detail(view: RefundDetailView) -> None:
    """Print a refund with its whole timeline."""
    for name, text in _facts(view):
        emit(f"{name:<14} {text}")
    _section("decisions", _decisions(view))
    _section("attempts", _attempts(view))
    _section("way it would take now", _route(view.route))
    _section(
        "webhooks",
        [
            f"{when(it.received_at)}  {it.type}  {it.state}  {it.reason or ''}".rstrip()
            for it in view.deliveries
        ],
    )
    _section(
        "timeline",
        [
            "\n".join([f"{when(it.at)}  {it.kind}  {it.actor}  #{it.seq}", *_data(it)])
            for it in view.timeline
        ],
    )
    _section(
        "what you may do",
        [
            f"{it.action}: {'yes' if it.allowed else it.reason or 'no'}"
            for it in view.actions
        ],
    )


def _facts(view: RefundDetailView) -> list[tuple[str, str]]:
    it = view.refund
    facts = [
        ("refund", it.id),
        ("state", it.state_word),
        ("amount", amount_text(it.amount)),
        ("revision", str(it.revision)),
        ("request", f"{it.request_id} by {it.created_by}"),
        ("reason", it.reason_code),
        ("reason text", _on_one_line(view.reason_text)),
        ("account", f"{it.account} ({it.gateway})"),
        ("connection", it.connection),
        ("payment", f"{it.payment_id} ({it.payment_reference})"),
        ("refundable", amount_text(view.payment.refundable)),
        ("frozen", it.frozen),
        ("invoice", view.invoice),
        ("our reference", it.merchant_reference),
        ("gateway's", it.gateway_reference),
        ("last status", it.last_status),
        ("key", view.idempotency_key),
        ("approvals", f"{it.approvals} of {it.required_approvals}"),
        ("held because", it.hold_reason),
        ("review because", it.review_reason),
        ("really paid", amount_text(it.executed) if it.executed else None),
        ("declined with", it.refused_code),
        ("needs action", "yes" if it.requires_action else None),
        ("content", it.request_sha256),
    ]
    times = (
        ("requested at", it.created_at),
        ("approve until", it.approvals_expire_at),
        ("first sent at", it.first_sent_at),
        ("last sent at", it.last_sent_at),
        ("accepted at", it.accepted_at),
        ("paid out at", it.succeeded_at),
        ("final at", it.final_at),
        ("due at", it.due_at),
    )
    shown = [(name, text) for name, text in facts if text is not None]
    return shown + [(name, when_exactly(at)) for name, at in times if at is not None]


def _colon(text: str | None) -> str:
    return f": {_on_one_line(text)}" if text else ""


def _on_one_line(text: str | None) -> str | None:
    return None if text is None else " / ".join(text.splitlines())


def _decisions(view: RefundDetailView) -> list[str]:
    return [
        f"{when(it.at)}  {it.decision} by {it.actor}, revision {it.revision}, "
        f"{it.reason_code}{_colon(it.reason_text)}"
        f"{'' if it.valid else ' (void)'}"
        for it in view.decisions
    ]


def _attempts(view: RefundDetailView) -> list[str]:
    lines = []
    for it in view.attempts:
        took = "" if it.duration_ms is None else f", {it.duration_ms} ms"
        answer = "" if it.status is None else f", HTTP {it.status}"
        outcome = it.outcome or "open"
        why = f" ({it.reason})" if it.reason else ""
        lines.append(
            f"{when(it.opened_at)}  attempt {it.number} by {it.connection}: "
            f"{outcome}{why}{answer}{took}"
        )
        lines += [f"  {line}" for line in _route(it.route)]
    return lines


def _route(notes: Sequence[RouteNoteView]) -> list[str]:
    """Say of each connection why it was taken, or passed over."""
    return [
        f"{note.connection}: {note.reason.replace('_', ' ')}"
        + (f" ({note.detail})" if note.detail else "")
        for note in notes
    ]


def _data(it: EntryView) -> list[str]:
    """Show what an entry states, wrapped; what states nothing is left out."""
    facts = (
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in sorted(it.data.items())
        if value is not None
    )
    text = " ".join(facts)
    return textwrap.wrap(
        text,
        _WRAPPED_WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _section(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    print(f"\n{title}")
    for entry in lines:
        for line in entry.split("\n"):
            emit(f"  {line}")
