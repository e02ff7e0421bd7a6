"""Every request Braintree is sent, against its official GraphQL schema."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.contract import (
    Credentials,
    HttpRequest,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.braintree_talk import (
    BRAINTREE,
    KNOWN,
    REFUND,
    REFUND_ID,
    SALE_ID,
    asked,
    failed,
    identity,
    money,
    node,
    order_input,
    refund,
    refunded,
    reversed_as,
    said,
    sale,
    valid,
    variables,
)
from tests.unit.gateways.driving import NOW, answer, drive

if TYPE_CHECKING:
    from refundwatch.gateways.contract import RefundInstruction

GATEWAY = Braintree()
WHOLE = replace(REFUND, amount_minor=5000)


def order(instruction: RefundInstruction = REFUND, **sold: Any) -> HttpRequest:
    """Give the one order for a sale that is as it is."""
    operation = GATEWAY.refund(instruction)
    next(operation)
    operation.send(identity())
    request = operation.send(node(sale(**sold)))
    assert request.moves_money
    return request


def unordered(instruction: RefundInstruction = REFUND, **sold: Any) -> Any:
    return drive(GATEWAY.refund(instruction), identity(), node(sale(**sold))).result


def test_a_settled_sale_is_refunded_by_amount_reference_and_key() -> None:
    request = order()
    valid(request)
    assert request.operation == "refund"
    assert "refundTransaction(" in asked(request)["query"]
    assert order_input(request) == {
        "transactionId": SALE_ID,
        "apiRequestKey": "a" * 32,
        "clientMutationId": "rw-r-000123",
        "refund": {"amount": "12.50", "orderId": "rw-r-000123"},
    }
    assert dict(request.headers) == {
        "Braintree-Version": "2019-01-01",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }


def test_the_whole_of_a_settled_sale_is_a_refund_too() -> None:
    assert order_input(order(WHOLE))["refund"]["amount"] == "50.00"


@pytest.mark.parametrize("status", ["AUTHORIZED", "SUBMITTED_FOR_SETTLEMENT"])
def test_the_whole_of_an_unsettled_sale_is_voided(status: str) -> None:
    request = order(WHOLE, status=status)
    valid(request)
    assert request.operation == "void"
    assert "reverseTransaction(" in asked(request)["query"]
    assert order_input(request) == {
        "transactionId": SALE_ID,
        "apiRequestKey": "a" * 32,
        "clientMutationId": "rw-r-000123",
    }


@pytest.mark.parametrize("status", ["AUTHORIZED", "SUBMITTED_FOR_SETTLEMENT"])
@pytest.mark.parametrize("amount_minor", [1, 4999, 5001])
def test_another_amount_than_the_whole_is_never_voided_but_waits(
    status: str, amount_minor: int
) -> None:
    part = replace(REFUND, amount_minor=amount_minor)
    waits = unordered(part, status=status)
    assert waits == NotProcessed(f"not_settled:{status}", 600)


def test_a_sale_of_which_something_was_refunded_is_never_voided() -> None:
    given = [refund(orderId="another")]
    waits = unordered(WHOLE, status="SUBMITTED_FOR_SETTLEMENT", refunds=given)
    assert isinstance(waits, NotProcessed)


@pytest.mark.parametrize("status", ["SETTLING", "SETTLEMENT_PENDING", "AUTHORIZING"])
@pytest.mark.parametrize("instruction", [REFUND, WHOLE], ids=["part", "whole"])
def test_a_sale_on_its_way_waits(status: str, instruction: Any) -> None:
    assert isinstance(unordered(instruction, status=status), NotProcessed)


@pytest.mark.parametrize(
    ("sold", "outcome"),
    [
        ({"status": "VOIDED"}, RefusedByGateway("sale_voided")),
        ({"status": "FAILED"}, RefusedByGateway("sale_failed")),
        (
            {"status": "SETTLEMENT_CONFIRMED"},
            RefusedByGateway("sale_settlement_confirmed"),
        ),
        ({"amount": money("50.00", "EUR")}, RefusedByGateway("currency_mismatch")),
        ({"status": "HELD"}, Unsure("sale_status:HELD")),
        ({"status": None}, Unsure("sale_status:null")),
        ({"amount": None}, Unsure("no_amount")),
        ({"amount": money("50.001")}, Unsure("amount:50.001 USD")),
        ({"refunds": None}, Unsure("refunds_not_listed")),
        ({"__typename": "Refund"}, Unsure("another_node")),
        ({"id": "dHJhbnNhY3Rpb25fb3RoZXI"}, Unsure("another_node")),
    ],
)
def test_a_sale_that_cannot_be_refunded_gets_no_order(
    sold: dict[str, Any], outcome: object
) -> None:
    assert unordered(WHOLE, **sold) == outcome


def test_a_refund_that_is_there_already_gets_no_second_order() -> None:
    found = unordered(REFUND, refunds=[refund()])
    assert found.evidence.gateway_reference == "rwrefund01"


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (node(None), RefusedByGateway("payment_missing")),
        (failed("NOT_FOUND"), RefusedByGateway("payment_missing")),
        (failed("AUTHENTICATION"), Unauthorized("AUTHENTICATION")),
        (failed("RESOURCE_LIMIT"), NotProcessed("RESOURCE_LIMIT")),
        (failed("INTERNAL"), Unsure("INTERNAL")),
        (answer(503), Unsure("http_503")),
        (answer(200, b"<html>"), Unsure("not_json")),
        (said(None), Unsure("no_data")),
    ],
)
def test_an_unread_sale_gets_no_order(response: Any, outcome: object) -> None:
    assert drive(GATEWAY.refund(REFUND), identity(), response).result == outcome
    if outcome != RefusedByGateway("payment_missing"):
        assert drive(GATEWAY.refund(REFUND), response).result in {
            outcome,
            Unsure("no_identity"),
        }


def test_a_global_id_is_not_translated() -> None:
    named = replace(REFUND, payment_reference=SALE_ID)
    driven = drive(GATEWAY.refund(named), node(sale()), refunded())
    assert [one.operation for one in driven.requests] == ["read_payment", "refund"]
    assert driven.result.evidence.payment_reference == SALE_ID


def test_a_stored_order_is_sent_as_it_is_without_reading() -> None:
    stored = replace(order(), body=b"{}")
    unbuildable = replace(REFUND, amount_minor=0)
    driven = drive(GATEWAY.refund(unbuildable, stored), refunded())
    assert driven.requests == (stored,)


def test_a_cancellation_has_a_key_of_its_own() -> None:
    driven = drive(
        GATEWAY.cancel(KNOWN),
        identity(REFUND_ID),
        said({"reverseRefund": {"refund": refund(status="VOIDED")}}),
    )
    ask, request = driven.requests
    valid(ask)
    valid(request)
    assert variables(ask) == {"legacyId": "rwrefund01", "type": "REFUND"}
    assert (request.operation, request.moves_money) == ("cancel", True)
    assert order_input(request) == {
        "refundId": REFUND_ID,
        "apiRequestKey": "a" * 32 + "-cancel",
        "clientMutationId": "rw-r-000123",
    }
    assert str(driven.result.word) == "failed"


@pytest.mark.parametrize("theirs", [None, "../x", "rwsale0001"])
def test_what_has_no_refund_of_its_own_cannot_be_cancelled(theirs: str | None) -> None:
    known = replace(REFUND, gateway_reference=theirs)
    assert isinstance(drive(GATEWAY.cancel(known)).result, RefusedByGateway)


def test_every_read_is_what_the_schema_allows() -> None:
    driven = [
        drive(GATEWAY.look_up(KNOWN), identity(), node(sale())),
        drive(GATEWAY.read_refund(KNOWN), identity(REFUND_ID), node(refund())),
        drive(
            GATEWAY.read_payment(BRAINTREE, "rwsale0001", "USD"),
            identity(),
            node(sale()),
        ),
        drive(GATEWAY.probe(BRAINTREE), said({"ping": "pong"})),
    ]
    requests = [request for one in driven for request in one.requests]
    assert len(requests) == 7
    for request in requests:
        valid(request)
        assert not request.moves_money


def test_an_account_without_keys_sends_none_and_relies_on_none() -> None:
    account = replace(BRAINTREE, settings={"request_keys": "off"})
    keyless = replace(REFUND, account=account)
    for request in (
        order(keyless),
        order(replace(keyless, amount_minor=5000), status="SUBMITTED_FOR_SETTLEMENT"),
    ):
        valid(request)
        assert "apiRequestKey" not in order_input(request)
        assert order_input(request)["clientMutationId"] == "rw-r-000123"
    assert GATEWAY.suited(account.settings).capabilities.key_window_seconds == 0
    for settings in ({}, {"request_keys": "on"}):
        window = GATEWAY.suited(settings).capabilities.key_window_seconds
        assert window == 30 * 86_400


def test_the_connection_pins_its_own_version() -> None:
    account = replace(BRAINTREE, api_version="2024-08-01")
    request = order(replace(REFUND, account=account))
    assert dict(request.headers)["Braintree-Version"] == "2024-08-01"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"),
    [
        (1250, "USD", "12.50"),
        (1200, "EUR", "12.00"),
        (9899, "JPY", "9899"),
        (1234, "KWD", "1.234"),
        (7, "EUR", "0.07"),
        (12345678, "HUF", "123456.78"),
    ],
)
def test_an_amount_is_written_in_the_currencys_decimals(
    amount_minor: int, currency: str, written: str
) -> None:
    part = replace(REFUND, amount_minor=amount_minor, currency=currency)
    request = order(part, amount=money("99999999", currency))
    valid(request)
    assert order_input(request)["refund"]["amount"] == written


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"currency": "CLF"}, "currency"),
        ({"currency": "usd"}, "currency"),
        ({"payment_reference": "../x"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"idempotency_key": "k" * 249}, "idempotency_key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"merchant_reference": "r" * 128}, "merchant_reference"),
        ({"merchant_reference": "a b"}, "merchant_reference"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_asked(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(REFUND, **changes))
    assert caught.value.field == field


def test_the_key_pair_authorizes_and_is_not_shown() -> None:
    pair = Credentials({"public_key": "pub", "private_key": "hidden-private"})
    request = GATEWAY.authorize(order(), pair, NOW)
    scheme, _, packed = dict(request.headers)["Authorization"].partition(" ")
    assert (scheme, b64decode(packed)) == ("Basic", b"pub:hidden-private")
    assert "hidden-private" not in f"{request!r}{pair!r}"
    with pytest.raises(InvariantBroken):
        GATEWAY.authorize(order(), Credentials({"public_key": "pub"}), NOW)


def test_a_void_reads_as_our_refund_of_the_whole() -> None:
    void = order(WHOLE, status="SUBMITTED_FOR_SETTLEMENT")
    response = reversed_as(sale(status="VOIDED"))
    heard = drive(GATEWAY.refund(WHOLE, void), response).result
    assert str(heard.word) == "succeeded"
    assert heard.evidence.gateway_reference == "rwsale0001"
    assert heard.evidence.merchant_reference == "rw-r-000123"
    assert heard.evidence.amount_minor == 5000


def test_a_void_that_became_a_refund_is_known_by_that_refund() -> None:
    void = order(WHOLE, status="SUBMITTED_FOR_SETTLEMENT")
    made = refund(__typename="Refund", orderId="shop-1", amount=money("50.00"))
    heard = drive(GATEWAY.refund(WHOLE, void), reversed_as(made)).result
    assert str(heard.word) == "pending"
    assert heard.evidence.gateway_reference == "rwrefund01"
    # The inherited reference is the sale's: it must not contradict ours.
    assert heard.evidence.merchant_reference is None


def test_the_body_is_ascii_json() -> None:
    assert json.loads(order().body.decode("ascii"))
