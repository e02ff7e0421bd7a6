"""Money that moved without us, and payments that must rest because of it.

Invariant: a refund that the gateway made and we did not order stands against its
payment exactly once, as long as it stands at the gateway and is not found to be one
of ours; where it breaks the limit it is booked all the same, and freezes the payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import Held
from refundwatch.domain.policy import SYSTEM
from refundwatch.domain.refund import Word
from refundwatch.domain.transition import CONTRADICTION
from refundwatch.errors import InvariantBroken
from refundwatch.store.rows import micros, refund_from_row
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import open_alarm
from refundwatch.store.sqlite.applying import OVER_CAPTURED, reference_owner

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.events import GatewayWord
    from refundwatch.domain.transition import Applied
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "outside")

_PAID: Final = frozenset({Word.SUCCEEDED, Word.SETTLED})
_CAME_BACK: Final = frozenset({Word.FAILED, Word.REVERSED})

ALARM_ELSEWHERE: Final = "payment_refunded_elsewhere"
ALARM_OVER_CAPTURED: Final = "payment_over_captured"


def freeze_and_hold(
    tx: Transaction, payment_id: str, reason: str, at: datetime
) -> None:
    """Freeze a payment and hold what is not sent of it yet."""
    tx.freeze_payment(payment_id, reason, at, SYSTEM.id)
    hold_unsent(tx, payment_id, reason, at)


def hold_unsent(tx: Transaction, payment_id: str, reason: str, at: datetime) -> None:
    """Hold every refund of a payment that is not sent yet."""
    for row in tx.every(_SQL["unsent_of_payment"], (payment_id,)):
        applied = tx.apply_event(refund_from_row(row), Held(reason), at)
        tx.save_applied(applied, at, SYSTEM.id, {"reason": reason})


def over_captured(tx: Transaction, payment_id: str, source: str, at: datetime) -> None:
    """Freeze a payment of which more is given back, or asked for, than was taken.

    To be done before the amounts are booked that break the limit; `source` says in a
    code who told them.
    """
    freeze_and_hold(tx, payment_id, OVER_CAPTURED, at)
    open_alarm(tx, at, ALARM_OVER_CAPTURED, payment_id, detail={"source": source})


def book_external(
    tx: Transaction, payment_id: str, amount_minor: int, at: datetime, source: str
) -> None:
    """Book an amount that moved without us, alarm, and freeze where it is too much.

    `amount_minor` is positive, in the payment's minor units; `source` says in a code
    who told.
    """
    balance = tx.load_balance(payment_id)
    standing = balance.refunded_minor + balance.reserved_minor + amount_minor
    if standing > balance.captured_minor:
        over_captured(tx, payment_id, source, at)
    _change_external(tx, payment_id, amount_minor)
    data: dict[str, JsonValue] = {
        "payment_id": payment_id,
        "amount_minor": amount_minor,
        "source": source,
    }
    tx.append(at, "payment:external:booked", SYSTEM.id, None, data)
    detail = {"amount_minor": amount_minor}
    open_alarm(tx, at, ALARM_ELSEWHERE, payment_id, detail=detail)


@dataclass(frozen=True, slots=True)
class ExternalRefund:
    """One refund at the gateway that we did not order; amount in minor units.

    It stood at `known_by` at the latest: when the gateway says that it was made, or
    else when we heard of it.
    """

    account: str
    gateway_reference: str
    payment_id: str
    amount_minor: int
    known_by: datetime


def book_external_refund(tx: Transaction, refund: ExternalRefund, at: datetime) -> bool:
    """Book a refund that is not ours; False when it stands already.

    A read of the payment since it was made has counted it, without its name: then it
    is named now, and only what the read did not show is added.
    """
    key = (refund.account, refund.gateway_reference)
    known = tx.one(_SQL["external_of_reference"], key)
    if known is not None and known["standing"]:
        return False
    read = tx.one(_SQL["external_known"], (refund.payment_id,))
    counted = 0
    if read is not None and (read["read_at"] or 0) >= micros(refund.known_by):
        counted = min(max(read["unnamed_minor"], 0), refund.amount_minor)
    values = (*key, refund.payment_id, refund.amount_minor, micros(at))
    tx.change(_SQL["put_external"], values)
    if counted < refund.amount_minor:
        added = refund.amount_minor - counted
        book_external(tx, refund.payment_id, added, at, "delivery")
    return True


def end_external_refund(
    tx: Transaction, account: str, gateway_reference: str, at: datetime, reason: str
) -> bool:
    """Take a booked external refund back; False when none stands.

    It came back, or it is one of ours after all; `reason` says which in a code.
    """
    known = tx.one(_SQL["external_of_reference"], (account, gateway_reference))
    if known is None or not known["standing"]:
        return False
    tx.change(_SQL["end_external"], (account, gateway_reference))
    payment_id, amount = known["payment_id"], known["amount_minor"]
    _change_external(tx, payment_id, -amount)
    data = {"payment_id": payment_id, "amount_minor": amount, "reason": reason}
    tx.append(at, "payment:external:ended", SYSTEM.id, None, data)
    return True


def adopt_external(tx: Transaction, applied: Applied, at: datetime) -> None:
    """Give up an external booking that a refund of ours is now known to be.

    To be done before the refund's own amount is booked: else both stand together for
    a moment, and a payment is frozen for nothing. Where the amounts differ both stay:
    too much booked keeps money, too little gives it away.
    """
    before, after = applied.before, applied.after
    reference = after.gateway_reference
    news = (reference, after.booking) != (before.gateway_reference, before.booking)
    if reference is None or not news or applied.freeze is not None:
        return
    key = (after.account, reference)
    known = tx.one(_SQL["external_of_reference"], key)
    paid = after.executed_minor or after.amount_minor
    if known is not None and known["amount_minor"] == paid:
        end_external_refund(tx, *key, at, "ours")


def book_beside(
    tx: Transaction, applied: Applied, said: GatewayWord, at: datetime
) -> None:
    """Book what the gateway made beside a refund and under its name, or its return.

    A second execution contradicts the refund and moves it to people at most; the
    money moved all the same. What is called by our own name is the refund itself, where
    people were shown another name for it too.
    """
    refund, evidence = applied.after, said.evidence
    reference, amount = evidence.gateway_reference, evidence.amount_minor
    names = {refund.gateway_reference, refund.merchant_reference}
    if reference is None or reference in names:
        return
    if applied.kind != CONTRADICTION or reference_owner(tx, refund, reference):
        return
    if said.word in _CAME_BACK:
        end_external_refund(tx, refund.account, reference, at, "came_back")
    here = evidence.payment_reference in {None, refund.payment_reference}
    ours = here and evidence.currency == refund.currency
    if said.word in _PAID and ours and amount is not None and amount > 0:
        moved = ExternalRefund(refund.account, reference, refund.payment_id, amount, at)
        book_external_refund(tx, moved, at)


def _change_external(tx: Transaction, payment_id: str, amount_minor: int) -> None:
    values: dict[str, SqlValue] = {"payment": payment_id, "amount": amount_minor}
    if tx.change(_SQL["add_external"], values) != 1:
        raise InvariantBroken(f"There is no payment {payment_id}.")
