"""Opening a store: its immutable ids, its configuration, the vault's keys.

Invariant: as `refundwatch.store.contract` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from refundwatch.domain.policy import SYSTEM
from refundwatch.store.contract.base import Command

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """One configured merchant account."""

    name: str
    gateway: str
    timezone: str


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """One configured path to an account; its id is `account/name`."""

    account: str
    name: str
    endpoint: str

    @property
    def id(self) -> str:
        """Name the connection within the instance."""
        return f"{self.account}/{self.name}"


@dataclass(frozen=True, slots=True)
class OpenHouse(Command[None]):
    """Check the immutable ids, record the configuration, and audit its digest.

    A connection without call or probe for longer than `observation_gap_seconds` was
    not observed; twice the probe interval and a timeout is a good value. A daemon that
    loads its configuration anew says who asked for it and which keys `changed`.

    Raises:
        StoreMismatch: instance, mode or an account's gateway differ from the store's,
            or an account is gone whose refunds are not at their end.
    """

    at: datetime
    instance: str
    mode: str
    config_digest: str
    version: str
    accounts: tuple[AccountSpec, ...]
    connections: tuple[ConnectionSpec, ...]
    observation_gap_seconds: float = 90.0
    actor: str = SYSTEM.id
    changed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AbandonAttempts(Command[tuple[str, ...]]):
    """At start, and for leases that ran out: `sending` becomes `unknown`.

    With `all_open` every open attempt, else those whose lease ended before `at`.
    Returns the ids of the refunds moved.
    """

    at: datetime
    due_at: datetime
    all_open: bool


class KeyRow(Protocol):
    """A wrapped data key; `refundwatch.security.vault.WrappedKey` is one."""

    @property
    def dek_id(self) -> int:
        """Give the key's number."""

    @property
    def kek_id(self) -> str:
        """Name the key it is wrapped under."""

    @property
    def wrapped(self) -> bytes:
        """Give the wrapped bytes."""

    @property
    def created_at(self) -> datetime:
        """Give when it was made."""

    @property
    def uses(self) -> int:
        """Count what was sealed with it."""

    @property
    def state(self) -> str:
        """Say what it is for: current, decrypt_only or index."""


class KeyCheckRow(Protocol):
    """A known sealed value; `refundwatch.security.vault.KeyCheck` is one."""

    @property
    def kek_id(self) -> str:
        """Name the key it was sealed under."""

    @property
    def sealed(self) -> bytes:
        """Give the sealed value."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A wrapped data key as it is stored."""

    dek_id: int
    kek_id: str
    wrapped: bytes = field(repr=False)
    created_at: datetime
    uses: int
    state: str


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """A key's check value as it is stored."""

    kek_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """Everything a vault needs of the store to begin."""

    keys: tuple[StoredKey, ...]
    checks: tuple[StoredCheck, ...]


@dataclass(frozen=True, slots=True)
class SaveKeys(Command[None]):
    """Insert or replace wrapped keys and check values; audited without the bytes."""

    at: datetime
    keys: tuple[KeyRow, ...] = field(default=(), repr=False)
    checks: tuple[KeyCheckRow, ...] = field(default=(), repr=False)
