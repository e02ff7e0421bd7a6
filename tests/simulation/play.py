"""One seed from its founding to its rest: trouble, then calm, then the reckoning."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.flow.simloop import DeadlockError, SimLoop
from tests.simulation.city import City
from tests.simulation.fate import FATES
from tests.simulation.people import people, returns
from tests.simulation.plan import GATEWAYS, HOUR, plan_of
from tests.simulation.post import Post
from tests.simulation.reckoning import reckon
from tests.simulation.rules import Broken

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.tally import Tally

CALM_SECONDS: Final = 25 * HOUR
MOST_STEPS: Final = 100_000
STORY_LINES: Final = 60


@dataclass(slots=True)
class Report:
    """What came of a seed; `broken` is None when everything held."""

    seed: int
    tally: Tally
    trace_hash: str
    broken: str | None = None
    what: str = ""
    story: tuple[str, ...] = ()
    alone: str = ""

    def text(self) -> str:
        """Say it to whoever must find the bug."""
        if self.broken is None:
            return f"seed {self.seed}: held ({self.trace_hash})"
        return "\n".join(
            (
                f"seed {self.seed} ({self.trace_hash}): {self.broken} is broken:",
                f"  {self.what}",
                f"  python -m tests.simulation --seed {self.seed}{self.alone}",
                *(f"    {line}" for line in self.story),
            )
        )


async def _live(city: City) -> None:
    await city.open()
    post = city.world_task(Post(city).run())
    desk = city.world_task(people(city))
    asking = city.world_task(returns(city))
    fates = [city.world_task(fate(city)) for fate in FATES]
    await asyncio.sleep(city.plan.trouble_seconds)
    for fate in fates:
        fate.cancel()
    await asyncio.gather(*fates, return_exceptions=True)
    await _calm_down(city)
    await asking
    await asyncio.sleep(CALM_SECONDS)
    for task in (post, desk):
        if task.done():
            task.result()
    await reckon(city)


async def _calm_down(city: City) -> None:
    """End all trouble: what was lost stays lost, what waits may go."""
    city.ambush.clear()
    city.at_step = None
    city.calm = True
    city.trace("calm")
    await city.revive()
    city.healthy_since = city.loop.time()
    city.wire.down_until = 0.0
    for name, model in city.sandbox.models.items():
        city.tally.dice(model.dice.counts)
        model.dice.profile = type(model.dice.profile)(latency_seconds=0.1)
        model.settings = city.settings[name]
        model.outbox.flush(city.clock.truth())
    city.wake_post()


def play(seed: int, gateways: tuple[str, ...] = GATEWAYS) -> Report:
    """Run a seed to its end, or to the first invariant that breaks."""
    begun = time.perf_counter()
    loop = SimLoop(seed)
    city = City(loop, plan_of(seed, gateways))
    loop.on_step = _guarded(city)
    errors: list[str] = []
    loop.set_exception_handler(lambda _, context: errors.append(str(context)))
    broken: Broken | None = None
    try:
        loop.run_until_complete(_bounded(city))
    except Broken as found:
        broken = found
    except DeadlockError:
        broken = Broken("L3", "nothing is ready and nothing is due")
    except Exception as error:  # noqa: BLE001 - whatever broke, the seed is told
        broken = Broken("L3", f"{type(error).__name__}: {error}")
        broken.__cause__ = error
    finally:
        _end(loop, city)
    if broken is None and errors:
        broken = Broken("L3", f"an error nobody waited for: {errors[0]}")
    city.tally.steps = loop.steps
    city.tally.seconds = time.perf_counter() - begun
    report = Report(seed, city.tally, city.trace_hash)
    if len(gateways) == 1:
        report.alone = f" --gateway {gateways[0]}"
    if broken is not None:
        report.broken, report.what = broken.invariant, broken.what
        report.story = tuple(city.story[-STORY_LINES:])
        if broken.__cause__ is not None:
            report.what += _place(broken.__cause__)
    return report


async def _bounded(city: City) -> None:
    await _live(city)
    if city.rules.broken is not None:
        raise city.rules.broken


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _guarded(city: City) -> Callable[[int], None]:
    def on_step(steps: int) -> None:
        if steps > MOST_STEPS:
            raise Broken("L3", f"still busy after {steps} steps")
        city.on_step(steps)

    return on_step


def _end(loop: SimLoop, city: City) -> None:
    last = loop.steps + 10_000

    def give_up(steps: int) -> None:
        if steps > last:
            raise DeadlockError

    loop.on_step = give_up
    for _ in range(20):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        with contextlib.suppress(DeadlockError):
            loop.run_until_complete(asyncio.wait(left, timeout=600))
    city.close_disks()
    loop.close()
