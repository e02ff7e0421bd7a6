from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.domain.money import (
    MAX_MINOR_UNITS,
    Money,
    check_minor_units,
    exponent,
    format_decimal,
    parse_decimal,
    rescale,
)
from refundwatch.errors import AmountInvalid, CurrencyMismatch, CurrencyUnknown

amounts = st.integers(-MAX_MINOR_UNITS, MAX_MINOR_UNITS)
currencies = st.sampled_from(sorted(EXPONENTS))


@pytest.mark.parametrize(
    ("text", "currency", "minor_units"),
    [
        ("12.34", "EUR", 1234),
        ("12.3", "EUR", 1230),
        ("12", "EUR", 1200),
        ("0", "EUR", 0),
        ("0.01", "EUR", 1),
        ("0.00", "EUR", 0),
        ("-0.01", "EUR", -1),
        ("-12.34", "EUR", -1234),
        ("17000", "JPY", 17000),
        ("-5", "JPY", -5),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("1.2345", "CLF", 12345),
        ("90071992547409.91", "EUR", MAX_MINOR_UNITS),
        ("-9007199254740991", "JPY", -MAX_MINOR_UNITS),
    ],
)
def test_decimal_text_is_read_exactly(
    text: str, currency: str, minor_units: int
) -> None:
    assert parse_decimal(text, currency) == minor_units


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("17,000", "EUR"),
        ("17,00", "EUR"),
        ("17.000", "EUR"),
        ("1.000", "EUR"),
        ("1.0", "JPY"),
        ("1.", "JPY"),
        ("1.", "EUR"),
        (".5", "EUR"),
        ("", "EUR"),
        ("-", "EUR"),
        ("+1", "EUR"),
        ("--1", "EUR"),
        ("- 1", "EUR"),
        ("-0", "EUR"),
        ("-0.00", "EUR"),
        ("00", "EUR"),
        ("007", "EUR"),
        ("1e2", "EUR"),
        ("1E2", "EUR"),
        ("0x10", "EUR"),
        ("1_000", "EUR"),
        ("1 000", "EUR"),
        ("1\u00a0000", "EUR"),
        (" 1", "EUR"),
        ("1 ", "EUR"),
        ("1\n", "EUR"),
        ("1.2.3", "EUR"),
        ("NaN", "EUR"),
        ("Infinity", "EUR"),
        ("-inf", "EUR"),
        ("\u0661\u0662", "EUR"),
        ("\uff11", "EUR"),
        ("1\u066b5", "EUR"),
        ("\u22121", "EUR"),
        ("\u00b2", "EUR"),
        ("1'000", "CHF"),
        ("$1", "USD"),
        ("1.23456", "CLF"),
        ("90071992547409.92", "EUR"),
        ("9007199254740992", "JPY"),
        ("9" * 5000, "JPY"),
    ],
)
def test_text_with_a_second_reading_is_refused(text: str, currency: str) -> None:
    with pytest.raises(AmountInvalid) as caught:
        parse_decimal(text, currency)
    assert caught.value.field == "amount"


def test_refusal_names_text_without_its_control_characters() -> None:
    with pytest.raises(AmountInvalid) as caught:
        parse_decimal("1\x1b[31m", "EUR")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("minor_units", "currency", "text"),
    [
        (0, "EUR", "0.00"),
        (1, "EUR", "0.01"),
        (-1, "EUR", "-0.01"),
        (1234, "EUR", "12.34"),
        (5, "JPY", "5"),
        (-5, "JPY", "-5"),
        (0, "JPY", "0"),
        (1, "KWD", "0.001"),
        (1, "UYW", "0.0001"),
    ],
)
def test_amounts_are_written_with_all_their_decimals(
    minor_units: int, currency: str, text: str
) -> None:
    assert format_decimal(minor_units, currency) == text


@given(amounts, currencies)
def test_written_amounts_read_back_the_same(minor_units: int, currency: str) -> None:
    text = format_decimal(minor_units, currency)
    assert parse_decimal(text, currency) == minor_units
    assert Decimal(text).scaleb(exponent(currency)) == minor_units


@given(st.text(max_size=12), currencies)
def test_any_text_is_an_exact_amount_or_refused(text: str, currency: str) -> None:
    try:
        minor_units = parse_decimal(text, currency)
    except AmountInvalid:
        return
    assert Decimal(text).scaleb(exponent(currency)) == minor_units


@given(st.from_regex(r"-?[0-9]{1,18}(\.[0-9]{1,5})?", fullmatch=True), currencies)
def test_decimal_text_is_never_rounded(text: str, currency: str) -> None:
    try:
        minor_units = parse_decimal(text, currency)
    except AmountInvalid:
        return
    assert Decimal(text).scaleb(exponent(currency)) == minor_units


def test_exception_of_a_gateway_replaces_the_exponent() -> None:
    paypal = {"HUF": 0, "TWD": 0}
    assert exponent("HUF") == 2
    assert exponent("HUF", paypal) == 0
    assert format_decimal(10, "HUF", paypal) == "10"
    assert parse_decimal("10", "HUF", paypal) == 10
    assert exponent("EUR", paypal) == 2
    with pytest.raises(AmountInvalid):
        parse_decimal("10.5", "HUF", paypal)


@pytest.mark.parametrize(
    "code", ["", "eur", "EU", "EURO", "XXX", "XAU", "XDR", "ABC", "\uff25UR"]
)
def test_code_without_amounts_is_refused(code: str) -> None:
    with pytest.raises(CurrencyUnknown) as caught:
        exponent(code)
    assert caught.value.field == "currency"
    with pytest.raises(CurrencyUnknown):
        exponent(code, {code: 2})


def test_refusal_says_whether_a_code_is_unknown_or_no_money() -> None:
    with pytest.raises(CurrencyUnknown, match="names no money"):
        exponent("XAU")
    with pytest.raises(CurrencyUnknown, match="not a currency code"):
        exponent("ABC")


@pytest.mark.parametrize("value", [1.0, True, "1", None, Decimal(1)])
def test_amount_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(AmountInvalid):
        Money(cast("int", value), "EUR")
    with pytest.raises(AmountInvalid):
        format_decimal(cast("int", value), "EUR")


@pytest.mark.parametrize("value", [2**53, -(2**53)])
def test_amount_beyond_the_limit_is_refused(value: int) -> None:
    with pytest.raises(AmountInvalid):
        check_minor_units(value)
    with pytest.raises(AmountInvalid):
        Money(value, "EUR")
    assert check_minor_units(value - (1 if value > 0 else -1))


def test_sum_beyond_the_limit_is_refused() -> None:
    with pytest.raises(AmountInvalid):
        Money(MAX_MINOR_UNITS, "EUR") + Money(1, "EUR")


def test_money_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Money(1, "EUR").minor_units = 2  # type: ignore[misc]
    assert not hasattr(Money(1, "EUR"), "__dict__")


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), currencies)
def test_arithmetic_is_that_of_integers(a: int, b: int, currency: str) -> None:
    x, y = Money(a, currency), Money(b, currency)
    assert (x + y).minor_units == a + b
    assert x - y == Money(a - b, currency)
    assert -x == Money(-a, currency)
    assert (x < y, x <= y, x > y, x >= y) == (a < b, a <= b, a > b, a >= b)


def test_two_currencies_never_meet() -> None:
    x, y = Money(1, "EUR"), Money(1, "USD")
    with pytest.raises(CurrencyMismatch):
        x + y
    with pytest.raises(CurrencyMismatch):
        x - y
    with pytest.raises(CurrencyMismatch):
        assert x < y
    with pytest.raises(CurrencyMismatch):
        assert x >= y
    assert x != y


def test_money_prints_code_and_decimals() -> None:
    assert str(Money(-1234, "EUR")) == "EUR -12.34"


def test_rescaling_is_exact_or_refused() -> None:
    assert rescale(500, 0, 2) == 50000
    assert rescale(50000, 2, 0) == 500
    assert rescale(-50000, 2, 0) == -500
    assert rescale(7, 3, 3) == 7
    for whole in (50001, -50001, 1, 99):
        with pytest.raises(AmountInvalid):
            rescale(whole, 2, 0)
    with pytest.raises(AmountInvalid):
        rescale(MAX_MINOR_UNITS, 0, 2)


@given(st.integers(-(10**11), 10**11), st.integers(0, 4), st.integers(0, 4))
def test_rescaling_keeps_the_amount(minor_units: int, low: int, more: int) -> None:
    restated = rescale(minor_units, low, low + more)
    assert rescale(restated, low + more, low) == minor_units
