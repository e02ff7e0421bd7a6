"""Who acts in a run: the tokens of its machine and its persons.

Invariant: whoever approves never requested; every token was made by the first admin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.api.client import ApiClient
from refundwatch.api.models_tokens import NewTokenView, TokenBody

if TYPE_CHECKING:
    from refundwatch.api.words import RoleName
    from refundwatch.demo.folder import Folder

_CREW: Final[dict[str, tuple[str, list[RoleName]]]] = {
    "returns": ("machine:returns", ["requester", "operator"]),
    "ann": ("person:ann", ["approver"]),
    "ben": ("person:ben", ["approver"]),
    "you": ("person:you", ["operator", "approver"]),
}


@dataclass(frozen=True, slots=True)
class Crew:
    """The tokens of a run; `you` sits at the dashboard."""

    admin: str
    returns: str
    ann: str
    ben: str
    you: str


async def hire(folder: Folder) -> Crew:
    """Make the first admin over the socket, and with it everybody else's token."""
    async with ApiClient(folder.server) as owner:
        admin = await _token(owner, "person:root", ["admin"])
    secrets: dict[str, str] = {}
    async with ApiClient(folder.server, admin) as client:
        for name, (principal, roles) in _CREW.items():
            secrets[name] = await _token(client, principal, roles)
    whole = folder.path / "you.token.whole"
    whole.touch(mode=0o600)
    whole.write_text(secrets["you"], "ascii")
    # The dashboard waits for it, and must never read half of it.
    whole.rename(folder.token_file)
    return Crew(admin, **secrets)


async def _token(client: ApiClient, principal: str, roles: list[RoleName]) -> str:
    body = TokenBody(principal=principal, roles=roles, expires_in_days=1)
    made = await client.call("tokens.create", NewTokenView, body=body)
    return made.secret
