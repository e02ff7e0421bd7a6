"""The flags that every command shares, and running one against the daemon.

Invariant: a token is never an argument; a session is opened once and always closed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable

    from refundwatch.api.client import ApiClient

Work: TypeAlias = "Callable[[ApiClient, Namespace], Awaitable[int]]"

SESSION: Final = "refundwatch.commands.session"


class Noun:
    """One noun's command line: a verb each with the flags that all share."""

    def __init__(self, name: str, summary: str) -> None:
        """Begin the noun's parser."""
        self._parser = new_parser(name, summary)
        self._verbs = self._parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(
        self, name: str, work: Work | str, summary: str, *, asks: bool = False
    ) -> ArgumentParser:
        """Add a verb; one that `asks` has `--yes`. Return its parser.

        Work that is named, `module:function`, is loaded when it runs.
        """
        parser = self._verbs.add_parser(
            name, help=summary, description=summary + ".", allow_abbrev=False
        )
        share_flags(parser)
        if asks:
            parser.add_argument(
                "--yes",
                action="store_true",
                help="do not ask; required when nobody can be asked",
            )
        parser.set_defaults(work=work)
        return parser

    def run(self, argv: list[str]) -> int:
        """Run the verb that was given; return the exit code."""
        arguments = self.parse(argv)
        return run_work(arguments.work, arguments)

    def parse(self, argv: list[str]) -> Namespace:
        """Read the verb that was given, with its flags."""
        return self._parser.parse_args(argv)


def new_parser(name: str, summary: str) -> ArgumentParser:
    """Return a noun's own parser."""
    return ArgumentParser(
        prog=f"refundwatch {name}", description=summary, allow_abbrev=False
    )


def share_flags(parser: ArgumentParser) -> None:
    """Add what every command against the daemon takes."""
    parser.add_argument(
        "--server",
        metavar="ADDRESS",
        help="unix:/path or https://host (else $REFUNDWATCH_URL, then client.toml)",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="where the token is (else $REFUNDWATCH_TOKEN_FILE, then client.toml)",
    )
    parser.add_argument("--json", action="store_true", help="print the API's JSON")


def run_work(work: Work | str, arguments: Namespace) -> int:
    """Find the daemon, open a session, and do the work; return the exit code."""
    if isinstance(work, str):
        module, _, function = work.partition(":")
        work = getattr(import_module(module), function)
    # What speaks to the daemon weighs more than all flags: help does without it.
    return int(import_module(SESSION).run(work, arguments))
