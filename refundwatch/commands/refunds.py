"""`refundwatch refunds`: its verbs and their flags.

Invariant: what a verb does is named here and loaded when it runs, so that `--help`
costs little more than the interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from refundwatch.api.words import ResolutionName
from refundwatch.commands.command_line import Noun
from refundwatch.commands.flags import (
    add_column_flags,
    add_decision_flags,
    add_import_flags,
    add_watch_flags,
)
from refundwatch.commands.refund_fields import DEFAULT_REASON, REFUND_FIELDS

if TYPE_CHECKING:
    from argparse import ArgumentParser

WORK: Final = "refundwatch.commands.refund_work"
WATCH: Final = "refundwatch.commands.watch:watch"
PLAIN_DECISIONS: Final = {
    "cancel": "Withdraw a refund, or ask its gateway to",
    "hold": "Stop a refund before it is sent",
    "release": "Lift a hold",
}


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("refunds", "Refunds: request, list, show, watch, decide.")
    _import_flags(
        noun.verb(
            "import", f"{WORK}:import_file", "Request the refunds of a file", asks=True
        )
    )
    _create_flags(
        noun.verb("create", f"{WORK}:create", "Request one refund", asks=True)
    )
    _list_flags(noun.verb("list", f"{WORK}:list_some", "List refunds, newest first"))
    shows = noun.verb("show", f"{WORK}:show", "Show a refund with its whole timeline")
    shows.add_argument("refund", metavar="REFUND", help="its id: rf_…")
    add_watch_flags(noun.verb("watch", WATCH, "Tell what happens, as it happens"))
    _edit_flags(noun.verb("edit", f"{WORK}:edit", "Ask for another amount", asks=True))
    for name, summary in PLAIN_DECISIONS.items():
        add_decision_flags(noun.verb(name, f"{WORK}:{name}", summary, asks=True))
    looks = noun.verb(
        "lookup", f"{WORK}:look_up", "Ask the gateway now what became of it"
    )
    looks.add_argument("refund", metavar="REFUND", help="its id: rf_…")
    _resolve_flags(
        noun.verb(
            "resolve", f"{WORK}:resolve", "Say what became of it; two people", asks=True
        )
    )
    return noun.run(argv)


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
