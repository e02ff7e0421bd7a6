"""The second step of every decision: exactly what is sent, and No before Yes.

Invariant: what is shown is the proposal that is returned; it cannot be confirmed while
the line is stale or after the refund became another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Static

from tui import format as f
from tui.proposal import TITLES, YES, Proposal
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from refundwatch.api.models import RefundView
    from tui.state import HubState

LABEL = 14
LARGE_APPROVALS = 2


class ConfirmScreen(Dialog[Proposal | None]):
    """Shows a proposal; gives it back, or None."""

    def __init__(self, proposal: Proposal, seen: RefundView | None) -> None:
        """Show `proposal`; `seen` is what the list displayed, if it did."""
        super().__init__()
        self._proposal = proposal
        self._seen = seen
        self._changed: str | None = None

    @property
    def typed_amount(self) -> str | None:
        """Give what must be typed before Yes: for large or live money."""
        live = self.hub.status is None or self.hub.status.mode == "live"
        large = self._proposal.refund.required_approvals >= LARGE_APPROVALS
        if self._proposal.action not in ("approve", "release", "resolve", "edit"):
            return None
        amount = self._proposal.amount
        return f.digits(amount.minor, amount.exponent) if live or large else None

    def compose(self) -> ComposeResult:
        """Lay out the facts, No and Yes."""
        it = self._proposal
        with Vertical(id="dialog"):
            yield Static(Text(TITLES[it.action] + "?"), id="dialog-title")
            with VerticalScroll(id="dialog-facts", can_focus=False):
                yield Static(self._facts())
            yield Static(Text(it.effect), id="dialog-effect")
            yield Static(id="dialog-warning")
            yield Input(id="dialog-amount", compact=True, disabled=True)
            with Horizontal(id="dialog-buttons"):
                yield Button("No, go back", id="no", disabled=True, compact=True)
                yield Button(YES[it.action], id="yes", disabled=True, compact=True)

    def on_mount(self) -> None:
        """Show whether an amount must be typed."""
        self.call_after_refresh(self._judge)

    def ready(self) -> None:
        """Put the focus on No."""
        field = self.query_one("#dialog-amount", Input)
        field.disabled = self.typed_amount is None
        no = self.query_one("#no", Button)
        no.disabled = False
        no.focus()
        self._judge()

    def watch_hub(self, hub: HubState) -> None:
        """Judge anew whenever something changed."""
        del hub
        if self.is_mounted:
            self._judge()

    def obstacle(self) -> str | None:
        """Say why it cannot be confirmed now."""
        mine = self._proposal
        newer = self.hub.touched.get(mine.refund.id, mine.refund)
        if newer.seq > mine.refund.seq and not mine.is_about(newer):
            # Kept, because the state remembers only the latest changes.
            word = f.plain(newer.state_word)
            self._changed = f"It changed meanwhile: it is now {word}. Go back."
        return self._changed or self.hub.why_not()

    def _judge(self) -> None:
        fields = self.query("#dialog-amount")
        if not fields:
            return
        field = fields.first(Input)
        wanted = self.typed_amount
        field.display = wanted is not None
        field.placeholder = f"type {wanted} to allow Yes" if wanted else ""
        obstacle = self.obstacle()
        warning = self.query_one("#dialog-warning", Static)
        warning.update(Text(obstacle or self._difference() or ""))
        warning.display = bool(obstacle or self._difference())
        typed = field.value.strip().replace(" ", "")
        ready = wanted is None or typed == wanted
        self.query_one("#yes", Button).disabled = not (
            self.armed and obstacle is None and ready
        )

    def _difference(self) -> str | None:
        if self._seen is None or self._proposal.is_about(self._seen):
            return None
        was = f"{f.money(self._seen.amount)}, revision {self._seen.revision}"
        return f"This is newer than the list showed ({was})."

    def _facts(self) -> Text:
        text = Text()
        for label, words in self._proposal.lines():
            text.append(f"{label:>{LABEL}}  ", "dim")
            loud = label in ("refund", "amount", "new amount", "became")
            text.append(words + "\n", "bold" if loud else "")
        text.rstrip()
        return text

    def on_input_changed(self) -> None:
        """Judge what was typed."""
        self._judge()

    def on_input_submitted(self) -> None:
        """Go on to the buttons: enter in the field never sends."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        event.stop()
        if not self.armed:
            return
        if event.button.id == "yes" and self.obstacle() is None:
            self.dismiss(self._proposal)
        elif event.button.id == "no":
            self.dismiss(None)

    def on_key(self, event: object) -> None:
        """Move between the buttons with the arrows and h, l, y is no answer."""
        key = getattr(event, "key", "")
        if self.armed and key in ("left", "h"):
            self.query_one("#no", Button).focus()
        elif self.armed and key in ("right", "l"):
            yes = self.query_one("#yes", Button)
            if not yes.disabled:
                yes.focus()
