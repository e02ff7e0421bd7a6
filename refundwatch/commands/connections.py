"""`refundwatch connections`: list, show, outages.

Invariant: it only reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.models import ConnectionsView, ConnectionView, OutagesView
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import (
    Column,
    emit,
    emit_json,
    emit_table,
    when,
    when_exactly,
)
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.windows import duration, window_seconds

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import OutageView

COLUMNS: Final = (
    Column("CONNECTION", shrinks=True),
    Column("HEALTH"),
    Column("QUEUED", right=True),
    Column("SENDING", right=True),
    Column("UNKNOWN", right=True),
    Column("LAST OK"),
)
OUTAGE_COLUMNS: Final = (
    Column("CONNECTION", shrinks=True),
    Column("FROM"),
    Column("TO"),
    Column("LASTED", right=True),
    Column("CAUSE", shrinks=True),
)


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("connections", "Paths to the gateways: list, show, outages.")
    noun.verb("list", list_all, "List connections with their health")
    shows = noun.verb("show", show, "Show a connection")
    shows.add_argument("connection", metavar="ACCOUNT/CONNECTION")
    outages = noun.verb("outages", list_outages, "List outages, newest first")
    outages.add_argument(
        "--window", type=window_seconds, default="24h", metavar="WINDOW", help="24h, 7d"
    )
    return noun.run(argv)


async def list_all(client: ApiClient, arguments: Namespace) -> int:
    """List every connection."""
    view = await client.call("connections.list", ConnectionsView)
    if arguments.json:
        emit_json(view)
        return 0
    rows = [
        (
            it.id,
            "paused" if it.paused else it.health,
            str(it.queued),
            str(it.sending),
            str(it.unknown),
            when(it.last_ok_at),
        )
        for it in view.items
    ]
    emit_table(COLUMNS, rows, "There is no connection.")
    return 0


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one connection."""
    account, slash, connection = arguments.connection.partition("/")
    if not slash:
        raise UsageProblem(
            f"{arguments.connection!a} is not ACCOUNT/CONNECTION, such as "
            "stripe-uk/main."
        )
    view = await client.call(
        "connections.show",
        ConnectionView,
        parts={"account": account, "connection": connection},
    )
    if arguments.json:
        emit_json(view)
        return 0
    for name, text in (
        ("connection", view.id),
        ("gateway", view.gateway),
        ("endpoint", view.endpoint),
        ("health", view.health),
        ("paused", view.paused or "no"),
        ("down since", when_exactly(view.down_since)),
        ("failures", f"{view.consecutive_failures} in a row"),
        ("last ok", when_exactly(view.last_ok_at)),
        ("last failure", when_exactly(view.last_failure_at)),
        ("  because", view.last_failure or "-"),
        ("queued", str(view.queued)),
        ("sending", str(view.sending)),
        ("unknown", str(view.unknown)),
    ):
        emit(f"{name:<14} {text}")
    return 0


async def list_outages(client: ApiClient, arguments: Namespace) -> int:
    """List the outages of a window."""
    view = await client.call(
        "outages.list", OutagesView, query={"window": arguments.window}
    )
    if arguments.json:
        emit_json(view)
        return 0
    rows = [_outage_row(it) for it in view.items]
    emit_table(OUTAGE_COLUMNS, rows, "No outage.")
    return 0


def _outage_row(it: OutageView) -> tuple[str, ...]:
    lasted = None
    if it.ended_at is not None:
        lasted = (it.ended_at - it.started_at).total_seconds()
    return (
        it.connection,
        when(it.started_at),
        "goes on" if it.ended_at is None else when(it.ended_at),
        duration(lasted),
        it.cause,
    )
