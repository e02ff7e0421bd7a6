"""What every room holds in its hands.

Invariant: rooms share these and nothing else; two rooms never talk past them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from refundwatch.flow.exchange import Exchanges
    from refundwatch.flow.lanes import Lanes
    from refundwatch.flow.pace import Ages, Pace
    from refundwatch.flow.ports import Clock, FlowSettings, Log, Paths
    from refundwatch.store.contract import Policy, Store


@dataclass(slots=True)
class Door:
    """How many deliveries wait for their answer now."""

    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Equipment:
    """The store, the wire, the clock; `rules` and `policy` give what holds now."""

    store: Store
    exchanges: Exchanges
    paths: Paths
    clock: Clock
    log: Log
    rules: Callable[[], FlowSettings]
    policy: Callable[[], Policy]
    lanes: Lanes
    pace: Pace
    ages: Ages
    door: Door = field(default_factory=Door)

    @property
    def settings(self) -> FlowSettings:
        """Give how the rooms behave now; a configuration loaded anew changes it."""
        return self.rules()
