"""The post: what the gateways tell, as late, as often and as lost as the faults say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from refundwatch.gateways.contract import RawDelivery
from tests.simulation.gateways import known_as

if TYPE_CHECKING:
    from refundwatch.flow.confirm import Reception
    from refundwatch.sandbox.model import WebhookPost
    from tests.simulation.city import City


class Post:
    """Delivers what waits in the gateways' outboxes."""

    def __init__(self, city: City) -> None:
        self.city = city

    async def run(self) -> None:
        """Deliver for ever; sleep until something is due or changed."""
        city = self.city
        while True:
            city.post_bell.clear()
            now = city.clock.truth()
            for model in city.sandbox.models.values():
                for post in model.due(now):
                    city.world_task(self._deliver(post))
            due = city.sandbox.next_due()
            await _rung(city.post_bell, None if due is None else due - now)

    async def _deliver(self, post: WebhookPost) -> None:
        city = self.city
        dice = city.dice("post")
        city.rules.on_posted(post)
        await asyncio.sleep(dice.uniform(0.001, 0.05))
        status, body = await self._status(post)
        heard = status is not None and not city.calm and not post.forged
        if heard and dice.random() < city.plan.lost_answers:
            city.tally.fired("answer to a delivery lost")
            status, body = None, None
        await self._alter(post)
        city.trace("post", post.event, post.attempt, status)
        city.rules.on_delivered(post, status)
        model = city.sandbox.model(post.account)
        model.webhook_answered(post.post_id, status, city.clock.truth(), body)
        city.wake_post()

    async def _status(self, post: WebhookPost) -> tuple[int | None, bytes | None]:
        """Deliver once; None and None when nobody answered."""
        city = self.city
        if not city.life["alive"]:
            return None, None
        self._count(post)
        headers = {name.lower(): value for name, value in post.headers}
        query = dict(parse_qsl(urlsplit(post.url).query))
        raw = RawDelivery(headers, post.body, query)
        task = await city.through(self._received(post.account, raw), "delivery")
        if task.cancelled():
            return None, None
        return task.result().status, task.result().body

    async def _alter(self, post: WebhookPost) -> None:
        """Send it again as somebody changed it on the way, under its old signature.

        Where a signature covers less than all bytes, there is nothing to alter but what
        the forgeries alter.
        """
        city = self.city
        if city.calm or post.forged or not known_as(post.account).signed:
            return
        if city.dice("alter").random() >= city.plan.alters:
            return
        altered = replace(post, body=post.body + b" ", forged=True)
        status, _ = await self._status(altered)
        city.tally.fired("delivery altered")
        city.rules.on_delivered(altered, status)

    async def _received(self, account: str, raw: RawDelivery) -> Reception:
        """Go in by either door: most deliveries take the short one."""
        city = self.city
        door = city.house.receptionist
        heard: asyncio.Future[Reception] = city.loop.create_future()

        def answer(reception: Reception) -> None:
            if not heard.done():
                heard.set_result(reception)

        short = city.dice("doors").random() < 0.7
        if short and door.receive_at_once(account, raw, answer):
            reception = await heard
        else:
            reception = await door.receive(account, raw)
        city.crash_point("crash before 2xx")
        return reception

    def _count(self, post: WebhookPost) -> None:
        """Count what a delivery meets: its own answer, an end, or nobody."""
        city = self.city
        for order in city.wire.orders[-4:]:
            if not order.returned and order.reference.encode() in post.body:
                city.tally.fired("delivery before the response")
        known = False
        for reference, state in city.rules.states_by_reference():
            if reference.encode() in post.body:
                known = True
                if state in {"succeeded", "declined", "reversed"}:
                    city.tally.fired("delivery after the end")
        if not known:
            city.tally.fired("delivery of an unknown refund")


async def _rung(bell: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(None if seconds is None else max(seconds, 0.001)):
            await bell.wait()
    except TimeoutError:
        return
