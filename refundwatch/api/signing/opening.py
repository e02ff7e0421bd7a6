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
    from refundwatch.config import SigningConfig


async def open_signer(
    config: SigningConfig,
    environment: Mapping[str, str],
    ask: Callable[[bytes, str], Awaitable[str]],
) -> Signer:
    """Find the key and who signs with it; `ask` shows what is to be pasted.

    Raises:
        ConfigError: the key's file cannot be used, or the way needs a key's name.
        SignerUnavailable: there is no agent.
        KeyNotHeld: the key is not there, or not clear.
    """
    wanted = None if config.key is None else read_wanted(config.key)
    match config.way:
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
        case way:
            raise ConfigError(f"There is no way to sign called {way!a}.", "way")


def _named(wanted: Wanted | None) -> Wanted:
    if wanted is None:
        raise ConfigError(
            "Name the key that signs: --key FILE.pub, or key in client.toml.", "key"
        )
    return wanted
