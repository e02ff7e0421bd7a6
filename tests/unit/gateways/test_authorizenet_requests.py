"""Every request Authorize.Net is sent, against its official schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.authorizenet import building
from refundwatch.gateways.contract import (
    Credentials,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.anet import (
    ANET,
    ANET_REFUND,
    CREDENTIALS,
    GATEWAY,
    KNOWN,
    OURS,
    SALE_ID,
    answer,
    batches,
    conforms,
    content_of,
    enveloped,
    listed,
    sale,
)
from tests.unit.gateways.driving import NOW, drive, first_request, result_of

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest

WHOLE = replace(ANET_REFUND, amount_minor=5000)


def ordered(instruction: Any, *reads: Any) -> HttpRequest:
    """Give the order that follows the reads before it."""
    operation = GATEWAY.refund(instruction)
    request = next(operation)
    for response in reads:
        assert not request.moves_money
        request = operation.send(response)
    assert request.moves_money
    return request


@pytest.mark.parametrize(
    "request_",
    [
        ordered(ANET_REFUND, sale()),
        ordered(WHOLE, sale("capturedPendingSettlement")),
        first_request(GATEWAY.refund(ANET_REFUND)),
        first_request(GATEWAY.look_up(ANET_REFUND)),
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(ANET, SALE_ID, "USD")),
        first_request(GATEWAY.cancel(KNOWN)),
        first_request(GATEWAY.probe(ANET)),
        *drive(
            GATEWAY.look_up(ANET_REFUND), sale(), listed(), batches("8"), listed()
        ).requests,
    ],
    ids=lambda request: content_of(request)[0],
)
def test_a_request_is_what_the_schema_asks_for(request_: HttpRequest) -> None:
    conforms(request_)


def test_the_schema_would_refuse_members_in_another_order() -> None:
    request = ordered(ANET_REFUND, sale())
    _, content = content_of(request)
    order = content["transactionRequest"]
    content["transactionRequest"] = {"amount": order.pop("amount"), **order}
    moved = json.dumps({"createTransactionRequest": content}, separators=(",", ":"))
    with pytest.raises(AssertionError):
        conforms(replace(request, body=moved.encode()))


def test_a_refund_states_everything_that_makes_it_ours() -> None:
    name, content = content_of(ordered(ANET_REFUND, sale()))
    assert name == "createTransactionRequest"
    assert list(content) == ["refId", "transactionRequest"]
    assert content["transactionRequest"] == {
        "transactionType": "refundTransaction",
        "amount": "12.50",
        "currencyCode": "USD",
        "payment": {"creditCard": {"cardNumber": "XXXX1111", "expirationDate": "XXXX"}},
        "refTransId": SALE_ID,
        "order": {"invoiceNumber": OURS, "description": f"refund {OURS}"},
        "transactionSettings": {
            "setting": [{"settingName": "duplicateWindow", "settingValue": "28800"}]
        },
    }


def test_a_bank_account_is_repeated_as_it_is_masked() -> None:
    account = {
        "accountType": "checking",
        "routingNumber": "XXXX0001",
        "accountNumber": "XXXX4321",
        "nameOnAccount": "A Holder",
        "echeckType": "WEB",
    }
    request = ordered(ANET_REFUND, sale(payment={"bankAccount": account}))
    conforms(request)
    _, content = content_of(request)
    sent = content["transactionRequest"]["payment"]["bankAccount"]
    assert sent == {k: v for k, v in account.items() if k != "echeckType"}


@pytest.mark.parametrize(
    "status", ["capturedPendingSettlement", "authorizedPendingCapture"]
)
def test_all_of_a_sale_before_its_batch_is_voided(status: str) -> None:
    request = ordered(WHOLE, sale(status))
    assert request.operation == "void"
    _, content = content_of(request)
    assert content == {
        "refId": OURS,
        "transactionRequest": {
            "transactionType": "voidTransaction",
            "refTransId": SALE_ID,
        },
    }


@pytest.mark.parametrize("amount", [4999, 1, 5001])
def test_a_part_of_a_sale_before_its_batch_is_never_voided(amount: int) -> None:
    part = replace(ANET_REFUND, amount_minor=amount)
    result = drive(GATEWAY.refund(part), sale("capturedPendingSettlement")).result
    assert result == NotProcessed("sale_capturedPendingSettlement", 3600)


def test_a_partly_captured_sale_is_voided_for_what_was_captured() -> None:
    less = sale("capturedPendingSettlement", settleAmount=12.5)
    assert ordered(ANET_REFUND, less).operation == "void"
    result = result_of(GATEWAY.refund(WHOLE), less)
    assert isinstance(result, NotProcessed)


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (sale("FDSPendingReview"), NotProcessed("sale_FDSPendingReview", 3600)),
        (sale("updatingSettlement"), NotProcessed("sale_updatingSettlement", 3600)),
        (sale("settlementError"), NotProcessed("sale_settlementError", 3600)),
        (sale("voided"), RefusedByGateway("sale_voided")),
        (sale("chargeback"), RefusedByGateway("sale_chargeback")),
        (sale("somethingNew"), RefusedByGateway("sale_somethingNew")),
        (sale(transactionType="refundTransaction"), RefusedByGateway("not_a_sale")),
        (sale(payment={}), RefusedByGateway("no_card_to_refund")),
        (
            sale(payment={"creditCard": {"cardNumber": "4111111111111111"}}),
            RefusedByGateway("no_card_to_refund"),
        ),
        (sale(transId="7"), Unsure("another_transaction")),
        (enveloped("E00040"), RefusedByGateway("E00040")),
        (enveloped("E00007"), Unauthorized("E00007")),
        (enveloped("E00011"), Unauthorized("E00011")),
        (enveloped("E00053"), Unsure("E00053")),
        (answer(b"<html>"), Unsure("not_json")),
        (answer(b"", 503), Unsure("http_503")),
    ],
)
def test_what_stands_against_a_refund_is_told_before_it_is_ordered(
    response: Any, outcome: object
) -> None:
    assert result_of(GATEWAY.refund(ANET_REFUND), response) == outcome


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"currency": "EUR"}, "currency"),
        ({"currency": "JPY"}, "currency"),
        ({"currency": "KWD"}, "currency"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"payment_reference": "pi_1"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"merchant_reference": "r" * 21}, "merchant_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
        ({"merchant_reference": "a b"}, "merchant_reference"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_asked(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(ANET_REFUND, **changes))
    assert caught.value.field == field


def test_login_and_key_come_first_and_only_when_sent() -> None:
    request = ordered(ANET_REFUND, sale())
    assert b"TEST" not in request.body
    sent = GATEWAY.authorize(request, CREDENTIALS, NOW)
    _, content = content_of(sent)
    assert list(content) == ["merchantAuthentication", "refId", "transactionRequest"]
    assert content.pop("merchantAuthentication") == {
        "name": "rwLogin01",
        "transactionKey": "4rwTK0000000TEST",
    }
    assert content == content_of(request)[1]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"api_login_id": "x"},
        {"api_login_id": "x" * 26, "transaction_key": "k"},
        {"api_login_id": "x", "transaction_key": "k" * 17},
    ],
)
def test_unusable_credentials_send_nothing(values: dict[str, str]) -> None:
    with pytest.raises(InvariantBroken):
        GATEWAY.authorize(building.probe_request(), Credentials(values), NOW)


def test_bytes_of_another_form_are_not_authorized() -> None:
    odd = replace(building.probe_request(), body=b"[]")
    with pytest.raises(InvariantBroken):
        GATEWAY.authorize(odd, CREDENTIALS, NOW)


def test_an_account_without_its_currency_is_a_mistake_of_ours() -> None:
    bare = replace(ANET_REFUND, account=replace(ANET, settings={}))
    with pytest.raises(InvariantBroken):
        GATEWAY.refund(bare)


def test_a_stored_order_is_sent_as_it_stands_without_a_look_before() -> None:
    order = ordered(ANET_REFUND, sale())
    assert next(GATEWAY.refund(ANET_REFUND, order)) is order
