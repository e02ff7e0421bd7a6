"""`refundwatch audit key|head|export|recover`: the log's key, head, and new start.

Invariant: a secret key is printed once, where it was asked for, and read by nobody; a
loss is accepted only of the very checkpoint that its digest names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api.exporting import begin_export
from refundwatch.api.keys import new_log_key
from refundwatch.api.log_heads import verified_head
from refundwatch.api.models_proof import LatestView, RecoverBody, RecoveryView
from refundwatch.commands.output import emit, emit_json, say
from refundwatch.config import state_folder

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient


def new_key(arguments: Namespace) -> int:
    """Print a new key of the log; the public half goes to the other stream."""
    secret, verifier = new_log_key(arguments.instance)
    emit(secret)
    say(f"verifier key {verifier}")
    say("Keep the key with mode 0400 for the daemon's user, and nowhere else.")
    return 0


async def head(client: ApiClient, arguments: Namespace) -> int:
    """Show the newest signed checkpoint, once it continues the one seen before."""
    await verified_head(client, state_folder())
    view = await client.call("audit.checkpoint", LatestView)
    if arguments.json:
        emit_json(view)
        return 0
    _emit_note(view.checkpoint.note)
    for key in view.keys:
        state = "retired" if key.retired_at else "valid"
        say(f"{state} {key.verifier}")
    return 0


async def export(client: ApiClient, arguments: Namespace) -> int:
    """Write what an auditor checks without this program."""
    chosen = [arguments.refund is not None, arguments.all, arguments.start is not None]
    if sum(chosen) != 1 or (arguments.start is None) != (arguments.end is None):
        say("Give one of --refund ID, --from SEQ with --to SEQ, and --all.")
        return 2
    try:
        making = await begin_export(client, arguments.folder)
    except OSError as error:
        say(f"{arguments.folder}: {error.strerror}")
        return 1
    if arguments.refund is not None:
        count = await making.refund(arguments.refund)
    elif arguments.all:
        count = await making.tiles()
    else:
        count = await making.range(arguments.start, arguments.end)
    await making.finish()
    emit(f"{count} entries, checkpoint of {making.size}, in {arguments.folder}")
    say(f"check it: python3 {arguments.folder}/verify.py {arguments.folder}")
    return 0


async def recover(client: ApiClient, arguments: Namespace) -> int:
    """Show what the log cannot meet, or accept it."""
    if arguments.accept is None:
        view = await client.call("audit.recovery", RecoveryView)
    else:
        body = RecoverBody(
            accept_sha256=arguments.accept, reason_code=arguments.reason_code
        )
        view = await client.call("audit.recover", RecoveryView, body=body)
    if arguments.json:
        emit_json(view)
    elif view.active:
        emit(f"in recovery: {view.sentence}")
        _emit_note(view.known or "")
        emit(f"accept {view.known_sha256}")
        emit(f"people needed {view.needed}")
    elif view.next_origin:
        emit(f"the log goes on as {view.next_origin}")
    else:
        emit("not in recovery")
    return 0


def _emit_note(note: str) -> None:
    """Print a note line by line, as its file has them."""
    for line in note.splitlines():
        emit(line)
