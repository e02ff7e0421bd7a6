"""What comes with an order of a person: the policy it saw, and its signature.

Invariant: as `refundwatch.store.contract` says; where root operators are known, a
person's order without its signature changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refundwatch.store.contract.operators import SignedText


@dataclass(frozen=True, slots=True)
class Signing:
    """The policy in force, the signed statement, and the salt of its commitment."""

    policy_version: str
    signed: SignedText | None = None
    reason_salt: bytes | None = field(default=None, repr=False)
