"""The signer that a person's settings ask for.

Invariant: no way is tried in place of the one that was chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api.signing.agent import Agent, AgentSigner
from refundwatch.api.signing.choosing import agent_socket, choose_key, read_wanted
from refundwatch.api.signing.keygen import KeygenSigner
from refundwatch.api.signing.paste import PasteSigner
from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from refundwatch.api.signing.choosing import Wanted
    from refundwatch.api.signing.contract import Signer


async def open_signer(
    way: str,
    key: str | None,
    environment: Mapping[str, str],
    ask: Callable[[bytes, str], Awaitable[str]],
) -> Signer:
    """Find the key and who signs with it, by `agent`, `keygen` or `paste`.

    `key` is a fingerprint or the path of a `.pub`; without one an agent's only key
    signs. `ask` shows what is to be signed elsewhere, and gives what came back.

    Raises:
        ConfigError: the key's file cannot be used, or the way needs a key's name.
        SignerUnavailable: there is no agent.
        KeyNotHeld: the key is not there, or not clear.
    """
    wanted = None if key is None else read_wanted(key)
    match way:
        case "agent":
            agent = Agent(agent_socket(environment))
            return AgentSigner(agent, choose_key(await agent.keys(), wanted).key)
        case "keygen":
            return KeygenSigner(_named(wanted))
        case "paste":
            named = _named(wanted)
            if named.path is None:
                return PasteSigner(named.fingerprint, ask)
            path = str(named.path).removesuffix(".pub")
            return PasteSigner(named.fingerprint, ask, path)
        case _:
            raise ConfigError(f"There is no way to sign called {way!a}.", "way")


def _named(wanted: Wanted | None) -> Wanted:
    if wanted is None:
        raise ConfigError(
            "Name the key that signs: --key FILE.pub, or key in client.toml.", "key"
        )
    return wanted
