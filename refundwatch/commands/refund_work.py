"""What each verb of `refundwatch refunds` does.

Invariant: nothing that moves money is sent before somebody said yes to exactly that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from refundwatch.api.amounts import amount_text, parse_amount, parse_amount_like
from refundwatch.api.models import (
    CreatedRefundView,
    DecisionBody,
    EditBody,
    RefundBody,
    RefundDetailView,
    RefundPage,
    RefundView,
    ResolveBody,
)
from refundwatch.commands.bodies import checked
from refundwatch.commands.confirm import ask, need_consent
from refundwatch.commands.decisions import decide, shown
from refundwatch.commands.import_command import run_import
from refundwatch.commands.output import (
    emit,
    emit_json,
    emit_table,
    json_text,
    say,
    when,
)
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.refund_import import refund_plan
from refundwatch.commands.refund_text import (
    LIST_COLUMNS,
    emit_detail,
    list_row,
    one_line,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient

PAGE_ROWS: Final = 500

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
    """Read a page; where the daemon looked through a part only, go on until it is full.

    What is rarer than any index knows is found part by part.
    """
    limit = PAGE_ROWS if arguments.all else arguments.limit
    page = await _part(client, arguments, cursor, limit)
    told = False
    while page.searched_to is not None and len(page.items) < limit:
        if not told:
            say(f"Searched to {when(page.searched_to)}, going on; Ctrl-C stops.")
            told = True
        rest = limit - len(page.items)
        following = await _part(client, arguments, page.next_cursor, rest)
        items = [*page.items, *following.items]
        page = following.model_copy(update={"items": items})
    return page


async def _part(
    client: ApiClient, arguments: Namespace, cursor: str | None, limit: int
) -> RefundPage:
    return await client.call(
        "refunds.list",
        RefundPage,
        query={
            "filter": arguments.filter,
            "limit": limit,
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


async def cancel(client: ApiClient, arguments: Namespace) -> int:
    """Withdraw a refund before it is sent."""
    return await _decide(client, arguments, "cancel")


async def hold(client: ApiClient, arguments: Namespace) -> int:
    """Stop a refund before it is sent."""
    return await _decide(client, arguments, "hold")


async def release(client: ApiClient, arguments: Namespace) -> int:
    """Lift a hold."""
    return await _decide(client, arguments, "release")


async def _decide(client: ApiClient, arguments: Namespace, action: str) -> int:
    def body(detail: RefundDetailView) -> DecisionBody:
        return checked(DecisionBody, **shown(detail, arguments))

    return await decide(client, arguments, action, body)


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
