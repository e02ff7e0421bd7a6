"""Sealed columns: what is bound to what, and how free text is committed to.

Invariant: plain personal text never reaches a statement's parameters. Free text is
sealed together with its salt, so that erasing the one value makes the commitment in
the audit log say nothing for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.audit import SALT_BYTES, salted_commitment
from refundwatch.errors import InvariantBroken, SealBroken, TextInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from refundwatch.store.contract import Sealer

_NO_VAULT: Final = "The vault is not attached to the store yet."


@dataclass(frozen=True, slots=True)
class SealedText:
    """A free text as stored, and the commitment that an audit entry may carry."""

    sealed: bytes
    commitment: str


def seal_text(  # noqa: PLR0917 - the place of a value is three words
    sealer: Sealer,
    entropy: Callable[[int], bytes],
    table: str,
    primary_key: str,
    column: str,
    text: str,
    salt: bytes | None = None,
) -> SealedText:
    """Seal a free text with a fresh salt, or with that of its signed commitment.

    Raises:
        TextInvalid: the salt has another length.
    """
    salt = entropy(SALT_BYTES) if salt is None else salt
    if len(salt) != SALT_BYTES:
        raise TextInvalid(f"A salt has {SALT_BYTES} bytes.", field="reason_salt")
    value = text.encode("utf-8")
    return SealedText(
        sealer.seal(table, primary_key, column, salt + value),
        salted_commitment(salt, value),
    )


def open_text(
    sealer: Sealer, table: str, primary_key: str, column: str, sealed: bytes | None
) -> str | None:
    """Open what `seal_text` sealed; None stays None.

    Raises:
        SealBroken: the value was changed or moved.
    """
    if sealed is None:
        return None
    plain = sealer.open(table, primary_key, column, sealed)
    if len(plain) < SALT_BYTES:
        raise SealBroken(f"{table}.{column}: the salt is missing.")
    return plain[SALT_BYTES:].decode("utf-8")


class NoSealer:
    """Stands where the vault is not attached yet: nothing personal can be stored."""

    __slots__ = ()

    def seal(
        self, _table: str, _primary_key: str, _column: str, _plain: bytes, /
    ) -> bytes:
        """Refuse."""
        raise InvariantBroken(_NO_VAULT)

    open = seal

    def blind_index(self, _column: str, _value: str, /) -> bytes:
        """Refuse."""
        raise InvariantBroken(_NO_VAULT)

    def prove(self, _kind: str, _content: bytes, /) -> bytes:
        """Refuse."""
        raise InvariantBroken(_NO_VAULT)
