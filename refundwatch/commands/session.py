"""One command's session with the daemon.

Invariant: a session is opened once and always closed; a token is never an argument.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from refundwatch.api.client import ApiClient
from refundwatch.config import load_client_config

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.commands.command_line import Work
    from refundwatch.config import ClientConfig


def run(work: Work, arguments: Namespace) -> int:
    """Find the daemon, open a session, and do the work; return the exit code."""
    found = load_client_config(arguments.server, arguments.token_file)
    return asyncio.run(_with_client(found, work, arguments))


async def _with_client(found: ClientConfig, work: Work, arguments: Namespace) -> int:
    # What a flag says of signing is added where something is signed.
    arguments.signing = found.signing
    token = None if found.token is None else found.token.reveal()
    async with ApiClient(found.server, token) as client:
        return await work(client, arguments)
