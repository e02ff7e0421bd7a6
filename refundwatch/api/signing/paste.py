"""Signing elsewhere: the message and a command go out, an armored text comes back.

Invariant: the command makes exactly the message's bytes, without a line end, which
would be another message.
"""

from __future__ import annotations

import shlex
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from refundwatch.api.signing.contract import checked
from refundwatch.errors import SigningRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BEGIN: Final = "-----BEGIN SSH SIGNATURE-----"
END: Final = "-----END SSH SIGNATURE-----"
_ANY_KEY: Final = "~/.ssh/id_ed25519"


class PasteSigner:
    """Has a person sign on another machine or in another window."""

    def __init__(
        self,
        fingerprint: str,
        ask: Callable[[bytes, str], Awaitable[str]],
        key_path: str = _ANY_KEY,
    ) -> None:
        """Sign as `fingerprint`; `ask` shows message and command, gives the answer."""
        self._fingerprint = fingerprint
        self._ask = ask
        self._key_path = key_path

    @property
    def fingerprint(self) -> str:
        """Name the key."""
        return self._fingerprint

    async def sign(self, message: bytes, namespace: str) -> str:
        """Give the armored signature that was pasted."""
        command = paste_command(message, namespace, self._key_path)
        pasted = await self._ask(message, command)
        return checked(tidied(pasted), message, namespace, self.fingerprint)


def paste_command(message: bytes, namespace: str, key_path: str = _ANY_KEY) -> str:
    """Give the command that signs these bytes in any POSIX shell."""
    # A path under the home folder stays unquoted, for the shell to find it.
    path = key_path if key_path == _ANY_KEY else shlex.quote(key_path)
    sign = f"ssh-keygen -Y sign -f {path} -n {shlex.quote(namespace)}"
    text = message.decode("utf-8", "replace")
    if text.isascii() and text.isprintable():
        return f"printf %s {shlex.quote(text)} | {sign}"
    # A terminal could change what it shows.
    return f"printf %s {b64encode(message).decode('ascii')} | base64 -d | {sign}"


def tidied(pasted: str) -> str:
    """Undo what terminals and mail do to an armored text: blanks and line ends.

    Raises:
        SigningRefused: there is no armored text in it.
    """
    lines = [line.strip() for line in pasted.splitlines()]
    try:
        first = lines.index(BEGIN)
        last = lines.index(END, first)
    except ValueError as error:
        raise SigningRefused(
            f"There is no whole signature in it: from {BEGIN} to {END}."
        ) from error
    body = [line for line in lines[first + 1 : last] if line]
    return "\n".join((BEGIN, *body, END)) + "\n"
