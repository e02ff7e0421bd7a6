"""The flags that every command shares, and running one against the daemon.

Invariant: a token is never an argument; a session is opened once and always closed.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from refundwatch.api.client import ApiClient
from refundwatch.config import load_client_config

if TYPE_CHECKING:
    from refundwatch.config import ClientConfig

Work = Callable[[ApiClient, Namespace], Awaitable[int]]


class Noun:
    """One noun's command line: a verb each with the flags that all share."""

    def __init__(self, name: str, summary: str) -> None:
        """Begin the noun's parser."""
        self._parser = new_parser(name, summary)
        self._verbs = self._parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(
        self, name: str, work: Work, summary: str, *, asks: bool = False
    ) -> ArgumentParser:
        """Add a verb; one that `asks` has `--yes`. Return its parser."""
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
        arguments = self._parser.parse_args(argv)
        return run_work(arguments.work, arguments)


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


def run_work(work: Work, arguments: Namespace) -> int:
    """Find the daemon, open a session, and do the work; return the exit code."""
    found = load_client_config(arguments.server, arguments.token_file)
    return asyncio.run(_with_client(found, work, arguments))


async def _with_client(found: ClientConfig, work: Work, arguments: Namespace) -> int:
    token = None if found.token is None else found.token.reveal()
    async with ApiClient(found.server, token) as client:
        return await work(client, arguments)
