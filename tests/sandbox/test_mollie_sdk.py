"""Mollie's own library against our look-alike; its verifier on our webhooks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from mollie import ClientSDK
from mollie.models import ClientError, Security
from mollie.utils.webhooks.signature_validator import (
    InvalidSignatureException,
    SignatureValidator,
)

from refundwatch.sandbox.running import running_sandbox
from refundwatch.sandbox.settings import MollieSettings
from tests.sandbox.hands import config
from tests.sandbox.mollie import TR, Profile

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Nobody:
    """Stands for the library's second client, which nobody could close in time."""

    async def send(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def build_request(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


async def off_loop(call: Callable[[], Result]) -> Result:
    return await asyncio.to_thread(call)


async def test_mollies_library_creates_repeats_lists_and_cancels() -> None:
    account = MollieSettings(name="mollie", batch_seconds=600.0)
    wanted = replace(config(time_scale=1.0), accounts=(account,))
    order: Any = {
        "amount": {"currency": "EUR", "value": "10.50"},
        "description": "Order 1",
        "metadata": {"rw_refund_id": "rw-1"},
    }
    async with running_sandbox(wanted) as box:
        box.add_payment("mollie", TR, 5_000, "EUR")
        client = ClientSDK(
            security=Security(api_key="test_sandbox"),
            server_url=box.base_url("mollie"),
            async_client=Nobody(),
        )

        def create(key: str) -> Any:
            return client.refunds.create(
                payment_id=TR, idempotency_key=key, refund_request=order
            )

        first = await off_loop(lambda: create("k"))
        again = await off_loop(lambda: create("k"))
        assert (first.id, first.status) == (again.id, "pending")
        assert first.amount.value == "10.50"
        with pytest.raises(ClientError) as refused:
            await off_loop(lambda: create("other"))
        assert refused.value.status_code == 409
        read = await off_loop(
            lambda: client.refunds.get(payment_id=TR, refund_id=first.id)
        )
        assert read.metadata == {"rw_refund_id": "rw-1"}
        page = await off_loop(lambda: client.refunds.list(payment_id=TR))
        assert page is not None
        assert [one.id for one in page.result.embedded.refunds] == [first.id]
        payment = await off_loop(lambda: client.payments.get(payment_id=TR))
        assert payment.amount_remaining is not None
        assert payment.amount_remaining.value == "39.50"
        await off_loop(lambda: client.refunds.cancel(payment_id=TR, refund_id=first.id))
        assert box.world.model("mollie").refund(first.id).status == "canceled"


def test_mollies_library_verifies_our_webhooks() -> None:
    mollie = Profile(settings={"webhook_secrets": ("new", "old")})
    mollie.refund()
    signed = [post for post in mollie.wait(60) if post.event != "payment"]
    assert signed
    for post in signed:
        text = post.body.decode()
        given = [value for name, value in post.headers if name == "X-Mollie-Signature"]
        for secret in ("new", "old"):
            assert SignatureValidator.validate(text, secret, given)
        with pytest.raises(InvalidSignatureException):
            SignatureValidator.validate(text + " ", "new", given)
