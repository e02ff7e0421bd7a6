"""Asking a gateway to take an accepted refund back.

Invariant: a refund that was accepted ends only by the gateway's word: what it answers
goes the way of every word, through `apply`, and no answer ends nothing. It is asked
once for each time that a person asks, after that was recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.events import GatewayWord
from refundwatch.domain.refund import RefundState, Word
from refundwatch.errors import NotCancelled
from refundwatch.flow.attempt import instruction_of
from refundwatch.flow.exchange import drive
from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import (
    Heard,
    NotOffered,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.store.contract import ApplyEvent

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.exchange import Line
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import (
        CancelResult,
        HttpRequest,
        HttpResponse,
    )


class Canceller:
    """Asks gateways to cancel what they accepted."""

    def __init__(self, equipment: Equipment) -> None:
        """Work with the equipment of the house."""
        self._at = equipment

    def offers(self, refund: Refund) -> bool:
        """Tell whether the refund stands where its gateway can be asked."""
        path = self._at.lanes.of_refund(refund)
        return (
            refund.state is RefundState.PENDING
            and refund.gateway_reference is not None
            and path is not None
            and path.gateway.capabilities.cancels_refund
        )

    async def ask(self, refund: Refund) -> None:
        """Ask the gateway, and apply its word.

        Raises:
            NotCancelled: its word is another one, or it gave none.
        """
        path = self._at.lanes.of_refund(refund)
        if path is None:
            raise NotCancelled(refund.id, "its account is not configured")
        line = self._at.exchanges.line(path)
        async with self._at.lanes.lane(path):
            result = await self._asked(refund, path, line)
        line.judge(result)
        self._at.lanes.obey(path, line.calls)
        if not isinstance(result, Heard):
            await self._at.exchanges.note(line.calls)
            raise NotCancelled(refund.id, _reason(result))
        await self._hear(refund, result, line)

    async def _asked(
        self, refund: Refund, path: ConnectionPath, line: Line
    ) -> CancelResult:
        async def send(request: HttpRequest) -> HttpResponse:
            return await line.send(request, path.timeout_seconds)

        try:
            operation = path.gateway.cancel(instruction_of(refund, path))
            return await drive(operation, send)
        except (NeverSentError, NoAnswerError) as error:
            # A look, an event or people will tell what became of it.
            return Unsure(str(error))

    async def _hear(self, refund: Refund, heard: Heard, line: Line) -> None:
        *before, last = line.calls
        await self._at.exchanges.note(before)
        event = GatewayWord(heard.word, heard.evidence)
        now = self._at.clock.now()
        await self._at.store.execute(ApplyEvent(now, refund.id, event, last))
        if heard.word is not Word.FAILED:
            raise NotCancelled(refund.id, f"it is {heard.evidence.raw_status} there")


def _reason(result: CancelResult) -> str:
    """Say in a few words why a gateway gave no word of the refund."""
    match result:
        case Unsure(reason=reason):
            return f"the gateway's answer is not known ({reason})"
        case NotProcessed(reason=reason):
            return f"the gateway does not want to now ({reason})"
        case Unauthorized(reason=reason):
            return f"the gateway refuses our credential ({reason})"
        case RefusedByGateway(code=code):
            return f"the gateway refuses ({code})"
        case NotOffered():
            return "the gateway does not cancel refunds"
        case Heard():
            return result.evidence.raw_status
