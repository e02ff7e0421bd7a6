"""`refundwatch approvals`: list, approve, refuse.

Invariant: as `refundwatch.commands.decisions` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.amounts import amount_text
from refundwatch.api.models import ApproveBody, DecisionBody, RefundPage
from refundwatch.commands.bodies import checked
from refundwatch.commands.command_line import Noun
from refundwatch.commands.decisions import decide, shown
from refundwatch.commands.flags import add_decision_flags
from refundwatch.commands.output import Column, emit_json, emit_table, say

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import RefundDetailView

COLUMNS: Final = (
    Column("REFUND"),
    Column("AMOUNT", right=True),
    Column("GIVEN", right=True),
    Column("REQUESTED BY", shrinks=True),
    Column("UNTIL"),
)


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("approvals", "Approvals: list, approve, refuse.")
    lists = noun.verb("list", list_waiting, "List refunds that need approval")
    lists.add_argument("--filter", metavar="WORDS", help="narrow: 'amount>100'")
    lists.add_argument("--limit", type=int, default=50, metavar="ROWS")
    lists.add_argument("--cursor", metavar="TEXT", help="where the last page ended")
    approves = noun.verb("approve", approve, "Say yes to a refund", asks=True)
    add_decision_flags(approves, "approved")
    add_decision_flags(
        noun.verb("refuse", refuse, "Say no to a refund, with a reason", asks=True)
    )
    return noun.run(argv)


async def list_waiting(client: ApiClient, arguments: Namespace) -> int:
    """List what waits for a yes or no, oldest first."""
    words = f"state:awaiting_approval {arguments.filter or ''}".strip()
    page = await client.call(
        "refunds.list",
        RefundPage,
        query={
            "filter": words,
            "limit": arguments.limit,
            "cursor": arguments.cursor,
            "oldest_first": True,
        },
    )
    if arguments.json:
        emit_json(page)
        return 0
    rows = [
        (
            it.id,
            amount_text(it.amount),
            f"{it.approvals}/{it.required_approvals}",
            it.created_by,
            "-"
            if it.approvals_expire_at is None
            else it.approvals_expire_at.astimezone().strftime("%m-%d %H:%M"),
        )
        for it in page.items
    ]
    emit_table(COLUMNS, rows, "Nothing waits for approval.")
    if page.next_cursor is not None:
        say(f"There are more: --cursor {page.next_cursor}")
    return 0


async def approve(client: ApiClient, arguments: Namespace) -> int:
    """Say yes to exactly what is shown."""

    def body(detail: RefundDetailView) -> ApproveBody:
        return checked(ApproveBody, **shown(detail, arguments))

    return await decide(client, arguments, "approve", body)


async def refuse(client: ApiClient, arguments: Namespace) -> int:
    """Say no, with a reason."""

    def body(detail: RefundDetailView) -> DecisionBody:
        return checked(DecisionBody, **shown(detail, arguments))

    return await decide(client, arguments, "refuse", body)
