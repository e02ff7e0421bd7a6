"""`refundwatch backfill`: read at the gateway what webhooks should have told.

Invariant: what could not be read is said, never passed over; it can be run again at
any time.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from refundwatch.api.models import BackfillBody, BackfillView, StatusView
from refundwatch.commands.command_line import new_parser, run_work, share_flags
from refundwatch.commands.output import emit, emit_json, say
from refundwatch.commands.progress import Progress
from refundwatch.commands.windows import window_seconds

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient

FAILED = 1


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    parser = new_parser(
        "backfill",
        "Read at its gateway every refund of an account that is not final, or became "
        "final since then.",
    )
    share_flags(parser)
    parser.add_argument("--account", required=True, metavar="NAME")
    parser.add_argument(
        "--since",
        required=True,
        type=_since,
        metavar="WHEN",
        help="2026-11-02T09:30 (this machine's zone, unless it names one), 24h or 7d",
    )
    return run_work(backfill, parser.parse_args(argv))


def _since(text: str) -> datetime | timedelta:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        pass
    try:
        return timedelta(seconds=window_seconds(text))
    except ArgumentTypeError:
        message = f"{text!a} is neither a time such as 2026-11-02T09:30 nor 24h or 7d"
        raise ArgumentTypeError(message) from None


async def backfill(client: ApiClient, arguments: Namespace) -> int:
    """Go on until the end; a call each time for as far as the daemon comes."""
    since = arguments.since
    if isinstance(since, timedelta):
        since = (await client.call("status", StatusView)).now - since
    first = await _call(client, arguments.account, since, "")
    whole = first
    with Progress(f"backfill {arguments.account}", first.total or 0) as progress:
        while whole.after is not None:
            progress.show(whole.done)
            more = await _call(client, arguments.account, since, whole.after)
            whole = _sum(whole, more)
    if arguments.json:
        emit_json(whole)
    else:
        emit(
            f"{whole.account}: {whole.done} refunds, {whole.read} read, "
            f"{whole.changed} changed"
        )
    _say_rest(whole)
    return FAILED if whole.failed or whole.unreadable else 0


def _say_rest(whole: BackfillView) -> None:
    if whole.looked_up:
        say(f"{whole.looked_up} without an answer are looked up now.")
    if whole.unreadable:
        say(
            f"{whole.unreadable} cannot be read: {whole.gateway} cannot be asked about "
            "them. Their end comes by webhook or report."
        )
    if whole.failed:
        say(f"{whole.failed} got no answer now; run it again.")


async def _call(
    client: ApiClient, account: str, since: datetime, after: str
) -> BackfillView:
    return await client.call(
        "accounts.backfill",
        BackfillView,
        parts={"account": account},
        body=BackfillBody(since=since, after=after),
    )


def _sum(one: BackfillView, more: BackfillView) -> BackfillView:
    return BackfillView(
        account=one.account,
        gateway=one.gateway,
        done=one.done + more.done,
        read=one.read + more.read,
        changed=one.changed + more.changed,
        changed_ids=one.changed_ids + more.changed_ids,
        looked_up=one.looked_up + more.looked_up,
        unreadable=one.unreadable + more.unreadable,
        failed=one.failed + more.failed,
        total=one.total,
        after=more.after,
    )
