"""`refundwatch login`, `logout`, `whoami`: a session for a person, by its key.

Invariant: a session's token is never shown; it lies in a file of its owner's alone.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from refundwatch.api.client import ApiClient
from refundwatch.api.drafts import accepted_head
from refundwatch.api.enrolling import build_login, login_namespace
from refundwatch.api.heads import HeadKeeper
from refundwatch.api.models import MeView, StatusView
from refundwatch.api.models_operators import (
    AnswerBody,
    ChallengeBody,
    ChallengeView,
    LoggedOutView,
    SessionView,
)
from refundwatch.commands.command_line import new_parser, run_work, share_flags
from refundwatch.commands.flags import add_sign_flags
from refundwatch.commands.output import emit, emit_json, say, when_exactly
from refundwatch.commands.signing import signer_of
from refundwatch.config import load_client_config
from refundwatch.config.client_session import (
    drop_session,
    keep_session,
    session_path,
)
from refundwatch.config.paths import state_folder
from refundwatch.errors import ApiProblem, LogRewritten

if TYPE_CHECKING:
    from argparse import Namespace


def main(argv: list[str]) -> int:
    """Log in; return the exit code."""
    parser = new_parser("login", "Open a session by your SSH key.")
    share_flags(parser)
    parser.add_argument("--as", dest="person", metavar="person:NAME", help="you")
    add_sign_flags(parser)
    return run_work(log_in, parser.parse_args(argv))


def logout(argv: list[str]) -> int:
    """End the session; return the exit code."""
    parser = new_parser("logout", "End your session.")
    share_flags(parser)
    return run_work(log_out, parser.parse_args(argv))


def whoami(argv: list[str]) -> int:
    """Say who you are to the daemon; return the exit code."""
    parser = new_parser("whoami", "Say who you are to the daemon.")
    share_flags(parser)
    return run_work(who_am_i, parser.parse_args(argv))


async def log_in(client: ApiClient, arguments: Namespace) -> int:
    """Answer the daemon's challenge by a signature, and keep the session."""
    person = arguments.person or f"person:{getpass.getuser().lower()}"
    signer, _ = await signer_of(arguments)
    asked = await client.call(
        "login.challenge",
        ChallengeView,
        body=ChallengeBody(actor=person, key=signer.fingerprint),
    )
    message = build_login(asked, person, signer.fingerprint, client.peer_spki_sha256)
    signature = await signer.sign(message, login_namespace(asked.instance))
    opened = await client.call(
        "login.answer",
        SessionView,
        body=AnswerBody(message=message.decode("utf-8"), signature=signature),
    )
    found = load_client_config(arguments.server, arguments.token_file)
    path = session_path()
    keep_session(path, found.server, opened.token)
    if arguments.json:
        emit_json(opened.model_copy(update={"token": str(path)}))
    else:
        emit(f"{opened.person}, until {when_exactly(opened.expires_at)}")
        say(f"The session lies in {path}; `refundwatch logout` ends it.")
    return await _compare_log(found.server, opened.token)


async def _compare_log(server: str, token: str) -> int:
    """Warn where the daemon's log is not that of which a head was kept here."""
    async with ApiClient(server, token) as client:
        status = await client.call("status", StatusView)
        keeper = HeadKeeper(state_folder(), status.instance)
        try:
            await accepted_head(client, keeper)
        except LogRewritten as error:
            say(f"WARNING: {error.message}")
            say("Decide nothing until somebody knows why: it may be an old database.")
            return error.exit_code
        except ApiProblem as problem:
            # Reading the head takes a role; without one nothing is decided either.
            say(f"The audit log was not compared: {problem.message}")
    return 0


async def log_out(client: ApiClient, arguments: Namespace) -> int:
    """End the session, here and at the daemon."""
    try:
        view = await client.call("logout", LoggedOutView)
    finally:
        drop_session(session_path())
    if arguments.json:
        emit_json(view)
    else:
        emit(f"{view.person} is logged out.")
    return 0


async def who_am_i(client: ApiClient, arguments: Namespace) -> int:
    """Say who the caller is and what that allows."""
    view = await client.call("me", MeView)
    if arguments.json:
        emit_json(view)
    else:
        emit(f"{view.principal} ({', '.join(view.roles) or 'no role'})")
    return 0
