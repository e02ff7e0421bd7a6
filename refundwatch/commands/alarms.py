"""`refundwatch alarms`: list, ack.

Invariant: as `refundwatch.commands` says; an acknowledgement closes nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from refundwatch.api.models import AlarmsView, AlarmView
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import Column, emit, emit_json, emit_table, when

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient

COLUMNS: Final = (
    Column("ALARM", right=True),
    Column("SEVERITY"),
    Column("KIND", shrinks=True),
    Column("SUBJECT", shrinks=True),
    Column("OPENED"),
    Column("STATE"),
)


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("alarms", "Alarms: list, ack.")
    lists = noun.verb("list", list_all, "List alarms, newest first")
    lists.add_argument("--closed", action="store_true", help="closed ones too")
    acks = noun.verb("ack", acknowledge, "Note that you have seen an alarm")
    acks.add_argument("alarm", metavar="ALARM", help="its number, as the list shows it")
    return noun.run(argv)


async def list_all(client: ApiClient, arguments: Namespace) -> int:
    """List open alarms, or all."""
    view = await client.call(
        "alarms.list", AlarmsView, query={"closed": arguments.closed or None}
    )
    if arguments.json:
        emit_json(view)
        return 0
    rows = [
        (str(it.id), it.severity, it.kind, it.subject, when(it.opened_at), _state(it))
        for it in view.items
    ]
    emit_table(COLUMNS, rows, "No alarm.")
    return 0


async def acknowledge(client: ApiClient, arguments: Namespace) -> int:
    """Note that somebody has seen an alarm."""
    view = await client.call(
        "alarms.acknowledge", AlarmView, parts={"alarm": arguments.alarm}
    )
    if arguments.json:
        emit_json(view)
        return 0
    seen = f"seen by {view.acknowledged_by or '-'}"
    emit(
        f"{view.id} {view.kind} {view.subject}: "
        f"{seen if view.closed_at is None else f'closed, {seen}'}"
    )
    if view.detail:
        emit(json.dumps(view.detail, ensure_ascii=False, sort_keys=True))
    return 0


def _state(it: AlarmView) -> str:
    if it.closed_at is not None:
        return "closed"
    return "open" if it.acknowledged_at is None else "seen"
