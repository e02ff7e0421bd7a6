"""Returns systems, approvers and operators, who ask again when nobody answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.policy import Principal, Role
from refundwatch.errors import RefundwatchError, RequestConflict
from refundwatch.sandbox.books import DEAD_STATUSES
from refundwatch.store.contract import (
    DecideRefund,
    NewRefund,
    UnfreezePayment,
)
from refundwatch.store.rows import refund_from_row
from refundwatch.store.sqlite.statements import content_sha256
from tests.simulation.plan import NEIGHBOUR, Ask

if TYPE_CHECKING:
    import sqlite3
    from random import Random

    from refundwatch.domain.refund import Refund
    from refundwatch.sandbox.ledger import LedgerRow
    from tests.simulation.city import City

SHOP: Final = Principal("machine:shop", frozenset({Role.REQUESTER}))
PEOPLE: Final = tuple(
    Principal(f"person:{name}", frozenset({Role.OPERATOR, Role.APPROVER}))
    for name in ("ann", "ben", "cleo", "dora")
)
_GIVE_UP: Final = 8 * 3600.0
"""After so long a calm, people cancel what waits for a payment that stays frozen."""


async def attempted(city: City, work: Any) -> Any:
    """Do something through the API; None when the daemon died over it."""
    task = await city.through(work)
    return None if task.cancelled() else task.result()


# --- the returns systems ---


async def returns(city: City) -> None:
    """Ask for every refund of the plan, each system by itself."""
    asks = list(city.plan.asks)
    if city.plan.neighbour:
        asks.append(Ask(5.0, "r-neighbour", "pi_neighbour", 500, 0, other_body=False))
    await asyncio.gather(*(_ask(city, ask) for ask in asks))


async def _ask(city: City, ask: Ask) -> None:
    await asyncio.sleep(ask.at)
    account = NEIGHBOUR if ask.payment == "pi_neighbour" else city.plan.account
    new = NewRefund(
        ask.request_id,
        ask.payment,
        ask.amount_minor,
        "EUR" if account == NEIGHBOUR else city.plan.currency,
        "returned",
        account=account,
        reason_text="Canary Customer 4242 sent it back.",
    )
    for _ in range(1 + ask.repeats):
        await _until_answered(city, new)
    if ask.other_body:
        await _conflict(city, new)


async def _until_answered(city: City, new: NewRefund) -> None:
    dice = city.dice("returns")
    while True:
        try:
            created = await attempted(city, city.house.intake.create(SHOP, new))
        except RefundwatchError as refused:
            city.trace("refused", new.request_id, refused.code)
            return
        if created is not None:
            city.rules.on_answered(new.request_id, created.refund.id)
            return
        await asyncio.sleep(dice.uniform(1, 20))


async def _conflict(city: City, new: NewRefund) -> None:
    other = NewRefund(
        new.request_id,
        new.payment,
        new.amount_minor + 1,
        new.currency,
        new.reason_code,
        account=new.account,
    )
    try:
        created = await attempted(city, city.house.intake.create(SHOP, other))
    except RequestConflict:
        city.rules.on_conflict(new.request_id, refused=True)
    except RefundwatchError:
        return
    else:
        if created is not None and city.look(
            "SELECT 1 FROM refund WHERE request_id = ? AND amount_minor = ?",
            new.request_id,
            new.amount_minor,
        ):
            city.rules.on_conflict(new.request_id, refused=False)


# --- approvers and operators ---


async def people(city: City) -> None:
    """Decide what waits; in trouble also change their minds, in calm clear the desk."""
    dice = city.dice("people")
    while True:
        await asyncio.sleep(dice.uniform(2, 40) if city.young else city.slow_seconds)
        if not city.life["alive"]:
            continue
        waiting = city.look(
            "SELECT * FROM refund WHERE state IN"
            " ('awaiting_approval', 'held', 'queued', 'review') ORDER BY id"
        )
        for row in waiting:
            await _treat(city, dice, refund_from_row(row))
        if city.calm:
            await _unfreeze(city)


async def _treat(city: City, dice: Random, refund: Refund) -> None:
    if city.loop.time() - city.healthy_since > _GIVE_UP and _is_hopeless(city, refund):
        await _decide(city, dice, refund, Verdict.CANCEL)
        return
    match refund.state:
        case "awaiting_approval":
            verdict = _wish(city, dice)
            await _decide(city, dice, refund, verdict)
            if verdict is Verdict.APPROVE and dice.random() < 0.6:
                await _decide(city, dice, refund, verdict)
        case "held":
            await _decide(city, dice, refund, Verdict.RELEASE)
        case "queued" if not city.calm and dice.random() < 0.03:
            verdict = dice.choice((Verdict.HOLD, Verdict.CANCEL))
            await _decide(city, dice, refund, verdict)
        case "review" if city.calm:
            await _resolve(city, dice, refund)
        case _:
            pass


def _is_hopeless(city: City, refund: Refund) -> bool:
    """Tell whether a refund waits for a payment that stays frozen."""
    frozen = city.look(
        "SELECT 1 FROM payment WHERE id = ? AND frozen IS NOT NULL", refund.payment_id
    )
    waits = refund.state in {"awaiting_approval", "held", "queued"}
    return city.calm and waits and bool(frozen)


def _wish(city: City, dice: Random) -> Verdict:
    if city.calm or dice.random() < 0.7:
        return Verdict.APPROVE
    return dice.choice(
        (Verdict.EDIT, Verdict.EDIT, Verdict.REFUSE, Verdict.CANCEL, Verdict.HOLD)
    )


async def _decide(
    city: City, dice: Random, refund: Refund, verdict: Verdict, **more: Any
) -> None:
    if verdict is Verdict.EDIT:
        more["amount_minor"] = max(refund.amount_minor + dice.randint(-500, 900), 1)
    who = more.pop("who", None) or dice.choice(PEOPLE)
    command = DecideRefund(
        at=city.clock.now(),
        principal=who,
        refund_id=refund.id,
        decision=verdict,
        revision=refund.revision,
        request_sha256=content_sha256(refund),
        reason_code="checked",
        policy=city.house.equipment.policy(),
        **more,
    )
    city.trace("decide", refund.id[-6:], verdict, who.id)
    try:
        await attempted(city, city.store.execute(command))
    except RefundwatchError as denied:
        city.trace("denied", denied.code)


# --- reviews, by what the gateway's own books say ---


async def _resolve(city: City, dice: Random, refund: Refund) -> None:
    """Two people look at the gateway's own books, once nothing is on its way."""
    if city.loop.time() - city.healthy_since < 1800:
        return
    found = city.look(
        "SELECT merchant_reference AS it FROM refund_generation WHERE refund_id = ?",
        refund.id,
    )
    references = [row["it"] for row in found]
    if any(city.wire.on_its_way(reference) for reference in references):
        return
    word = _word(city, dice, refund, references)
    if word is None:
        return
    resolution, evidence = word
    for who in dice.sample(PEOPLE, 2):
        await _decide(
            city,
            dice,
            refund,
            Verdict.RESOLVE,
            resolution=resolution,
            evidence=evidence,
            who=who,
        )


def _word(
    city: City, dice: Random, refund: Refund, references: list[str]
) -> tuple[Resolution, dict[str, str]] | None:
    city.advance()
    rows: list[LedgerRow] = [
        row
        for row in city.sandbox.ledger.rows(refund.account)
        if row.merchant_reference in references and row.source == "api"
    ]
    standing = [row for row in rows if row.executed]
    if standing:
        evidence = {}
        if not _belongs_to_another(city, refund, standing[0].refund_id):
            evidence["gateway_reference"] = standing[0].refund_id
        if standing[0].amount_minor != refund.amount_minor or (
            refund.review_reason == "amount_mismatch"
        ):
            evidence["executed_minor"] = str(standing[0].amount_minor)
        return Resolution.SUCCEEDED, evidence
    if any(row.status not in DEAD_STATUSES for row in rows):
        return None
    if any(row.executed_at is not None for row in rows):
        return Resolution.REVERSED, {}
    if dice.random() < 0.5 or refund.gateway_reference or refund.generation:
        return Resolution.DECLINED, {}
    return Resolution.RESEND, {}


def _belongs_to_another(city: City, refund: Refund, reference: str) -> bool:
    """Tell whether another refund, that nobody questions, has this one's reference."""
    return bool(
        city.look(
            "SELECT 1 FROM refund WHERE account = ? AND gateway_reference = ?"
            " AND id <> ? AND state <> 'review'",
            refund.account,
            reference,
            refund.id,
        )
    )


async def _unfreeze(city: City) -> None:
    """Lift a freeze once no refund of the payment is in question any more."""
    frozen: list[sqlite3.Row] = city.look(
        "SELECT p.id FROM payment AS p WHERE p.frozen IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM refund AS r WHERE r.payment_id = p.id"
        "  AND r.state IN ('review', 'unknown', 'pending', 'sending'))"
    )
    for row in frozen:
        command = UnfreezePayment(
            city.clock.now(), PEOPLE[0], row["id"], "checked", None
        )
        try:
            await attempted(city, city.store.execute(command))
        except RefundwatchError as denied:
            city.trace("frozen still", denied.code)
