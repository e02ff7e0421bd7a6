"""The wire between the daemon and the gateways: each request travels by itself.

Invariant: what was sent arrives even when its sender has died, unless a fault loses
it; so a gateway executes whatever nobody waits for any more.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import HttpResponse
from refundwatch.sandbox.model import Fate, Reply, Request
from tests.simulation.gateways import has_look_up, known_as
from tests.simulation.lies import lied

if TYPE_CHECKING:
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import HttpRequest
    from refundwatch.sandbox.gateway import GatewayModel
    from tests.simulation.city import City

_LONGEST_ON_ITS_WAY = 110.0


@dataclass(slots=True)
class Order:
    """One order that left: for which reference, under which key, with which bytes."""

    number: int
    reference: str
    key: str
    body: bytes
    target: str
    connection: str
    life: int
    at: float
    arrived: bool = False
    returned: bool = False
    taken: bool = True
    """False once it is certain that the gateway did nothing with it."""


@dataclass(slots=True)
class Wire:
    """The transport port."""

    city: City
    orders: list[Order] = field(default_factory=list)
    reads: defaultdict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    down_until: float = 0.0
    open_calls: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def exchange(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        """Send, and wait as long as the daemon would."""
        if _is_beside(request):
            return await self._exchange(path, request, timeout_seconds)
        self.open_calls[path.id] += 1
        self.city.rules.on_concurrency(path, self.open_calls[path.id])
        try:
            return await self._exchange(path, request, timeout_seconds)
        finally:
            self.open_calls[path.id] -= 1

    async def _exchange(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        city = self.city
        order = None
        if request.moves_money:
            city.crash_point("crash before send")
            order = self._order(path, request)
        else:
            self._note_read(request)
        answer: asyncio.Future[HttpResponse] = city.loop.create_future()
        # Nobody may be there any more to hear of it.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        city.world_task(self._carry(path, request, timeout_seconds, answer, order))
        if order is not None:
            city.crash_point("crash after send")
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await answer
        except TimeoutError:
            raise NoAnswerError("timeout") from None
        finally:
            await self._stall(order)
            if order is not None:
                order.returned = True
        return response

    async def _stall(self, order: Order | None) -> None:
        """Let the worker stand still for longer than its lease, now and then."""
        city = self.city
        if order is None or city.calm or order.life != city.life_number:
            return
        dice = city.dice("stall")
        if dice.random() < city.plan.stalls:
            city.tally.fired("worker stalled")
            city.trace("stall", order.reference)
            await asyncio.sleep(dice.uniform(60, 150))

    def _order(self, path: ConnectionPath, request: HttpRequest) -> Order:
        known = known_as(path.id)
        reference, key = self.city.rules.named(
            known, known.key_of(request), request.body
        )
        order = Order(
            number=len(self.orders),
            reference=reference,
            key=key,
            body=request.body,
            target=request.target,
            connection=path.id,
            life=self.city.life_number,
            at=self.city.loop.time(),
        )
        self.city.rules.on_order(path, order)
        self.orders.append(order)
        self.city.trace("order", order.reference, order.key, path.id)
        return order

    def _note_read(self, request: HttpRequest) -> None:
        self.reads[request.operation].append(self.city.loop.time())

    # --- the journey ---

    async def _carry(
        self,
        path: ConnectionPath,
        request: HttpRequest,
        timeout_seconds: float,
        answer: asyncio.Future[HttpResponse],
        order: Order | None,
    ) -> None:
        try:
            await asyncio.sleep(self._delay(order, timeout_seconds))
            reply = self._served(path, request, order)
            await asyncio.sleep(reply.latency_seconds)
            response = _response(reply)
        except (NeverSentError, NoAnswerError) as error:
            if not answer.done():
                answer.set_exception(error)
            return
        if not answer.done():
            answer.set_result(response)

    def _delay(self, order: Order | None, timeout_seconds: float) -> float:
        dice = self.city.dice("wire")
        delay = dice.uniform(0.001, 0.02)
        slow = order is not None and not self.city.calm
        if slow and dice.random() < self.city.plan.slow_path:
            self.city.tally.fired("slow path")
            return dice.uniform(timeout_seconds, _LONGEST_ON_ITS_WAY)
        return delay

    def _served(
        self, path: ConnectionPath, request: HttpRequest, order: Order | None
    ) -> Reply:
        city = self.city
        model = city.sandbox.model(path.account.name)
        city.advance()
        if (
            city.loop.time() < self.down_until
            and path.account.name == city.plan.account
        ):
            city.tally.fired("maintenance")
            return Reply(status=503, body=b"<html>maintenance</html>")
        if order is not None:
            order.arrived = True
            self._forget_early(model, order)
        sent = self._as_request(path, request)
        reply = model.handle(sent, city.clock.truth())
        city.wake_post()
        city.trace("reply", request.operation, reply.status, reply.fate)
        if order is not None:
            order.taken = not self._undone(model, path, order, reply)
        if order is not None and reply.fate is Fate.ANSWERED and reply.status < 300:
            return self._lie(model, reply)
        if reply.status == 401 and model.settings is not city.settings[model.account]:
            city.tally.fired("refused credentials")
        return reply

    def _undone(
        self, model: GatewayModel, path: ConnectionPath, order: Order, reply: Reply
    ) -> bool:
        """Tell whether the gateway certainly neither did nor remembers anything.

        Where it documents such an answer its own books must bear that out.
        """
        if reply.fate is Fate.REFUSED or reply.status in {401, 403, 429}:
            return True
        known = known_as(path.id)
        if reply.fate is not Fate.ANSWERED or reply.status not in known.undone:
            return False
        key = self.key_at(path, known.written(order.key))
        return model.keys.find(key, self.city.clock.truth()) is None and not any(
            row.merchant_reference == order.reference
            for row in self.city.sandbox.ledger.rows(model.account)
        )

    def _lie(self, model: GatewayModel, reply: Reply) -> Reply:
        city = self.city
        dice = city.dice("lies")
        if city.calm or dice.random() >= city.plan.lies:
            return reply
        told = lied(model, reply, dice)
        if told is None:
            return reply
        kind, falsified = told
        city.tally.fired(kind)
        city.trace("lie", kind)
        return falsified

    def _forget_early(self, model: GatewayModel, order: Order) -> None:
        """Let the key store lose a key whose refund every look-up can see."""
        city = self.city
        if not city.plan.forgets or city.calm or not has_look_up(model.gateway):
            return
        key = known_as(model.account).written(order.key)
        record = model.keys.find(key, city.clock.truth())
        made = [
            refund
            for refund in model.books.refunds.values()
            if refund.idempotency_key == key
        ]
        if record is None or made or record.busy(city.clock.truth()):
            return
        # Nothing was executed under it (a stored refusal or error), so nothing can
        # be executed twice: what gateways may really forget before its time.
        city.tally.fired("key forgotten early")
        model.keys.forget(key)

    def _as_request(self, path: ConnectionPath, request: HttpRequest) -> Request:
        whole = request.target
        if whole.startswith("/"):
            whole = path.endpoint + whole
        parts = urlsplit(whole)
        return Request(
            method=request.method,
            path=parts.path,
            query=self._query(path, request, parse_qsl(parts.query)),
            headers=tuple(
                (name.lower(), self._header(path, name.lower(), value))
                for name, value in request.headers
            ),
            body=self._body(path, request),
        )

    def _query(
        self, path: ConnectionPath, request: HttpRequest, query: list[tuple[str, str]]
    ) -> tuple[tuple[str, str], ...]:
        """Answer lists page by page, however long a page was asked for."""
        pages = known_as(path.id).pages
        if pages is None or request.operation != "look_up" or pages[0] not in query:
            return tuple(query)
        self.city.tally.fired("list paged")
        return tuple(pages[1] if it == pages[0] else it for it in query)

    def key_at(self, path: ConnectionPath, key: str) -> str:
        """Keep the keys of a second endpoint apart from those of the first."""
        known = known_as(path.id)
        at_second = path.id.endswith("/second")
        return known.second_key(key) if key and at_second else key

    def _header(self, path: ConnectionPath, name: str, value: str) -> str:
        if name != known_as(path.id).key_header:
            return value
        key = self.key_at(path, value)
        if key != value:
            self.city.tally.fired("key per endpoint")
        return key

    def _body(self, path: ConnectionPath, request: HttpRequest) -> bytes:
        known = known_as(path.id)
        if not request.moves_money or not known.key_member:
            return request.body
        key = known.key_of(request)
        return request.body.replace(key.encode(), self.key_at(path, key).encode())

    # --- what others ask ---

    async def quiet(self) -> None:
        """Wait until no order is on its way; none is for long."""
        for _ in range(60):
            if all(order.arrived for order in self.orders):
                return
            await asyncio.sleep(5)

    def on_its_way(self, reference: str) -> bool:
        """Tell whether an order has left and not yet arrived."""
        return any(
            order.reference == reference and not order.arrived for order in self.orders
        )


def _is_beside(request: HttpRequest) -> bool:
    """Tell whether a call stands beside the lanes: a probe, or what is kept for all."""
    return request.operation == "probe" or request.reusable


def _response(reply: Reply) -> HttpResponse:
    match reply.fate:
        case Fate.ANSWERED:
            headers = {name.lower(): value for name, value in reply.headers}
            return HttpResponse(reply.status, headers, reply.body)
        case Fate.REFUSED:
            raise NeverSentError("refused")
        case _:
            raise NoAnswerError(reply.fate)
