"""`refundwatch audit`: verify, tail.

Invariant: the log is verified from the bytes of its rows alone, as they arrive; the
daemon's word counts for nothing but how long the log was when the reading began.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final

from refundwatch.api.models import AuditPage, View
from refundwatch.api.proof import FirstBad, read_entry, verify_rows
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import emit, emit_json, say, when
from refundwatch.commands.progress import Progress

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import AuditRowView
    from refundwatch.api.proof import Verified

PAGE_ROWS: Final = 1000
FOLLOW_SECONDS: Final = 1.0


class VerifiedView(View):
    """What a verification found; a log that is not whole has no root."""

    ok: bool
    size: int | None = None
    root: str | None = None
    first_bad_seq: int | None = None
    fault: str | None = None
    sentence: str | None = None


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("audit", "The audit log: verify, tail.")
    _verify_flags(noun.verb("verify", verify, "Check the whole log, entry by entry"))
    _tail_flags(noun.verb("tail", tail, "Show the newest entries"))
    return noun.run(argv)


async def verify(client: ApiClient, arguments: Namespace) -> int:
    """Check leaves, neighbours and gaps, and compute the root anew."""
    first = await _page(client, 0, 1)
    loop = asyncio.get_running_loop()
    with Progress("verifying", first.size) as progress:

        def fetch(start: int) -> AuditPage:
            page = _page(client, start, PAGE_ROWS)
            progress.show(min(start, first.size))
            return asyncio.run_coroutine_threadsafe(page, loop).result()

        # Hashing in a thread of its own lets the next page be read by the loop.
        found = await asyncio.to_thread(
            verify_rows, _rows(fetch, first.size), max(first.size, arguments.min_size)
        )
    view = _view(found, arguments.root)
    if arguments.json:
        emit_json(view)
    elif view.ok:
        emit(f"size {view.size}")
        emit(f"root {view.root}")
    else:
        say(f"The log is not whole at {view.first_bad_seq}: {view.sentence}")
    return 0 if view.ok else 1


async def tail(client: ApiClient, arguments: Namespace) -> int:
    """Show the newest entries, and with `-f` those that come."""
    size = (await _page(client, 0, 1)).size
    page = await _page(client, max(size - arguments.count, 0), arguments.count or 1)
    if not arguments.count:
        page = page.model_copy(update={"items": []})
    if arguments.json and not arguments.follow:
        emit_json(page)
        return 0
    _tell(page.items, arguments)
    following = max(size, page.items[-1].seq + 1 if page.items else 0)
    while arguments.follow:
        await asyncio.sleep(FOLLOW_SECONDS)
        page = await _page(client, following, PAGE_ROWS)
        _tell(page.items, arguments)
        if page.items:
            following = page.items[-1].seq + 1
    return 0


def _verify_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--min-size",
        type=int,
        default=0,
        metavar="ENTRIES",
        help="a size known from elsewhere: a shorter log has lost its end",
    )
    parser.add_argument(
        "--root",
        metavar="HEX",
        help="a root known from elsewhere for the size that is found",
    )


def _tail_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-n",
        "--count",
        type=_count,
        default=20,
        metavar="ENTRIES",
        help="how many; at most 1000",
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until Ctrl-C"
    )


def _count(text: str) -> int:
    """Read how many entries; argparse turns the error into one that names the flag."""
    if not text.isascii() or not text.isdigit() or int(text[:9]) > PAGE_ROWS:
        message = f"{text!a} is no number from 0 to {PAGE_ROWS}"
        raise ArgumentTypeError(message)
    return int(text)


async def _page(client: ApiClient, start: int, limit: int) -> AuditPage:
    return await client.call(
        "audit.read", AuditPage, query={"start": start, "limit": limit}
    )


def _rows(fetch: Callable[[int], AuditPage], size: int) -> Iterator[AuditRowView]:
    """Give the rows below `size`; what was added meanwhile is the next run's."""
    start: int | None = 0
    while start is not None and start < size:
        page = fetch(start)
        for row in page.items:
            if row.seq >= size:
                return
            yield row
        # A page that leads nowhere must not be asked for again and again.
        start = page.next if page.next is not None and page.next > start else None


def _view(found: Verified | FirstBad, known_root: str | None) -> VerifiedView:
    if isinstance(found, FirstBad):
        return VerifiedView(
            ok=False,
            first_bad_seq=found.seq,
            fault=found.fault.value,
            sentence=found.sentence,
        )
    root = found.root.hex()
    if known_root is not None and known_root.lower() != root:
        return VerifiedView(
            ok=False,
            size=found.size,
            root=root,
            fault="root",
            sentence=f"The root over {found.size} entries is {root}, another one.",
        )
    return VerifiedView(ok=True, size=found.size, root=root)


def _tell(rows: list[AuditRowView], arguments: Namespace) -> None:
    for row in rows:
        if arguments.json:
            emit_json(row)
        else:
            emit(_line(row))
    sys.stdout.flush()


def _line(row: AuditRowView) -> str:
    entry = read_entry(row)
    if entry is None:
        return f"{row.seq:>8}  (its bytes state no entry)"
    facts = json.dumps(dict(entry.data), ensure_ascii=False, sort_keys=True)
    about = f"  {entry.refund_id}" if entry.refund_id else ""
    return (
        f"{row.seq:>8}  {when(entry.at)}  {entry.kind}  {entry.actor}{about}  {facts}"
    )
