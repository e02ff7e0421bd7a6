"""Signing by `ssh-keygen -Y sign`, which asks for passphrase, PIN and touch itself.

Invariant: the message goes in by standard input and the key is named by its path; no
shell is between. It speaks with its owner at the terminal, so a full-screen program
must have left the screen.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from refundwatch.api.signing.contract import checked
from refundwatch.errors import KeyNotHeld, SignerUnavailable, SigningRefused

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.api.signing.choosing import Wanted

PROGRAM: Final = "ssh-keygen"
# Somebody types a passphrase or looks for a device.
TIMEOUT_SECONDS: Final = 180.0


class KeygenSigner:
    """Signs with a key in a file, or with one of a device that a file names."""

    def __init__(
        self, wanted: Wanted, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """Sign with the key that was named by its file.

        Raises:
            KeyNotHeld: it was named by its fingerprint alone.
        """
        if wanted.path is None:
            raise KeyNotHeld(
                "ssh-keygen needs the path of the public key: name it by --key or in "
                "client.toml."
            )
        self._path: Path = wanted.path
        self._fingerprint = wanted.fingerprint
        self._timeout_seconds = timeout_seconds

    @property
    def fingerprint(self) -> str:
        """Name the key."""
        return self._fingerprint

    async def sign(self, message: bytes, namespace: str) -> str:
        """Give the armored signature, made by ssh-keygen."""
        # It takes the private half beside the .pub, else the agent's.
        arguments = ("-Y", "sign", "-f", str(self._path), "-n", namespace)
        try:
            program = await asyncio.create_subprocess_exec(
                PROGRAM,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            why = error.strerror or str(error)
            raise SignerUnavailable(f"{PROGRAM} cannot be started: {why}.") from error
        made = await self._answer(program, message)
        if program.returncode != 0:
            raise SigningRefused(
                f"{PROGRAM} did not sign (it ended with {program.returncode})."
            )
        armored = made.decode("ascii", "replace")
        return checked(armored, message, namespace, self.fingerprint)

    async def _answer(
        self, program: asyncio.subprocess.Process, message: bytes
    ) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                made, _ = await program.communicate(message)
        except TimeoutError as error:
            seconds = f"{self._timeout_seconds:g}"
            raise SigningRefused(
                f"{PROGRAM} did not sign within {seconds} seconds."
            ) from error
        finally:
            if program.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    program.kill()
                await program.wait()
        return made
