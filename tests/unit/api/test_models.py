from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from refundwatch.api import models as m
from refundwatch.api import models_tokens as mt

REFUND = {
    "request_id": "r-1",
    "payment": "pay_1",
    "amount_minor": 100,
    "currency": "GBP",
    "reason_code": "returned",
}
PAYMENT = {
    "account": "stripe-uk",
    "gateway_reference": "pi_1",
    "captured_minor": 100,
    "currency": "GBP",
}
BODIES = [
    value
    for value in vars(m).values()
    if isinstance(value, type) and issubclass(value, m.Body) and value is not m.Body
]


@pytest.mark.parametrize("body", BODIES)
def test_bodies_are_strict_closed_and_say_nothing_of_their_input(body: Any) -> None:
    config = body.model_config
    assert (config["strict"], config["extra"]) == (True, "forbid")
    assert config["hide_input_in_errors"] is True


@given(
    st.one_of(
        st.floats(),
        st.booleans(),
        st.text(),
        st.none(),
        st.integers(max_value=0),
        st.integers(min_value=2**53),
    )
)
def test_nothing_but_a_positive_whole_number_is_an_amount(value: object) -> None:
    with pytest.raises(ValidationError):
        m.RefundBody.model_validate({**REFUND, "amount_minor": value})


@given(st.integers(min_value=1, max_value=2**53 - 1))
def test_every_amount_that_javascript_can_hold_is_accepted(value: int) -> None:
    body = m.RefundBody.model_validate({**REFUND, "amount_minor": value})
    assert body.amount_minor == value


@pytest.mark.parametrize(
    "value",
    ["2026-11-02T09:00:00", 1_795_500_000, 1.5, True, "1795500000", "", "2026-11-02"],
)
def test_time_without_an_offset_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        m.PaymentBody.model_validate({**PAYMENT, "captured_at": value})


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-02T09:00:00Z",
        "2026-11-02T10:00:00+01:00",
        datetime(2026, 11, 2, 9, tzinfo=UTC),
        datetime(2026, 11, 2, 10, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_time_with_an_offset_is_that_moment(value: object) -> None:
    body = m.PaymentBody.model_validate({**PAYMENT, "captured_at": value})
    assert body.captured_at == datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["system", "person:Ann", "person:", "ann", "person:a b"]
)
def test_token_is_for_a_person_or_a_machine(value: str) -> None:
    with pytest.raises(ValidationError):
        mt.TokenBody.model_validate({"principal": value, "roles": ["viewer"]})


@pytest.mark.parametrize("value", ["r 1", "", "x" * 129, "é", "a\n", "a\u2028"])
def test_request_id_is_printable_ascii(value: str) -> None:
    with pytest.raises(ValidationError):
        m.RefundBody.model_validate({**REFUND, "request_id": value})


def test_secret_of_a_new_token_has_no_repr() -> None:
    view = mt.NewTokenView.model_validate(
        {
            "token": {
                "id": "abc",
                "principal": "person:a",
                "roles": ["viewer"],
                "created_at": "2026-11-02T09:00:00Z",
                "created_by": "system",
                "expires_at": None,
                "revoked_at": None,
            },
            "secret": "rwk_secret",
        }
    )
    assert "rwk_secret" not in repr(view)


def test_newer_daemon_may_say_more() -> None:
    view = m.AmountView.model_validate(
        {"minor": 1, "currency": "GBP", "exponent": 2, "new": "field"}
    )
    assert view.minor == 1
