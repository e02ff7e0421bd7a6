"""The head of the daemon's log as a client may believe it: signed, and grown.

Invariant: a head counts only under a signature of a key that was known before (the
first time: of the key that the daemon names, which is kept), and only when it is
proven to continue the head that was accepted last.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from refundwatch.api.heads import HeadKeeper, LogHead
from refundwatch.api.models import StatusView
from refundwatch.api.models_proof import ConsistencyView, LatestView
from refundwatch.domain.checkpoint import (
    Checkpoint,
    VerifierKey,
    parse_text,
    parse_verifier_key,
    read_checkpoint,
    split_note,
)
from refundwatch.errors import CheckpointInvalid, ConfigError, LogRewritten
from refundwatch.security.notekey import check_signature

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from refundwatch.api.client import ApiClient


async def verified_head(client: ApiClient, folder: Path) -> LogHead:
    """Give the newest signed head, and remember it in `folder`.

    Raises:
        LogRewritten: it is not signed by the known key, or does not continue the head
            that was accepted last.
        ApiProblem: nothing was signed yet (`audit.unsigned`).
        ConfigError: what was remembered cannot be read or written.
    """
    status = await client.call("status", StatusView)
    keeper = HeadKeeper(folder, status.instance)
    keys = KeyMemory(folder, status.instance)
    view = await client.call("audit.checkpoint", LatestView)
    checkpoint = keys.read(view)
    known, head = keeper.last(), LogHead(checkpoint.size, checkpoint.root.hex())
    proof: Sequence[bytes] = ()
    if known is not None and 0 < known.size < head.size:
        shown = await client.call(
            "audit.consistency",
            ConsistencyView,
            query={"from": known.size, "to": head.size},
        )
        proof = [bytes.fromhex(one) for one in shown.proof]
    return keeper.accept(known, head, proof)


class KeyMemory:
    """Remembers which keys sign the log of one instance."""

    def __init__(self, folder: Path, instance: str) -> None:
        """Keep them beside the heads."""
        self._path = folder / f"{instance}.log-keys.json"
        self._instance = instance

    def read(self, view: LatestView) -> Checkpoint:
        """Read a checkpoint by the known keys; the first time by those it names.

        Raises:
            LogRewritten: no known key signed it.
        """
        note = view.checkpoint.note.encode()
        named = [key.verifier for key in view.keys if key.retired_at is None]
        known = self._load()
        try:
            origin = parse_text(split_note(note)[0]).origin
            keys = _under(known or named, origin)
            checkpoint = read_checkpoint(note, origin, keys, check_signature)
            # Both keys sign for a while: then the new one is vouched for by the old.
            vouched = [one for one in named if self._signed(note, origin, one)]
        except CheckpointInvalid as error:
            raise LogRewritten(
                f"The checkpoint of {self._instance} is not signed by the key that "
                f"was known here: {error.message} Keep {self._path}: it is evidence."
            ) from error
        if set(vouched) - set(known):
            self._write(sorted({*known, *vouched}))
        return checkpoint

    def _signed(self, note: bytes, origin: str, verifier: str) -> bool:
        try:
            read_checkpoint(note, origin, _under([verifier], origin), check_signature)
        except CheckpointInvalid:
            return False
        return True

    def _load(self) -> list[str]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self._path} holds no keys of a log.") from error
        if not isinstance(found, list) or not all(isinstance(it, str) for it in found):
            raise ConfigError(f"{self._path} holds no keys of a log.")
        return found

    def _write(self, keys: list[str]) -> None:
        beside = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.write_text(json.dumps(keys))
            beside.replace(self._path)
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror or error}") from error


def _under(verifiers: Sequence[str], origin: str) -> list[VerifierKey]:
    """Give keys under the name of the log's present origin."""
    return [VerifierKey(origin, parse_verifier_key(it).public) for it in verifiers]
