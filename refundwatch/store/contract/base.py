"""What every command, question and sealed column is made of.

Invariant: a command and a question carry the type of what they return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from refundwatch.domain.policy import Band

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Command(Generic[R]):
    """A unit of work that returns R; a patient one is what nobody outside waits for."""

    __slots__ = ()
    patient: ClassVar[bool] = False


class Query(Generic[R]):
    """A question that changes nothing and returns R."""

    __slots__ = ()


class Sealer(Protocol):
    """Seals and opens columns; `refundwatch.security.vault` offers it."""

    def seal(self, table: str, primary_key: str, column: str, plain: bytes, /) -> bytes:
        """Return the ciphertext bound to table, row and column."""
        ...

    def open(
        self, table: str, primary_key: str, column: str, sealed: bytes, /
    ) -> bytes:
        """Return the plain bytes, or raise when anything was moved or changed."""
        ...

    def blind_index(self, column: str, value: str, /) -> bytes:
        """Return the index by which an exact value can be found again."""
        ...

    def prove(self, kind: str, content: bytes, /) -> bytes:
        """Return 32 bytes that only whoever holds the vault's key can make."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules a command decides by; `version` is the configuration's digest.

    `hold_declared` names the accounts whose unreadable (declared) payments are held.
    """

    version: str
    bands: tuple[Band, ...]
    approvals_expiry_seconds: int
    hold_declared: frozenset[str] = frozenset()
