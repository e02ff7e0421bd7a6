"""`refundwatch audit`: verify, tail, and what `audit_log` does.

Invariant: the log is verified from the bytes of its rows alone, as they arrive; the
daemon's word counts for nothing but how long the log was when the reading began.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.api.models import AuditPage, View
from refundwatch.api.proof import (
    FirstBad,
    Verified,
    VerifiedMemory,
    read_entry,
    verify_rows,
)
from refundwatch.api.signed_roots import signed_roots
from refundwatch.commands.audit_log import export, head, new_key, recover
from refundwatch.commands.command_line import Noun, new_parser
from refundwatch.commands.output import emit, emit_json, say, when
from refundwatch.commands.progress import Progress
from refundwatch.config import state_folder

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import AuditRowView

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
    checkpoints: int = 0
    verified_from: int = 0


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    if argv[:1] == ["key"]:
        return _key(argv[1:])
    noun = Noun("audit", "The audit log: verify, tail, head, export, recover, key new.")
    _verify_flags(noun.verb("verify", verify, "Check the whole log, entry by entry"))
    _tail_flags(noun.verb("tail", tail, "Show the newest entries"))
    _export_flags(
        noun.verb("export", export, "Write a folder that an auditor checks alone")
    )
    noun.verb("head", head, "Show the newest signed checkpoint")
    _recover_flags(
        noun.verb("recover", recover, "Show what the log lost, or accept it")
    )
    return noun.run(argv)


async def verify(client: ApiClient, arguments: Namespace) -> int:
    """Check leaves, neighbours, gaps and every checkpoint, and compute the root anew.

    What an earlier run on this machine found whole is passed over, unless
    `--from-start` says otherwise.
    """
    first = await _page(client, 0, 1)
    signed = await signed_roots(client)
    memory = VerifiedMemory(state_folder(), signed.instance)
    start = None if arguments.from_start else memory.load()
    if start is not None and start.size > first.size:
        start = None
    begin = 0 if start is None else start.size
    loop = asyncio.get_running_loop()
    with Progress("verifying", first.size) as progress:

        def fetch(start: int) -> AuditPage:
            page = _page(client, start, PAGE_ROWS)
            progress.show(min(start, first.size))
            return asyncio.run_coroutine_threadsafe(page, loop).result()

        # Hashing in a thread of its own lets the next page be read by the loop.
        found = await asyncio.to_thread(
            verify_rows,
            _rows(fetch, begin, first.size),
            max(first.size, arguments.min_size),
            known=signed.roots,
            start=start,
        )
    view = _view(found, arguments.root)
    if isinstance(found, Verified) and view.ok:
        _remember(memory, found)
    view = view.model_copy(
        update={"checkpoints": len(signed.roots), "verified_from": begin}
    )
    if arguments.json:
        emit_json(view)
    elif view.ok:
        emit(f"size {view.size}")
        emit(f"root {view.root}")
        say(f"from entry {begin}, against {len(signed.roots)} checkpoints")
    else:
        say(f"The log is not whole at {view.first_bad_seq}: {view.sentence}")
    return 0 if view.ok else 1


def _remember(memory: VerifiedMemory, found: Verified) -> None:
    try:
        memory.save(found)
    except OSError as error:
        say(f"How far it was verified is not remembered: {error.strerror}")


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


def _key(argv: list[str]) -> int:
    """Run `audit key new`, which asks no daemon."""
    parser = new_parser("audit key", "The log's signing key.")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    verb = verbs.add_parser("new", help="Make a key", description="Make a key.")
    verb.add_argument(
        "--instance", required=True, metavar="NAME", help="as in the configuration"
    )
    return new_key(parser.parse_args(argv))


def _export_flags(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--refund", metavar="ID", help="a refund's entries")
    parser.add_argument(
        "--from", dest="start", type=int, metavar="SEQ", help="the first entry"
    )
    parser.add_argument(
        "--to", dest="end", type=int, metavar="SEQ", help="the last entry"
    )
    parser.add_argument(
        "--all", action="store_true", help="the whole log, as tlog-tiles"
    )


def _recover_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--accept",
        metavar="SHA256",
        help="of the checkpoint that cannot be met, as `audit recover` shows it",
    )
    parser.add_argument("--reason-code", default="backup_restored", metavar="CODE")


def _verify_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--min-size",
        type=int,
        default=0,
        metavar="ENTRIES",
        help="a size known from elsewhere: a shorter log has lost its end",
    )
    parser.add_argument(
        "--from-start",
        action="store_true",
        help="verify again what an earlier run on this machine found whole",
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


def _rows(
    fetch: Callable[[int], AuditPage], begin: int, size: int
) -> Iterator[AuditRowView]:
    """Give the rows below `size`; what was added meanwhile is the next run's."""
    start: int | None = begin
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
