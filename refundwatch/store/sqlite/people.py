"""What the writer knows of people while it runs: in memory, out of the file's reach.

Invariant: a roster that a unit made holds from the next unit on, and is forgotten with
the commit that did not happen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from refundwatch.errors import SignatureRefused
from refundwatch.store.sqlite.heads import Heads

if TYPE_CHECKING:
    from refundwatch.domain.roster import Roster
    from refundwatch.store.contract import Signatures


class NoSignatures:
    """Stands where nobody checks signatures yet: none counts."""

    __slots__ = ()

    def check(
        self, _message: bytes, _signature: str, _purpose: str, _key_line: str, /
    ) -> None:
        """Refuse."""
        raise SignatureRefused("not_attached")

    def fingerprint(self, _key_line: str, /) -> str:
        """Refuse."""
        raise SignatureRefused("not_attached")


@dataclass(slots=True)
class People:
    """Who the operators are, what checks their signatures, and the log's heads.

    Without a roster nobody signs: so begins a sandbox that names no root operators.
    """

    roster: Roster | None = None
    signatures: Signatures = field(default_factory=NoSignatures)
    heads: Heads = field(default_factory=Heads)
