"""What most adapters have in common: what they do not offer, said plainly.

Invariant: a default here never asks the gateway anything and never claims anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken, SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.contract import NotOffered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import Self

    from refundwatch.gateways.contract import (
        AccountView,
        CancelResult,
        Capabilities,
        Credentials,
        Operation,
        RefundInstruction,
        Session,
        Unauthorized,
        Unsure,
    )
    from refundwatch.gateways.settlement import BadLine, SettlementLine


class Adapter:
    """The parts of `Gateway` that many gateways do not have."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what this gateway can do."""
        raise NotImplementedError  # each adapter has its own, as `Gateway` demands

    def suited(self, settings: Mapping[str, str]) -> Self:
        """Give the adapter as an account's settings ask for it: mostly this one."""
        del settings
        return self

    def origins(self, account: AccountView) -> tuple[str, ...]:
        """Give no origin beside the endpoint."""
        del account
        return ()

    def open_session(
        self, account: AccountView, credentials: Credentials, now: datetime
    ) -> Operation[Session | Unauthorized | Unsure]:
        """Refuse: without `needs_session` nobody asks.

        Raises:
            InvariantBroken: always.
        """
        del account, credentials, now
        message = f"{self.capabilities.title} has no sessions."
        raise InvariantBroken(message)

    def cancel(self, instruction: RefundInstruction) -> Operation[CancelResult]:
        """Say that an accepted refund cannot be taken back."""
        del instruction
        return reading.without_request(NotOffered())

    def greet(
        self, account: AccountView, query: Mapping[str, str], secrets: tuple[str, ...]
    ) -> bytes | None:
        """Leave a GET on the webhook's address unanswered."""
        del account, query, secrets
        return None

    def read_settlement(
        self, account: AccountView, name: str, content: Iterable[bytes]
    ) -> Iterator[SettlementLine | BadLine]:
        """Refuse: no report of this gateway is known.

        Raises:
            SettlementUnreadable: always.
        """
        del account, content
        message = f"No settlement report of {self.capabilities.title} can be read."
        raise SettlementUnreadable(message, field=name)
