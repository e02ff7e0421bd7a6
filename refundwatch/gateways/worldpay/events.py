"""What Worldpay's notifications mean, once their address proved the sender.

Invariant: whatever an authentic notification holds is received, also what cannot be
read: anything but the good answer would keep every later one behind it. Each word is a
hint: the inquiry is asked first, and what it cannot tell counts after a while.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading, signing
from refundwatch.gateways.amounts import Stated, heard
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
    Verdict,
)
from refundwatch.gateways.worldpay import facts
from refundwatch.gateways.worldpay.money import stated_amount
from refundwatch.gateways.xml import attribute, child, parse_xml, xml_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from refundwatch.gateways.contract import AccountView, RawDelivery

UNREADABLE: Final = "unreadable"
_OURS: Final = re.compile(r"rw[a-z2-7]{18}")


def verdict(
    account: AccountView, delivery: RawDelivery, secrets: tuple[str, ...]
) -> Verdict:
    """Check the secret in the address, then read what was posted there."""
    usable = [secret for secret in secrets if secret]
    if not usable:
        return Unverifiable("no_usable_secret")
    given = delivery.query.get(facts.WEBHOOK_KEY)
    if given is None:
        return Forged("address_key_missing")
    if not signing.any_equal(usable, (given,)):
        return Forged("address_key_mismatch")
    try:
        return Received(_events(parse_xml(delivery.body), account))
    except MalformedResponse:
        return Received((_unreadable(delivery.body),))


def _events(root: Element, account: AccountView) -> tuple[GatewayEvent, ...]:
    notify = child(root, "notify")
    if root.tag != "paymentService" or notify is None:
        raise MalformedResponse("not_a_notification")
    ours = account.settings.get(facts.MERCHANT_CODE)
    merchant = root.get("merchantCode", ours)
    report = child(notify, "report")
    items = list((notify if report is None else report).findall("orderStatusEvent"))
    if not items and report is None:
        raise MalformedResponse("no_event")
    events: dict[str, GatewayEvent] = {}
    for item in items:
        event = _event(item, merchant or "", is_ours=merchant == ours)
        events.setdefault(event.dedupe_id, event)
    return tuple(events.values())


def _unreadable(body: bytes) -> GatewayEvent:
    """Keep what cannot be read as a word about no refund: it ends with an alarm."""
    return GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=reading.body_sha256(body),
        type=UNREADABLE,
        hint=True,
    )


def _event(item: Element, merchant: str, *, is_ours: bool) -> GatewayEvent:
    order_code = attribute(item, "orderCode")
    event = attribute(item, "journalType", "journal") or xml_text(
        item, "payment", "lastEvent", limit=64
    )
    identity = _identity(item, merchant, order_code, event)
    if not is_ours:
        # A company's merchants can share an address; refused, it would keep ours.
        return GatewayEvent(EventKind.OTHER, identity, "other_merchant", hint=True)
    if event is None or order_code is None:
        return GatewayEvent(EventKind.REFUND, identity, UNREADABLE, hint=True)
    word = facts.REFUND_WORDS.get(event)
    if word is None and "REFUND" in event:
        word = Word.UNSEEN
    if word is None:
        return GatewayEvent(
            kind=facts.DISPUTE_EVENTS.get(event, EventKind.OTHER),
            dedupe_id=identity,
            type=reading.shown(event),
            payment_reference=order_code,
            hint=True,
        )
    said = heard(word, _evidence(item, event, order_code), refund_amount(item))
    return GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=identity,
        type=reading.shown(event),
        # A booking day has no time: it would make a refund look older than a read.
        occurred_at=None,
        word=said.word,
        evidence=said.evidence,
        payment_reference=order_code,
        hint=True,
    )


def _identity(
    item: Element, merchant: str, order_code: str | None, event: str | None
) -> str:
    """Digest what tells one event from another; Worldpay gives them no id."""
    date = child(item, "journal", "bookingDate", "date")
    booked = () if date is None else sorted(date.attrib.items())
    batches = sorted({one.get("batchId", "") for one in item.iter("accountTx")} - {""})
    amounts = sorted(
        "/".join((tx.get("accountType", ""), *_written(child(tx, "amount"))))
        for tx in item.iter("accountTx")
    )
    parts = (
        (merchant, order_code or "", event or ""),
        sorted(_references(item)),
        [f"{name}={value}" for name, value in booked],
        batches,
        amounts,
    )
    written = "\n".join("\t".join(part) for part in parts)
    return sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def _written(amount: Element | None) -> tuple[str, ...]:
    names = ("value", "currencyCode", "exponent", "debitCreditIndicator")
    return tuple("" if amount is None else amount.get(name, "") for name in names)


# --- which refund, how much -------------------------------------------------------


def _references(item: Element) -> list[str]:
    journals = [
        one.get("reference", "")
        for journal in item.findall("journal")
        for one in journal.findall("journalReference")
    ]
    named = xml_text(item, "payment", "reference")
    return [text for text in (*journals, named) if text]


def reference_of(item: Element) -> str | None:
    """Give the reference of the refund, under whichever type it stands.

    Templates differ in the type, so all are searched: first for one of our own making,
    then for that of type `refund`, then for the only one. None where they disagree.
    """
    every = set(_references(item))
    ours = {text for text in every if _OURS.fullmatch(text)}
    typed = {
        one.get("reference", "")
        for one in item.iter("journalReference")
        if one.get("type") == "refund"
    } - {""}
    found = ours or typed or every
    return found.pop() if len(found) == 1 else None


def refund_amount(item: Element) -> Stated:
    """Give the amount of the refund: the bookings', for the payment's is the order's.

    Only bookings in the payment's own currency count, and not Worldpay's commission;
    where they differ nobody can say which one is meant.
    """
    ordered = stated_amount(child(item, "payment", "amount"))
    booked = [
        stated_amount(child(tx, "amount"))
        for tx in item.iter("accountTx")
        if tx.get("accountType") != facts.COMMISSION
    ]
    doubts = [one for one in booked if one.doubt is not None]
    if doubts:
        return doubts[0]
    same = [one for one in booked if ordered.currency in {None, one.currency}]
    return _only(same) if same else Stated(currency=ordered.currency)


def _only(stated: Iterable[Stated]) -> Stated:
    different = sorted({(one.amount_minor or 0, one.currency or "") for one in stated})
    if len(different) == 1:
        return Stated(*different[0])
    written = " ".join(str(amount) for amount, _ in different)
    return Stated(doubt=reading.shown(f"amounts:{written}"))


def _evidence(item: Element, event: str, order_code: str) -> Evidence:
    reference = reference_of(item)
    failed = facts.REFUND_WORDS.get(event) is Word.FAILED
    return Evidence(
        source="webhook",
        raw_status=reading.shown(event),
        gateway_reference=reference,
        merchant_reference=reference,
        payment_reference=order_code,
        requires_action=event == facts.WEBFORM,
        failure_code=event.lower() if failed else None,
    )
