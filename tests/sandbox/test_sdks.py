from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import Adyen
import pytest
import stripe
from Adyen.exceptions import AdyenAPIUnprocessableEntity
from paypalserversdk.configuration import Configuration, Environment, Server
from paypalserversdk.exceptions.error_exception import ErrorException
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.models.money import Money
from paypalserversdk.models.refund_request import RefundRequest
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient

from tests.sandbox.hands import CAPTURE, PI, PSP
from tests.sandbox.live import live_sandbox

Result = TypeVar("Result")

if TYPE_CHECKING:
    from collections.abc import Callable


async def off_loop(call: Callable[[], Result]) -> Result:
    """Run a blocking library beside the loop that serves it."""
    return await asyncio.to_thread(call)


def stripe_client(base_url: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        "sk_test_sandbox", base_addresses={"api": base_url}, max_network_retries=0
    )


async def test_stripes_library_creates_reads_lists_and_retries() -> None:
    async with live_sandbox() as live:
        client = stripe_client(live.box.base_url("stripe"))
        params: Any = {
            "payment_intent": PI,
            "amount": 1_050,
            "metadata": {"rw_id": "rw-1"},
        }
        options: Any = {"idempotency_key": "k1"}
        refund = await off_loop(lambda: client.v1.refunds.create(params, options))
        again = await off_loop(lambda: client.v1.refunds.create(params, options))
        assert (refund.id, refund.status) == (again.id, "succeeded")
        read = await off_loop(lambda: client.v1.refunds.retrieve(refund.id))
        assert read.metadata is not None
        assert read.metadata["rw_id"] == "rw-1"
        page = await off_loop(
            lambda: client.v1.refunds.list({"payment_intent": PI, "limit": 10})
        )
        assert [item.id for item in page.data] == [refund.id]
        intent = await off_loop(
            lambda: client.v1.payment_intents.retrieve(
                PI, {"expand": ["latest_charge"]}
            )
        )
        assert isinstance(intent.latest_charge, stripe.Charge)
        assert intent.latest_charge.amount_refunded == 1_050
        balance = await off_loop(client.v1.balance.retrieve)
        assert balance.livemode is False


async def test_stripes_library_knows_our_errors() -> None:
    async with live_sandbox() as live:
        client = stripe_client(live.box.base_url("stripe"))
        too_much: Any = {"payment_intent": PI, "amount": 9_999}
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await off_loop(lambda: client.v1.refunds.create(too_much))
        assert refused.value.param == "amount"
        options: Any = {"idempotency_key": "k"}
        some: Any = {"payment_intent": PI, "amount": 100}
        other: Any = {"payment_intent": PI, "amount": 200}
        await off_loop(lambda: client.v1.refunds.create(some, options))
        with pytest.raises(stripe.IdempotencyError):
            await off_loop(lambda: client.v1.refunds.create(other, options))
        live.box.set_faults(None, {"rate_limited": 1.0})
        with pytest.raises(stripe.RateLimitError):
            await off_loop(lambda: client.v1.refunds.create(some))


async def test_stripes_library_reads_our_webhooks() -> None:
    async with live_sandbox() as live:
        client = stripe_client(live.box.base_url("stripe"))
        params: Any = {"payment_intent": PI, "amount": 100}
        await off_loop(lambda: client.v1.refunds.create(params))
        await live.box.settled()
        for got in live.received:
            header = got.headers["Stripe-Signature"]
            event = client.construct_event(got.body, header, "whsec_sandbox")
            assert event.type in ("refund.created", "charge.refunded")


async def test_adyens_library_refunds_and_verifies() -> None:
    async with live_sandbox() as live:
        client = Adyen.AdyenClient(xapikey="AQEsandbox", platform="test")
        base_url = live.box.base_url("adyen")
        # The library has no setting for the host; its one seam is this look-up.
        client._determine_api_url = lambda _platform, endpoint: endpoint.replace(
            "https://checkout-test.adyen.com", base_url
        )
        service = Adyen.services.checkout.AdyenCheckoutApi(client=client)
        body = {
            "merchantAccount": "SandboxECOM",
            "amount": {"currency": "EUR", "value": 1_050},
            "reference": "rw-1",
        }
        refund = service.modifications_api.refund_captured_payment
        first = await off_loop(lambda: refund(body, PSP, idempotency_key="k"))
        again = await off_loop(lambda: refund(body, PSP, idempotency_key="k"))
        assert first.status_code == 201
        assert first.message["status"] == "received"
        assert first.message["pspReference"] == again.message["pspReference"]
        with pytest.raises(AdyenAPIUnprocessableEntity):
            await off_loop(lambda: refund(body, "UNKNOWN000000000"))
        await live.box.settled()
        assert [row.net_minor for row in live.box.ledger.rows("adyen")] == [1_050]


def paypal_client(base_url: str) -> PaypalServersdkClient:
    class Here(Configuration):
        environments = {  # noqa: RUF012 - the library reads it from the class
            Environment.SANDBOX: {Server.DEFAULT: base_url}
        }

    credentials = ClientCredentialsAuthCredentials(
        o_auth_client_id="sandbox-client", o_auth_client_secret="sandbox-secret"
    )
    here = Here(
        environment=Environment.SANDBOX,
        client_credentials_auth_credentials=credentials,
    )
    return PaypalServersdkClient(config=here)


async def test_paypals_library_refunds_and_reads() -> None:
    async with live_sandbox() as live:
        client = paypal_client(live.box.base_url("paypal"))
        body = RefundRequest(
            amount=Money(currency_code="EUR", value="10.50"),
            invoice_id="rw-1",
            custom_id="rw-1",
        )
        call = {
            "capture_id": CAPTURE,
            "paypal_request_id": "k",
            "prefer": "return=representation",
            "body": body,
        }
        first = await off_loop(lambda: client.payments.refund_captured_payment(call))
        again = await off_loop(lambda: client.payments.refund_captured_payment(call))
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.body.id == again.body.id
        assert first.body.amount.value == "10.50"
        read = await off_loop(
            lambda: client.payments.get_refund({"refund_id": first.body.id})
        )
        assert (read.body.status, read.body.custom_id) == ("COMPLETED", "rw-1")
        capture = await off_loop(
            lambda: client.payments.get_captured_payment({"capture_id": CAPTURE})
        )
        assert capture.body.status == "PARTIALLY_REFUNDED"
        order_id = capture.body.supplementary_data.related_ids.order_id
        order = await off_loop(lambda: client.orders.get_order({"id": order_id}))
        [refund] = order.body.purchase_units[0].payments.refunds
        assert refund.invoice_id == "rw-1"
        with pytest.raises(ErrorException) as refused:
            await off_loop(
                lambda: client.payments.refund_captured_payment(
                    {**call, "paypal_request_id": "k2"}
                )
            )
        assert refused.value.details[0].issue == "DUPLICATE_INVOICE_ID"
