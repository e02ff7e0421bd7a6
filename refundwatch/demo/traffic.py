"""A month's end: payments, refund requests in bursts, and people who decide.

Invariant: what is asked for follows from the seed alone; every request the daemon
refuses is one that it must refuse.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from refundwatch.api import models as m
from refundwatch.demo.accounts import EVERY
from refundwatch.demo.deciding import two_deciders
from refundwatch.demo.sandbox_admin import TakenPayment
from refundwatch.errors import ApiProblem, ApiUnreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.api.client import ApiClient
    from refundwatch.demo.deciding import Decider
    from refundwatch.demo.people import Crew
    from refundwatch.demo.sandbox_admin import SandboxAdmin

BATCH: Final = 100
_WORTH: Final = {"JPY": 150, "SEK": 1000, "INR": 8000}
"""What about a pound is in a currency's smallest unit; 100 where not named."""

_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
_REASONS: Final = ("returned", "damaged", "not_delivered", "goodwill", "duplicate")
_OVER: Final = 0.01
_AGAIN: Final = 0.02
_SECOND: Final = 0.25


@dataclass(slots=True)
class Tally:
    """What was asked and answered, by account or in all."""

    requested: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    refused_requests: int = 0
    wrong_answers: list[str] = field(default_factory=list)
    approved: int = 0
    refused: int = 0
    unreachable: int = 0


@dataclass(slots=True)
class _Held:
    payment: TakenPayment
    left_minor: int


class Returns:
    """The returns system: takes payments, then asks for refunds of them."""

    def __init__(
        self,
        client: ApiClient,
        sandbox: SandboxAdmin,
        seed: int,
        tally: Tally,
        accounts: Sequence[str],
    ) -> None:
        """Ask through `client`, with payments that the sandbox took at `accounts`."""
        self._accounts = accounts
        self._client = client
        self._sandbox = sandbox
        self._rng = Random(seed)  # noqa: S311 - a repeatable demo
        self._tally = tally
        self._stock: list[_Held] = []
        self._number = 0

    async def run(self, rate: float, stop: asyncio.Event) -> None:
        """Ask at `rate` a second on average, in bursts, until told to stop."""
        loop = asyncio.get_running_loop()
        begun, asked, tasks = loop.time(), 0, set[asyncio.Task[None]]()
        while not stop.is_set():
            due = int((loop.time() - begun) * rate)
            if due > asked:
                await self._restock()
                for _ in range(min(due - asked, BATCH)):
                    asked += 1
                    task = asyncio.create_task(self._send(self._draw()))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            pause = self._rng.choice((0.02, 0.05, 0.1, 0.4)) / max(rate / 5, 1)
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks)

    async def _restock(self) -> None:
        if len(self._stock) >= BATCH:
            return
        fresh = [self._payment() for _ in range(BATCH)]
        await self._sandbox.take(fresh)
        body = m.PaymentsBody(
            payments=[
                m.PaymentBody(
                    account=one.account,
                    gateway_reference=one.reference,
                    captured_minor=one.amount_minor,
                    currency=one.currency,
                )
                for one in fresh
            ]
        )
        await self._client.call("payments.bulk", m.BulkView, body=body)
        self._stock += [_Held(one, one.amount_minor) for one in fresh]

    def _payment(self) -> TakenPayment:
        self._number += 1
        account = EVERY[self._rng.choice(self._accounts)]
        currency = self._rng.choice(account.currencies)
        text = "".join(self._rng.choices(_ALPHABET, k=8)) + f"{self._number:08d}"
        unit = _WORTH.get(currency, 100)
        units = self._rng.choices((25, 60, 150, 900), (50, 30, 15, 5))[0]
        amount = max(round(units * self._rng.uniform(0.4, 1.6) * unit), 1)
        return TakenPayment(account.name, account.reference(text), amount, currency)

    def _draw(self) -> m.RefundBody:
        position = self._rng.randrange(len(self._stock))
        held = self._stock[position]
        whole = self._rng.random() > _SECOND
        amount = held.left_minor if whole else max(held.left_minor // 2, 1)
        over = self._rng.random() < _OVER
        if not over:
            held.left_minor -= amount
        if held.left_minor <= 0:
            self._stock.pop(position)
        self._number += 1
        return m.RefundBody(
            request_id=f"RMA-{self._number:07d}{'-over' if over else ''}",
            payment=held.payment.reference,
            account=held.payment.account,
            amount_minor=held.payment.amount_minor + 1 if over else amount,
            currency=held.payment.currency,
            reason_code=self._rng.choice(_REASONS),
        )

    async def _send(self, body: m.RefundBody) -> None:
        again = self._rng.random() < _AGAIN
        over = body.request_id.endswith("-over")
        try:
            made = await self._client.call(
                "refunds.create", m.CreatedRefundView, body=body
            )
            self._tally.requested[str(body.account)] += 1
            if over:
                self._tally.wrong_answers.append(f"{body.request_id} was accepted")
            if again:
                await self._repeat(body, made.refund.id)
        except ApiProblem as problem:
            self._tally.refused_requests += 1
            if not over and problem.code not in _FAIR:
                self._tally.wrong_answers.append(f"{body.request_id}: {problem.code}")
        except ApiUnreachable:
            self._tally.unreachable += 1

    async def _repeat(self, body: m.RefundBody, refund_id: str) -> None:
        """Ask again as a nervous client would; it must be the same refund."""
        made = await self._client.call("refunds.create", m.CreatedRefundView, body=body)
        self._tally.repeated += 1
        if made.created or made.refund.id != refund_id:
            self._tally.wrong_answers.append(f"{body.request_id} became two refunds")


_FAIR: Final = frozenset({"payment.frozen", "refund.amount_exceeds_refundable"})
"""Refusals that a fault at a gateway can rightly cause."""


class Approvers:
    """Ann and Ben: they approve nearly everything, and refuse a little."""

    def __init__(
        self,
        server: str,
        crew: Crew,
        seed: int,
        tally: Tally,
        *,
        refusing: float = 0.03,
    ) -> None:
        """Decide as two persons, by key where the run has keys.

        `refusing` is the part that they refuse.
        """
        self._refusing = refusing
        self._server = server
        self._crew = crew
        self._rng = Random(seed + 1)  # noqa: S311 - a repeatable demo
        self._tally = tally

    async def run(
        self, stop: asyncio.Event, pause: float, keep: int, *, to_end: bool
    ) -> None:
        """Decide until told to stop, leaving the oldest `keep` to others.

        With `to_end` they go on until nothing waits, keeping nothing back.
        """
        async with two_deciders(self._server, self._crew) as (ann, ben):
            while not stop.is_set():
                await self._round(ann, ben, keep)
                await asyncio.sleep(pause)
            waiting = 1 if to_end else 0
            while waiting:
                waiting = await self._round(ann, ben, 0)

    async def _round(self, ann: Decider, ben: Decider, keep: int) -> int:
        try:
            page = await ann.client.call(
                "refunds.list",
                m.RefundPage,
                query={
                    "filter": "state:awaiting_approval",
                    "limit": 200,
                    "oldest_first": True,
                },
            )
            waiting = page.items[keep:]
            for person in (ann, ben) if waiting else ():
                await person.look()
            for refund in waiting:
                await self._decide(ann, ben, refund)
        except ApiUnreachable:
            self._tally.unreachable += 1
            return 1
        return len(waiting)

    async def _decide(self, ann: Decider, ben: Decider, it: m.RefundView) -> None:
        try:
            if self._rng.random() < self._refusing:
                body = m.DecisionBody(
                    revision=it.revision,
                    request_sha256=it.request_sha256,
                    reason_code="not_entitled",
                    reason_text="The goods never came back.",
                )
                await ann.decide("refuse", it, body)
                self._tally.refused += 1
                return
            await self._approve((ann, ben), it)
            self._tally.approved += 1
        except ApiProblem as problem:
            if problem.code not in _RACED:
                self._tally.wrong_answers.append(f"{it.id}: {problem.code}")

    async def _approve(self, persons: tuple[Decider, ...], it: m.RefundView) -> None:
        """Get as many approvals as are missing, each from another person."""
        yes = m.ApproveBody(revision=it.revision, request_sha256=it.request_sha256)
        missing = it.required_approvals - it.approvals
        for person in persons:
            if missing == 0:
                return
            try:
                await person.decide("approve", it, yes)
            except ApiProblem as problem:
                if problem.code != "policy.denied":
                    raise
                # This person's yes was counted before an answer was lost.
                continue
            missing -= 1


_RACED: Final = frozenset({"refund.state_conflict", "refund.stale_revision"})
"""Refusals of a decision that somebody else, or a freeze, was quicker than."""
