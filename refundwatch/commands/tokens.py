"""`refundwatch tokens`: create, list, show, rotate, revoke.

Invariant: a secret is printed once, or written to a file that nobody else may read;
that file is made before the token, so that no secret is lost for want of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from refundwatch.api.models_tokens import (
    NewTokenView,
    RotateBody,
    TokenBody,
    TokensView,
    TokenView,
)
from refundwatch.api.words import RoleName
from refundwatch.commands.bodies import checked
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import (
    Column,
    emit,
    emit_json,
    emit_table,
    say,
    when,
    when_exactly,
)
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.token_grants import (
    days,
    grant_flags,
    grant_of,
    token_lines,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Awaitable, Callable

    from refundwatch.api.client import ApiClient

SECRET_MODE: Final = 0o600
COLUMNS: Final = (
    Column("TOKEN"),
    Column("PRINCIPAL", shrinks=True),
    Column("ROLES OR SCOPES", shrinks=True),
    Column("USED"),
    Column("EXPIRES"),
    Column("STATE"),
)


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("tokens", "Tokens of people and machines, their scopes and limits.")
    _create_flags(noun.verb("create", create, "Make a token"))
    noun.verb("list", list_all, "List tokens, without their secrets")
    shows = noun.verb("show", show, "Show a token, without its secret")
    shows.add_argument("token", metavar="TOKEN", help="its id, as the list shows it")
    _rotate_flags(noun.verb("rotate", rotate, "Make a token in another's place"))
    revokes = noun.verb("revoke", revoke, "End a token at once")
    revokes.add_argument("token", metavar="TOKEN", help="its id, as the list shows it")
    return noun.run(argv)


async def create(client: ApiClient, arguments: Namespace) -> int:
    """Make a token; print its secret once, or write it to a file."""
    if not arguments.role and not arguments.scope:
        raise UsageProblem("A token needs a --role, or a --scope for a machine.")
    body = checked(
        TokenBody,
        principal=arguments.principal,
        roles=arguments.role,
        expires_in_days=arguments.expires,
        grant=grant_of(arguments),
    )
    return await _hand_over(_making(client, body), arguments)


async def rotate(client: ApiClient, arguments: Namespace) -> int:
    """Make a token in another's place; hand it over like a new one."""
    body = checked(
        RotateBody,
        expires_in_days=arguments.expires,
        overlap_hours=arguments.overlap_hours,
    )
    parts = {"token": arguments.token}

    async def make() -> NewTokenView:
        return await client.call("tokens.rotate", NewTokenView, parts=parts, body=body)

    return await _hand_over(make, arguments)


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one token, with what it may and what it may not."""
    view = await client.call("tokens.show", TokenView, parts={"token": arguments.token})
    if arguments.json:
        emit_json(view)
    else:
        for name, text in token_lines(view):
            emit(f"{name:<12}{text}")
    return 0


async def _hand_over(
    make: Callable[[], Awaitable[NewTokenView]], arguments: Namespace
) -> int:
    """Make a token whose secret is printed, or stands in a file made before it."""
    path = arguments.out
    if path is None:
        _tell(await make(), arguments)
        return 0
    descriptor = _claim(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        try:
            made = await make()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        file.write(made.secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    if arguments.json:
        emit_json(made.token)
    say(f"The secret of {made.token.id} is in {path}; it is shown nowhere else.")
    return 0


async def list_all(client: ApiClient, arguments: Namespace) -> int:
    """List every token."""
    view = await client.call("tokens.list", TokensView)
    if arguments.json:
        emit_json(view)
        return 0
    rows = [
        (
            it.id,
            it.principal,
            ",".join([*it.roles, *(it.grant.scopes if it.grant else ())]),
            when(it.last_used_at),
            when(it.expires_at),
            "counts" if it.revoked_at is None else "revoked",
        )
        for it in view.items
    ]
    emit_table(COLUMNS, rows, "There is no token.")
    return 0


async def revoke(client: ApiClient, arguments: Namespace) -> int:
    """End a token."""
    view = await client.call(
        "tokens.revoke", TokenView, parts={"token": arguments.token}
    )
    if arguments.json:
        emit_json(view)
    else:
        emit(f"{view.id} of {view.principal} is revoked.")
    return 0


def _create_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "principal", metavar="PRINCIPAL", help="person:ann or machine:returns"
    )
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        choices=get_args(RoleName),
        help="again for more; the daemon's owner makes the first admin on its socket",
    )
    grant_flags(parser)
    _new_flags(parser)


def _rotate_flags(parser: ArgumentParser) -> None:
    parser.add_argument("token", metavar="TOKEN", help="its id, as the list shows it")
    parser.add_argument(
        "--overlap-hours",
        type=int,
        default=24,
        metavar="HOURS",
        help="how long the old one still counts (24); 0 ends it at once",
    )
    _new_flags(parser)


def _new_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--expires",
        "--expires-in-days",
        type=days,
        default=90,
        metavar="DAYS",
        help="30d; a machine's token counts at most 90 days",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the secret there, mode 0600"
    )


def _making(
    client: ApiClient, body: TokenBody
) -> Callable[[], Awaitable[NewTokenView]]:
    async def make() -> NewTokenView:
        return await client.call("tokens.create", NewTokenView, body=body)

    return make


def _tell(made: NewTokenView, arguments: Namespace) -> None:
    if arguments.json:
        emit_json(made)
        return
    emit(made.secret)
    say(
        f"Token {made.token.id} of {made.token.principal}, until "
        f"{when_exactly(made.token.expires_at)}. This secret is shown this once."
    )


def _claim(path: Path) -> int:
    """Make the file, which must not be there yet, readable by nobody else."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageProblem(f"{path}: {why}; no token was made.") from error
