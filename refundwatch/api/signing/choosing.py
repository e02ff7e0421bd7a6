"""Which key signs: the one that was named, or the only one there is.

Invariant: with two that would do, nobody guesses. A private key is never opened: of a
key named by its file the `.pub` beside it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.errors import (
    ConfigError,
    KeyNotHeld,
    PublicKeyInvalid,
    SignerUnavailable,
)
from refundwatch.security.sshsig import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from refundwatch.api.signing.agent import AgentKey
    from refundwatch.security.sshsig import PublicKey

_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_LONGEST_FILE: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """The key that somebody named: by its fingerprint, or by its file."""

    fingerprint: str
    key: PublicKey | None = None
    path: Path | None = None


def read_wanted(name: str) -> Wanted:
    """Read a key's name: `SHA256:…`, or the path of its public half.

    Raises:
        ConfigError: there is no such file, or it holds no public key.
    """
    if _FINGERPRINT.fullmatch(name):
        return Wanted(name)
    path = Path(name).expanduser()
    if path.suffix != ".pub":
        path = path.with_name(path.name + ".pub")
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_FILE).decode("utf-8", "replace")
        key = parse_public_key(text)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"The key {path} cannot be read: {why}.", "key") from error
    except PublicKeyInvalid as invalid:
        raise ConfigError(f"The key {path}: {invalid.message}", "key") from invalid
    return Wanted(key.fingerprint, key, path)


def agent_socket(environment: Mapping[str, str]) -> str:
    """Give where the ssh-agent listens.

    Raises:
        SignerUnavailable: nothing says where.
    """
    path = environment.get("SSH_AUTH_SOCK")
    if not path:
        raise SignerUnavailable(
            "There is no ssh-agent: SSH_AUTH_SOCK is not set. Start one and load your "
            "key with ssh-add, or sign with ssh-keygen or by paste."
        )
    return path


def choose_key(held: Sequence[AgentKey], wanted: Wanted | None) -> AgentKey:
    """Give the key that is wanted, of those that an agent holds.

    Raises:
        KeyNotHeld: it is not among them, or several would do and none was named.
    """
    if wanted is not None:
        for one in held:
            if one.key.fingerprint == wanted.fingerprint:
                return one
        where = f" ({wanted.path})" if wanted.path else ""
        raise KeyNotHeld(
            f"The ssh-agent does not hold {wanted.fingerprint}{where}: load it with "
            f"ssh-add.{_listed(held)}"
        )
    match held:
        case [only]:
            return only
        case []:
            raise KeyNotHeld("The ssh-agent holds no key: load yours with ssh-add.")
        case _:
            raise KeyNotHeld(
                f"The ssh-agent holds {len(held)} keys: name the one that signs, by "
                f"--key or in client.toml.{_listed(held)}"
            )


def _listed(held: Sequence[AgentKey]) -> str:
    lines = [f"\n  {one.key.fingerprint} {one.comment}" for one in held[:10]]
    return f" It holds:{''.join(lines)}" if lines else " It holds none."
