"""Posts the webhooks that the models hand out, and tells them how it ended.

Invariant: each post is reported back exactly once, also when nobody listens; a slow
receiver holds up only its own posts.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import aiohttp

from refundwatch.sandbox.clock import SteadyClock
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.model import WebhookPost
from refundwatch.sandbox.world import World

# Adyen gives up on a receiver after ten seconds; the others are treated alike.
TIMEOUT_SECONDS = 10.0
AT_ONCE = 64

_LOG = logging.getLogger(__name__)


class DeliveryWorker:
    """Wake when something is due, post it, and sleep again."""

    def __init__(self, world: World, clock: SteadyClock) -> None:
        """Take the world; ``start`` begins the work."""
        self._world = world
        self._clock = clock
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._posts: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Say that the world may have something due sooner than before."""
        self._changed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver until the block ends; posts under way are cut off."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            loop = asyncio.create_task(self._loop(session))
            try:
                yield
            finally:
                for task in (loop, *self._posts):
                    task.cancel()
                await asyncio.gather(loop, *self._posts, return_exceptions=True)

    async def _loop(self, session: aiohttp.ClientSession) -> None:
        while True:
            self._changed.clear()
            now = self._clock.now()
            try:
                self._start_due(session, now)
            except Exception:  # noqa: BLE001 - the loop outlives one failure
                # Deliveries go on; what broke must be seen.
                _LOG.exception("sandbox.delivery.failed")
                await asyncio.sleep(1.0)
            await self._sleep(now)

    def _start_due(self, session: aiohttp.ClientSession, now: float) -> None:
        for model in self._world.models.values():
            for post in model.due(now):
                task = asyncio.create_task(self._deliver(session, model, post))
                self._posts.add(task)
                task.add_done_callback(self._posts.discard)

    async def _sleep(self, now: float) -> None:
        due_at = self._world.next_due()
        wait = None if due_at is None else max(0.0, due_at - now)
        # `wait_for` loses a cancellation that comes together with the change.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._changed.wait()

    async def _deliver(
        self, session: aiohttp.ClientSession, model: GatewayModel, post: WebhookPost
    ) -> None:
        status, body = None, None
        try:
            async with self._slots:
                status, body = await _send(session, post)
        finally:
            model.webhook_answered(post.post_id, status, self._clock.now(), body)
            self.wake()


async def _send(
    session: aiohttp.ClientSession, post: WebhookPost
) -> tuple[int | None, bytes | None]:
    try:
        async with session.post(
            post.url,
            data=post.body,
            headers=post.headers,
            allow_redirects=False,
        ) as answer:
            return answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None, None
