"""Signing on the command line: who signs, with what, and exactly what.

Invariant: every field of a statement is shown before it is signed.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from refundwatch.api.drafts import World, draft, signs
from refundwatch.api.models import MeView
from refundwatch.api.signing import END, open_signer
from refundwatch.commands.confirm import read_through
from refundwatch.commands.output import say
from refundwatch.config.paths import state_folder

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.drafts import Draft, Statable
    from refundwatch.api.signing import Signer


async def drafted(
    client: ApiClient, arguments: Namespace, asked: Statable
) -> Draft | None:
    """Prepare and show what will be signed; None, and a word, where nothing is."""
    me = await client.call("me", MeView)
    if not signs(me):
        say(f"  not signed: the daemon asks no signature of {me.principal}")
        return None
    signer, way = await signer_of(arguments)
    made = await draft(client, me, asked, signer, _world())
    say(f"  signed by {way} with {signer.fingerprint}:")
    for name, text in made.fields():
        say(f"    {name:<17} {text}")
    return made


async def signer_of(arguments: Namespace) -> tuple[Signer, str]:
    """Find who signs, and the way: flags first, then `client.toml`.

    Raises:
        ConfigError, SignerUnavailable, KeyNotHeld: as `open_signer`.
    """
    way = arguments.sign or arguments.signing.way
    key = arguments.signing_key or arguments.signing.key
    return await open_signer(way, key, os.environ, _ask), way


def _world() -> World:
    return World(lambda: datetime.now(UTC), secrets.token_bytes, state_folder())


async def _ask(message: bytes, command: str) -> str:
    """Show what is to be signed elsewhere; read what came back."""
    say(f"Sign exactly this:\n\n{message.decode('utf-8')}\n\nby this command:\n")
    say(f"{command}\n\nand paste what it prints:")
    return read_through(END)
