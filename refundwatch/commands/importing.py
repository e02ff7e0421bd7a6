"""Importing a file: every row is read here first, then tried, then stored.

Invariant: nothing is stored while any row of the file is known to be bad, and an
import that ends early says exactly what it stored. Bodies are made anew on each pass
and compared with the first one's, so that memory does not grow with the file and what
is stored is what was checked.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pydantic import BaseModel

from refundwatch.api.amounts import total_text
from refundwatch.api.models import BulkView
from refundwatch.commands.cells import BadCell
from refundwatch.commands.csv_rows import CsvFile, Fault
from refundwatch.commands.problems import ImportFailed
from refundwatch.commands.progress import Progress
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from refundwatch.api.client import ApiClient
    from refundwatch.commands.csv_rows import Row

B = TypeVar("B", bound=BaseModel)

CHUNK_ROWS: Final = 500
"""One durable commit of the daemon: long enough to be quick, short enough to share."""

CHUNK_BYTES: Final = 2 * 1024 * 1024
"""A quarter of what the API takes in one request."""

BAD_ROWS: Final = frozenset({422})
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Plan(Generic[B]):
    """How a file's rows become bodies, and where those go."""

    noun: str
    route: str
    file: CsvFile
    read: Callable[[Row], B]
    bulk: Callable[[Sequence[B], bool], BaseModel]
    key: Callable[[B], str]
    key_place: str
    money: Callable[[B], tuple[str, int]]
    place: Callable[[str | None], str | None]
    """Names the column of a field that the daemon names."""


@dataclass(slots=True)
class Chunk(Generic[B]):
    """Consecutive good rows with their lines; `digest` tells other content apart."""

    lines: list[int] = field(default_factory=list)
    bodies: list[B] = field(default_factory=list)
    digest: bytes = b""
    size_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Tell whether it should be sent before another row joins."""
        return len(self.bodies) == CHUNK_ROWS or self.size_bytes >= CHUNK_BYTES

    def add(self, line: int, body: B) -> None:
        """Take one more row."""
        text = f"{line} {body.model_dump_json()}".encode()
        self.lines.append(line)
        self.bodies.append(body)
        self.size_bytes += len(text)
        self.digest = hashlib.sha256(self.digest + text).digest()


@dataclass(slots=True)
class Survey:
    """What the first pass saw; sums are minor units by currency."""

    rows: int = 0
    faults: list[Fault] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    sums: Counter[str] = field(default_factory=Counter)

    @property
    def totals(self) -> str:
        """Write the sums."""
        sums = sorted(self.sums.items())
        return ", ".join(total_text(minor, currency) for currency, minor in sums)


@dataclass(slots=True)
class Tally:
    """What the daemon said to a pass over all rows."""

    created: int = 0
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)


def survey(plan: Plan[B]) -> Survey:
    """Read every row; nothing is sent."""
    seen = Survey()
    for chunk in _chunks(plan, seen.faults):
        seen.rows += len(chunk.bodies)
        seen.digests.append(chunk.digest)
        for body in chunk.bodies:
            currency, minor = plan.money(body)
            seen.sums[currency] += minor
    return seen


async def rehearse(client: ApiClient, plan: Plan[B], seen: Survey) -> Tally:
    """Have the daemon check every row without storing any."""
    tally = Tally()
    with Progress(f"checking {plan.noun}", seen.rows) as progress:
        done = 0
        for chunk in _same_chunks(plan, seen):
            answer = await _send(client, plan, chunk, dry_run=True)
            _count(plan, tally, chunk, answer)
            done += len(chunk.bodies)
            progress.show(done)
    return tally


async def store(client: ApiClient, plan: Plan[B], seen: Survey) -> Tally:
    """Have the daemon store every row.

    Raises:
        ImportFailed: says what was stored, what may be, and what was not.
    """
    tally = Tally()
    done = 0
    with Progress(f"storing {plan.noun}", seen.rows) as progress:
        for chunk in _same_chunks(plan, seen, stored=True):
            try:
                answer = await _send(client, plan, chunk, dry_run=False)
            except (RefundwatchError, asyncio.CancelledError) as error:
                raise _cut_short(plan, seen, chunk, tally, error) from error
            _count(plan, tally, chunk, answer)
            if tally.faults:
                raise _refused(plan, seen, tally)
            done += len(chunk.bodies)
            progress.show(done)
    return tally


def _chunks(plan: Plan[B], faults: list[Fault]) -> Iterator[Chunk[B]]:
    """Read good rows in chunks; bad ones are added to `faults`."""
    first_lines: dict[str, int] = {}
    chunk: Chunk[B] = Chunk()
    for row in plan.file.rows():
        body = _body(plan, row, first_lines)
        if isinstance(body, Fault):
            faults.append(body)
            continue
        chunk.add(row.line, body)
        if chunk.is_full:
            yield chunk
            chunk = Chunk()
    if chunk.bodies:
        yield chunk


def _body(plan: Plan[B], row: Row | Fault, first_lines: dict[str, int]) -> B | Fault:
    if isinstance(row, Fault):
        return row
    try:
        body = plan.read(row)
    except BadCell as bad:
        return bad.fault
    first = first_lines.setdefault(plan.key(body), row.line)
    if first != row.line:
        message = f"{plan.key(body)!a} stands on line {first} already"
        return Fault(row.line, plan.key_place, "row.duplicate", message)
    return body


def _same_chunks(
    plan: Plan[B], seen: Survey, *, stored: bool = False
) -> Iterator[Chunk[B]]:
    """Read the chunks again, which must be those that were checked."""
    faults: list[Fault] = []
    count = rows = 0
    for chunk in _chunks(plan, faults):
        if faults or count == len(seen.digests) or chunk.digest != seen.digests[count]:
            break
        count += 1
        rows += len(chunk.bodies)
        yield chunk
    if faults or count != len(seen.digests):
        words = f"; {rows} rows were stored before" if stored else ""
        raise ImportFailed(
            f"{plan.file.path} was changed while it was imported{words}. Run the same "
            "command again: what is stored already stays as it is."
        )


async def _send(
    client: ApiClient, plan: Plan[B], chunk: Chunk[B], *, dry_run: bool
) -> BulkView:
    body = plan.bulk(chunk.bodies, dry_run)
    return await client.call(plan.route, BulkView, body=body, readable=BAD_ROWS)


def _count(plan: Plan[B], tally: Tally, chunk: Chunk[B], answer: BulkView) -> None:
    tally.created += answer.created
    tally.unchanged += answer.unchanged
    tally.faults += [
        Fault(
            chunk.lines[problem.index],
            plan.place(problem.field),
            problem.code,
            problem.message,
        )
        for problem in answer.problems
    ]


def _refused(plan: Plan[B], seen: Survey, tally: Tally) -> ImportFailed:
    """Word a refusal that the rehearsal did not foresee: the world moved between."""
    return ImportFailed(
        f"{tally.faults[0]}\n{_stored(plan, seen, tally)} The rows from the chunk of "
        "that line on were not. Once it is settled, run the same command again: what "
        "is stored already stays as it is."
    )


def _cut_short(
    plan: Plan[B], seen: Survey, chunk: Chunk[B], tally: Tally, error: BaseException
) -> ImportFailed:
    why, code, refused = "Interrupted.", INTERRUPTED, False
    if isinstance(error, RefundwatchError):
        why, code = error.message, error.exit_code
        # Only a refusal proves that nothing was stored; silence proves nothing.
        refused = error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR
    chunk_words = "are not" if refused else "may be or not"
    return ImportFailed(
        f"{why}\n{_stored(plan, seen, tally)} Lines {chunk.lines[0]} to "
        f"{chunk.lines[-1]} {chunk_words}; none after them is. Run the same command "
        "again: what is stored already stays as it is.",
        code,
    )


def _stored(plan: Plan[B], seen: Survey, tally: Tally) -> str:
    done = tally.created + tally.unchanged
    return (
        f"Of {seen.rows} {plan.noun}, {done} are stored ({tally.created} new, "
        f"{tally.unchanged} unchanged)."
    )
