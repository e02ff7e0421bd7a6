"""Room three, the door: a webhook is verified, stored, and only then answered.

Invariant: 2xx is answered after the delivery is durable; a forged delivery changes no
state, and unsigned ones make us read no more than a few things at once, within the
places of their connection. What a delivery means is applied later, by
`refundwatch.flow.inbox`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.cards import mask_cards
from refundwatch.errors import StoreBusy
from refundwatch.flow.exchange import Silent
from refundwatch.flow.hatch import Hatch
from refundwatch.flow.loops import trouble
from refundwatch.gateways.contract import (
    Forged,
    HttpRequest,
    Received,
    Unverifiable,
)
from refundwatch.store.contract import DeliveryItem, StoreDelivery

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Mapping

    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import GatewayEvent, RawDelivery, Verdict

OK: Final = 200
UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
UNAVAILABLE: Final = 503
VERIFY_TIMEOUT_SECONDS: Final = 4.0
"""Gateways give up on a slow listener; a certificate must come sooner than that."""

MOST_READING: Final = 8
"""Deliveries of one account that may read or wait for that; others come again.

Who sends one that is not signed chooses what is read for it, and how often."""

MOST_WAITING: Final = 2048
"""Deliveries that may wait for the disk: who left waits on, and another one comes."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What the webhook listener answers."""

    status: int
    body: bytes = b""


class Receptionist:
    """Takes webhooks in."""

    def __init__(self, equipment: Equipment) -> None:
        """Start with nothing counted."""
        self._at = equipment
        self._counted: Counter[tuple[str, str]] = Counter()
        self._reading: Counter[str] = Counter()
        self._hatch = Hatch(equipment.lanes, equipment.clock)

    @property
    def counted(self) -> Mapping[tuple[str, str], int]:
        """Give deliveries by account and verdict, for the metrics.

        Verdicts are received, repeated, forged, unverifiable and failed.
        """
        return self._counted

    async def receive(self, account: str, raw: RawDelivery) -> Reception:
        """Verify a delivery, store it, and say what to answer."""
        paths = self._at.paths.of_account(account)
        if not paths:
            return Reception(NOT_FOUND)
        try:
            verdict = await self._bounded(paths[0], raw)
            stored = self._storing(account, raw, verdict)
            new = 0 if stored is None else await self._stored(stored)
            return self._received(paths[0], verdict, new)
        except Exception as error:  # noqa: BLE001 - the gateway must send it again
            return self._failed(account, error)

    def receive_at_once(
        self, account: str, raw: RawDelivery, answer: Callable[[Reception], None]
    ) -> bool:
        """Take in what can be verified without asking anybody; `answer` comes later.

        False, and nothing was done, where the account is unknown or its gateway must
        be asked: then `receive` is the way.
        """
        paths = self._at.paths.of_account(account)
        if not paths:
            return False
        path = paths[0]
        try:
            verdict = self._asked_first(path, raw)
            if isinstance(verdict, HttpRequest):
                return False
            stored = self._storing(account, raw, verdict)
            waiting = None if stored is None else self._at.store.submit(stored)
        except Exception as error:  # noqa: BLE001 - the gateway must send it again
            answer(self._failed(account, error))
            return True
        if waiting is None:
            answer(self._reception(path, verdict, lambda: 0))
            return True
        self._at.door.waiting += 1

        def durable(outcome: Future[int]) -> None:
            self._at.door.waiting -= 1
            # Outside of what is caught: an answer that fails is not given twice.
            answer(self._reception(path, verdict, outcome.result))

        waiting.add_done_callback(durable)
        return True

    def _reception(
        self, path: ConnectionPath, verdict: Verdict, stored: Callable[[], int]
    ) -> Reception:
        try:
            return self._received(path, verdict, stored())
        except Exception as error:  # noqa: BLE001 - the gateway must send it again
            return self._failed(path.account.name, error)

    def greet(self, account: str, query: Mapping[str, str]) -> bytes | None:
        """Answer a gateway's check of the address; None where there is no answer."""
        paths = self._at.paths.of_account(account)
        if not paths:
            return None
        secrets = self._at.paths.webhook_secrets(account)
        answer = paths[0].gateway.greet(paths[0].account, query, secrets)
        if answer is not None:
            self._at.log.event("webhook_greeted", account=account)
        return answer

    async def _stored(self, stored: StoreDelivery) -> int:
        self._at.door.waiting += 1
        try:
            return await self._at.store.execute(stored)
        finally:
            self._at.door.waiting -= 1

    async def _bounded(self, path: ConnectionPath, raw: RawDelivery) -> Verdict:
        """Verify; where that reads what the delivery names, only with a few others.

        What may be kept (a certificate) is fetched once for all, and does not count.
        """
        asked = self._asked_first(path, raw)
        if not isinstance(asked, HttpRequest):
            return asked
        if asked.reusable:
            return await self._verdict(path, raw)
        account = path.account.name
        if self._reading[account] >= MOST_READING:
            return Unverifiable("too_many_to_read")
        self._reading[account] += 1
        try:
            async with self._hatch.place(path) as placed:
                if not placed:
                    return Unverifiable("no_place_to_read")
                return await self._verdict(path, raw)
        finally:
            self._reading[account] -= 1

    async def _verdict(self, path: ConnectionPath, raw: RawDelivery) -> Verdict:
        secrets = self._at.paths.webhook_secrets(path.account.name)
        now = self._at.clock.now()
        ran = await self._at.exchanges.ask(
            path,
            lambda: path.gateway.receive(path.account, raw, secrets, now),
            min(path.timeout_seconds, VERIFY_TIMEOUT_SECONDS),
        )
        if isinstance(ran.result, Silent):
            return Unverifiable(ran.result.reason)
        if isinstance(ran.result, Received) and ran.result.events:
            # Who sends a delivery chooses what is fetched for it: only one that holds
            # and says something may tell how well the connection works, or a stranger
            # could pause it, and fill the store.
            await self._at.exchanges.note(ran.calls)
        return ran.result

    def _asked_first(
        self, path: ConnectionPath, raw: RawDelivery
    ) -> Verdict | HttpRequest:
        """Give the verdict where nobody has to be asked, or else the first question."""
        secrets = self._at.paths.webhook_secrets(path.account.name)
        operation = path.gateway.receive(
            path.account, raw, secrets, self._at.clock.now()
        )
        try:
            asked = next(operation)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict
        operation.close()
        return asked

    def _storing(
        self, account: str, raw: RawDelivery, verdict: Verdict
    ) -> StoreDelivery | None:
        if not isinstance(verdict, Received) or not verdict.events:
            return None
        if self._at.door.waiting >= MOST_WAITING:
            raise StoreBusy("Too many deliveries wait for the disk.")
        return StoreDelivery(
            at=self._at.clock.now(),
            account=account,
            items=tuple(item_of(event) for event in verdict.events),
            body=raw.body,
        )

    def _received(self, path: ConnectionPath, verdict: Verdict, new: int) -> Reception:
        account = path.account.name
        match verdict:
            case Forged(reason=reason):
                self._at.log.event("delivery_forged", account=account, reason=reason)
                return self._answer(account, "forged", UNAUTHORIZED)
            case Unverifiable(reason=reason):
                self._at.log.problem(
                    "delivery_unverifiable", account=account, reason=reason
                )
                return self._answer(account, "unverifiable", UNAVAILABLE)
            case Received():
                answer = path.gateway.capabilities.webhook_answer
                kind = "received" if new else "repeated"
                return self._answer(account, kind, OK, answer)

    def _failed(self, account: str, error: Exception) -> Reception:
        self._at.log.problem("delivery_failed", account=account, **trouble(error))
        return self._answer(account, "failed", UNAVAILABLE)

    def _answer(
        self, account: str, verdict: str, status: int, body: bytes = b""
    ) -> Reception:
        self._counted[account, verdict] += 1
        return Reception(status, body)


def item_of(event: GatewayEvent) -> DeliveryItem:
    """Restate an adapter's event as what the store keeps of it."""
    return DeliveryItem(
        dedupe_id=event.dedupe_id,
        type=mask_cards(event.type),
        kind=str(event.kind),
        occurred_at=event.occurred_at,
        word=event.word,
        evidence=event.evidence,
        payment_reference=event.payment_reference,
        hint=event.hint,
        payment_aliases=event.payment_aliases,
    )
