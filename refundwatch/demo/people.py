"""Who acts in a run: its machine's token, and its persons' sessions and keys.

Invariant: whoever approves never requested; where the run has keys, two roots enrolled
every person by signed statements, and each logged in by its own key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.api.client import ApiClient
from refundwatch.api.enrolling import (
    build_enrolment,
    build_login,
    enrol_namespace,
    login_namespace,
)
from refundwatch.api.models import StatusView
from refundwatch.api.models_operators import (
    AnswerBody,
    ChallengeBody,
    ChallengeView,
    CosignBody,
    EnrolmentBody,
    EnrolmentView,
    OperatorsView,
    SessionView,
)
from refundwatch.api.models_tokens import NewTokenView, TokenBody
from refundwatch.demo.keys import PEOPLE, ROOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.api.words import RoleName
    from refundwatch.demo.folder import Folder
    from refundwatch.demo.keys import Keyring, KeySigner

_MACHINE: Final[tuple[str, list[RoleName]]] = (
    "machine:returns",
    ["requester", "operator"],
)
_ROLES: Final[dict[str, list[RoleName]]] = {
    "ann": ["approver"],
    "ben": ["approver"],
    "you": ["operator", "approver"],
}


@dataclass(frozen=True, slots=True)
class Crew:
    """The tokens and sessions of a run; `you` sits at the dashboard.

    `keys` are by name, none where nobody signs; `state` holds the heads of the log
    that each has seen.
    """

    admin: str
    returns: str
    ann: str
    ben: str
    you: str
    keys: Mapping[str, KeySigner] = field(default_factory=dict)
    state: Path = Path()


async def hire(folder: Folder) -> Crew:
    """Let the first admin, made over the socket, make everybody else's token."""
    async with ApiClient(folder.server) as owner:
        admin = await _token(owner, "person:root", ["admin"])
    async with ApiClient(folder.server, admin) as client:
        returns = await _token(client, *_MACHINE)
        ann, ben, you = [
            await _token(client, f"person:{name}", _ROLES[name]) for name in PEOPLE
        ]
    crew = Crew(admin, returns, ann, ben, you)
    _seat(folder, crew)
    return crew


async def enrol(folder: Folder, keys: Keyring) -> Crew:
    """Let two roots enrol everybody, and everybody log in by key."""
    sessions: dict[str, str] = {}
    async with ApiClient(folder.server) as door:
        for name in ROOTS:
            sessions[name] = await _log_in(door, name, keys[name])
        async with (
            ApiClient(folder.server, sessions["root"]) as root,
            ApiClient(folder.server, sessions["toor"]) as toor,
        ):
            returns = await _token(root, *_MACHINE)
            for name in PEOPLE:
                await _enrol(root, toor, name, keys)
        for name in PEOPLE:
            sessions[name] = await _log_in(door, name, keys[name])
    crew = Crew(
        admin=sessions["root"],
        returns=returns,
        ann=sessions["ann"],
        ben=sessions["ben"],
        you=sessions["you"],
        keys=keys,
        state=folder.path / "seen",
    )
    _seat(folder, crew)
    return crew


def _seat(folder: Folder, crew: Crew) -> None:
    """Write the dashboard's token down: it waits for it, and must not read half."""
    whole = folder.path / "you.token.whole"
    whole.touch(mode=0o600)
    whole.write_text(crew.you, "ascii")
    whole.rename(folder.token_file)


async def _token(client: ApiClient, principal: str, roles: list[RoleName]) -> str:
    body = TokenBody(principal=principal, roles=roles, expires_in_days=1)
    made = await client.call("tokens.create", NewTokenView, body=body)
    return made.secret


async def _log_in(door: ApiClient, name: str, signer: KeySigner) -> str:
    person = f"person:{name}"
    asked = await door.call(
        "login.challenge",
        ChallengeView,
        body=ChallengeBody(actor=person, key=signer.fingerprint),
    )
    message = build_login(asked, person, signer.fingerprint, door.peer_spki_sha256)
    signature = await signer.sign(message, login_namespace(asked.instance))
    body = AnswerBody(message=message.decode("utf-8"), signature=signature)
    return (await door.call("login.answer", SessionView, body=body)).token


async def _enrol(root: ApiClient, toor: ApiClient, name: str, keys: Keyring) -> None:
    status = await root.call("status", StatusView)
    known = await root.call("operators.list", OperatorsView)
    message = build_enrolment(
        "enrol",
        f"person:{name}",
        instance=status.instance,
        previous=known.head,
        reason="demo",
        now=datetime.now(UTC),
        nonce=secrets.token_bytes(16),
        public_key=keys[name].line,
        roles=_ROLES[name],
    )
    space = enrol_namespace(status.instance)
    proposed = await root.call(
        "operators.propose",
        EnrolmentView,
        body=EnrolmentBody(
            statement=message.decode("utf-8"),
            signature=await keys["root"].sign(message, space),
        ),
    )
    await toor.call(
        "operators.sign",
        EnrolmentView,
        parts={"statement": proposed.sha256},
        body=CosignBody(signature=await keys["toor"].sign(message, space)),
    )
