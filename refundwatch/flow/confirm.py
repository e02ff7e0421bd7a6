"""Room three, the door: a webhook is verified, stored, and only then answered.

Invariant: 2xx is answered after the delivery is durable; a forged delivery changes no
state. What a delivery means is applied later, by `refundwatch.flow.inbox`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.flow.exchange import Silent
from refundwatch.flow.loops import trouble
from refundwatch.gateways.contract import Forged, Received, Unverifiable
from refundwatch.store.contract import DeliveryItem, StoreDelivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import GatewayEvent, RawDelivery, Verdict

OK: Final = 200
UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
UNAVAILABLE: Final = 503
VERIFY_TIMEOUT_SECONDS: Final = 4.0
"""Gateways give up on a slow listener; a certificate must come sooner than that."""


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
            verdict = await self._verdict(paths[0], raw)
            return await self._received(paths[0], raw, verdict)
        except Exception as error:  # noqa: BLE001 - the gateway must send it again
            self._at.log.problem("delivery_failed", account=account, **trouble(error))
            return self._answer(account, "failed", UNAVAILABLE)

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
        if isinstance(ran.result, Received):
            # Who sends a delivery chooses what is fetched for it: only one that holds
            # may say how well the connection works, or a stranger could pause it.
            await self._at.exchanges.note(ran.calls)
        return ran.result

    async def _received(
        self, path: ConnectionPath, raw: RawDelivery, verdict: Verdict
    ) -> Reception:
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
            case Received(events=events):
                new = await self._store(account, events, raw)
                answer = path.gateway.capabilities.webhook_answer
                kind = "received" if new else "repeated"
                return self._answer(account, kind, OK, answer)

    async def _store(
        self, account: str, events: tuple[GatewayEvent, ...], raw: RawDelivery
    ) -> int:
        if not events:
            return 0
        return await self._at.store.execute(
            StoreDelivery(
                at=self._at.clock.now(),
                account=account,
                items=tuple(item_of(event) for event in events),
                body=raw.body,
            )
        )

    def _answer(
        self, account: str, verdict: str, status: int, body: bytes = b""
    ) -> Reception:
        self._counted[account, verdict] += 1
        return Reception(status, body)


def item_of(event: GatewayEvent) -> DeliveryItem:
    """Restate an adapter's event as what the store keeps of it."""
    return DeliveryItem(
        dedupe_id=event.dedupe_id,
        type=event.type,
        kind=str(event.kind),
        occurred_at=event.occurred_at,
        word=event.word,
        evidence=event.evidence,
        payment_reference=event.payment_reference,
        hint=event.hint,
        payment_aliases=event.payment_aliases,
    )
