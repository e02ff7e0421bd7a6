"""How a person signs: by an agent, by `ssh-keygen`, or by copy and paste.

Invariant: a private key is never read here, and what a signer gives was verified
against the very bytes that were to be signed.
"""

from refundwatch.api.signing.agent import Agent, AgentKey, AgentSigner
from refundwatch.api.signing.choosing import (
    Wanted,
    agent_socket,
    choose_key,
    read_wanted,
)
from refundwatch.api.signing.contract import Signer, checked
from refundwatch.api.signing.keygen import KeygenSigner
from refundwatch.api.signing.opening import open_signer
from refundwatch.api.signing.paste import END, PasteSigner, paste_command

__all__ = [
    "END",
    "Agent",
    "AgentKey",
    "AgentSigner",
    "KeygenSigner",
    "PasteSigner",
    "Signer",
    "Wanted",
    "agent_socket",
    "checked",
    "choose_key",
    "open_signer",
    "paste_command",
    "read_wanted",
]
