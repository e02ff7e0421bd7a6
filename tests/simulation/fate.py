"""What goes wrong beside the gateways' own dice: deaths, clocks, storms, strangers.

A fault is one coroutine in `FATES`; it acts while there is trouble, draws from its own
generator, and counts under its words in `tally.FAULTS`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.sandbox.checkout.model import CheckoutModel
from refundwatch.sandbox.paypal.model import PaypalModel
from tests.simulation.gateways import KNOWN
from tests.simulation.losses import losses
from tests.simulation.tally import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from tests.simulation.city import City

_POINTS: Final = tuple(name for name in FAULTS["F1"] if name != "crash at an await")
_JUMPS: Final = (3600.0, 86_400.0, 40 * 86_400.0, 3650 * 86_400.0)


async def deaths(city: City) -> None:
    """Kill the daemon at a drawn step or place, and let it start again later."""
    dice = city.dice("deaths")
    for _ in range(city.plan.crashes):
        await asyncio.sleep(dice.uniform(0, min(city.plan.trouble_seconds / 5, 120)))
        if not city.life["alive"]:
            return
        if dice.random() < 0.15:
            await city.stop_in_order()
        elif city.plan.power and dice.random() < 0.5:
            city.tally.fired("power lost")
            city.kill("power lost", power=True)
        elif dice.random() < 0.5:
            _at_a_step(city, dice.randint(1, 120))
        else:
            city.ambush[dice.choice(_POINTS)] = dice.choice((1, 1, 2, 5, 12))
        try:
            async with asyncio.timeout(dice.choice((20, 120, 600))):
                await city.death.wait()
        except TimeoutError:
            city.kill("nobody came by")
        city.ambush.clear()
        city.at_step = None
        await asyncio.sleep(dice.choice((0.5, 3, 40, 400)))
        await city.restart()


def _at_a_step(city: City, left: int) -> None:
    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            city.tally.fired("crash at an await")
            power = city.plan.power and city.connection.in_transaction
            city.kill("crash at an await", power=power)

    city.at_step = step


async def cancellations(city: City) -> None:
    """Cancel something of the daemon's at whatever it is waiting for."""
    dice = city.dice("cancellations")
    for _ in range(city.plan.cancels):
        await asyncio.sleep(dice.uniform(0, 60))
        for _ in range(200):
            kind = _cancel_one(city)
            if kind is not None:
                city.tally.fired(kind)
                city.trace("cancelled", kind)
                break
            await asyncio.sleep(0.05)


def _cancel_one(city: City) -> str | None:
    dice = city.dice("cancellations")
    if not city.life["alive"]:
        return None
    kinds: dict[str, list[asyncio.Task[Any]]] = {
        "job cancelled": [
            task
            for room in city.house.rooms
            for _, task in sorted(room.jobs._tasks.items(), key=lambda it: str(it[0]))
        ],
        "request cancelled": list(city.waiting.get("request", ())),
        "delivery cancelled": list(city.waiting.get("delivery", ())),
    }
    there = [kind for kind, tasks in kinds.items() if tasks]
    if not there:
        return None
    kind = dice.choice(there)
    dice.choice(kinds[kind]).cancel()
    return kind


async def clocks(city: City) -> None:
    """Let the wall clock jump and come back, and the machine sleep."""
    if not city.plan.clock:
        return
    dice = city.dice("clocks")
    for _ in range(dice.randint(1, 3)):
        await asyncio.sleep(dice.uniform(1, 90))
        match dice.randrange(3):
            case 0:
                await _jump(city, dice.choice(_JUMPS), "clock jumped ahead")
            case 1:
                await _jump(city, -dice.choice(_JUMPS), "clock jumped back")
            case _:
                # A machine may sleep for a day; what is on its way arrives long before.
                await city.wire.quiet()
                seconds = dice.choice((30.0, 90.0, 3600.0, 30 * 3600.0))
                city.tally.fired("suspended")
                city.trace("suspended", seconds)
                city.clock.suspend(seconds)


async def _jump(city: City, seconds: float, name: str) -> None:
    city.tally.fired(name)
    city.trace(name, seconds)
    city.clock.shift(seconds)
    try:
        await asyncio.sleep(city.dice("clocks").uniform(5, 600))
    finally:
        city.clock.shift(-seconds)


async def storms(city: City) -> None:
    """Maintenance, and a key that was rotated at the gateway alone."""
    if not city.plan.storms:
        return
    dice = city.dice("storms")
    await asyncio.sleep(dice.uniform(0, 60))
    if dice.random() < 0.5:
        city.wire.down_until = city.loop.time() + dice.choice((300, 3600))
        return
    model = city.sandbox.model(city.plan.account)
    known = model.settings
    model.settings = replace(known, **KNOWN[city.plan.gateway].rotated)
    if isinstance(model, PaypalModel | CheckoutModel):
        model.tokens.clear()
    try:
        await asyncio.sleep(dice.choice((60, 900)))
    finally:
        model.settings = known


async def strangers(city: City) -> None:
    """Somebody refunds in the gateway's own dashboard."""
    dice = city.dice("strangers")
    model = city.sandbox.model(city.plan.account)
    for _ in range(city.plan.outside):
        await asyncio.sleep(dice.uniform(0, 60))
        reference, _ = dice.choice(city.plan.payments)
        payment = model.payment(reference)
        left = model.books.remaining_minor(payment)
        if left < 2:
            continue
        # Often it is what the returns system asks for too: somebody was impatient.
        asked = [ask.amount_minor for ask in city.plan.asks if ask.payment == reference]
        amount = dice.choice([*asked, dice.randint(1, left)])
        model.external_refund(reference, min(amount, left), city.clock.truth())
        city.trace("outside", reference)
        city.wake_post()


async def planted(city: City) -> None:
    """Let a gateway execute another amount than it was asked for."""
    if not city.plan.planted:
        return
    dice = city.dice("planted")
    reference, captured = dice.choice(city.plan.payments)
    city.sandbox.plant(city.plan.account, reference, max(captured // 7, 1))


FATES: Final[tuple[Callable[[City], Coroutine[Any, Any, None]], ...]] = (
    deaths,
    cancellations,
    clocks,
    storms,
    strangers,
    planted,
    losses,
)
