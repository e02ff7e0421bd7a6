"""A decision as it stands before the operator, and as it is sent.

Invariant: `body` is made of nothing but what `lines` shows; the revision and content
digest are those of the refund that was displayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.api import models as m
from tui import format as f

DIGEST_SHOWN: Final = 16

TITLES: Final[dict[m.ActionName, str]] = {
    "approve": "Approve this refund",
    "refuse": "Refuse this refund",
    "edit": "Ask for another amount",
    "cancel": "Withdraw this refund",
    "hold": "Hold this refund",
    "release": "Release this refund",
    "resolve": "Say what became of this refund",
    "lookup": "Look this refund up now",
}
EFFECTS: Final[dict[m.ActionName, str]] = {
    "approve": "Your yes is stored under your name. With the last approval it is sent.",
    "refuse": "It will never be sent. This cannot be undone.",
    "edit": "Every approval is void; it needs them anew. You may not approve it then.",
    "cancel": "It will never be sent. This cannot be undone.",
    "hold": "It is not sent until somebody releases it.",
    "release": "It goes on from where it was held.",
    "resolve": "A second person must say the same. Then it is final.",
    "lookup": "The gateway is asked at once. Nothing is sent again by this.",
}
YES: Final[dict[m.ActionName, str]] = {
    "approve": "Yes, approve",
    "refuse": "Yes, refuse",
    "edit": "Yes, change it",
    "cancel": "Yes, withdraw",
    "hold": "Yes, hold",
    "release": "Yes, release",
    "resolve": "Yes, I say so",
    "lookup": "Yes, look it up",
}
"""Each button names its own act: "send" on a refusal would read as paying."""
RESOLUTIONS: Final[dict[ResolutionName, str]] = {
    "succeeded": "it was paid out",
    "declined": "it certainly never happened",
    "reversed": "it was paid out and came back",
    "resend": "it never happened; send it anew",
}

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.api.words import ResolutionName


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be sent, about exactly this version of a refund."""

    action: m.ActionName
    refund: m.RefundView
    requested_by: str
    approved_by: tuple[str, ...] = ()
    reason_code: str | None = None
    reason_text: str | None = None
    amount_minor: int | None = None
    resolution: ResolutionName | None = None
    evidence: Mapping[str, str] | None = None

    @property
    def amount(self) -> m.AmountView:
        """Give the amount that is decided about: the new one when it changes."""
        if self.amount_minor is None:
            return self.refund.amount
        return self.refund.amount.model_copy(update={"minor": self.amount_minor})

    def is_about(self, other: m.RefundView) -> bool:
        """Tell whether another version of the refund is the one displayed."""
        mine = self.refund
        return (mine.id, mine.revision, mine.request_sha256, mine.state) == (
            other.id,
            other.revision,
            other.request_sha256,
            other.state,
        )

    def body(self) -> m.DecisionBody | None:
        """Give what is sent; None for a look-up, which has no body.

        Raises:
            ValueError: a part is missing or has a form that the API refuses.
        """
        common = {
            "revision": self.refund.revision,
            "request_sha256": self.refund.request_sha256,
            "reason_text": self.reason_text,
        }
        match self.action:
            case "lookup":
                return None
            case "approve":
                return m.ApproveBody.model_validate(common)
            case "edit":
                more = {"reason_code": self.reason_code}
                return m.EditBody.model_validate(
                    {**common, **more, "amount_minor": self.amount_minor}
                )
            case "resolve":
                return m.ResolveBody.model_validate(
                    {
                        **common,
                        "reason_code": self.reason_code,
                        "resolution": self.resolution,
                        "evidence": dict(self.evidence or {}),
                    }
                )
            case "refuse" | "cancel" | "hold" | "release":
                return m.DecisionBody.model_validate(
                    {**common, "reason_code": self.reason_code}
                )

    @property
    def effect(self) -> str:
        """Say what follows from a yes."""
        if self.action == "cancel" and self.refund.state == "pending":
            return "The gateway is asked to cancel it. Only its word ends the refund."
        return EFFECTS[self.action]

    def lines(self) -> list[tuple[str, str]]:
        """Give every part that is sent, and whom it concerns, as label and text."""
        it = self.refund
        return [
            ("refund", f.plain(it.id)),
            *self._amount_lines(),
            ("payment", f"{f.plain(it.payment_reference)}  {f.plain(it.payment_id)}"),
            ("account", f"{f.plain(it.account)} at {f.plain(it.gateway)}"),
            ("revision", str(it.revision)),
            ("content", f"sha256 {f.plain(it.request_sha256[:DIGEST_SHOWN])}..."),
            ("reason asked", f.plain(it.reason_code)),
            ("requested by", f.plain(self.requested_by)),
            ("approved by", self._approvals()),
            *self._decision_lines(),
        ]

    def _amount_lines(self) -> list[tuple[str, str]]:
        if self.amount_minor is None:
            return [("amount", f.money(self.refund.amount))]
        return [
            ("amount now", f.money(self.refund.amount)),
            ("new amount", f.money(self.amount)),
        ]

    def _approvals(self) -> str:
        names = ", ".join(map(f.plain, self.approved_by)) or "nobody yet"
        needed = self.refund.required_approvals
        return f"{names} ({len(self.approved_by)} of {needed})"

    def _decision_lines(self) -> list[tuple[str, str]]:
        lines = []
        if self.resolution is not None:
            words = RESOLUTIONS[self.resolution]
            lines.append(("became", f"{self.resolution}: {words}"))
        if self.reason_code is not None:
            lines.append(("your reason", f.plain(self.reason_code)))
        if self.reason_text is not None:
            lines.append(("your words", f.plain(self.reason_text)))
        for code, text in (self.evidence or {}).items():
            lines.append(("evidence", f"{f.plain(code)}: {f.plain(text)}"))
        return lines


def of_detail(action: m.ActionName, detail: m.RefundDetailView) -> Proposal:
    """Start a proposal about the refund as it is displayed."""
    it = detail.refund
    approvers = tuple(
        decision.actor
        for decision in detail.decisions
        if decision.decision == "approve"
        and decision.valid
        and decision.revision == it.revision
    )
    return Proposal(action, it, it.created_by, approvers)


def why_not(detail: m.RefundDetailView, action: m.ActionName) -> str | None:
    """Give the daemon's sentence why this is not allowed now; None when it is."""
    for view in detail.actions:
        if view.action == action:
            return None if view.allowed else (view.reason or "It is not allowed now.")
    return "The daemon does not offer this."
