"""The second step of every decision: exactly what is signed and sent, No before Yes.

Invariant: what is shown is the proposal that is signed and returned; it cannot be
confirmed after the refund became another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tui import format as f
from tui.proposal import TITLES, YES, Proposal
from tui.screens.sign import SignScreen

if TYPE_CHECKING:
    from refundwatch.api.drafts import Draft, SignedDecision
    from refundwatch.api.models import RefundView
    from tui.signing import Pen

LARGE_APPROVALS = 2


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A proposal that was confirmed, with its signature where one is asked for."""

    proposal: Proposal
    signed: SignedDecision | None


class ConfirmScreen(SignScreen[Confirmed]):
    """Shows a proposal, has it signed; gives both back, or None."""

    LOUD: ClassVar[frozenset[str]] = frozenset(
        {"refund", "amount", "new amount", "became"}
    )

    def __init__(self, proposal: Proposal, seen: RefundView | None, pen: Pen) -> None:
        """Show `proposal`; `seen` is what the list displayed, if it did."""
        super().__init__(pen)
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

    @property
    def has_statement(self) -> bool:
        """Tell whether this is something that people sign: a look-up is not."""
        return self._proposal.body() is not None

    def words(self) -> tuple[str, str, str]:
        """Give title, effect, and the words of Yes."""
        it = self._proposal
        return TITLES[it.action], it.effect, YES[it.action]

    def lines(self) -> list[tuple[str, str]]:
        """Give the proposal."""
        return self._proposal.lines()

    async def prepared(self) -> Draft | None:
        """Find who signs, and what."""
        return await self._pen.draft(self._proposal)

    def confirmed(self, signed: SignedDecision | None) -> Confirmed:
        """Give the proposal with its signature."""
        return Confirmed(self._proposal, signed)

    def obstacle(self) -> str | None:
        """Say why it cannot be confirmed now."""
        mine = self._proposal
        newer = self.hub.touched.get(mine.refund.id, mine.refund)
        if newer.seq > mine.refund.seq and not mine.is_about(newer):
            # Kept, because the state remembers only the latest changes.
            word = f.plain(newer.state_word)
            self._changed = f"It changed meanwhile: it is now {word}. Go back."
        return self._changed or super().obstacle()

    def remark(self) -> str | None:
        """Say that the list showed an older one."""
        if self._seen is None or self._proposal.is_about(self._seen):
            return None
        was = f"{f.money(self._seen.amount)}, revision {self._seen.revision}"
        return f"This is newer than the list showed ({was})."
