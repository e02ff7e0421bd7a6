"""One page of the refund list, by every filter that the API offers.

Fifty rows at ten million refunds beside the same page at ten thousand. What is rare
fills a page at either size, so that both pages hold as much; the larger database has it
a thousand times as rare. Each page is asked for by cursor from both ends, deep inside,
and as a window of a virtual list.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.asking import Databases
from bench.filling import AT
from bench.ratio import Row, at_most, interleaved
from refundwatch.domain.filter import parse_filter
from refundwatch.domain.filter_terms import Column, Flag, Since
from refundwatch.store.contract import ListRefunds
from refundwatch.store.rows import micros
from refundwatch.store.sqlite.queries_paging import Place, write_cursor

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL: Final = 10_000
LARGE: Final = 10_000_000
FEW: Final = (10_000, 20_000)
ROUNDS: Final = 7
LIMIT: Final = 50

# Common, rare, and absent, for each word of the language; a word without pages here
# ends the run.
PAGES: Final = {
    "": [""],
    "state": [
        "state:settled",
        "state:queued,review",
        "state:reversed",
        "!state:settled",
    ],
    "needs": ["needs:review"],
    "gateway": ["gateway:stripe", "!gateway:stripe", "gateway:none"],
    "account": ["account:stripe-eu", "account:stripe-jp", "!account:stripe-eu"],
    "connection": [
        "connection:main",
        "connection:stripe-eu/retired",
        "!connection:main",
    ],
    "currency": ["currency:EUR", "currency:CLF", "currency:PLN", "!currency:EUR"],
    "payment": ["payment:pi_3R0000000002Kx", "payment:none", "!payment:none"],
    "request": ["request:RET-100000077", "request:none", "!request:none"],
    "reason": [
        "reason:returned",
        "reason:court_order",
        "reason:none",
        "!reason:returned",
    ],
    "invoice": ["invoice:INV-21", "invoice:none", "!invoice:none"],
    "frozen": ["frozen:yes", "frozen:no"],
    "action": ["action:yes", "action:no"],
    "amount": ["amount>1", "amount>1500", "amount>9999999", "amount=49", "amount<0.5"],
    "minor": ["minor>100", "minor=777777", "!minor>100"],
    "age": ["age>1d", "age>300d", "age<7d", "age>400d"],
    "updated": ["updated>1h", "updated<3d", "updated>364d"],
    "text": ["card_lost", "ret-1000000", "nowhere-at-all", "!re_3r"],
}
TOGETHER: Final = [
    "state:settled account:stripe-jp",
    "state:settled currency:CLF",
    "state:declined account:stripe-uk amount>100",
    "reason:court_order currency:CLF",
    "frozen:yes action:yes",
    "frozen:yes amount>1500",
    "amount>1500 state:declined",
    "age>300d amount>1500",
    "age<30d amount>9999999",
    "card_lost state:settled",
    "currency:SEK reason:fraud",
    "gateway:stripe updated<3d !returned",
    "connection:second currency:EUR age>30d nowhere",
]

_DEEP: Final = write_cursor(Place(micros(AT - timedelta(days=182)), ""))
_WAYS: Final[dict[str, dict[str, Any]]] = {
    "newest first": {},
    "oldest first": {"oldest_first": True},
    "from a cursor deep inside": {"cursor": _DEEP},
    "as a window": {"offset": 0},
}


def run(short: bool) -> list[Row]:  # noqa: FBT001 - one question of every table
    """Ask for every page at both sizes in turn."""
    _must_be_whole()
    sizes = FEW if short else (SMALL, LARGE)
    single = [text for texts in PAGES.values() for text in texts]
    # A short run asks for every fourth page once.
    step, rounds = (4, 1) if short else (1, ROUNDS)
    with Databases(sizes) as databases:
        return [
            *_rows(databases, "one filter", single[::step], sizes, rounds),
            *_rows(databases, "filters together", TOGETHER[::step], sizes, rounds),
            *_middles(databases, sizes, rounds),
        ]


def _must_be_whole() -> None:
    words = {*Column, *Flag, *Since, "state", "needs", "amount", "minor", "text", ""}
    if words != PAGES.keys():
        raise SystemExit(f"No page for {sorted(words ^ PAGES.keys())}.")


def _rows(
    databases: Databases,
    name: str,
    texts: list[str],
    sizes: tuple[int, ...],
    rounds: int,
) -> Iterator[Row]:
    """Give the worst page of each way of asking; tell of all of them."""
    for way, more in _WAYS.items():
        rows = []
        for text in texts:
            query = ListRefunds(parse_filter(text), AT, LIMIT, **more)
            rows.append(_row(databases, text, query, sizes, rounds))
            print(f"  {way}: {_told(rows[-1])}", file=sys.stderr, flush=True)
        worst = max(rows, key=lambda row: row.middle)
        yield replace(worst, table=f"list page, {name}, {way}: worst of {len(rows)}")


def _middles(
    databases: Databases, sizes: tuple[int, ...], rounds: int
) -> Iterator[Row]:
    """Ask for the middle of virtual lists whose length is known."""
    for text in ("", "account:stripe-eu", "state:settled"):
        first = ListRefunds(parse_filter(text), AT, LIMIT, offset=0)
        halves = {size: databases.ask(size, first)[1].total // 2 for size in sizes}
        queries = {size: replace(first, offset=half) for size, half in halves.items()}
        row = _compared(databases, text, queries, rounds)
        note = (
            "passes every row before it: states have no counts by day, which each move "
            "would pay for"
            if text.startswith("state:")
            else row.note
        )
        table = "list page, the middle of a virtual list"
        yield replace(row, table=table, note=note)


def _row(
    databases: Databases,
    text: str,
    query: ListRefunds,
    sizes: tuple[int, ...],
    rounds: int,
) -> Row:
    return _compared(databases, text, dict.fromkeys(sizes, query), rounds)


def _compared(
    databases: Databases, text: str, queries: dict[int, ListRefunds], rounds: int
) -> Row:
    small, large = queries
    shown = {size: databases.ask(size, query)[1] for size, query in queries.items()}
    variants = {
        str(size): databases.asking(size, query) for size, query in queries.items()
    }
    taken = interleaved(variants, rounds)
    part = ", searched in part" if shown[large].searched_to else ""
    rows = f"{len(shown[large].items)} rows{part}"
    fewer = len(shown[small].items) < len(shown[large].items)
    note = "the smaller page holds fewer rows" if fewer else ""
    return at_most(
        "list page",
        (f"`{text}` at {large:,} ({rows}), ms", taken[str(large)]),
        (f"at {small:,} ({len(shown[small].items)} rows), ms", taken[str(small)]),
        5,
        note,
    )


def _told(row: Row) -> str:
    return f"{row.middle:5.2f} x  {row.measured}  beside {row.beside}"
