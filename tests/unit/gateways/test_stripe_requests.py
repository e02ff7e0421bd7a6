from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import Credentials
from refundwatch.gateways.stripe.adapter import Stripe
from tests.unit.gateways.driving import NOW, STRIPE, STRIPE_REFUND, first_request

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, RefundInstruction

GATEWAY = Stripe()


def form_of(request: HttpRequest) -> dict[str, str]:
    pairs = parse_qsl(request.body.decode("ascii"), strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def refund_form(**changes: Any) -> dict[str, str]:
    return form_of(first_request(GATEWAY.refund(replace(STRIPE_REFUND, **changes))))


def test_a_refund_is_one_post_with_version_key_and_form() -> None:
    request = first_request(GATEWAY.refund(STRIPE_REFUND))
    assert (request.method, request.target) == ("POST", "/v1/refunds")
    assert request.moves_money
    assert dict(request.headers) == {
        "Stripe-Version": "2026-09-30.endive",
        "Idempotency-Key": "a" * 32,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert form_of(request) == {
        "payment_intent": "pi_3RwTest0001",
        "amount": "1050",
        "metadata[rw_id]": "rw-000001",
    }


def test_the_same_refund_is_built_byte_for_byte_the_same() -> None:
    first = first_request(GATEWAY.refund(STRIPE_REFUND))
    assert first_request(GATEWAY.refund(STRIPE_REFUND)) == first


def test_a_stored_request_is_sent_as_it_is() -> None:
    stored = replace(first_request(GATEWAY.refund(STRIPE_REFUND)), body=b"amount=1")
    unbuildable = replace(STRIPE_REFUND, amount_minor=0)
    assert first_request(GATEWAY.refund(unbuildable, stored)) is stored


@pytest.mark.parametrize(
    ("reference", "field"),
    [
        ("pi_1", "payment_intent"),
        ("ch_1", "charge"),
        ("py_1", "charge"),
        ("other_1", "payment_intent"),
    ],
)
def test_a_payment_is_named_by_what_its_reference_is(
    reference: str, field: str
) -> None:
    form = refund_form(payment_reference=reference)
    assert form[field] == reference
    assert len({"payment_intent", "charge"} & form.keys()) == 1


@pytest.mark.parametrize(
    ("reason_code", "reason"),
    [
        ("duplicate", "duplicate"),
        ("requested_by_customer", "requested_by_customer"),
        ("fraudulent", None),
        ("fraud", None),
        ("goods_returned", None),
    ],
)
def test_a_reason_is_sent_only_where_it_maps_exactly_and_never_fraud(
    reason_code: str, reason: str | None
) -> None:
    assert refund_form(reason_code=reason_code).get("reason") == reason


def test_the_account_pins_its_own_version() -> None:
    account = replace(STRIPE, api_version="2025-01-27.acacia")
    request = first_request(GATEWAY.refund(replace(STRIPE_REFUND, account=account)))
    assert dict(request.headers)["Stripe-Version"] == "2025-01-27.acacia"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 1234, "currency": "KWD"}, "amount_minor"),
        ({"currency": "LYD"}, "currency"),
        ({"payment_reference": "../balance"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"payment_reference": "pi_1&amount=9"}, "payment_reference"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"idempotency_key": "a\r\nb"}, "idempotency_key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"merchant_reference": "r" * 501}, "merchant_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
    ],
)
def test_what_cannot_be_stated_is_refused_on_the_call_itself(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(STRIPE_REFUND, **changes))
    assert caught.value.field == field


@given(
    minor=st.integers(1, 10**9),
    currency=st.sampled_from(sorted(EXPONENTS)),
    reason=st.text(max_size=30),
    reference=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs"]),
        min_size=1,
        max_size=40,
    ),
)
def test_a_request_that_moves_money_always_states_its_amount(
    minor: int, currency: str, reason: str, reference: str
) -> None:
    try:
        form = refund_form(
            amount_minor=minor,
            currency=currency,
            reason_code=reason,
            merchant_reference=reference,
        )
    except NotExpressible:
        return
    capabilities = GATEWAY.capabilities
    assert re.fullmatch(r"[1-9][0-9]*", form["amount"])
    assert capabilities.iso_minor(int(form["amount"]), currency) == minor
    assert form["metadata[rw_id]"] == reference


def test_reads_move_no_money_and_have_no_body() -> None:
    known = replace(STRIPE_REFUND, gateway_reference="re_1")
    reads = [
        first_request(GATEWAY.look_up(known)),
        first_request(GATEWAY.read_refund(known)),
        first_request(GATEWAY.read_payment(STRIPE, "pi_1", "EUR")),
        first_request(GATEWAY.read_payment(STRIPE, "ch_1", "EUR")),
        first_request(GATEWAY.probe(STRIPE)),
    ]
    assert [urlsplit(read.target).path for read in reads] == [
        "/v1/refunds",
        "/v1/refunds/re_1",
        "/v1/payment_intents/pi_1",
        "/v1/charges/ch_1",
        "/v1/balance",
    ]
    for read in reads:
        assert read.method == "GET"
        assert not read.moves_money
        assert not read.body
        assert dict(read.headers) == {"Stripe-Version": "2026-09-30.endive"}


def test_the_key_is_added_as_bearer_at_the_moment_of_sending() -> None:
    request = first_request(GATEWAY.refund(STRIPE_REFUND))
    sent = GATEWAY.authorize(request, Credentials({"api_key": "sk_test_x"}), NOW)
    assert sent.headers == (*request.headers, ("Authorization", "Bearer sk_test_x"))
    assert replace(sent, headers=request.headers) == request


@pytest.mark.parametrize("values", [{}, {"api_key": ""}])
def test_a_missing_key_breaks_an_invariant(values: dict[str, str]) -> None:
    with pytest.raises(InvariantBroken, match="api_key"):
        GATEWAY.authorize(
            first_request(GATEWAY.probe(STRIPE)), Credentials(values), NOW
        )


def test_a_session_is_never_opened() -> None:
    with pytest.raises(InvariantBroken):
        GATEWAY.open_session(STRIPE, Credentials({}), NOW)


def instruction_for(reference: str) -> RefundInstruction:
    return replace(STRIPE_REFUND, payment_reference=reference)


@pytest.mark.parametrize("reference", ["../charges", "", "pi 1", "pi_1?x", "é"])
def test_a_reference_that_is_no_id_is_never_asked_for(reference: str) -> None:
    operations = (
        GATEWAY.look_up(instruction_for(reference)),
        GATEWAY.read_refund(replace(STRIPE_REFUND, gateway_reference=reference)),
        GATEWAY.read_payment(STRIPE, reference, "EUR"),
    )
    for operation in operations:
        with pytest.raises(StopIteration):
            next(operation)
