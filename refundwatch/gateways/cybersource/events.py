"""What Cybersource's webhooks mean, once it is known which part of them was signed.

Invariant: an event names a transaction and no more; what became of it is what
Cybersource says when it is read. A delivery whose signature holds is never refused for
what it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import (
    EventKind,
    GatewayEvent,
    Received,
    Unverifiable,
)
from refundwatch.gateways.cybersource import answers, building, facts, transactions

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        AccountView,
        HttpResponse,
        Operation,
        Verdict,
    )
    from refundwatch.gateways.reading import Json, JsonObject

MOST_ITEMS: Final = 20


@dataclass(frozen=True, slots=True)
class Covered:
    """What a signature covers: its bytes, the payload, and the type if it is in it."""

    text: bytes = field(repr=False)
    payload: Json = field(repr=False)
    type: str | None = None
    occurred_at: str | None = None


def of_payload(payload: Json, text: bytes) -> Covered:
    """Give what is known where the payload alone was signed."""
    return Covered(text, payload)


def of_envelope(envelope: JsonObject | None, text: bytes) -> Covered:
    """Give what is known where everything was signed; a bare payload is its own."""
    if envelope is None or "payload" not in envelope:
        return Covered(text, envelope)
    return Covered(
        text,
        envelope["payload"],
        type=reading.text(envelope, "eventType"),
        occurred_at=reading.utc_text(_zoned(reading.text(envelope, "eventDate"))),
    )


def _zoned(written: str | None) -> str | None:
    """Read a time without a zone as UTC, which the documentation's samples are in."""
    if written is None or reading.utc_text(written) is not None:
        return written
    return f"{written}Z"


def read(account: AccountView, covered: Covered) -> Operation[Verdict]:
    """Ask for every transaction that a delivery names."""
    events: dict[str, GatewayEvent] = {}
    for item in _items(covered.payload)[:MOST_ITEMS]:
        event = yield from _event(account, covered, item)
        if isinstance(event, Unverifiable):
            return event
        events.setdefault(event.dedupe_id, event)
    if not events:
        return Received((_other(covered, None),))
    return Received(tuple(events.values()))


def _items(payload: Json) -> list[JsonObject]:
    """Give the payload, or each of a list as older deliveries have it."""
    listed = payload if isinstance(payload, list) else [payload]
    opened = [reading.at(one, "data") or one for one in listed]
    return [one for one in opened if isinstance(one, dict)]


def _other(covered: Covered, item: JsonObject | None) -> GatewayEvent:
    digest = reading.body_sha256(covered.text)
    named = reading.text(item, "id")
    return GatewayEvent(
        kind=EventKind.OTHER,
        dedupe_id=f"{digest}:{named}" if named else digest,
        type=reading.shown(covered.type or f"status:{_status(item)}"),
        occurred_at=covered.occurred_at,
    )


def _status(item: JsonObject | None) -> str:
    """Give the status as it is written, for people: only what is read counts."""
    return reading.shown(None if item is None else item.get("status"))


def _event(
    account: AccountView, covered: Covered, item: JsonObject
) -> Operation[GatewayEvent | Unverifiable]:
    bare = _other(covered, item)
    transaction_id = reading.text(item, "id")
    about_refunds = covered.type is None or covered.type.startswith(facts.REFUND_EVENTS)
    if (
        not about_refunds
        or transaction_id is None
        or not reading.is_plain_id(transaction_id)
    ):
        return bare
    response = yield building.transaction_request(account, "receive", transaction_id)
    if response.status == answers.NOT_FOUND:
        return _not_there_yet(bare, item, transaction_id)
    if response.status != answers.OK:
        return Unverifiable(answers.reason(response))
    return _read_back(bare, item, transaction_id, response)


def _not_there_yet(
    bare: GatewayEvent, item: JsonObject, transaction_id: str
) -> GatewayEvent:
    """The index lags: name the refund, so that it is asked for later."""
    evidence = Evidence(
        source="webhook",
        raw_status=_status(item),
        gateway_reference=transaction_id,
        merchant_reference=transactions.code_of(item),
    )
    return replace(
        bare,
        kind=EventKind.REFUND,
        dedupe_id=f"{transaction_id}:{evidence.raw_status}:unread",
        evidence=evidence,
        hint=True,
    )


def _read_back(
    bare: GatewayEvent, item: JsonObject, transaction_id: str, response: HttpResponse
) -> GatewayEvent | Unverifiable:
    try:
        whole = transactions.read_transaction(response.body, transaction_id)
    except MalformedResponse as error:
        return Unverifiable(error.message)
    if transactions.did(whole, facts.CREDITS) is None:
        return bare
    said = transactions.read_refund(whole, "webhook", None)
    return replace(
        bare,
        kind=EventKind.REFUND,
        dedupe_id=f"{transaction_id}:{_status(item)}:{said.evidence.raw_status}",
        word=said.word,
        evidence=said.evidence,
        payment_aliases=transactions.names_of_payment(whole),
    )
