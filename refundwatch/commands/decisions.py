"""Deciding about a refund: fetch it, show it, ask, sign, and send what was shown.

Invariant: the revision and the digest that are signed and sent are those of the refund
that was shown; where it changed meanwhile, the daemon refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api.amounts import amount_text
from refundwatch.api.drafts import asked_of
from refundwatch.api.models import DecidedView, RefundDetailView
from refundwatch.commands.confirm import ask, need_consent
from refundwatch.commands.output import emit, emit_json, say
from refundwatch.commands.refund_text import one_line
from refundwatch.commands.signing import drafted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import DecisionBody

    MakeBody = Callable[[RefundDetailView], DecisionBody]


async def decide(
    client: ApiClient, arguments: Namespace, action: str, make_body: MakeBody
) -> int:
    """Show the refund, ask, and send the decision; return the exit code."""
    need_consent(given=arguments.yes)
    detail = await client.call(
        "refunds.show", RefundDetailView, parts={"refund": arguments.refund}
    )
    _show(detail)
    body = make_body(detail)
    draft = await drafted(client, arguments, asked_of(action, detail.refund, body))
    ask(_question(detail, action), given=arguments.yes)
    if draft is not None:
        body = (await draft.sign()).put_into(body)
    decided = await client.call(
        f"refunds.{action}",
        DecidedView,
        parts={"refund": detail.refund.id},
        body=body,
    )
    if arguments.json:
        emit_json(decided)
    else:
        emit(one_line(decided.refund))
    if decided.waiting_for:
        people = "person" if decided.waiting_for == 1 else "people"
        say(f"{decided.waiting_for} more {people} must agree.")
    return 0


def shown(detail: RefundDetailView, arguments: Namespace) -> dict[str, object]:
    """Give what every decision sends: what was displayed, and why."""
    return {
        "revision": detail.refund.revision,
        "request_sha256": detail.refund.request_sha256,
        "reason_code": arguments.reason_code,
        "reason_text": arguments.reason,
    }


def _show(detail: RefundDetailView) -> None:
    it = detail.refund
    say(one_line(it))
    say(
        f"  payment {it.payment_reference} at {it.account} ({it.gateway}), refundable "
        f"beside it {amount_text(detail.payment.refundable)}"
    )
    reason = f"{it.reason_code}: {detail.reason_text}" if detail.reason_text else None
    say(f"  requested by {it.created_by}, {reason or it.reason_code}")
    if it.required_approvals:
        say(f"  approvals {it.approvals} of {it.required_approvals}")


def _question(detail: RefundDetailView, action: str) -> str:
    it = detail.refund
    what = f"{it.id}, {amount_text(it.amount)}, revision {it.revision}"
    return f"{action.capitalize()} refund {what}?"
