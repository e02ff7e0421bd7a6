"""Signing by ssh-agent: files, smart cards, FIDO devices, forwarded agents alike.

Invariant: an agent's answer is at most 256 KiB and comes within a minute, or it is
none; what is not a signature is a refusal.

Source: draft-miller-ssh-agent (read 2026-11).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.api.signing.contract import checked
from refundwatch.errors import (
    KeyNotHeld,
    PublicKeyInvalid,
    SignerUnavailable,
    SigningRefused,
)
from refundwatch.security.sshsig import armor, read_blob, signed_bytes
from refundwatch.security.sshsig.wire import Fields, WireBroken, string, uint32

if TYPE_CHECKING:
    from refundwatch.security.sshsig import PublicKey

# Long enough for a touch and a PIN.
TIMEOUT_SECONDS: Final = 60.0
LONGEST_ANSWER: Final = 256 * 1024
_HASH: Final = "sha512"
_LIST_KEYS: Final = 11
_KEYS: Final = 12
_SIGN: Final = 13
_SIGNED: Final = 14
_RSA_SHA2_512: Final = 4


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key that an agent holds, and what its owner called it."""

    key: PublicKey
    comment: str


class Agent:
    """An agent at a socket; each question is a connection of its own."""

    def __init__(self, path: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Prepare; nothing is opened before a question."""
        self._path = path
        self._timeout_seconds = timeout_seconds

    async def keys(self) -> tuple[AgentKey, ...]:
        """List the keys that could sign; certificates and strange kinds are left out.

        Raises:
            SignerUnavailable: nobody answers there.
            SigningRefused: what answers is no agent.
        """
        fields = await self._ask(bytes([_LIST_KEYS]), _KEYS)
        try:
            found = [
                _key(fields.string(), fields.string()) for _ in range(fields.uint32())
            ]
        except WireBroken as broken:
            raise _nonsense() from broken
        return tuple(one for one in found if one is not None)

    async def sign(self, key: PublicKey, data: bytes) -> bytes:
        """Give the signature field over `data`.

        Raises:
            SignerUnavailable: nobody answers there.
            SigningRefused: the agent would not, or no owner touched the device.
        """
        flags = _RSA_SHA2_512 if key.type == "ssh-rsa" else 0
        question = bytes([_SIGN]) + string(key.blob) + string(data) + uint32(flags)
        fields = await self._ask(question, _SIGNED)
        try:
            return fields.string()
        except WireBroken as broken:
            raise _nonsense() from broken

    async def _ask(self, question: bytes, expected: int) -> Fields:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._exchange(question)
        except TimeoutError as error:
            seconds = f"{self._timeout_seconds:g}"
            raise SigningRefused(
                f"The ssh-agent gave no answer for {seconds} seconds: does a device "
                "wait to be touched?"
            ) from error
        except OSError as error:
            why = error.strerror or str(error)
            raise SignerUnavailable(
                f"No ssh-agent answers at {self._path} ({why}). Start one and load "
                "your key with ssh-add, or sign with ssh-keygen or by paste."
            ) from error
        except asyncio.IncompleteReadError as error:
            raise SigningRefused("The ssh-agent hung up without an answer.") from error
        fields = Fields(answer)
        if fields.byte() != expected:
            raise SigningRefused(
                "The ssh-agent refused: it is locked, or a confirmation or a touch "
                "was not given."
            )
        return fields

    async def _exchange(self, question: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(string(question))
            await writer.drain()
            length = int.from_bytes(await reader.readexactly(4), "big")
            if not 0 < length <= LONGEST_ANSWER:
                raise _nonsense()
            return await reader.readexactly(length)
        finally:
            writer.close()


class AgentSigner:
    """Signs with one of an agent's keys."""

    def __init__(self, agent: Agent, key: PublicKey) -> None:
        """Sign with `key`, which the agent holds."""
        self._agent = agent
        self._key = key

    @property
    def fingerprint(self) -> str:
        """Name the key."""
        return self._key.fingerprint

    async def sign(self, message: bytes, namespace: str) -> str:
        """Give the armored signature, made by the agent."""
        data = signed_bytes(message, namespace, _HASH)
        try:
            field = await self._agent.sign(self._key, data)
        except SigningRefused as refused:
            held = await self._agent.keys()
            if all(one.key != self._key for one in held):
                raise KeyNotHeld(
                    f"The ssh-agent does not hold {self.fingerprint} any more: load "
                    "it with ssh-add."
                ) from refused
            raise
        armored = armor(self._key, namespace, _HASH, field)
        return checked(armored, message, namespace, self.fingerprint)


def _key(blob: bytes, comment: bytes) -> AgentKey | None:
    try:
        return AgentKey(read_blob(blob), comment.decode("utf-8", "replace"))
    except PublicKeyInvalid:
        return None


def _nonsense() -> SigningRefused:
    return SigningRefused("What answers as ssh-agent does not speak its language.")
