"""What every import does around its passes: report, ask, sum up.

Invariant: bad rows are all counted and the first of them shown with line and column;
with any of them the exit code is 1 and nothing was stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel

from refundwatch.api.models import View
from refundwatch.commands.confirm import ask
from refundwatch.commands.importing import rehearse, store, survey
from refundwatch.commands.output import emit, emit_json, say
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.commands.csv_rows import Fault
    from refundwatch.commands.importing import Plan, Survey, Tally

B = TypeVar("B", bound=BaseModel)

SHOWN_FAULTS: Final = 20


class LineProblemView(View):
    """Why one row was refused; `line` counts from 1, the header included."""

    line: int
    column: str | None
    code: str
    message: str


class ImportView(View):
    """What an import did; with any problem nothing was stored."""

    rows: int
    created: int
    unchanged: int
    dry_run: bool
    problems: list[LineProblemView]


async def run_import(
    client: ApiClient, plan: Plan[B], arguments: Namespace, *, asks: bool = False
) -> int:
    """Import a file by its plan; return the exit code."""
    seen = survey(plan)
    if seen.faults:
        return _refuse(plan, arguments, seen, seen.faults)
    try:
        tally = await rehearse(client, plan, seen)
    except RefundwatchError:
        say("Nothing was stored.")
        raise
    if tally.faults:
        return _refuse(plan, arguments, seen, tally.faults)
    if tally.created and not arguments.dry_run:
        if asks:
            ask(_question(plan, seen, tally), given=arguments.yes)
        tally = await store(client, plan, seen)
    _sum_up(plan, arguments, seen, tally)
    return 0


def _question(plan: Plan[B], seen: Survey, tally: Tally) -> str:
    return (
        f"{plan.file.path}: {seen.rows} {plan.noun}, {seen.totals} in all, of which "
        f"{tally.created} are new. Request them?"
    )


def _sum_up(plan: Plan[B], arguments: Namespace, seen: Survey, tally: Tally) -> None:
    if arguments.json:
        _emit(arguments, seen, tally.created, tally.unchanged, [])
        return
    words = " (checked only, nothing stored)" if arguments.dry_run else ""
    emit(f"{plan.noun}: {tally.created} new, {tally.unchanged} unchanged{words}")


def _refuse(
    plan: Plan[B], arguments: Namespace, seen: Survey, faults: list[Fault]
) -> int:
    for fault in faults[:SHOWN_FAULTS]:
        say(f"{plan.file.path}, {fault}")
    more = len(faults) - SHOWN_FAULTS
    if more > 0:
        say(f"... and {more} more (--json lists all)")
    say(f"Nothing was stored: {len(faults)} of the rows cannot be taken.")
    if arguments.json:
        _emit(arguments, seen, 0, 0, faults)
    return 1


def _emit(
    arguments: Namespace,
    seen: Survey,
    created: int,
    unchanged: int,
    faults: list[Fault],
) -> None:
    problems = [
        LineProblemView(
            line=it.line, column=it.column, code=it.code, message=it.message
        )
        for it in faults
    ]
    emit_json(
        ImportView(
            rows=seen.rows,
            created=created,
            unchanged=unchanged,
            dry_run=arguments.dry_run,
            problems=problems,
        )
    )
