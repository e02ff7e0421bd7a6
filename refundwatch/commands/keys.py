"""`refundwatch keys`: status, rotate.

Invariant: no key is ever shown; a rotation goes on in the daemon, whoever watches.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from refundwatch.api.models_keys import KeysView, RotateKeysBody
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import Column, emit, emit_json, emit_table, say, when

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models_keys import RotationView

COLUMNS: Final = (
    Column("KEY", right=True),
    Column("STATE"),
    Column("UNDER", shrinks=True),
    Column("MADE"),
    Column("USES", right=True),
    Column("VALUES", right=True),
)
_LOOK_SECONDS: Final = 1.0


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("keys", "The vault's keys: status, rotate.")
    shows = noun.verb("status", status, "Show the keys, and how far a rotation is")
    shows.add_argument(
        "--quick", action="store_true", help="do not count the values of each key"
    )
    rotates = noun.verb("rotate", rotate, "Seal every value under a new data key")
    rotates.add_argument(
        "--kek",
        action="store_true",
        help="read the key file again and wrap the data keys under its first key",
    )
    rotates.add_argument(
        "--wait", action="store_true", help="come back when it is done"
    )
    return noun.run(argv)


async def status(client: ApiClient, arguments: Namespace) -> int:
    """Show the keys."""
    _show(await _ask(client, count=not arguments.quick), arguments)
    return 0


async def rotate(client: ApiClient, arguments: Namespace) -> int:
    """Begin a rotation; with `--wait` follow it to its end."""
    body = RotateKeysBody(kind="kek" if arguments.kek else "data")
    view = await client.call("keys.rotate", KeysView, body=body)
    while arguments.wait and _runs(view):
        await asyncio.sleep(_LOOK_SECONDS)
        view = await _ask(client, count=False)
    _show(view, arguments)
    return 0


async def _ask(client: ApiClient, *, count: bool) -> KeysView:
    return await client.call("keys.status", KeysView, query={"count": count})


def _runs(view: KeysView) -> bool:
    return view.rotation is not None and view.rotation.finished_at is None


def _show(view: KeysView, arguments: Namespace) -> None:
    if arguments.json:
        emit_json(view)
        return
    rows = [
        (
            str(it.id),
            it.state.replace("_", " "),
            it.wrapped_under,
            when(it.created_at),
            str(it.uses),
            "-" if it.values is None else str(it.values),
        )
        for it in view.keys
    ]
    emit_table(COLUMNS, rows, "No key.")
    emit(f"key-encrypting keys: {', '.join(view.key_encrypting_keys)}")
    if view.rewrapped is not None:
        emit(f"{view.rewrapped} data keys are wrapped under the first of them now.")
        return
    if view.remaining is not None:
        emit(f"values under older data keys: {view.remaining}")
    if view.rotation is not None:
        emit(_progress(view.rotation))
        if view.rotation.unreadable:
            say(
                f"{view.rotation.unreadable} values cannot be read: they were changed "
                "or moved, and keep their old key alive."
            )


def _progress(it: RotationView) -> str:
    if it.finished_at is None:
        pace = "" if it.per_second is None else f", {it.per_second:.0f} a second"
        return (
            f"sealing anew under key {it.key} since {when(it.started_at)}: "
            f"{it.values_resealed} values{pace}; pass {it.passes}, "
            f"{it.rows_walked} rows looked at"
        )
    gone = ", ".join(map(str, it.destroyed)) or "none"
    return (
        f"sealed anew under key {it.key} at {when(it.finished_at)}: "
        f"{it.values_resealed} values; keys destroyed: {gone}"
    )
