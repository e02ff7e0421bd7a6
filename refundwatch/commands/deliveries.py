"""`refundwatch deliveries`: list, show, replay.

Invariant: only `replay` changes something: an item's place in the inbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.models import DeliveryDetailView, DeliveryPage
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import (
    Column,
    emit,
    emit_json,
    emit_table,
    say,
    when,
    when_exactly,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient

STATES: Final = ("waiting", "applied", "ignored", "external")
COLUMNS: Final = (
    Column("DELIVERY", right=True),
    Column("ACCOUNT", shrinks=True),
    Column("TYPE", shrinks=True),
    Column("RECEIVED"),
    Column("STATE"),
    Column("REASON", shrinks=True),
    Column("REFUND", shrinks=True),
)


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("deliveries", "Webhooks that were stored: list, show, replay.")
    lists = noun.verb("list", list_all, "List webhook items, newest first")
    lists.add_argument("--account", metavar="NAME")
    lists.add_argument("--state", choices=STATES)
    lists.add_argument("--limit", type=int, default=50, metavar="ROWS")
    lists.add_argument("--cursor", metavar="CURSOR", help="where the last list ended")
    shows = noun.verb("show", show, "Show a webhook item")
    replays = noun.verb("replay", replay, "Put an item through the inbox once more")
    for verb in (shows, replays):
        verb.add_argument("delivery", metavar="DELIVERY", help="its number in the list")
    return noun.run(argv)


async def list_all(client: ApiClient, arguments: Namespace) -> int:
    """List one page."""
    view = await client.call(
        "deliveries.list",
        DeliveryPage,
        query={
            "account": arguments.account,
            "state": arguments.state,
            "limit": arguments.limit,
            "cursor": arguments.cursor,
        },
    )
    if arguments.json:
        emit_json(view)
        return 0
    rows = [
        (
            str(it.id),
            it.account,
            it.type,
            when(it.received_at),
            it.state,
            it.reason or "-",
            it.refund_id or "-",
        )
        for it in view.items
    ]
    emit_table(COLUMNS, rows, "No delivery here.")
    if view.next_cursor is not None:
        say(f"More: --cursor {view.next_cursor}")
    return 0


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one item."""
    view = await client.call(
        "deliveries.show", DeliveryDetailView, parts={"delivery": arguments.delivery}
    )
    if arguments.json:
        emit_json(view)
        return 0
    it = view.delivery
    for name, text in (
        ("delivery", str(it.id)),
        ("account", it.account),
        ("type", it.type),
        ("event", view.dedupe_id),
        ("received", when_exactly(it.received_at)),
        ("repeated", f"{it.repeats} times"),
        ("state", it.state),
        ("  because", it.reason or "-"),
        ("refund", it.refund_id or "-"),
        ("closed", when_exactly(it.closed_at)),
        ("replayed", when_exactly(it.replayed_at)),
        *((key.replace("_", " "), str(told)) for key, told in view.meaning.items()),
    ):
        emit(f"{name:<18} {text}")
    return 0


async def replay(client: ApiClient, arguments: Namespace) -> int:
    """Put one item through the inbox once more."""
    view = await client.call(
        "deliveries.replay", DeliveryDetailView, parts={"delivery": arguments.delivery}
    )
    if arguments.json:
        emit_json(view)
        return 0
    emit(f"{view.delivery.id} {view.delivery.type}: {view.delivery.state}")
    return 0
