"""A refund whole: its facts, its payment's balance, what may be done, its timeline.

Invariant: every fact that the daemon told about the refund can be read here.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.reactive import reactive

from tui import format as f
from tui.columns import cell
from tui.timeline import moments, route_words
from tui.widgets.styled import HubPanel

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.api.models import ActionName, RefundDetailView
    from tui.state import HubState

LABEL: Final = 15
WIDE: Final = 110
KEYS: Final[dict[ActionName, str]] = {
    "approve": "a",
    "refuse": "r",
    "edit": "e",
    "cancel": "x",
    "hold": "h",
    "release": "u",
    "resolve": "v",
    "lookup": "l",
}


class Story(HubPanel):
    """Draws a refund's detail."""

    detail: reactive[RefundDetailView | None] = reactive(None, layout=True)
    trouble: reactive[str | None] = reactive(None, layout=True)

    def text(self, hub: HubState, now: datetime) -> Text:
        """Draw everything."""
        del hub
        text = Text()
        if self.trouble is not None:
            text.append(f.plain(self.trouble) + "\n\n", self.tone("bad"))
        if self.detail is None:
            return (
                text if self.trouble else Text.assemble(("Loading…", self.tone("dim")))
            )
        width = max(self.size.width, 40)
        text.append_text(self._heading(self.detail, now))
        facts, balance = self._facts(self.detail, now), self._balance(self.detail)
        if width >= WIDE:
            text.append_text(self._beside(facts, balance, width))
        else:
            for label, words, tone in (*_told_shortly(self.detail), *facts):
                text.append_text(self._pair(label, words, tone, width)).append("\n")
        text.append_text(self._actions(self.detail, width))
        text.append_text(self._timeline(self.detail, width))
        return text

    def _heading(self, detail: RefundDetailView, now: datetime) -> Text:
        it = detail.refund
        word = f.state(it.state, ascii_only=self.ascii_only)
        text = Text.assemble((f"{f.plain(it.id)}  ", self.tone("head")))
        text.append(f"{f.money(it.amount)}  ", self.tone("key"))
        text.append(word, self.tone(f.TONES[it.state]))
        return text.append(f"  {f.since(it.updated_at, now)} ago\n\n", self.tone("dim"))

    def _facts(self, detail: RefundDetailView, now: datetime) -> list[_Fact]:
        it = detail.refund
        approvals = f"{it.approvals} of {it.required_approvals}"
        if it.approvals_expire_at is not None:
            approvals += f", end {f.since(it.approvals_expire_at, now)}"
        facts: list[tuple[str, str | None, str]] = [
            ("account", f"{it.account} at {it.gateway}", ""),
            ("connection", it.connection, ""),
            ("request id", it.request_id, ""),
            ("reason", f"{it.reason_code}  {detail.reason_text or ''}", ""),
            ("invoice", detail.invoice, ""),
            ("requested", f.when(it.created_at), ""),
            ("requested by", it.created_by, ""),
            ("approvals", approvals if it.required_approvals else None, ""),
            ("revision", f"{it.revision}, sha256 {it.request_sha256[:16]}...", ""),
            ("our reference", it.merchant_reference, ""),
            ("their reference", it.gateway_reference, ""),
            ("idempotency key", detail.idempotency_key, ""),
            ("sent", _first_and_last(it.first_sent_at, it.last_sent_at), ""),
            ("accepted", _maybe(it.accepted_at), ""),
            ("paid out", _maybe(it.succeeded_at), ""),
            ("final", _maybe(it.final_at), ""),
            ("due", _due(it.due_at, now), ""),
            ("tries", f"{it.attempts} sent, {it.lookups} looked up", ""),
            ("their status", it.last_status, ""),
            ("way now", "; ".join(map(route_words, detail.route)) or None, ""),
            ("held because", it.hold_reason, "ask"),
            ("review because", it.review_reason, "warn"),
            ("declined because", it.refused_code, "bad"),
            ("payer", "must act" if it.requires_action else None, "ask"),
        ]
        return [(a, f.plain(b), c) for a, b, c in facts if b]

    def _balance(self, detail: RefundDetailView) -> list[_Fact]:
        it = detail.payment
        invoices = ", ".join(
            f"{share.number} {f.money(share.amount)}" for share in it.invoices
        )
        facts: list[tuple[str, str | None, str]] = [
            ("payment", it.gateway_reference, "head"),
            ("our id", it.id, ""),
            ("captured", f.money(it.captured), ""),
            ("refunded", f.money(it.refunded), ""),
            ("reserved", f.money(it.reserved), ""),
            ("elsewhere", f.money(it.external), ""),
            ("refundable", f.money(it.refundable), "key"),
            ("known by", _KNOWLEDGE[it.knowledge], ""),
            ("captured at", _maybe(it.captured_at), ""),
            ("order", it.order_reference, ""),
            ("invoices", invoices or None, ""),
            ("frozen", it.frozen, "bad"),
        ]
        return [(a, f.plain(b), c) for a, b, c in facts if b]

    def _pair(self, label: str, words: str, tone: str, width: int) -> Text:
        room = max(width - LABEL - 2, 10)
        text = Text.assemble((f"{label:>{LABEL}}  ", self.tone("dim")))
        lines = [words[at : at + room] for at in range(0, len(words), room)]
        text.append(("\n" + " " * (LABEL + 2)).join(lines), self.tone(tone))
        return text

    def _beside(self, left: list[_Fact], right: list[_Fact], width: int) -> Text:
        half = width // 2 - 1
        text = Text()
        for at in range(max(len(left), len(right))):
            for side, gap in ((left, "  "), (right, "\n")):
                label, words, tone = side[at] if at < len(side) else ("", "", "")
                text.append(f"{label:>{LABEL}}  ", self.tone("dim"))
                room = half - LABEL - 2
                text.append(cell(words, room), self.tone(tone))
                text.append(gap)
        return text

    def _actions(self, detail: RefundDetailView, width: int) -> Text:
        text = Text.assemble(("\nWhat you can do\n", self.tone("head")))
        for view in sorted(detail.actions, key=lambda view: not view.allowed):
            key, name = KEYS[view.action], _NAMES.get(view.action, view.action)
            if view.allowed:
                text.append(f"  {key}  ", self.tone("key")).append(f"{name}\n")
                continue
            why = f.plain(view.reason or "not now")
            words = cell(f"  {key}  {name:<9} {why}", width).rstrip()
            text.append(words + "\n", self.tone("dim"))
        return text

    def _timeline(self, detail: RefundDetailView, width: int) -> Text:
        text = Text.assemble(("\nTimeline\n", self.tone("head")))
        indent = " " * 21
        for moment in moments(detail):
            text.append(f"{f.clock(moment.at)} ", self.tone("dim"))
            text.append(f"{moment.sort:>10}  ", self.tone(moment.tone))
            room = max(width - len(indent), 20)
            lines = textwrap.wrap(moment.words, room, break_on_hyphens=False) or [""]
            tone = "dim" if moment.tone == "dim" else ""
            text.append(f"\n{indent}".join(lines) + "\n", self.tone(tone))
        return text


_Fact = tuple[str, str, str]
_NAMES: Final = {"lookup": "look up", "edit": "edit", "resolve": "resolve"}
_KNOWLEDGE: Final = {
    "unread": "not read from the gateway yet",
    "read": "read from the gateway",
    "declared": "our own records only",
}


def _told_shortly(detail: RefundDetailView) -> list[_Fact]:
    """Tell a payment's balance in few lines, for small terminals."""
    it = detail.payment
    took = " ".join(
        f"{words} {f.money(amount, code=False)}"
        for words, amount in (
            ("captured", it.captured),
            ("refunded", it.refunded),
            ("reserved", it.reserved),
            ("elsewhere", it.external),
        )
        if amount.minor or words == "captured"
    )
    facts: list[tuple[str, str | None, str]] = [
        ("payment", f"{it.gateway_reference}  {it.id}", ""),
        ("refundable", f"{f.money(it.refundable)}  {_KNOWLEDGE[it.knowledge]}", "key"),
        ("balance", took, ""),
        ("frozen", it.frozen, "bad"),
    ]
    return [(a, f.plain(b), c) for a, b, c in facts if b]


def _maybe(moment: datetime | None) -> str | None:
    return None if moment is None else f.when(moment)


def _first_and_last(first: datetime | None, last: datetime | None) -> str | None:
    if first is None:
        return None
    again = f", last {f.when(last)}" if last is not None and last != first else ""
    return f.when(first) + again


def _due(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else f"{f.when(moment)} ({f.since(moment, now)})"
