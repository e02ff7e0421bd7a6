"""Decimal text and integers of the smallest unit, both ways, exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import NotExpressible
from refundwatch.gateways import registry
from refundwatch.gateways.decimals import decimal_text, decimal_units, stated_decimal

CAPABILITIES = registry.gateway("paypal").capabilities


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1050, "EUR", "10.50"), (5, "EUR", "0.05"), (9899, "JPY", "9899")],
)
def test_amounts_have_exactly_their_decimals(
    minor: int, currency: str, text: str
) -> None:
    assert decimal_text(CAPABILITIES, minor, currency) == text
    assert stated_decimal(CAPABILITIES, text, currency).amount_minor == minor


@pytest.mark.parametrize("minor", [0, -1])
def test_nothing_and_less_cannot_be_told(minor: int) -> None:
    with pytest.raises(NotExpressible):
        decimal_text(CAPABILITIES, minor, "EUR")


@pytest.mark.parametrize(
    "value",
    [None, 10.5, 10, "", ".", "1e3", "+1", "1,0", " 1", "٣", "1.005", "9" * 40, "--1"],
)
def test_what_is_no_exact_decimal_text_is_a_doubt(value: object) -> None:
    assert decimal_units(CAPABILITIES, value, "EUR") is None  # type: ignore[arg-type]
    stated = stated_decimal(CAPABILITIES, value, "EUR")  # type: ignore[arg-type]
    assert stated.amount_minor is None
    assert stated.doubt is not None


@given(st.integers(1, 2**53 - 1), st.sampled_from(["EUR", "JPY", "KWD", "USD"]))
def test_what_is_written_is_read_again(minor: int, currency: str) -> None:
    try:
        text = decimal_text(CAPABILITIES, minor, currency)
    except NotExpressible:
        return
    assert stated_decimal(CAPABILITIES, text, currency).amount_minor == minor
