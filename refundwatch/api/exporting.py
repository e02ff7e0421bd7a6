"""Exports of the log for people who trust neither it nor this program.

Invariant: a file holds bytes as they were hashed or signed; every entry of an export is
in the log of the one checkpoint that lies beside it.
"""

from __future__ import annotations

import base64
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from refundwatch.api.models import AuditPage, RefundDetailView, StatusView
from refundwatch.api.models_operators import OperatorsView
from refundwatch.api.models_proof import InclusionView, LatestView
from refundwatch.domain.tiles import (
    TILE,
    entry_bundle,
    hash_tiles,
    tile_path,
    tlog_proof,
)
from refundwatch.errors import LogRange
from refundwatch.security.allowed_signers import (
    SignerLine,
    allowed_signers,
    revoked_keys,
)
from refundwatch.security.sshsig import Purpose, namespace, parse_public_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models_operators import OperatorKeyView

PAGE: Final = 1000


class Export:
    """One export into a folder that is made for it."""

    def __init__(self, client: ApiClient, folder: Path, view: LatestView) -> None:
        """Export as far as this checkpoint goes."""
        self._client = client
        self._folder = folder
        self._view = view

    @property
    def size(self) -> int:
        """Give how many entries the checkpoint covers."""
        return self._view.checkpoint.size

    async def refund(self, refund_id: str) -> int:
        """Write a refund's entries with their receipts, and its decisions."""
        detail = await self._client.call(
            "refunds.show", RefundDetailView, parts={"refund": refund_id}
        )
        for number, decision in enumerate(detail.decisions, 1):
            name = f"decisions/{number}.json"
            self._write(name, decision.statement.encode())
            if decision.signature is not None:
                self._write(f"{name}.sig", decision.signature.encode())
        await self._signers()
        return await self._receipts([it.seq for it in detail.timeline])

    async def _signers(self) -> None:
        """Write whose keys may sign decisions, and those that were revoked."""
        listed = await self._client.call("operators.list", OperatorsView)
        instance = (await self._client.call("status", StatusView)).instance
        keys = [(it.person, key) for it in listed.items for key in it.keys]
        lines = [
            SignerLine(
                person,
                parse_public_key(key.public_key),
                (namespace(Purpose.DECISION, instance),),
                key.valid_from,
                _end(key),
            )
            for person, key in keys
        ]
        self._write("allowed_signers", allowed_signers(lines).encode())
        gone = [parse_public_key(key.public_key) for _, key in keys if key.revoked_at]
        self._write("revoked", revoked_keys(gone).encode())

    async def range(self, start: int, end: int) -> int:
        """Write the entries from `start` to `end`, both included."""
        return await self._receipts(range(start, end + 1))

    async def tiles(self) -> int:
        """Write the whole log as static files."""
        hashes: list[bytes] = []
        bundle: list[bytes] = []
        async for entry, leaf in self._entries(0, self.size):
            hashes.append(leaf)
            bundle.append(entry)
            if len(bundle) == TILE or len(hashes) == self.size:
                number = (len(hashes) - 1) // TILE
                path = tile_path("entries", number, len(bundle))
                self._write(path, entry_bundle(bundle))
                bundle = []
        for path, content in hash_tiles(hashes):
            self._write(path, content)
        return len(hashes)

    async def finish(self) -> None:
        """Write checkpoint, keys, the verifier and how to use it."""
        instance = (await self._client.call("status", StatusView)).instance
        shown = self._view.checkpoint
        self._write("checkpoint", shown.note.encode())
        self._write("checkpoint.sig", shown.sshsig.encode())
        valid = [key for key in self._view.keys if key.retired_at is None]
        signers = [f"audit-log@{instance} {key.openssh}\n" for key in valid]
        self._write("log_signers", "".join(signers).encode())
        if valid:
            self._write("log.vkey", (valid[0].verifier + "\n").encode())
        kit = files("refundwatch.api.auditor")
        self._write("verify.py", kit.joinpath("verify.py").read_bytes())
        manual = kit.joinpath("README.txt").read_text("utf-8")
        self._write("README.txt", manual.format(instance=instance).encode())

    async def _receipts(self, seqs: Sequence[int]) -> int:
        if not seqs:
            return 0
        if not 0 <= seqs[0] <= seqs[-1] < self.size:
            raise LogRange(
                f"The checkpoint covers entries 0 to {self.size - 1}; seal first, or "
                "ask for fewer.",
                "to",
            )
        for seq in seqs:
            async for entry, _ in self._entries(seq, seq + 1):
                self._write(f"entries/{seq}.json", entry)
            shown = await self._client.call(
                "audit.inclusion", InclusionView, query={"seq": seq, "size": self.size}
            )
            proof = [base64.b64encode(bytes.fromhex(it)).decode() for it in shown.proof]
            receipt = tlog_proof(seq, proof, self._view.checkpoint.note)
            self._write(f"receipts/{seq}.tlog-proof", receipt.encode())
        return len(seqs)

    async def _entries(
        self, start: int, end: int
    ) -> AsyncIterator[tuple[bytes, bytes]]:
        """Give entries with their leaf hashes, exactly those that were asked for."""
        while start < end:
            query = {"start": start, "limit": min(PAGE, end - start)}
            page = await self._client.call("audit.read", AuditPage, query=query)
            self._must_follow(start, (row.seq for row in page.items))
            for row in page.items:
                yield base64.b64decode(row.entry), bytes.fromhex(row.leaf_hash)
            start += len(page.items)

    def _must_follow(self, start: int, seqs: Iterable[int]) -> None:
        found = list(seqs)
        if not found or found != list(range(start, start + len(found))):
            raise LogRange(f"The daemon has no entry {start}.", "from")

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _end(key: OperatorKeyView) -> datetime | None:
    """Give the moment from which a key no longer counts."""
    ends = [it for it in (key.valid_until, key.revoked_at) if it is not None]
    return min(ends, default=None)


async def begin_export(client: ApiClient, folder: Path) -> Export:
    """Begin an export into a new folder, as far as the newest checkpoint goes.

    Raises:
        OSError: the folder stands already, or cannot be made.
    """
    view = await client.call("audit.checkpoint", LatestView)
    _make(folder)
    return Export(client, folder, view)


def _make(folder: Path) -> None:
    """Make a folder of our own: an export never mixes with another one."""
    folder.mkdir(mode=0o700, parents=True)
