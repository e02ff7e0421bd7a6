"""`refundwatch operators`: enrol-root, enrol, role, revoke, sign, list, show, pending.

Invariant: what roots say about operators is shown before it is signed; the daemon
believes nothing of it but the signatures.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from refundwatch.api.enrolling import (
    build_enrolment,
    enrol_namespace,
    parse_enrolment,
)
from refundwatch.api.models import StatusView
from refundwatch.api.models_operators import (
    CosignBody,
    EnrolmentBody,
    EnrolmentsView,
    EnrolmentView,
    OperatorsView,
)
from refundwatch.api.words import RoleName
from refundwatch.commands.command_line import Noun
from refundwatch.commands.confirm import ask, need_consent
from refundwatch.commands.flags import add_sign_flags
from refundwatch.commands.output import Column, emit, emit_json, emit_table, say, when
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.root_file import enrol_root
from refundwatch.commands.signing import signer_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from refundwatch.api.client import ApiClient

COLUMNS: Final = (
    Column("PERSON"),
    Column("ROLES", shrinks=True),
    Column("KEYS", shrinks=True),
)
_ROOT: Final = "enrol-root"


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    if argv[:1] == [_ROOT]:
        return enrol_root(argv[1:])
    noun = Noun("operators", "Who may decide, by which keys.")
    noun.verb("list", list_all, "List operators with their keys")
    shows = noun.verb("show", show, "Show an operator, whole")
    shows.add_argument("person", metavar="person:NAME")
    noun.verb("pending", pending, "List statements that wait for a signature")
    enrols = noun.verb("enrol", enrol, "Propose a person's key; roots sign", asks=True)
    _about(enrols)
    enrols.add_argument("--key", required=True, type=Path, metavar="FILE.pub")
    enrols.add_argument("--role", action="append", choices=get_args(RoleName))
    roles = noun.verb("role", role, "Propose a person's roles; roots sign", asks=True)
    _about(roles)
    roles.add_argument("--role", action="append", choices=get_args(RoleName))
    revokes = noun.verb(
        "revoke", revoke, "End a key or a person; roots sign", asks=True
    )
    _about(revokes)
    revokes.add_argument("--key", metavar="SHA256:…", help="without it: every key")
    signs = noun.verb("sign", sign, "Sign what another root proposed", asks=True)
    signs.add_argument("statement", metavar="SHA256")
    add_sign_flags(signs)
    return noun.run(argv)


def _about(parser: ArgumentParser) -> None:
    parser.add_argument("person", metavar="person:NAME")
    parser.add_argument("--reason-code", default="staff", metavar="CODE")
    # Here `--key` is the key that the statement is about.
    add_sign_flags(parser, key_flag="--signing-key")


# --- reading ----------------------------------------------------------------------


async def list_all(client: ApiClient, arguments: Namespace) -> int:
    """List operators."""
    view = await client.call("operators.list", OperatorsView)
    if arguments.json:
        emit_json(view)
        return 0
    rows = [
        (
            f"{it.person}{' (root)' if it.root else ''}",
            ",".join(it.roles),
            " ".join(k.fingerprint for k in it.keys if k.revoked_at is None),
        )
        for it in view.items
    ]
    emit_table(COLUMNS, rows, "Nobody is enrolled.")
    return 0


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show an operator with every key it ever had."""
    view = await client.call("operators.list", OperatorsView)
    found = next((it for it in view.items if it.person == arguments.person), None)
    if found is None:
        raise UsageProblem(f"{arguments.person} is no operator.")
    if arguments.json:
        emit_json(found)
        return 0
    emit(f"{found.person}: {', '.join(found.roles) or 'no role'}")
    for key in found.keys:
        state = (
            "counts" if key.revoked_at is None else f"revoked {when(key.revoked_at)}"
        )
        until = "" if key.valid_until is None else f", until {when(key.valid_until)}"
        emit(f"  {key.fingerprint}  {state}{until}{'  root file' if key.root else ''}")
    return 0


async def pending(client: ApiClient, arguments: Namespace) -> int:
    """List what waits for another root's signature."""
    view = await client.call("operators.statements", EnrolmentsView)
    waiting = [it for it in view.items if it.number is None]
    if arguments.json:
        emit_json(EnrolmentsView(items=waiting))
        return 0
    for it in waiting:
        emit(f"{it.sha256}  signed by {', '.join(it.signers)}")
        emit(f"  {it.statement}")
    return 0


# --- stating ----------------------------------------------------------------------


async def enrol(client: ApiClient, arguments: Namespace) -> int:
    """Propose a key of a person."""
    return await _propose(
        client,
        arguments,
        public_key=_read(arguments.key),
        roles=arguments.role,
    )


async def role(client: ApiClient, arguments: Namespace) -> int:
    """Propose the roles that a person shall have."""
    return await _propose(client, arguments, roles=arguments.role or [])


async def revoke(client: ApiClient, arguments: Namespace) -> int:
    """Propose the end of a key or a person."""
    return await _propose(client, arguments, key=arguments.key)


async def sign(client: ApiClient, arguments: Namespace) -> int:
    """Sign a statement as it is shown."""
    need_consent(given=arguments.yes)
    view = await client.call("operators.statements", EnrolmentsView)
    named = arguments.statement
    found = [it for it in view.items if it.sha256.startswith(named)]
    if len(found) != 1:
        raise UsageProblem(f"{named} names {len(found)} statements.")
    message = found[0].statement.encode("utf-8")
    said = parse_enrolment(message)
    say(found[0].statement)
    ask(f"Sign: {said.act} {said.person}?", given=arguments.yes)
    signer, _ = await signer_of(arguments)
    signature = await signer.sign(message, enrol_namespace(said.instance))
    done = await client.call(
        "operators.sign",
        EnrolmentView,
        parts={"statement": found[0].sha256},
        body=CosignBody(signature=signature),
    )
    return _told(done, arguments)


async def _propose(
    client: ApiClient,
    arguments: Namespace,
    *,
    public_key: str | None = None,
    key: str | None = None,
    roles: list[str] | None = None,
) -> int:
    need_consent(given=arguments.yes)
    status = await client.call("status", StatusView)
    known = await client.call("operators.list", OperatorsView)
    message = build_enrolment(
        _ACTS[arguments.work.__name__],
        arguments.person,
        instance=status.instance,
        previous=known.head,
        reason=arguments.reason_code,
        now=datetime.now(UTC),  # noqa: TID251 - the moment in which somebody signs
        nonce=secrets.token_bytes(16),
        public_key=public_key,
        key=key,
        roles=roles,
    )
    text = message.decode("utf-8")
    say(text)
    ask(f"Sign: {arguments.work.__name__} {arguments.person}?", given=arguments.yes)
    signer, _ = await signer_of(arguments)
    signature = await signer.sign(message, enrol_namespace(status.instance))
    done = await client.call(
        "operators.propose",
        EnrolmentView,
        body=EnrolmentBody(statement=text, signature=signature),
    )
    return _told(done, arguments)


_ACTS: Final = {"enrol": "enrol", "role": "role", "revoke": "revoke"}


def _told(done: EnrolmentView, arguments: Namespace) -> int:
    if arguments.json:
        emit_json(done)
    elif done.number is not None:
        emit(f"In force as statement {done.number}.")
    else:
        emit(done.sha256)
        say(
            f"{done.waiting_for} more root must sign: refundwatch operators sign "
            f"{done.sha256[:12]}"
        )
    return 0


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{path}: {error}") from error
