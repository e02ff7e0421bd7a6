"""Checkout.com's own library speaks to the look-alike."""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - a fixture's annotation
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from checkout_sdk.checkout_sdk import CheckoutSdk
from checkout_sdk.environment import Environment
from checkout_sdk.exception import CheckoutApiException, CheckoutAuthorizationException
from checkout_sdk.oauth_scopes import OAuthScopes
from checkout_sdk.payments.payments import RefundRequest, VoidRequest

from refundwatch.sandbox.running import running_sandbox
from tests.sandbox.checkout import PAY, Shop
from tests.sandbox.test_sdks import off_loop

# Loopback has no merchant's own host; the library warns of that and of itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:use_legacy_domain:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Risk endpoints:DeprecationWarning"),
]


@asynccontextmanager
async def running() -> AsyncIterator[Any]:
    wanted = replace(Shop().config, time_scale=0.01)
    quiet = tuple(replace(account, webhook_url="") for account in wanted.accounts)
    async with running_sandbox(replace(wanted, accounts=quiet)) as box:
        box.add_payment("checkout", PAY, 5_000, "EUR")
        yield box


def here(box: Any) -> Environment:
    base = box.base_url("checkout")
    token = f"{base}/connect/token"
    return Environment(f"{base}/", token, *[base] * 5, is_sandbox=True)


def client(box: Any) -> Any:
    builder = CheckoutSdk.builder().secret_key("sk_sbox_sandboxsandboxsandboxsandbo")
    return builder.environment(here(box)).use_legacy_domain().build()


def order(amount: int, reference: str = "rw-1") -> RefundRequest:
    request = RefundRequest()
    request.amount = amount
    request.reference = reference
    request.metadata = {"rw_refund_id": reference}
    return request


async def test_checkouts_library_refunds_reads_and_repeats() -> None:
    async with running() as box:
        payments = client(box).payments
        send = payments.refund_payment
        first = await off_loop(lambda: send(PAY, order(1_050), "k"))
        again = await off_loop(lambda: send(PAY, order(1_050), "k"))
        assert first.http_metadata.status_code == 202
        assert (first.action_id, first.reference) == (again.action_id, "rw-1")
        await box.settled()
        actions = await off_loop(lambda: payments.get_payment_actions(PAY))
        assert (actions.items[0].id, actions.items[0].approved) == (
            first.action_id,
            True,
        )
        payment = await off_loop(lambda: payments.get_payment_details(PAY))
        assert payment.status == "Partially Refunded"
        assert payment.balances.total_refunded == 1_050
        assert [row.net_minor for row in box.ledger.rows("checkout")] == [1_050]


async def test_checkouts_library_knows_our_errors_and_voids() -> None:
    async with running() as box:
        payments = client(box).payments
        with pytest.raises(CheckoutApiException) as refused:
            await off_loop(lambda: payments.refund_payment(PAY, order(9_999)))
        assert refused.value.error_details == ["refund_amount_exceeds_balance"]
        assert refused.value.request_id
        with pytest.raises(CheckoutApiException) as missing:
            await off_loop(lambda: payments.get_payment_details("pay_none"))
        assert missing.value.http_metadata.status_code == 404
        box.add_payment("checkout", "pay_open", 700, "EUR", captured=False)
        void = VoidRequest()
        void.reference = "rw-2"
        done = await off_loop(lambda: payments.void_payment("pay_open", void))
        assert done.http_metadata.status_code == 202


async def test_checkouts_library_fetches_tokens() -> None:
    async with running() as box:
        builder = (
            CheckoutSdk.builder()
            .oauth()
            .environment(here(box))
            .scopes([OAuthScopes.GATEWAY])
            .use_legacy_domain()
        )
        builder.client_credentials("ack_sandbox", "sandbox-secret")
        api = await off_loop(builder.build)
        payment = await off_loop(lambda: api.payments.get_payment_details(PAY))
        assert payment.id == PAY
        builder.client_credentials("ack_sandbox", "wrong")
        with pytest.raises(CheckoutAuthorizationException, match="invalid_client"):
            await off_loop(builder.build)
