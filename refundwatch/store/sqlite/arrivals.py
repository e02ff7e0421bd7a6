"""Deliveries as they arrive: many at once, in as few statements as one would take.

Invariant: a delivery, its inbox jobs and its audit entries are one commit; an item is
stored once, whatever repeats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from refundwatch.domain.policy import SYSTEM
from refundwatch.errors import AccountUnknown
from refundwatch.store.contract import DeliveryItem, StoreDelivery
from refundwatch.store.rows import micros, moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import ALARM_SILENCE, close_alarm
from refundwatch.store.sqlite.delivery_items import item_text
from refundwatch.store.sqlite.journal import NewEntry
from refundwatch.store.sqlite.registry import joined_unit
from refundwatch.store.sqlite.sound import sound, sound_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

    Key = tuple[str, str]

_SQL = named_queries("sqlite", "arrivals")


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A delivery with those of its items that are new."""

    command: StoreDelivery
    fresh: tuple[DeliveryItem, ...]


@joined_unit(StoreDelivery)
def _store(tx: Transaction, commands: Sequence[StoreDelivery]) -> list[int]:
    _note_heard(tx, commands)
    arrivals, repeats = _sorted_out(tx, commands)
    _write(tx, [arrival for arrival in arrivals if arrival.fresh])
    for key in repeats:
        tx.change(_SQL["repeat"], key)
    return [len(arrival.fresh) for arrival in arrivals]


def _note_heard(tx: Transaction, commands: Iterable[StoreDelivery]) -> None:
    newest: dict[str, int] = {}
    for command in commands:
        at = micros(command.at)
        newest[command.account] = max(newest.get(command.account, at), at)
    for account, at in newest.items():
        if tx.change(_SQL["heard_from"], (at, account)) != 1:
            raise AccountUnknown(
                f"There is no account {account[:64]!a}.", field="account"
            )
        close_alarm(tx, moment(at), ALARM_SILENCE, account)


def _sorted_out(
    tx: Transaction, commands: Iterable[StoreDelivery]
) -> tuple[list[_Arrival], list[Key]]:
    """Part what is new from what repeats something, stored or just arrived."""
    sounded = [(command, [*map(sound_item, command.items)]) for command in commands]
    keys = {(command.account, it.dedupe_id) for command, its in sounded for it in its}
    known = {(row[0], row[1]) for row in tx.every_of(_SQL["known"], [*keys])}
    arrivals: list[_Arrival] = []
    repeats: Counter[Key] = Counter()
    for command, items in sounded:
        fresh: dict[str, DeliveryItem] = {}
        for item in items:
            key = (command.account, item.dedupe_id)
            if key in known:
                repeats[key] += 1
            else:
                fresh.setdefault(item.dedupe_id, item)
        known.update((command.account, dedupe_id) for dedupe_id in fresh)
        arrivals.append(_Arrival(command, tuple(fresh.values())))
    return arrivals, [*repeats.elements()]


def _write(tx: Transaction, arrivals: Sequence[_Arrival]) -> None:
    newest = tx.one(_SQL["newest"])
    if not arrivals or newest is None:
        return
    bodies: list[tuple[SqlValue, ...]] = []
    items: list[tuple[SqlValue, ...]] = []
    entries: list[NewEntry] = []
    delivery_id = int(newest["item"])
    for body_id, arrival in enumerate(arrivals, int(newest["body"]) + 1):
        command = arrival.command
        digest = sha256(command.body).hexdigest()
        bodies.append(_body_row(tx, command, body_id, digest))
        for item in arrival.fresh:
            delivery_id += 1
            items.append(_item_row(command, item, body_id, delivery_id))
            entries.append(_entry(command, item, delivery_id, digest))
    tx.change_all(_SQL["add_body"], bodies)
    tx.change_all(_SQL["add"], items)
    tx.append_all(entries)
    tx.touch("inbox")


def _body_row(
    tx: Transaction, command: StoreDelivery, body_id: int, digest: str
) -> tuple[SqlValue, ...]:
    sealed = tx.sealer.seal("delivery_body", str(body_id), "body", command.body)
    return (body_id, command.account, micros(command.at), sealed, digest)


def _item_row(
    command: StoreDelivery, item: DeliveryItem, body_id: int, delivery_id: int
) -> tuple[SqlValue, ...]:
    evidence, at = item.evidence, micros(command.at)
    return (
        delivery_id,
        body_id,
        command.account,
        item.dedupe_id,
        item.type,
        item.kind,
        item_text(item),
        evidence.merchant_reference if evidence else None,
        evidence.gateway_reference if evidence else None,
        item.payment_reference,
        at,
        at,
    )


def _entry(
    command: StoreDelivery, item: DeliveryItem, delivery_id: int, digest: str
) -> NewEntry:
    return NewEntry(
        command.at,
        "delivery:stored",
        SYSTEM.id,
        None,
        {
            "delivery_id": delivery_id,
            "account": command.account,
            "type": item.type,
            "dedupe_id": sound(item.dedupe_id),
            "body_sha256": digest,
        },
    )
