"""What workers tell the app, in the past tense.

Invariant: a worker changes nothing itself; it posts one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from tui.state import Event


@dataclass
class HubSaid(Message):
    """Something happened on the line to the daemon."""

    event: Event


@dataclass
class RefundChosen(Message):
    """The operator asked to see a refund whole."""

    refund_id: str
