from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import (
    Credentials,
    Heard,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.schemas import conforms, document, operation
from tests.unit.gateways.driving import NOW, answer, drive, first_request
from tests.unit.gateways.mollie_hand import (
    GATEWAY,
    GOOD,
    KNOWN,
    MOLLIE,
    MOLLIE_REFUND,
    TOKEN,
    error,
    listed,
    refund,
)

SHAPE = "mollie-refunds.json"


def order_of(instruction: Any = MOLLIE_REFUND) -> Any:
    driven = drive(GATEWAY.refund(instruction), listed(), answer(201, GOOD))
    first, second = driven.requests
    assert not first.moves_money
    assert second.moves_money
    return second


def test_an_order_states_amount_reference_and_key() -> None:
    request = order_of()
    assert (request.method, request.target) == (
        "POST",
        "/v2/payments/tr_rw0001wxyz/refunds",
    )
    assert dict(request.headers)["Idempotency-Key"] == "a" * 32
    assert json.loads(request.body) == {
        "amount": {"currency": "EUR", "value": "10.50"},
        "description": "rw-000001",
        "metadata": {"rw_refund_id": "rw-000001"},
    }


def test_a_token_says_that_money_is_test_money_and_a_key_does_not() -> None:
    by_token = replace(MOLLIE_REFUND, account=TOKEN)
    assert json.loads(order_of(by_token).body)["testmode"] is True
    assert first_request(GATEWAY.look_up(by_token)).target.endswith("&testmode=true")
    live = replace(by_token, account=replace(TOKEN, mode="live"))
    assert "testmode" not in json.loads(order_of(live).body)
    assert "testmode" not in first_request(GATEWAY.look_up(live)).target
    assert first_request(GATEWAY.probe(TOKEN)).target == "/v2/organizations/me"
    assert first_request(GATEWAY.probe(MOLLIE)).target == "/v2/profiles/me"


def test_a_cancellation_is_an_order_for_one_refund() -> None:
    request = first_request(GATEWAY.cancel(KNOWN))
    assert request.method == "DELETE"
    assert request.target == "/v2/payments/tr_rw0001wxyz/refunds/re_rw0001abcd"
    assert (request.operation, request.moves_money) == ("cancel", True)
    by_token = first_request(GATEWAY.cancel(replace(KNOWN, account=TOKEN)))
    assert by_token.target.endswith("?testmode=true")


@pytest.mark.parametrize("account", [MOLLIE, TOKEN], ids=["key", "token"])
def test_an_order_is_what_the_official_document_asks_for(account: Any) -> None:
    spec = document(SHAPE)
    request = order_of(replace(MOLLIE_REFUND, account=account))
    wanted = operation(spec, request)["requestBody"]["content"]["application/json"]
    bare = json.loads(json.dumps(spec))
    shape = bare["components"]["schemas"]["entity-refund"]
    # Members that are only read bind answers alone.
    shape["required"] = ["amount", "description", "metadata"]
    conforms(bare, json.loads(request.body), wanted["schema"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"payment_reference": "../refunds"}, "payment_reference"),
        ({"payment_reference": "tr_1/../.."}, "payment_reference"),
        ({"idempotency_key": "k" * 65}, "idempotency_key"),
        ({"merchant_reference": ""}, "merchant_reference"),
        ({"merchant_reference": "r" * 201}, "merchant_reference"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"currency": "ZZZ"}, "currency"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_asked(
    changes: Any, field: str
) -> None:
    with pytest.raises(NotExpressible) as refused:
        GATEWAY.refund(replace(MOLLIE_REFUND, **changes))
    assert refused.value.field == field


def test_a_stored_order_is_sent_as_it_is_without_looking() -> None:
    stored = order_of()
    driven = drive(GATEWAY.refund(MOLLIE_REFUND, stored), answer(201, GOOD))
    assert driven.requests == (stored,)


def test_without_its_credential_nothing_is_sent() -> None:
    with pytest.raises(InvariantBroken):
        GATEWAY.authorize(order_of(), Credentials({}), NOW)


# --- what stands before an order --------------------------------------------------


def before(*refunds: Any, **changes: Any) -> Any:
    instruction = replace(MOLLIE_REFUND, **changes)
    driven = drive(GATEWAY.refund(instruction), listed(*refunds))
    assert not [one for one in driven.requests if one.moves_money]
    return driven.result


def test_an_equal_amount_waits_for_the_hour_of_the_first_to_end() -> None:
    equal = refund(1, "rw-other", createdAt="2026-03-01T09:40:00+00:00")
    assert before(equal) == NotProcessed("equal_amount_guard", 40 * 60 + 300)


@pytest.mark.parametrize(
    "other",
    [
        refund(1, createdAt="2026-03-01T08:59:59+00:00"),
        refund(
            1,
            createdAt="2026-03-01T09:59:00+00:00",
            amount={"currency": "EUR", "value": "10.51"},
        ),
        refund(1, createdAt="yesterday"),
    ],
    ids=["an hour ago", "another amount", "no time"],
)
def test_what_keeps_nothing_back_does_not_wait(other: Any) -> None:
    driven = drive(GATEWAY.refund(MOLLIE_REFUND), listed(other), answer(201, GOOD))
    assert isinstance(driven.result, Heard)


def test_a_time_from_the_future_waits_an_hour_at_most() -> None:
    ahead = refund(1, createdAt="2031-03-01T09:40:00+00:00")
    assert before(ahead) == NotProcessed("equal_amount_guard", 3900)


@pytest.mark.parametrize(
    ("written", "wait"), [("60", 60 + 5), ("no", 3900), ("", 3900), ("9" * 9, 3900)]
)
def test_an_account_may_know_another_length_of_the_guard(
    written: str, wait: int
) -> None:
    account = replace(MOLLIE, settings={"duplicate_guard_seconds": written})
    just_now = refund(1, createdAt="2026-03-01T10:00:00+00:00")
    waits = before(just_now, account=account)
    assert waits == NotProcessed("equal_amount_guard", wait)


def test_a_refund_that_is_there_already_is_told_and_not_ordered() -> None:
    there = before(refund(1), refund(7, "rw-000001"))
    assert isinstance(there, Heard)
    assert there.evidence.gateway_reference == "re_7"


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (error(401), Unauthorized("http_401")),
        (error(404), RefusedByGateway("payment_not_found")),
        (error(500), Unsure("http_500")),
        (error(429, headers={"retry-after": "7"}), Unsure("http_429", 7)),
        (answer(200, {"count": 1}), Unsure("no_list_object")),
    ],
    ids=["401", "404", "500", "429", "no list"],
)
def test_nothing_is_ordered_where_the_refunds_cannot_be_read(
    response: Any, outcome: Any
) -> None:
    driven = drive(GATEWAY.refund(MOLLIE_REFUND), response)
    assert driven.result == outcome
