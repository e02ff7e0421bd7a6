"""Square's own library at the look-alike, and its verifier at our webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest
from square import Square
from square.core.api_error import ApiError
from square.utils.webhooks_helper import verify_signature

from refundwatch.sandbox.running import running_sandbox
from refundwatch.sandbox.settings import SquareSettings
from tests.sandbox.hands import HOOK
from tests.sandbox.square import KEY, PAYMENT, TOKEN, SquareHands, square_config
from tests.unit.gateways.driving import VECTORS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from refundwatch.sandbox.controls import Sandbox

Result = TypeVar("Result")
SIGNED = json.loads((VECTORS / "webhooks_square.json").read_text("utf-8"))["vectors"]
ONCE: Any = {"max_retries": 0}


async def off_loop(call: Callable[[], Result]) -> Result:
    """Run a blocking library beside the loop that serves it."""
    return await asyncio.to_thread(call)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[Sandbox, Square]]:
    quiet = replace(
        square_config(), accounts=(SquareSettings(name="square"),), time_scale=0.01
    )
    async with running_sandbox(quiet) as box:
        box.add_payment("square", PAYMENT, 5_000, "EUR")
        base_url = box.base_url("square")
        with httpx.Client() as wire:
            yield box, Square(token=TOKEN, base_url=base_url, httpx_client=wire)


def order(client: Square, amount: int, key: str = "k1") -> Any:
    return client.refunds.refund_payment(
        idempotency_key=key,
        amount_money={"amount": amount, "currency": "EUR"},
        payment_id=PAYMENT,
        reason="rw-000001",
        request_options=ONCE,
    ).refund


async def test_squares_library_orders_repeats_reads_and_lists() -> None:
    async with served() as (box, client):
        first = await off_loop(lambda: order(client, 1_050))
        assert (first.status, first.reason) == ("PENDING", "rw-000001")
        await box.settled()
        again = await off_loop(lambda: order(client, 1_050))
        assert (again.id, again.status) == (first.id, "PENDING")
        read = (await off_loop(lambda: client.refunds.get(first.id))).refund
        assert read is not None
        assert (read.status, read.amount_money.amount) == ("COMPLETED", 1_050)
        paid = (await off_loop(lambda: client.payments.get(PAYMENT))).payment
        assert paid is not None
        assert paid.refund_ids == [first.id]
        assert paid.refunded_money is not None
        assert paid.refunded_money.amount == 1_050
        second = await off_loop(lambda: order(client, 1, "k2"))
        listed = await off_loop(
            lambda: [one.id for one in client.refunds.list(limit=1, sort_order="ASC")]
        )
        assert listed == [first.id, second.id]


async def test_squares_library_knows_our_errors() -> None:
    async with served() as (box, client):
        box.set_faults(None, {"pending_first": 1.0, "pending_seconds": 60_000})
        await off_loop(lambda: order(client, 100))
        for amount, key, status, code in (
            (200, "k1", 400, "IDEMPOTENCY_KEY_REUSED"),
            (100, "k" * 46, 400, "VALUE_TOO_LONG"),
            (100, "k2", 400, "REFUND_ALREADY_PENDING"),
        ):
            with pytest.raises(ApiError) as refused:
                await off_loop(lambda a=amount, k=key: order(client, a, k))
            assert refused.value.status_code == status
            assert refused.value.errors[0].code == code
        box.set_faults(None, {"rate_limited": 1.0})
        with pytest.raises(ApiError) as limited:
            await off_loop(lambda: order(client, 100, "k3"))
        assert limited.value.status_code == 429


def verified(body: str, signature: str, url: str, key: str) -> bool:
    return verify_signature(
        request_body=body,
        signature_header=signature,
        signature_key=key,
        notification_url=url,
    )


def test_squares_verifier_accepts_our_webhooks_and_refuses_forgeries() -> None:
    hands = SquareHands(webhook_forged=1.0)
    hands.order(reason="Rückgabe")
    posts = hands.wait(60)
    assert any(post.forged for post in posts)
    for post in posts:
        found = dict(post.headers)["X-Square-HmacSha256-Signature"]
        assert verified(post.body.decode(), found, HOOK, KEY) is not post.forged
        assert not verified(post.body.decode(), found, f"{HOOK}/", KEY)


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: v["name"])
def test_squares_verifier_agrees_with_the_vectors(vector: dict[str, Any]) -> None:
    body, signature = vector["body_utf8"], vector["signature"]
    key = vector["signature_key"]
    assert verified(body, signature, vector["notification_url"], key)
    assert not verified(body, signature, vector["refused_with_url"], key)
