"""Sealing: the log's tree grows, and its head is signed, again and again.

Invariant: only what is durable is signed; a head is signed only after the independent
checker has accepted the proof that leads to it from the last one that was signed. A
log that cannot show that proof is never signed again: whoever runs this must end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from refundwatch.domain.checkpoint import (
    Checkpoint,
    VerifierKey,
    parse_verifier_key,
    read_checkpoint,
)
from refundwatch.domain.merkle import Forest
from refundwatch.domain.proofs import verify_consistency
from refundwatch.errors import LogBroken, RefundwatchError
from refundwatch.flow.loops import Bell, first_of
from refundwatch.store.contract import (
    GetConsistency,
    GetRoot,
    GetTree,
    GrowTree,
    HashEntries,
    ListLogKeys,
    NameLog,
    StoreCheckpoint,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from refundwatch.domain.checkpoint import (
        SignatureCheck,
        SignedCheckpoint,
    )
    from refundwatch.flow.ports import Clock
    from refundwatch.store.contract import Committed, OriginRow, Store, TreeRow

LEAST_SECONDS: Final = 1.0
"""At most one checkpoint in so many seconds, however much arrives."""
PAGE: Final = 5000


class Signer(Protocol):
    """Holds the log's keys; `refundwatch.security.notekey` offers it."""

    def verifiers(self, origin: str) -> tuple[VerifierKey, ...]:
        """Give the public keys under the name of an origin, the current first."""
        ...

    def sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        """Sign a checkpoint with every key."""
        ...


class Sealer:
    """Signs the log as it grows."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        signer: Signer,
        check: SignatureCheck,
        publish: Callable[[SignedCheckpoint], Awaitable[None]],
        *,
        seal_seconds: float,
        seal_entries: int,
    ) -> None:
        """Prepare; `publish` gets each checkpoint once it is stored."""
        self._store = store
        self._clock = clock
        self._signer = signer
        self._check = check
        self._publish = publish
        self._seconds = max(seal_seconds, LEAST_SECONDS)
        self._entries = seal_entries
        self._bell = Bell()
        self._size = 0
        self._known: tuple[bytes, ...] = ()
        self._signed: Checkpoint | None = None
        self._signed_at = float("-inf")

    def wake(self, committed: Committed) -> None:
        """Look again when entries came; give to `Store.subscribe`."""
        if committed.last_seq >= self._size:
            self._size = committed.last_seq + 1
            self._bell.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Seal until `stop` is set, and once more then.

        Raises:
            LogBroken: the log contradicts what was signed of it.
        """
        while not stop.is_set():
            self._bell.silence()
            wait = self._due_in_seconds()
            if wait is None:
                await first_of(self._bell.heard(), stop.wait())
            elif wait > 0:
                await first_of(self._clock.sleep(wait), stop.wait())
            else:
                await self.seal()
        await self.seal()

    async def begin(self, first_origin: str) -> OriginRow:
        """Name the log and its keys; call before `run`, on a log that was examined."""
        verifiers = tuple(it.text() for it in self._signer.verifiers(first_origin))
        known = await self._store.read(ListLogKeys())
        self._known = tuple(parse_verifier_key(it.verifier).public for it in known)
        named = await self._store.execute(
            NameLog(self._clock.now(), first_origin, verifiers)
        )
        tree = await self._store.read(GetTree())
        self._size = tree.log_size
        if tree.last is not None:
            self._signed = self._read_own(tree)
        return named

    async def seal(self) -> SignedCheckpoint | None:
        """Sign the log as it stands; None where nothing came since the last time.

        Raises:
            LogBroken: the log contradicts what was signed of it.
        """
        while await self._store.execute(GrowTree()):
            pass
        tree = await self._store.read(GetTree())
        if tree.origin is None:
            raise LogBroken("The log has no name.")
        last = self._last(tree)
        if tree.size == (last.size if last else 0):
            return None
        if last is not None:
            await self._must_extend(last, tree)
        signed = self._signer.sign(Checkpoint(tree.origin.origin, tree.size, tree.root))
        await self._store.execute(StoreCheckpoint(self._clock.now(), signed))
        self._signed, self._signed_at = signed.checkpoint, self._clock.monotonic()
        await self._publish(signed)
        return signed

    def _due_in_seconds(self) -> float | None:
        """Give how long the next checkpoint waits; None while nothing came."""
        came = self._size - (self._signed.size if self._signed else 0)
        if came <= 0:
            return None
        whole = came >= self._entries
        pause = LEAST_SECONDS if whole else self._seconds
        return self._signed_at + pause - self._clock.monotonic()

    def _last(self, tree: TreeRow) -> Checkpoint | None:
        """Give the last checkpoint; what was signed here is not forgotten."""
        stored = None if tree.last is None else self._read_own(tree)
        if self._signed is not None and stored != self._signed:
            raise LogBroken("The last checkpoint is not the one that was signed here.")
        return stored

    def _read_own(self, tree: TreeRow) -> Checkpoint:
        if tree.last is None:
            raise LogBroken("The last checkpoint is gone.")
        origin = tree.last.origin
        keys = [
            *self._signer.verifiers(origin),
            *(VerifierKey(origin, public) for public in self._known),
        ]
        try:
            read = read_checkpoint(tree.last.note, origin, keys, self._check)
        except RefundwatchError as error:
            raise LogBroken(f"The last checkpoint: {error.message}") from error
        if (read.size, read.root) != (tree.last.size, tree.last.root):
            raise LogBroken("The last checkpoint's row differs from its note.")
        return read

    async def _must_extend(self, last: Checkpoint, tree: TreeRow) -> None:
        """Let the checker judge the proof from the last checkpoint to this head."""
        proof = None
        if last.size <= tree.size:
            proof = await self._store.read(GetConsistency(last.size, tree.size))
        if proof is None or not verify_consistency(
            last.size, tree.size, last.root, tree.root, proof
        ):
            raise LogBroken(
                f"The log of {tree.size} entries does not extend the checkpoint of "
                f"{last.size}: it was changed behind the hub."
            )


async def holds(
    store: Store, known: Checkpoint, *, at_most: int | None = None
) -> str | None:
    """Say how the log misses a checkpoint that was published; None where it meets it.

    The tree is brought as far as the log first, so that it is compared whole. What the
    checkpoint covers is hashed anew from the entries themselves, since nodes may be
    right where entries are not; a log of more than `at_most` entries is not.
    """
    try:
        while await store.execute(GrowTree()):
            pass
        tree = await store.read(GetTree())
        if tree.size < known.size:
            return (
                f"The log has {tree.size} entries; {known.size} were published as "
                f"{known.origin}."
            )
        root = await store.read(GetRoot(known.size))
        if at_most is None or known.size <= at_most:
            root = await _root_of_entries(store, known.size)
        proof = await store.read(GetConsistency(known.size, tree.size))
    except LogBroken as error:
        return error.message
    met = root is not None and verify_consistency(
        known.size, tree.size, known.root, tree.root, proof
    )
    if met and root == known.root:
        return None
    return f"The first {known.size} entries are not those of {known.origin}."


async def contradiction(store: Store) -> str | None:
    """Say how the entries contradict the tree over them; None where they do not.

    A log that does was changed or cut where it stands: nothing true could be signed
    of it under any name.
    """
    try:
        while await store.execute(GrowTree()):
            pass
        tree = await store.read(GetTree())
        root = await _root_of_entries(store, tree.size)
    except LogBroken as error:
        return error.message
    return None if root == tree.root else "The entries are not those of their tree."


async def _root_of_entries(store: Store, size: int) -> bytes:
    """Compute the root over the first entries from nothing but their bytes."""
    forest, done = Forest(), 0
    while done < size:
        page = await store.read(HashEntries(done, min(PAGE, size - done)))
        if not page:
            raise LogBroken(f"Entry {done} is missing.")
        forest.extend(page)
        done += len(page)
    return forest.head().root()
