"""The first step of decisions that need more than a yes: reason, amount, evidence.

Invariant: a form gives back a whole proposal that the API's own models accept, or
says at the field what is missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

from refundwatch.api.words import ResolutionName
from tui import format as f
from tui.proposal import RESOLUTIONS, TITLES, Proposal
from tui.screens.fields import CODE, CODE_WORDS, Fields, FieldsDialog, Wrong

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


class FormScreen(FieldsDialog[Proposal]):
    """Asks for what a decision needs; gives a fuller proposal back, or None."""

    def __init__(self, proposal: Proposal) -> None:
        """Begin with what is decided about."""
        it = proposal
        about = f"{f.plain(it.refund.id)}  {f.money(it.refund.amount)}"
        super().__init__(TITLES[it.action], about, _fields(it))
        self._proposal = proposal

    def filled(self) -> Proposal | Wrong:
        """Give the fuller proposal, or the field that is wrong and why."""
        made = self._particular()
        if isinstance(made, Wrong):
            return made
        code, text = self.value("reason"), self.value("text")
        if not CODE.fullmatch(code):
            return Wrong("reason", CODE_WORDS)
        if not text and made.action in TEXT_NEEDED:
            return Wrong("text", "Say why in your own words.")
        return replace(made, reason_code=code, reason_text=text or None)

    def _particular(self) -> Proposal | Wrong:
        it = self._proposal
        match it.action:
            case "edit":
                return self._edited(it)
            case "resolve":
                return self._resolved(it)
            case _:
                return it

    def _edited(self, it: Proposal) -> Proposal | Wrong:
        minor = parse = f.parse_amount(self.value("amount"), it.refund.amount.exponent)
        if isinstance(parse, str):
            return Wrong("amount", parse)
        if minor == it.refund.amount.minor:
            return Wrong("amount", "That is the amount it has already.")
        return replace(it, amount_minor=parse)

    def _resolved(self, it: Proposal) -> Proposal | Wrong:
        evidence = self.value("evidence")
        for name in RESOLUTIONS:
            if name == self.value("resolution"):
                if not evidence:
                    why = "Say what shows it: a record, a statement line."
                    return Wrong("evidence", why)
                return replace(it, resolution=name, evidence={EVIDENCE_CODE: evidence})
        return Wrong("resolution", f"Write one of {', '.join(RESOLUTIONS)}.")


def _fields(it: Proposal) -> Fields:
    """List the fields that a decision needs: name, words, what is offered."""
    fields: Fields = []
    if it.action == "edit":
        fields.append(("amount", f"new amount in {it.refund.amount.currency}", ()))
    if it.action == "resolve":
        known = ", ".join(get_args(ResolutionName))
        fields.append(("resolution", f"what became of it: {known}", ()))
        fields.append(("evidence", "evidence: what shows it", ()))
    reasons = REASONS[it.action]
    fields.append(("reason", f"reason code: {', '.join(reasons)}", reasons))
    needed = "needed" if it.action in TEXT_NEEDED else "may stay empty"
    fields.append(("text", f"in your words ({needed})", ()))
    return fields
