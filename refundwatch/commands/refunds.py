"""`refundwatch refunds`: request, list, show, watch, and decide.

Invariant: as `refundwatch.commands` says; nothing that moves money is sent before
somebody said yes to exactly that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, get_args

from refundwatch.api.amounts import amount_text, parse_amount, parse_amount_like
from refundwatch.api.models import (
    CreatedRefundView,
    DecisionBody,
    EditBody,
    RefundBody,
    RefundDetailView,
    RefundPage,
    RefundView,
    ResolutionName,
    ResolveBody,
)
from refundwatch.commands.bodies import checked
from refundwatch.commands.columns import add_column_flags
from refundwatch.commands.command_line import Noun
from refundwatch.commands.confirm import ask, need_consent
from refundwatch.commands.decisions import add_decision_flags, decide, shown
from refundwatch.commands.import_command import add_import_flags, run_import
from refundwatch.commands.output import emit, emit_json, emit_table, json_text, say
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.refund_import import (
    DEFAULT_REASON,
    REFUND_FIELDS,
    refund_plan,
)
from refundwatch.commands.refund_text import (
    LIST_COLUMNS,
    emit_detail,
    list_row,
    one_line,
)
from refundwatch.commands.watch import add_watch_flags, watch

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.commands.command_line import Work

PAGE_ROWS: Final = 500
PLAIN_DECISIONS: Final = {
    "cancel": "Withdraw a refund before it is sent",
    "hold": "Stop a refund before it is sent",
    "release": "Lift a hold",
}


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("refunds", "Refunds: request, list, show, watch, decide.")
    _import_flags(
        noun.verb("import", import_file, "Request the refunds of a file", asks=True)
    )
    _create_flags(noun.verb("create", create, "Request one refund", asks=True))
    _list_flags(noun.verb("list", list_some, "List refunds, newest first"))
    shows = noun.verb("show", show, "Show a refund with its whole timeline")
    shows.add_argument("refund", metavar="REFUND", help="its id: rf_…")
    add_watch_flags(noun.verb("watch", watch, "Tell what happens, as it happens"))
    _edit_flags(noun.verb("edit", edit, "Ask for another amount", asks=True))
    for name, summary in PLAIN_DECISIONS.items():
        add_decision_flags(noun.verb(name, _deciding(name), summary, asks=True))
    looks = noun.verb("lookup", look_up, "Ask the gateway now what became of it")
    looks.add_argument("refund", metavar="REFUND", help="its id: rf_…")
    _resolve_flags(
        noun.verb("resolve", resolve, "Say what became of it; two people", asks=True)
    )
    return noun.run(argv)


# --- requesting -------------------------------------------------------------------


async def import_file(client: ApiClient, arguments: Namespace) -> int:
    """Request the refunds of a file, all or nothing."""
    if not arguments.dry_run:
        need_consent(given=arguments.yes)
    return await run_import(client, refund_plan(arguments), arguments, asks=True)


async def create(client: ApiClient, arguments: Namespace) -> int:
    """Request one refund; the same request again is the same refund."""
    currency = arguments.currency
    expected = arguments.expected_remaining
    body = checked(
        RefundBody,
        request_id=arguments.request_id,
        payment=arguments.payment,
        account=arguments.account,
        amount_minor=parse_amount(arguments.amount, currency),
        currency=currency,
        reason_code=arguments.reason_code,
        reason_text=arguments.reason,
        expected_remaining_minor=None
        if expected is None
        else parse_amount(expected, currency, "expected_remaining"),
        invoice=arguments.invoice,
    )
    where = f" at {body.account}" if body.account else ""
    ask(
        f"Request a refund of {currency} {arguments.amount} of payment "
        f"{body.payment}{where}, as request {body.request_id}?",
        given=arguments.yes,
    )
    made = await client.call("refunds.create", CreatedRefundView, body=body)
    if arguments.json:
        emit_json(made)
    else:
        emit(one_line(made.refund))
    if not made.created:
        say("This request stood already; nothing new was made.")
    return 0


# --- reading ----------------------------------------------------------------------


async def list_some(client: ApiClient, arguments: Namespace) -> int:
    """List a page of refunds, or all."""
    if arguments.all and arguments.json:
        return await _list_all_json(client, arguments)
    cursor, views = arguments.cursor, []
    while True:
        page = await _page(client, arguments, cursor)
        views += page.items
        cursor = page.next_cursor
        if cursor is None or not arguments.all:
            break
    if arguments.json:
        emit_json(page)
        return 0
    emit_table(LIST_COLUMNS, [list_row(view) for view in views], "No refund fits.")
    if cursor is not None:
        say(f"There are more: --all, or --cursor {cursor}")
    return 0


async def _list_all_json(client: ApiClient, arguments: Namespace) -> int:
    """Print every page as one object, as the pages come."""
    cursor, separator = arguments.cursor, ""
    sys.stdout.write('{"items": [')
    while True:
        page = await _page(client, arguments, cursor)
        for view in page.items:
            sys.stdout.write(separator + json_text(view.model_dump(mode="json")))
            separator = ",\n"
        cursor = page.next_cursor
        if cursor is None:
            break
    sys.stdout.write('], "next_cursor": null, "total": null}\n')
    return 0


async def _page(
    client: ApiClient, arguments: Namespace, cursor: str | None
) -> RefundPage:
    return await client.call(
        "refunds.list",
        RefundPage,
        query={
            "filter": arguments.filter,
            "limit": PAGE_ROWS if arguments.all else arguments.limit,
            "cursor": cursor,
            "oldest_first": arguments.oldest_first or None,
        },
    )


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one refund, whole."""
    view = await client.call(
        "refunds.show", RefundDetailView, parts={"refund": arguments.refund}
    )
    if arguments.json:
        emit_json(view)
    else:
        emit_detail(view)
    return 0


# --- deciding ---------------------------------------------------------------------


async def edit(client: ApiClient, arguments: Namespace) -> int:
    """Ask for another amount; every approval is void."""

    def body(detail: RefundDetailView) -> EditBody:
        amount = detail.refund.amount
        minor = parse_amount_like(arguments.amount, amount)
        asked = checked(
            EditBody,
            **shown(detail, arguments),
            amount_minor=minor,
            refund_reason_code=arguments.refund_reason_code,
        )
        wanted = amount.model_copy(update={"minor": minor})
        say(f"  from {amount_text(amount)} to {amount_text(wanted)}")
        return asked

    return await decide(client, arguments, "edit", body)


async def resolve(client: ApiClient, arguments: Namespace) -> int:
    """Say what truly became of a refund; a second person must say the same."""
    evidence = _evidence(arguments.evidence)

    def body(detail: RefundDetailView) -> ResolveBody:
        say(f"  what became of it: {arguments.outcome}")
        return checked(
            ResolveBody,
            **shown(detail, arguments),
            resolution=arguments.outcome,
            evidence=evidence,
        )

    return await decide(client, arguments, "resolve", body)


async def look_up(client: ApiClient, arguments: Namespace) -> int:
    """Have the daemon ask the gateway now."""
    view = await client.call(
        "refunds.lookup", RefundView, parts={"refund": arguments.refund}
    )
    if arguments.json:
        emit_json(view)
    else:
        emit(one_line(view))
    return 0


def _deciding(action: str) -> Work:
    async def work(client: ApiClient, arguments: Namespace) -> int:
        def body(detail: RefundDetailView) -> DecisionBody:
            return checked(DecisionBody, **shown(detail, arguments))

        return await decide(client, arguments, action, body)

    return work


def _evidence(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or not value:
            raise UsageProblem(f"--evidence {pair!a} is not KEY=VALUE.")
        if key in found:
            raise UsageProblem(f"--evidence names {key!a} twice.")
        found[key] = value
    return found


# --- flags ------------------------------------------------------------------------


def _import_flags(parser: ArgumentParser) -> None:
    add_import_flags(parser)
    parser.add_argument(
        "--account", metavar="NAME", help="whose references the payments are"
    )
    parser.add_argument("--currency", metavar="CODE", help="where no column names it")
    parser.add_argument(
        "--reason-code", metavar="CODE", help=f"of rows without; {DEFAULT_REASON}"
    )
    parser.add_argument(
        "--request-id-template",
        metavar="TEXT",
        help="from columns: '{credit_note_no}/{invoice_no}'",
    )
    add_column_flags(parser, REFUND_FIELDS)


def _create_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--request-id",
        required=True,
        metavar="TEXT",
        help="your own; the same id and content is the same refund",
    )
    parser.add_argument(
        "--payment",
        required=True,
        metavar="PAYMENT",
        help="our id, or with --account the gateway's reference",
    )
    parser.add_argument("--account", metavar="NAME")
    parser.add_argument("--amount", required=True, metavar="DECIMAL", help="12.50")
    parser.add_argument("--currency", required=True, metavar="CODE")
    parser.add_argument("--reason-code", required=True, metavar="CODE")
    parser.add_argument("--reason", metavar="TEXT", help="for people; kept sealed")
    parser.add_argument(
        "--expected-remaining",
        metavar="DECIMAL",
        help="refuse unless exactly this is refundable now",
    )
    parser.add_argument("--invoice", metavar="NUMBER")


def _list_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--filter",
        metavar="WORDS",
        help="'state:unknown gateway:adyen amount>100 age>2h text !text'",
    )
    parser.add_argument("--limit", type=int, default=50, metavar="ROWS")
    parser.add_argument("--all", action="store_true", help="every page")
    parser.add_argument("--cursor", metavar="TEXT", help="where the last page ended")
    parser.add_argument("--oldest-first", action="store_true")


def _edit_flags(parser: ArgumentParser) -> None:
    add_decision_flags(parser)
    parser.add_argument("--amount", required=True, metavar="DECIMAL", help="12.50")
    parser.add_argument(
        "--refund-reason-code", metavar="CODE", help="the refund's own, if it changes"
    )


def _resolve_flags(parser: ArgumentParser) -> None:
    add_decision_flags(parser)
    parser.add_argument("--outcome", required=True, choices=get_args(ResolutionName))
    parser.add_argument(
        "--evidence",
        action="append",
        required=True,
        metavar="KEY=VALUE",
        help="what shows it; again for more",
    )
