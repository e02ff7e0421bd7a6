"""Braintree's own library against the look-alike: its GraphQL client and verifier."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from refundwatch.gateways.braintree import documents
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.sandbox.braintree.objects import global_id
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.running import running_sandbox
from refundwatch.sandbox.settings import BraintreeSettings
from tests.sandbox.braintree import ACCOUNT, PAIR, SALE, Merchant
from tests.unit.gateways.braintree_talk import SIGNED

if TYPE_CHECKING:
    from refundwatch.sandbox.model import WebhookPost

with warnings.catch_warnings():
    # The library warns of a class of its own as it is loaded.
    warnings.simplefilter("ignore", DeprecationWarning)
    import braintree
    from braintree.exceptions.authentication_error import AuthenticationError
    from braintree.exceptions.invalid_signature_error import InvalidSignatureError


def library(base_url: str = "http://127.0.0.1:1", private: str = "") -> Any:
    here = urlsplit(base_url)
    environment = braintree.Environment(
        "sandbox",
        here.hostname,
        str(here.port),
        base_url,
        is_ssl=False,
        ssl_certificate=None,
        graphql_server=here.hostname,
        graphql_port=str(here.port),
    )
    return braintree.BraintreeGateway(
        braintree.Configuration(
            environment=environment,
            merchant_id="sandbox",
            public_key="sandbox_public",
            private_key=private or "sandbox_private",
        )
    )


async def test_its_graphql_client_refunds_repeats_and_knows_our_errors() -> None:
    account = BraintreeSettings(name="braintree")
    async with running_sandbox(SandboxConfig(accounts=(account,))) as box:
        box.add_payment("braintree", SALE, 5_000, "USD")
        base_url = box.base_url("braintree")

        async def ask(told: dict[str, Any], private: str = "") -> Any:
            client = library(base_url, private).graphql_client
            variables = {"input": told}
            return await asyncio.to_thread(client.query, documents.REFUND, variables)

        order = {
            "transactionId": global_id("transaction", SALE),
            "apiRequestKey": "k",
            "refund": {"amount": "10.50", "orderId": "rw-1"},
        }
        first, again = await ask(order), await ask(order)
        refund = first["data"]["refundTransaction"]["refund"]
        assert refund["amount"] == {"value": "10.50", "currencyCode": "USD"}
        repeated = again["data"]["refundTransaction"]["refund"]
        assert repeated["legacyId"] == refund["legacyId"]
        other = await ask({**order, "refund": {"amount": "11.00"}})
        errors = braintree.util.graphql_client.GraphQLClient.get_validation_errors
        assert errors(other)["errors"][0]["code"] == "915232"
        with pytest.raises(AuthenticationError):
            await ask(order, "wrong")
        assert len(box.ledger.rows("braintree")) == 1


def fields(post: WebhookPost) -> tuple[str, str]:
    form = parse_qs(post.body.decode())
    return form["bt_signature"][0], form["bt_payload"][0]


def test_its_verifier_accepts_our_webhooks_and_no_forgery() -> None:
    merchant = Merchant(webhook_forged=1.0)
    merchant.add("bank", method="sepa_direct_debit")
    merchant.refund("12.50", sale="bank")
    merchant.model.dispute(SALE, merchant.now, chargeback=True)
    parse = library().webhook_notification.parse
    told = {}
    for post in merchant.wait(60):
        if post.forged:
            with pytest.raises(InvalidSignatureError):
                parse(*fields(post))
            continue
        told[post.event] = parse(*fields(post))
    settled = told["transaction_settled"]
    assert settled.kind == "transaction_settled"
    assert settled.transaction.order_id == "rw-1"
    assert str(settled.transaction.amount) == "12.50"
    assert told["dispute_opened"].dispute.transaction.id == SALE


def test_it_answers_a_challenge_as_we_do() -> None:
    challenge = SIGNED["challenge"]["challenge"]
    theirs = library().webhook_notification.verify(challenge)
    ours = Braintree().greet(ACCOUNT, {"bt_challenge": challenge}, (PAIR,))
    assert ours == theirs.encode()
