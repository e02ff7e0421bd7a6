"""`refundwatch accounts`: list, show.

Invariant: it only reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.models import AccountsView, AccountView
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import (
    Column,
    emit,
    emit_json,
    emit_table,
    when,
    when_exactly,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import RhythmView

COLUMNS: Final = (
    Column("ACCOUNT"),
    Column("GATEWAY"),
    Column("CONNECTIONS", shrinks=True),
    Column("LAST WEBHOOK"),
    Column("UNMATCHED", right=True),
)


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("accounts", "Merchant accounts: list, show.")
    noun.verb("list", list_all, "List accounts")
    shows = noun.verb("show", show, "Show an account")
    shows.add_argument("account", metavar="NAME")
    return noun.run(argv)


async def list_all(client: ApiClient, arguments: Namespace) -> int:
    """List every account."""
    view = await client.call("accounts.list", AccountsView)
    if arguments.json:
        emit_json(view)
        return 0
    rows = [
        (
            it.name,
            it.gateway,
            ",".join(it.connections),
            when(it.last_delivery_at),
            str(it.unmatched),
        )
        for it in view.items
    ]
    emit_table(COLUMNS, rows, "There is no account.")
    return 0


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one account."""
    view = await client.call(
        "accounts.show", AccountView, parts={"account": arguments.account}
    )
    if arguments.json:
        emit_json(view)
        return 0
    for name, text in (
        ("account", view.name),
        ("gateway", view.gateway),
        ("time zone", view.timezone),
        ("connections", ", ".join(view.connections)),
        ("last webhook", when_exactly(view.last_delivery_at)),
        ("unmatched", str(view.unmatched)),
        *_rhythm(view.rhythm),
    ):
        emit(f"{name:<14} {text}")
    return 0


def _rhythm(rhythm: RhythmView | None) -> tuple[tuple[str, str], ...]:
    if rhythm is None:
        return (("webhooks", "not listened to yet"),)
    how = "learned" if rhythm.learned else "nothing learned yet"
    gap = _span(rhythm.expected_gap_seconds)
    alarm = _span(rhythm.alarm_after_seconds)
    silence = "nothing waits for a word"
    if rhythm.silent_since is not None:
        long = ", longer than usual" if rhythm.too_long else ""
        since = when_exactly(rhythm.silent_since)
        silence = f"{since}, {_span(rhythm.silent_seconds)} so far{long}"
    return (
        ("expected gap", f"{gap} ({how}), alarm after {alarm}"),
        ("silent since", silence),
    )


def _span(seconds: int) -> str:
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds} s"
