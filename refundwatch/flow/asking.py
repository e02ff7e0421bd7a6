"""How a gateway is asked about one refund.

Invariant: what is asked moves no money; a gateway that offers no question gets none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from refundwatch.flow.attempt import instruction_of
from refundwatch.gateways.contract import Lookup

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.flow.exchange import Silent
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import LookupResult, Operation

Answer: TypeAlias = "LookupResult | Silent"


def question(
    refund: Refund,
    path: ConnectionPath,
    *,
    by_our_reference: bool,
    gateway_reference: str | None = None,
    asked_at: datetime | None = None,
) -> Callable[[], Operation[LookupResult]] | None:
    """Give the question, or None where the gateway cannot be asked.

    By our own reference everything that carries it is found; by the gateway's, one
    refund is read. Where the wanted way is not offered the other is taken. A poll says
    when it asks (`asked_at`).
    """
    gateway = path.gateway
    reference = gateway_reference or refund.gateway_reference
    instruction = replace(
        instruction_of(refund, path), gateway_reference=reference, asked_at=asked_at
    )
    finds = gateway.capabilities.lookup is not Lookup.NONE
    reads = gateway.capabilities.reads_refund and reference is not None
    if finds and (by_our_reference or not reads):
        return lambda: gateway.look_up(instruction)
    if reads:
        return lambda: gateway.read_refund(instruction)
    return None
