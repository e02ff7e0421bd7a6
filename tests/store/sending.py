from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from refundwatch.domain import events as ev
from refundwatch.domain.refund import Evidence, Word
from refundwatch.store.contract import (
    ApplyEvent,
    CallRecord,
    Claimed,
    ClaimLost,
    ClaimRefund,
    DeliveryItem,
    DueInbox,
    InboxJob,
    StoreDelivery,
    StoredRequest,
)
from tests.making import FREE, START, after, make_payment, make_refund

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.domain.transition import Applied
    from refundwatch.store.contract import Policy, Store

MAIN = "stripe-uk/main"
REQUEST = StoredRequest(
    operation="refund",
    method="POST",
    target="/v1/refunds",
    headers=(("idempotency-key", "k-1"), ("content-type", "application/x")),
    body=b"amount=1000",
)


async def queued(store: Store, amount_minor: int = 1_000, **fields: Any) -> Refund:
    """A refund that may be sent, of a payment of its own."""
    payment = fields.pop("payment", None)
    return await make_refund(store, payment, amount_minor, policy=FREE, **fields)


async def claim(
    store: Store,
    refund: Refund,
    *,
    at: datetime = START,
    connection: str = MAIN,
    request: StoredRequest | None = REQUEST,
    policy: Policy = FREE,
    revision: int | None = None,
) -> Claimed | ClaimLost:
    return await store.execute(
        ClaimRefund(
            at=at,
            about=refund if revision is None else replace(refund, revision=revision),
            connection=connection,
            request=request,
            lease_until=at.replace(year=at.year + 1),
            policy=policy,
        )
    )


async def sending(store: Store, refund: Refund | None = None, **fields: Any) -> Refund:
    """A refund whose attempt is open."""
    refund = refund or await queued(store)
    claimed = await claim(store, refund, **fields)
    assert isinstance(claimed, Claimed), claimed
    return claimed.refund


async def happen(
    store: Store,
    refund: Refund,
    event: ev.RefundEvent,
    *,
    at: datetime = START,
    call: CallRecord | None = None,
) -> Applied:
    return await store.execute(ApplyEvent(at, refund.id, event, call))


def heard(word: Word, source: str = "answer", **evidence: Any) -> ev.GatewayWord:
    evidence.setdefault("raw_status", word.value)
    return ev.GatewayWord(word, Evidence(source=source, **evidence))


def call(
    outcome: str = "ok",
    *,
    at: float = 0,
    connection: str = MAIN,
    duration_ms: int = 0,
    **fields: Any,
) -> CallRecord:
    """An exchange that began `at` seconds after the start."""
    fields.setdefault("operation", "probe")
    fields.setdefault("sent", True)
    return CallRecord(
        connection=connection,
        started_at=after(at),
        duration_ms=duration_ms,
        outcome=outcome,
        **fields,
    )


def item(
    dedupe_id: str = "evt_1", word: Word | None = Word.SUCCEEDED, **fields: Any
) -> DeliveryItem:
    """A webhook item about a refund; fields of its evidence go by their name."""
    known = {
        name: fields.pop(name)
        for name in ("kind", "type", "payment_reference", "payment_aliases", "hint")
        if name in fields
    }
    known.setdefault("kind", "refund")
    known.setdefault("type", "refund.updated")
    evidence = Evidence(
        source="webhook", raw_status=fields.pop("raw_status", str(word)), **fields
    )
    return DeliveryItem(dedupe_id=dedupe_id, word=word, evidence=evidence, **known)


async def deliver(
    store: Store,
    *items: DeliveryItem,
    at: datetime = START,
    account: str = "stripe-uk",
    body: bytes = b"{}",
) -> list[InboxJob]:
    """Store a delivery; give every job that waits then."""
    await store.execute(StoreDelivery(at, account, items, body))
    jobs = await store.read(DueInbox(at, 100))
    return list(jobs)


async def payment_with(
    store: Store, *amounts: int, captured: int = 10_000
) -> list[Refund]:
    """Queued refunds of one payment."""
    payment = await make_payment(store, captured)
    return [await queued(store, amount, payment=payment) for amount in amounts]
