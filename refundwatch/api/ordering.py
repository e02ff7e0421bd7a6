"""What a person orders about no refund: built from what was displayed, and its request.

Invariant: the order that is signed and the request that is sent say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.api.deciding import LIFETIME, nonce_text
from refundwatch.api.models import ConnectionView, PaymentView
from refundwatch.domain.decision import Proof
from refundwatch.domain.order import (
    UNTIL_CLOSED,
    Order,
    OrderAct,
    close_detail,
    trip_detail,
    unfreeze_detail,
)
from refundwatch.errors import PaymentConflict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.api.client import ApiClient
    from refundwatch.api.deciding import Standing
    from refundwatch.api.drafts import SignedDecision
    from refundwatch.api.models_orders import CircuitBody, UnfreezeBody

__all__ = [
    "UNTIL_CLOSED",
    "AskedOrder",
    "OrderAct",
    "circuit_order",
    "send_circuit",
    "send_unfreeze",
    "unfreeze_order",
]


@dataclass(frozen=True, slots=True)
class AskedOrder:
    """One order as it is displayed, and the request that carries it."""

    act: OrderAct
    subject: str
    detail: Mapping[str, str]
    body: CircuitBody | UnfreezeBody

    @property
    def reason_text(self) -> str | None:
        """Give the reason in words, to which the statement commits."""
        return self.body.reason_text

    def message(
        self, standing: Standing, commitment: str | None, now: datetime, nonce: bytes
    ) -> bytes:
        """Give the bytes to sign.

        Raises:
            StatementInvalid: a field cannot be stated.
        """
        issued_at = now.replace(microsecond=0)
        return Order(
            actor=standing.actor,
            act=self.act,
            subject=self.subject,
            detail=self.detail,
            instance=standing.instance,
            reason=self.body.reason_code,
            reason_commitment=commitment,
            policy_version=standing.policy_version,
            issued_at=issued_at,
            proof=Proof(
                key=standing.key,
                log_size=standing.head.size,
                log_root=standing.head.root,
                nonce=nonce_text(nonce),
                expires_at=issued_at + LIFETIME,
            ),
        ).statement()


def circuit_order(connection: str, body: CircuitBody) -> AskedOrder:
    """Give the order that a request about a circuit needs."""
    if body.standing == "open":
        detail = trip_detail(body.part, body.seconds)
        return AskedOrder(OrderAct.TRIP, connection, detail, body)
    return AskedOrder(OrderAct.CLOSE, connection, close_detail(body.part), body)


def unfreeze_order(view: PaymentView, body: UnfreezeBody) -> AskedOrder:
    """Give the order that lifts the freeze which is displayed.

    Raises:
        PaymentConflict: the payment is not frozen.
    """
    if view.frozen is None:
        raise PaymentConflict(f"Payment {view.id} is not frozen.")
    detail = unfreeze_detail(view.frozen, view.frozen_at)
    return AskedOrder(OrderAct.UNFREEZE, view.id, detail, body)


async def send_circuit(
    client: ApiClient, asked: AskedOrder, signed: SignedDecision | None
) -> ConnectionView:
    """Send an order about a circuit, signed or not.

    Raises:
        ApiProblem, ApiUnreachable: as `ApiClient.call`.
    """
    account, _, connection = asked.subject.partition("/")
    return await client.call(
        "connections.circuit",
        ConnectionView,
        parts={"account": account, "connection": connection},
        body=asked.body if signed is None else signed.put_into(asked.body),
    )


async def send_unfreeze(
    client: ApiClient, asked: AskedOrder, signed: SignedDecision | None
) -> PaymentView:
    """Send the order that lifts a freeze, signed or not.

    Raises:
        ApiProblem, ApiUnreachable: as `ApiClient.call`.
    """
    return await client.call(
        "payments.unfreeze",
        PaymentView,
        parts={"payment": asked.subject},
        body=asked.body if signed is None else signed.put_into(asked.body),
    )
