from __future__ import annotations

import iso4217
import pytest

from refundwatch.sandbox.money import (
    ADYEN,
    PAYPAL,
    STRIPE,
    AmountForm,
    AmountRefusedError,
    decimal_minor,
    decimal_text,
    iso_digits,
)


def test_exponents_equal_iso_4217() -> None:
    wrong = {
        currency.code: currency.exponent
        for currency in iso4217.Currency
        if currency.exponent is not None
        and iso_digits(currency.code) != currency.exponent
    }
    # Units of account that are no money have no exponent of ours to get wrong.
    assert wrong == {}


@pytest.mark.parametrize(
    ("form", "minor", "currency", "value"),
    [
        (STRIPE, 1_050, "EUR", 1_050),
        (STRIPE, 9_899, "JPY", 9_899),
        (STRIPE, 5, "ISK", 500),
        (STRIPE, 5, "UGX", 500),
        (STRIPE, 700, "MGA", 7),
        (STRIPE, 1_230, "KWD", 1_230),
        (STRIPE, 1_000, "HUF", 1_000),
        (ADYEN, 5, "ISK", 500),
        (ADYEN, 7, "CLP", 700),
        (ADYEN, 1_200, "IDR", 12),
        (ADYEN, 1_200, "CVE", 12),
        (ADYEN, 1_234, "BHD", 1_234),
        (PAYPAL, 1_000, "HUF", 10),
        (PAYPAL, 1_000, "TWD", 10),
        (PAYPAL, 10, "JPY", 10),
    ],
)
def test_each_gateway_has_its_own_form(
    form: AmountForm, minor: int, currency: str, value: int
) -> None:
    assert form.to_gateway(minor, currency) == value
    assert form.from_gateway(value, currency) == minor


@pytest.mark.parametrize(
    ("form", "minor", "currency"),
    [(STRIPE, 1_234, "KWD"), (STRIPE, 701, "MGA"), (PAYPAL, 1_001, "HUF")],
)
def test_an_amount_without_an_exact_form_is_refused(
    form: AmountForm, minor: int, currency: str
) -> None:
    with pytest.raises(AmountRefusedError):
        form.to_gateway(minor, currency)


def test_a_gateway_amount_that_breaks_the_step_is_refused() -> None:
    with pytest.raises(AmountRefusedError):
        STRIPE.from_gateway(550, "ISK")
    with pytest.raises(AmountRefusedError):
        ADYEN.from_gateway(150, "CLP")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1_050, "EUR", "10.50"),
        (5, "EUR", "0.05"),
        (1_000, "HUF", "10"),
        (10, "JPY", "10"),
        (-1_050, "EUR", "-10.50"),
    ],
)
def test_decimal_text_and_back(minor: int, currency: str, text: str) -> None:
    assert decimal_text(minor, currency) == text
    assert decimal_minor(text, currency) == minor


@pytest.mark.parametrize("text", ["", ".", "1,5", "1e3", "NaN", "1.2.3", "\u0661"])
def test_text_that_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(AmountRefusedError):
        decimal_minor(text, "EUR")


def test_too_many_decimals_are_refused() -> None:
    with pytest.raises(AmountRefusedError):
        decimal_minor("1.005", "EUR")
