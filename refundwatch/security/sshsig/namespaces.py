"""What a signature is for: one namespace for each purpose of each instance.

Invariant: no two purposes and no two instances share a namespace, so that a signature
made for one is void in every other.
"""

from __future__ import annotations

from enum import StrEnum

from refundwatch.errors import InvariantBroken


class Purpose(StrEnum):
    """Why somebody signs."""

    LOGIN = "login"
    DECISION = "decision"
    ENROL = "enrol"


def namespace(purpose: str, instance: str) -> str:
    """Name the namespace of a purpose at an instance.

    Raises:
        InvariantBroken: there is no such purpose, or the instance has no name.
    """
    if purpose not in set(Purpose) or not instance:
        raise InvariantBroken(f"No signature is for {purpose!r} at {instance!r}.")
    return f"refundwatch-{purpose}@{instance}"
