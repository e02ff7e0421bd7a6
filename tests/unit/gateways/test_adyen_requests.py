from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.adyen.adapter import Adyen
from refundwatch.gateways.contract import (
    Credentials,
    LookupFailed,
    PaymentUnreadable,
)
from tests.unit.gateways.driving import (
    ADYEN,
    ADYEN_REFUND,
    NOW,
    first_request,
    result_of,
)

GATEWAY = Adyen()


def order(**changes: Any) -> dict[str, Any]:
    request = first_request(GATEWAY.refund(replace(ADYEN_REFUND, **changes)))
    body: dict[str, Any] = json.loads(request.body)
    return body


def test_a_refund_is_one_post_below_the_endpoint_with_key_and_amount() -> None:
    request = first_request(GATEWAY.refund(ADYEN_REFUND))
    assert (request.method, request.target) == (
        "POST",
        "/payments/993617894903480A/refunds",
    )
    assert request.moves_money
    assert dict(request.headers) == {
        "Idempotency-Key": "a" * 32,
        "Content-Type": "application/json",
    }
    assert json.loads(request.body) == {
        "merchantAccount": "RefundwatchTestECOM",
        "amount": {"currency": "EUR", "value": 1050},
        "reference": "rw-000001",
    }


def test_the_same_refund_is_built_byte_for_byte_the_same() -> None:
    first = first_request(GATEWAY.refund(ADYEN_REFUND))
    assert first_request(GATEWAY.refund(ADYEN_REFUND)) == first


def test_a_stored_request_is_sent_as_it_is() -> None:
    stored = replace(first_request(GATEWAY.refund(ADYEN_REFUND)), body=b"{}")
    unbuildable = replace(ADYEN_REFUND, amount_minor=0)
    assert first_request(GATEWAY.refund(unbuildable, stored)) is stored


@pytest.mark.parametrize(
    ("reason_code", "reason"),
    [
        ("duplicate", "DUPLICATE"),
        ("requested_by_customer", "CUSTOMER REQUEST"),
        ("return", "RETURN"),
        ("fraud", None),
        ("goods_returned", None),
    ],
)
def test_a_reason_is_sent_only_where_it_maps_exactly(
    reason_code: str, reason: str | None
) -> None:
    assert order(reason_code=reason_code).get("merchantRefundReason") == reason


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 1250, "currency": "CVE"}, "amount_minor"),
        ({"currency": "BIF"}, "currency"),
        ({"payment_reference": "../reversals"}, "payment_reference"),
        ({"payment_reference": "a/b"}, "payment_reference"),
        ({"idempotency_key": "k" * 65}, "idempotency_key"),
        ({"idempotency_key": "a b"}, "idempotency_key"),
        ({"merchant_reference": "r" * 81}, "merchant_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
    ],
)
def test_what_cannot_be_stated_is_refused_on_the_call_itself(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(ADYEN_REFUND, **changes))
    assert caught.value.field == field


@given(
    minor=st.integers(1, 10**9),
    currency=st.sampled_from(sorted(EXPONENTS)),
    reason=st.text(max_size=30),
)
def test_a_request_that_moves_money_always_states_its_amount(
    minor: int, currency: str, reason: str
) -> None:
    try:
        body = order(amount_minor=minor, currency=currency, reason_code=reason)
    except NotExpressible:
        return
    units = body["amount"]["value"]
    assert type(units) is int
    assert units > 0
    assert body["amount"]["currency"] == currency
    assert GATEWAY.capabilities.iso_minor(units, currency) == minor


def test_an_account_without_merchant_account_breaks_an_invariant() -> None:
    nameless = replace(ADYEN, settings={})
    with pytest.raises(InvariantBroken, match="merchant_account"):
        GATEWAY.refund(replace(ADYEN_REFUND, account=nameless))


def test_the_key_is_added_at_the_moment_of_sending() -> None:
    request = first_request(GATEWAY.refund(ADYEN_REFUND))
    sent = GATEWAY.authorize(request, Credentials({"api_key": "AQE"}), NOW)
    assert sent.headers == (*request.headers, ("X-API-Key", "AQE"))
    assert replace(sent, headers=request.headers) == request


def test_a_missing_key_breaks_an_invariant() -> None:
    request = first_request(GATEWAY.refund(ADYEN_REFUND))
    with pytest.raises(InvariantBroken, match="api_key"):
        GATEWAY.authorize(request, Credentials({}), NOW)


def test_a_session_is_never_opened() -> None:
    with pytest.raises(InvariantBroken):
        GATEWAY.open_session(ADYEN, Credentials({}), NOW)


def test_a_probe_asks_for_payment_methods_and_moves_no_money() -> None:
    request = first_request(GATEWAY.probe(ADYEN))
    assert (request.method, request.target) == ("POST", "/paymentMethods")
    assert not request.moves_money
    assert json.loads(request.body) == {"merchantAccount": "RefundwatchTestECOM"}


def test_what_adyen_cannot_be_asked_is_answered_without_a_request() -> None:
    known = replace(ADYEN_REFUND, gateway_reference="993617894906488A")
    failed = LookupFailed("not_offered")
    assert result_of(GATEWAY.look_up(known)) == failed
    assert result_of(GATEWAY.read_refund(known)) == failed
    read = result_of(GATEWAY.read_payment(ADYEN, "993617894903480A", "EUR"))
    assert read == PaymentUnreadable("not_offered")
