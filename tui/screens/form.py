"""The first step of decisions that need more than a yes: reason, amount, evidence.

Invariant: a form gives back a whole proposal that the API's own models accept, or
says at the field what is missing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, get_args

from rich.text import Text
from textual.containers import Horizontal, Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Static

from refundwatch.api.words import ResolutionName
from tui import format as f
from tui.proposal import RESOLUTIONS, TITLES, Proposal
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

CODE: Final = re.compile(r"[a-z0-9_.-]{1,64}")
REASONS: Final[dict[str, tuple[str, ...]]] = {
    "refuse": ("not_entitled", "wrong_amount", "duplicate", "fraud_suspected", "other"),
    "cancel": ("requested_in_error", "duplicate", "customer_withdrew", "other"),
    "hold": ("needs_checking", "customer_contacted", "liquidity", "other"),
    "release": ("checked", "dispute_won", "other"),
    "edit": ("wrong_amount", "partial_return", "other"),
    "resolve": ("gateway_confirmed", "statement_checked", "gateway_support", "other"),
}
NEEDS: Final = frozenset(REASONS)
TEXT_NEEDED: Final = frozenset({"refuse"})
EVIDENCE_CODE: Final = "gateway_record"


class FormScreen(Dialog[Proposal | None]):
    """Asks for what a decision needs; gives a fuller proposal back, or None."""

    def __init__(self, proposal: Proposal) -> None:
        """Begin with what is decided about."""
        super().__init__()
        self._proposal = proposal

    def compose(self) -> ComposeResult:
        """Lay out one line for each thing that is needed."""
        it = self._proposal
        about = f"{f.plain(it.refund.id)}  {f.money(it.refund.amount)}"
        with Vertical(id="dialog"):
            yield Static(Text(TITLES[it.action]), id="dialog-title")
            yield Static(Text(about), id="dialog-about")
            if it.action == "edit":
                yield from _field(
                    "amount", f"new amount in {it.refund.amount.currency}"
                )
            if it.action == "resolve":
                known = ", ".join(get_args(ResolutionName))
                yield from _field("resolution", f"what became of it: {known}")
                yield from _field("evidence", "evidence: what shows it")
            reasons = REASONS[it.action]
            yield from _field("reason", f"reason code: {', '.join(reasons)}", reasons)
            needed = "needed" if it.action in TEXT_NEEDED else "may stay empty"
            yield from _field("text", f"in your words ({needed})")
            yield Static(id="dialog-warning")
            with Horizontal(id="dialog-buttons"):
                yield Button("No, go back", id="no", disabled=True, compact=True)
                yield Button("Go on", id="yes", disabled=True, compact=True)

    def ready(self) -> None:
        """Put the cursor in the first field."""
        for widget in self.query("Input, Button"):
            widget.disabled = False
        self.query(Input).first().focus()

    def on_input_submitted(self) -> None:
        """Go to the next field; after the last one, on."""
        fields = list(self.query(Input))
        at = fields.index(self.focused) if self.focused in fields else -1
        if at + 1 < len(fields):
            fields[at + 1].focus()
        else:
            self._go_on()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        event.stop()
        if event.button.id == "no":
            self.dismiss(None)
        elif self.armed:
            self._go_on()

    def _go_on(self) -> None:
        made = self.filled()
        if isinstance(made, Proposal):
            self.dismiss(made)
            return
        name, sentence = made
        self.query_one("#dialog-warning", Static).update(Text(sentence))
        self.query_one(f"#field-{name}", Input).focus()

    def filled(self) -> Proposal | tuple[str, str]:
        """Give the fuller proposal, or the field that is wrong and why."""
        made = self._particular()
        if not isinstance(made, Proposal):
            return made
        code, text = self._value("reason"), self._value("text")
        if not CODE.fullmatch(code):
            return "reason", "A reason code has a-z, 0-9, _ . - and is needed."
        if not text and made.action in TEXT_NEEDED:
            return "text", "Say why in your own words."
        return replace(made, reason_code=code, reason_text=text or None)

    def _particular(self) -> Proposal | tuple[str, str]:
        it = self._proposal
        match it.action:
            case "edit":
                return self._edited(it)
            case "resolve":
                return self._resolved(it)
            case _:
                return it

    def _edited(self, it: Proposal) -> Proposal | tuple[str, str]:
        minor = parse = f.parse_amount(self._value("amount"), it.refund.amount.exponent)
        if isinstance(parse, str):
            return "amount", parse
        if minor == it.refund.amount.minor:
            return "amount", "That is the amount it has already."
        return replace(it, amount_minor=parse)

    def _resolved(self, it: Proposal) -> Proposal | tuple[str, str]:
        evidence = self._value("evidence")
        for name in RESOLUTIONS:
            if name == self._value("resolution"):
                if not evidence:
                    return "evidence", "Say what shows it: a record, a statement line."
                return replace(it, resolution=name, evidence={EVIDENCE_CODE: evidence})
        return "resolution", f"Write one of {', '.join(RESOLUTIONS)}."

    def _value(self, name: str) -> str:
        return f.plain(self.query_one(f"#field-{name}", Input).value).strip()


def _field(name: str, words: str, offers: tuple[str, ...] = ()) -> ComposeResult:
    yield Static(Text(words), classes="field-label")
    suggester = SuggestFromList(offers) if offers else None
    yield Input(
        id=f"field-{name}",
        compact=True,
        disabled=True,
        suggester=suggester,
        max_length=2000,
    )
