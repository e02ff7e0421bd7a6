"""`refundwatch connections`: list, show, outages, trip, close.

Invariant: only `trip` and `close` change something: whether orders or reads leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.models import ConnectionsView, ConnectionView, OutagesView
from refundwatch.api.models_orders import CircuitBody
from refundwatch.api.ordering import circuit_order, send_circuit
from refundwatch.commands.command_line import Noun
from refundwatch.commands.confirm import ask
from refundwatch.commands.flags import add_reason_flags, add_sign_flags
from refundwatch.commands.output import (
    Column,
    emit,
    emit_json,
    emit_table,
    when,
    when_exactly,
)
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.signing import drafted
from refundwatch.commands.windows import duration, window_seconds, window_text

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import CircuitView, OutageView, UptimeView

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
    Column("SAMPLE", shrinks=True),
)


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun(
        "connections", "Paths to the gateways: list, show, trip, close, outages."
    )
    noun.verb("list", list_all, "List connections with their health")
    shows = noun.verb("show", show, "Show a connection")
    shows.add_argument("connection", metavar="ACCOUNT/CONNECTION")
    outages = noun.verb("outages", list_outages, "List outages, newest first")
    outages.add_argument(
        "--window", type=window_seconds, default="24h", metavar="WINDOW", help="24h, 7d"
    )
    trips = noun.verb("trip", trip, "Let nothing leave over a connection", asks=True)
    trips.add_argument(
        "--for",
        dest="lasts",
        type=window_seconds,
        metavar="WINDOW",
        help="30m, 2h; without it until somebody closes it",
    )
    closes = noun.verb(
        "close", close, "Let orders leave over a connection again", asks=True
    )
    for verb in (trips, closes):
        verb.add_argument("connection", metavar="ACCOUNT/CONNECTION")
        verb.add_argument(
            "--part", choices=("orders", "reads"), default="orders", help="orders"
        )
        add_reason_flags(verb)
        add_sign_flags(verb)
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
            _standing(it),
            str(it.queued),
            str(it.sending),
            str(it.unknown),
            when(it.last_ok_at),
        )
        for it in view.items
    ]
    emit_table(COLUMNS, rows, "There is no connection.")
    return 0


def _standing(it: ConnectionView) -> str:
    """Say in a word how a connection stands: what keeps orders from it comes first."""
    if it.paused:
        return "paused"
    stopped = any(circuit.part == "orders" for circuit in it.circuits)
    return "stopped" if stopped else it.health


def _parts(arguments: Namespace) -> dict[str, str]:
    account, slash, connection = arguments.connection.partition("/")
    if not slash:
        raise UsageProblem(
            f"{arguments.connection!a} is not ACCOUNT/CONNECTION, such as "
            "stripe-uk/main."
        )
    return {"account": account, "connection": connection}


async def trip(client: ApiClient, arguments: Namespace) -> int:
    """Open a circuit by hand."""
    return await _set(client, arguments, "open", arguments.lasts)


async def close(client: ApiClient, arguments: Namespace) -> int:
    """Close a circuit by hand."""
    return await _set(client, arguments, "closed", None)


async def _set(
    client: ApiClient, arguments: Namespace, standing: str, seconds: int | None
) -> int:
    body = CircuitBody.model_validate(
        {
            "part": arguments.part,
            "standing": standing,
            "seconds": seconds,
            "reason_code": arguments.reason_code,
            "reason_text": arguments.reason,
        }
    )
    _parts(arguments)  # A name of another form is told before anybody signs.
    asked = circuit_order(arguments.connection, body)
    draft = await drafted(client, arguments, asked)
    signed = None
    if draft is not None:
        ask(f"Sign: {asked.act} {asked.subject}?", given=arguments.yes)
        signed = await draft.sign()
    view = await send_circuit(client, asked, signed)
    if arguments.json:
        emit_json(view)
        return 0
    emit(f"{view.id}: {arguments.part} {'stopped' if standing == 'open' else 'go on'}")
    return 0


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one connection."""
    view = await client.call(
        "connections.show", ConnectionView, parts=_parts(arguments)
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
    for span in view.uptimes:
        emit(f"{f'uptime {window_text(span.window_seconds)}':<14} {_uptime(span)}")
    for it in view.circuits:
        emit(f"{it.part:<14} {_circuit(it)}")
    return 0


def _uptime(it: UptimeView) -> str:
    if it.uptime is None:
        return "-"
    observed, down = duration(it.observed_seconds), duration(it.down_seconds)
    return f"{it.uptime:.2%} of {observed} observed, {down} down"


def _circuit(it: CircuitView) -> str:
    by = it.actor or "itself"
    until = "somebody closes it" if it.until is None else when_exactly(it.until)
    standing, since = it.standing.replace("_", " "), when_exactly(it.opened_at)
    return f"{standing} by {by} since {since} until {until}: {it.reason}"


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
        it.sample or "-",
    )
