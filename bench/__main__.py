"""`python -m bench [TABLE…]`: run the tables named, or all, and print the ratios.

Each table is a module of this folder with `run(short: bool) -> list[Row]`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Final

from bench.ratio import markdown

if TYPE_CHECKING:
    from bench.ratio import Row

TABLES: Final = (
    "ingest",
    "latency",
    "sending",
    "questions",
    "pages",
    "audit",
    "starting",
    "dashboard",
)


def main() -> int:
    """Run; the exit code is 1 when a figure falls short."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument(
        "--short", action="store_true", help="few and small rounds: does it run at all?"
    )
    chosen = parser.parse_args()
    unknown = set(chosen.tables) - set(TABLES)
    if unknown:
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in chosen.tables or TABLES:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"bench.{name}").run(chosen.short)
    print(markdown(rows))
    return 0 if chosen.short or all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
