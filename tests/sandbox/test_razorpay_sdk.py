"""Razorpay's own library, pointed at our look-alike."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import razorpay
from razorpay.errors import BadRequestError, SignatureVerificationError

from refundwatch.sandbox.running import running_sandbox
from tests.sandbox.razorpay import PASSWORD, PAYMENT_ID, USER, Merchant, config

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
KEY = {"X-Refund-Idempotency": "k" * 10}


def client(base_url: str = "") -> Any:
    return razorpay.Client(auth=(USER, PASSWORD), base_url=base_url)


async def off_loop(call: Callable[[], Result]) -> Result:
    """Run a blocking library beside the loop that serves it."""
    return await asyncio.to_thread(call)


async def test_razorpays_library_refunds_reads_and_lists() -> None:
    wanted = config(settings={"webhook_url": ""}, time_scale=0.01)
    async with running_sandbox(wanted) as box:
        box.add_payment("razorpay", PAYMENT_ID, 50_000, "INR")
        library = client(box.base_url("razorpay"))

        def refund(amount: int) -> Any:
            notes = {"rw_refund_id": "rw-1"}
            data = {"amount": amount, "receipt": "rw-1", "notes": notes}
            return library.payment.refund(PAYMENT_ID, data, headers=dict(KEY))

        first = await off_loop(lambda: refund(10_000))
        again = await off_loop(lambda: refund(10_000))
        assert first == again
        assert (first["entity"], first["amount"]) == ("refund", 10_000)
        with pytest.raises(BadRequestError, match="Different request"):
            await off_loop(lambda: refund(10_001))
        read = await off_loop(lambda: library.refund.fetch(first["id"]))
        assert read["receipt"] == "rw-1"
        page = await off_loop(lambda: library.payment.fetch_multiple_refund(PAYMENT_ID))
        assert [item["id"] for item in page["items"]] == [first["id"]]
        payment = await off_loop(lambda: library.payment.fetch(PAYMENT_ID))
        assert payment["amount_refunded"] == 10_000
        library.session.close()


def test_razorpays_library_verifies_our_webhooks_and_no_forgery() -> None:
    merchant = Merchant(webhook_forged=1.0)
    merchant.refund({"amount": 100, "notes": {"memo": "₹ é"}})
    posts = merchant.wait(3_600)
    assert {post.forged for post in posts} == {True, False}
    for post in posts:
        header = dict(post.headers)["X-Razorpay-Signature"]
        told = (post.body.decode(), header, "rzp_sandbox")
        if post.forged:
            with pytest.raises(SignatureVerificationError):
                client().utility.verify_webhook_signature(*told)
        else:
            assert client().utility.verify_webhook_signature(*told)
