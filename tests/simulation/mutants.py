"""Bugs that the simulation must find: a test of the test.

Each stands for a mistake that real hubs made. It is switched on around a run, and
within a few thousand seeds an invariant must break.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from refundwatch.domain import resolve, transition
from refundwatch.domain.events import Refusal
from refundwatch.domain.refund import Booking, RefundState
from refundwatch.errors import AmountExceedsRefundable
from refundwatch.flow import attempt, confirm
from refundwatch.flow import resolve as resolver
from refundwatch.flow.attempt import Attempts
from refundwatch.flow.confirm import Receptionist
from refundwatch.flow.intake import Intake
from refundwatch.gateways import signing
from refundwatch.gateways.paypal import webhooks as paypal_webhooks
from refundwatch.gateways.stripe import adapter as stripe_adapter
from refundwatch.sandbox.answers import json_bytes
from refundwatch.store.contract import CreateRefund, GetPayment, StoreDelivery
from refundwatch.store.sqlite import applying, claims, decisions, intake, registry
from refundwatch.store.sqlite.approvals import creators_and_editors
from tests.simulation.city import City
from tests.simulation.play import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.simulation.play import Report

S = RefundState


@contextlib.contextmanager
def new_key_on_retry() -> Iterator[None]:
    sent: dict[str, int] = {}
    original = attempt.from_store

    def from_store(stored: Any) -> Any:
        request = original(stored)
        key = next((value for name, value in request.headers if _is_key(name)), "")
        if not key:
            return request
        sent[key] = sent.get(key, 0) + 1
        if sent[key] == 1:
            return request
        headers = tuple(
            (name, f"{value}{sent[key]}" if _is_key(name) else value)
            for name, value in request.headers
        )
        return replace(request, headers=headers)

    with patch.object(attempt, "from_store", from_store):
        yield


def _is_key(name: str) -> bool:
    return name.lower() in {"idempotency-key", "paypal-request-id"}


@contextlib.contextmanager
def timeout_means_declined() -> Iterator[None]:
    original = Attempts._unanswered

    def unanswered(self: Any, refund: Any, reason: str, *rest: Any, **more: Any) -> Any:
        if reason != "timeout":
            return original(self, refund, reason, *rest, **more)
        now = self._at.clock.now()
        return Refusal(
            fence=refund.fence,
            code="timeout",
            may_be_echo=False,
            authoritative=True,
            due_at=now,
        )

    with patch.object(Attempts, "_unanswered", unanswered):
        yield


@contextlib.contextmanager
def balance_read_then_written() -> Iterator[None]:
    plan = intake.plan_refund

    async def create(self: Any, principal: Any, new: Any) -> Any:
        payment = await self._at.store.read(GetPayment(new.payment, new.account))
        if payment is None or payment.refundable_minor < new.amount_minor:
            raise AmountExceedsRefundable("too much")
        await asyncio.sleep(0)
        now = self._at.clock.now()
        return await self._at.store.execute(
            CreateRefund(now, principal, new, self._at.policy())
        )

    def planned(request: Any, payment: Any, *rest: Any) -> Any:
        generous = replace(payment, captured_minor=10**9, frozen=None)
        return plan(request, generous, *rest)

    def reserve(tx: Any, payment_id: str, amount_minor: int) -> bool:
        tx.change(
            "UPDATE payment SET reserved_minor = reserved_minor + ? WHERE id = ?",
            (amount_minor, payment_id),
        )
        return True

    with (
        patch.object(Intake, "create", create),
        patch.object(intake, "plan_refund", planned),
        patch.object(applying, "reserve", reserve),
    ):
        yield


@contextlib.contextmanager
def no_terminal_guard() -> Iterator[None]:
    original = transition.hear

    def hear(refund: Any, event: Any, at: Any) -> Any:
        if refund.state not in {S.SUCCEEDED, S.DECLINED, S.REVERSED}:
            return original(refund, event, at)
        again = replace(refund, state=S.PENDING, booking=Booking.RESERVED)
        return replace(original(again, event, at), before=refund)

    with patch.object(transition, "hear", hear):
        yield


@contextlib.contextmanager
def commits_lost_with_the_power() -> Iterator[None]:
    def image(self: City) -> bytes:
        return self.images[-self.dice("power").randint(1, len(self.images))]

    with patch.object(City, "_image_after_power_loss", image):
        yield


@contextlib.contextmanager
def negative_conclusion_without_fence() -> Iterator[None]:
    original = transition._end_attempt

    def end_attempt(refund: Any, event: Any, at: Any) -> Any:
        return original(refund, replace(event, fence=refund.fence), at)

    with patch.object(transition, "_end_attempt", end_attempt):
        yield


@contextlib.contextmanager
def answered_before_the_commit() -> Iterator[None]:
    keeping: set[asyncio.Task[Any]] = set()

    async def receive(self: Any, account: str, raw: Any) -> Any:
        path = self._at.paths.of_account(account)[0]
        verdict = await self._verdict(path, raw)
        command = self._storing(account, raw, verdict)
        if command is not None:
            task = asyncio.ensure_future(_kept_later(self._at.store, command))
            keeping.add(task)
            task.add_done_callback(keeping.discard)
        return self._received(path, verdict, 1)

    def receive_at_once(self: Any, account: str, raw: Any, answer: Any) -> bool:
        return False

    with (
        patch.object(Receptionist, "receive", receive),
        patch.object(Receptionist, "receive_at_once", receive_at_once),
    ):
        yield


async def _kept_later(store: Any, command: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0.01)
        await store.execute(command)


@contextlib.contextmanager
def event_id_not_unique() -> Iterator[None]:
    original, number = confirm.item_of, count()

    def item_of(event: Any) -> Any:
        item = original(event)
        return replace(item, dedupe_id=f"{item.dedupe_id}:{next(number)}")

    with patch.object(confirm, "item_of", item_of):
        yield


@contextlib.contextmanager
def signature_of_what_was_parsed() -> Iterator[None]:
    stamped, signed = signing.stamped_fault, paypal_webhooks.signed_message

    def stamped_fault(header: Any, body: bytes, *rest: Any) -> Any:
        return stamped(header, _written_again(body), *rest)

    def signed_message(sent: Any, webhook_id: str, body: bytes) -> bytes:
        return signed(sent, webhook_id, _written_again(body))

    with (
        patch.object(signing, "stamped_fault", stamped_fault),
        patch.object(paypal_webhooks, "signed_message", signed_message),
    ):
        yield


def _written_again(body: bytes) -> bytes:
    return json_bytes(json.loads(body))


@contextlib.contextmanager
def resent_outside_the_window() -> Iterator[None]:
    def endless(_: int) -> int:
        return 10**12

    with (
        patch.object(resolve, "safe_window_seconds", endless),
        patch.object(resolver, "safe_window_seconds", endless),
    ):
        yield


@contextlib.contextmanager
def approvals_survive_an_edit() -> Iterator[None]:
    def approvers(tx: Any, refund: Any) -> frozenset[str]:
        rows = tx.every(
            "SELECT DISTINCT actor FROM decision"
            " WHERE refund_id = ? AND kind = 'approve'",
            (refund.id,),
        )
        found = frozenset(row["actor"] for row in rows)
        return found - creators_and_editors(tx, refund.id)

    with (
        patch.object(decisions, "approvers", approvers),
        patch.object(claims, "_proven_approvers", approvers),
    ):
        yield


@contextlib.contextmanager
def amount_not_compared() -> Iterator[None]:
    original = transition.hear

    def hear(refund: Any, event: Any, at: Any) -> Any:
        told = replace(event.evidence, amount_minor=refund.amount_minor)
        return original(refund, replace(event, evidence=told), at)

    with patch.object(transition, "hear", hear):
        yield


@contextlib.contextmanager
def looked_up_by_amount() -> Iterator[None]:
    original = stripe_adapter._listed

    def listed(entry: Any, instruction: Any) -> Any:
        heard = original(entry, instruction)
        same = heard.evidence.amount_minor == instruction.amount_minor
        reference = instruction.merchant_reference if same else None
        return replace(
            heard, evidence=replace(heard.evidence, merchant_reference=reference)
        )

    with patch.object(stripe_adapter, "_listed", listed):
        yield


@contextlib.contextmanager
def one_of_a_batch_is_lost() -> Iterator[None]:
    joined = registry._JOINED[StoreDelivery]

    def store_all(tx: Any, commands: Any) -> Any:
        if len(commands) == 1:
            return joined(tx, commands)
        done = joined(tx, commands[:-1])
        return [*done, done[-1]]

    with patch.dict(registry._JOINED, {StoreDelivery: store_all}):
        yield


MUTANTS: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "new key on retry": new_key_on_retry,
    "timeout treated as declined": timeout_means_declined,
    "balance read, then written": balance_read_then_written,
    "apply() without the terminal guard": no_terminal_guard,
    "commits lost on power failure": commits_lost_with_the_power,
    "negative conclusion without fence check": negative_conclusion_without_fence,
    "2xx before commit": answered_before_the_commit,
    "event id not unique": event_id_not_unique,
    "signature over a re-serialised body": signature_of_what_was_parsed,
    "resend outside the window": resent_outside_the_window,
    "approval not voided by edit": approvals_survive_an_edit,
    "amount not compared": amount_not_compared,
    "look-up by amount instead of reference": looked_up_by_amount,
    "one of the deliveries that meet is lost": one_of_a_batch_is_lost,
}


def play_mutant(work: tuple[str, int]) -> Report:
    """Play a seed with one bug switched on."""
    name, seed = work
    with MUTANTS[name]():
        return play(seed)
