"""Before a payment's first send: what does its gateway say of it?

Invariant: nothing is sent for a payment that the gateway could tell us about and has
not; what it told is booked before the refund is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from refundwatch.domain.decision import Verdict
from refundwatch.flow.exchange import Silent
from refundwatch.flow.pace import RETRY_CAP_SECONDS
from refundwatch.gateways.contract import PaymentRead, PaymentUnreadable
from refundwatch.store.contract import (
    GetRefund,
    HoldUnsent,
    Postpone,
    RecordPaymentRead,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.domain.refund import Refund
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.exchange import Ran
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.store.contract import CallRecord, DueWork

_MOST_TRIES_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Original:
    """A payment that refunds may go out for; `captured_minor` where it was read."""

    captured_minor: int | None


class Originals:
    """Reads, books and judges the original payments of refunds about to be sent."""

    def __init__(self, equipment: Equipment) -> None:
        """Start with nothing tried."""
        self._at = equipment
        self._tries: dict[str, int] = {}

    async def ready(self, work: DueWork, path: ConnectionPath) -> Original | None:
        """Return the payment if the refund may go on; else it was held or postponed."""
        payment = work.payment
        if payment.knowledge == "read":
            return Original(payment.captured_minor)
        if payment.knowledge == "declared":
            return await self._declared(work.refund)
        if not path.gateway.capabilities.reads_payment:
            await self._book(work, None)
            return await self._declared(work.refund)
        return await self._read(work, path)

    async def _read(self, work: DueWork, path: ConnectionPath) -> Original | None:
        payment = work.payment
        if self._at.lanes.reads_stopped(path):
            await self._wait(work.refund, ())
            return None
        ran = await self._at.exchanges.ask(
            path,
            lambda: path.gateway.read_payment(
                path.account, payment.gateway_reference, payment.currency
            ),
        )
        self._at.lanes.obey(path, ran.calls)
        match ran.result:
            case PaymentRead() as read:
                await self._at.exchanges.note(ran.calls)
                await self._book(work, read)
                self._tries.pop(work.refund.id, None)
                return Original(read.captured_minor)
            case PaymentUnreadable(missing=True, unauthorized=False):
                await self._at.exchanges.note(ran.calls)
                await self._hold(work.refund, "payment_missing", alarm=True)
                return None
            case PaymentUnreadable(untold_in=str(currency)):
                await self._at.exchanges.note(ran.calls)
                await self._book(work, None, currency)
                return await self._declared(work.refund)
            case PaymentUnreadable() | Silent():
                await self._postpone(work.refund, ran)
                return None
            case _:
                assert_never(ran.result)

    async def _book(
        self, work: DueWork, read: PaymentRead | None, currency: str | None = None
    ) -> None:
        """Book what the gateway said; None marks the payment as declared by us."""
        command = RecordPaymentRead(
            at=self._at.clock.now(),
            payment_id=work.payment.id,
            captured_minor=read.captured_minor if read else None,
            refunded_minor=read.refunded_minor if read else None,
            currency=read.currency if read else currency,
            disputed=read.disputed if read else False,
        )
        await self._at.store.execute(command)

    async def _declared(self, refund: Refund) -> Original | None:
        """Let policy decide about a payment that only its caller vouches for."""
        held = (
            self._at.settings.hold_declared.get(refund.account, False)
            or refund.account in self._at.policy().hold_declared
        )
        if held and not await self._was_released(refund):
            await self._hold(refund, "declared_payment", alarm=False)
            return None
        return Original(None)

    async def _was_released(self, refund: Refund) -> bool:
        """Tell whether a person has let exactly this revision go on."""
        detail = await self._at.store.read(GetRefund(refund.id))
        return detail is not None and any(
            decision.kind is Verdict.RELEASE and decision.revision == refund.revision
            for decision in detail.decisions
        )

    async def _hold(self, refund: Refund, reason: str, *, alarm: bool) -> None:
        command = HoldUnsent(
            at=self._at.clock.now(),
            refund_id=refund.id,
            reason=reason,
            alarm=reason if alarm else None,
        )
        await self._at.store.execute(command)

    async def _postpone(
        self, refund: Refund, ran: Ran[PaymentRead | PaymentUnreadable | Silent]
    ) -> None:
        await self._wait(refund, ran.calls)

    async def _wait(self, refund: Refund, calls: Sequence[CallRecord]) -> None:
        """Look again later, each time later than before."""
        tries = self._tries.get(refund.id, 0)
        if len(self._tries) >= _MOST_TRIES_KEPT:
            self._tries.clear()
        self._tries[refund.id] = tries + 1
        due_at = self._at.pace.after_tries(
            refund.id, tries, cap_seconds=RETRY_CAP_SECONDS
        )
        await self._at.exchanges.note(calls[:-1])
        last = calls[-1] if calls else None
        await self._at.store.execute(
            Postpone(self._at.clock.now(), refund.id, due_at, last)
        )
