from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.errors import NotExpressible
from refundwatch.gateways.amounts import Stated
from refundwatch.gateways.paypal import facts
from refundwatch.gateways.paypal.money import amount_text, stated_amount

SCHEMA = re.compile(r"^((-?[0-9]+)|(-?([0-9]+)?[.][0-9]+))$")
DIGITS = st.text("0123456789", max_size=6)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1050, "EUR", "10.50"),
        (1, "USD", "0.01"),
        (100, "GBP", "1.00"),
        (9899, "JPY", "9899"),
        (1234500, "HUF", "12345"),
        (500, "TWD", "5"),
        (2**53 - 1, "USD", "90071992547409.91"),
    ],
)
def test_an_amount_is_written_with_the_decimals_paypal_gives_the_currency(
    minor: int, currency: str, text: str
) -> None:
    assert amount_text(minor, currency) == text
    stated = stated_amount({"value": text, "currency_code": currency})
    assert stated == Stated(minor, currency)


@pytest.mark.parametrize(
    ("minor", "currency", "field"),
    [
        (1234567, "HUF", "amount_minor"),
        (550, "TWD", "amount_minor"),
        (0, "EUR", "amount_minor"),
        (-1, "EUR", "amount_minor"),
        (2**53, "EUR", "amount_minor"),
        (1234, "KWD", "currency"),
        (1234, "TND", "currency"),
        (12345, "CLF", "currency"),
        (1050, "eur", "currency"),
        (1050, "XAU", "currency"),
    ],
)
def test_an_amount_paypal_cannot_state_is_not_written(
    minor: int, currency: str, field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        amount_text(minor, currency)
    assert caught.value.field == field


@given(currency=st.sampled_from(sorted(EXPONENTS)), minor=st.integers(1, 2**53 - 1))
def test_what_is_written_fits_the_schema_and_reads_back_unchanged(
    currency: str, minor: int
) -> None:
    try:
        text = amount_text(minor, currency)
    except NotExpressible:
        return
    assert SCHEMA.fullmatch(text)
    assert len(text) <= 32
    stated = stated_amount({"value": text, "currency_code": currency})
    assert stated == Stated(minor, currency)


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("10.5", "EUR", 1050),
        ("10", "EUR", 1000),
        (".50", "EUR", 50),
        ("0010.50", "EUR", 1050),
        ("10.500", "EUR", 1050),
        ("10.00", "HUF", 1000),
        ("9899.00", "JPY", 9899),
        ("0.00", "EUR", 0),
        ("-10.50", "EUR", -1050),
    ],
)
def test_every_spelling_the_schema_allows_is_read_exactly(
    value: str, currency: str, minor: int
) -> None:
    assert SCHEMA.fullmatch(value)
    stated = stated_amount({"value": value, "currency_code": currency})
    assert stated == Stated(minor, currency)


@pytest.mark.parametrize(
    ("amount", "doubt"),
    [
        ({"value": "10.505", "currency_code": "EUR"}, "amount:10.505 EUR"),
        ({"value": "10.50", "currency_code": "HUF"}, "amount:10.50 HUF"),
        ({"value": "1e3", "currency_code": "EUR"}, "amount:1e3 EUR"),
        ({"value": "1,050", "currency_code": "EUR"}, "amount:1,050 EUR"),
        ({"value": "٣", "currency_code": "EUR"}, "amount:٣ EUR"),
        ({"value": "-0.00", "currency_code": "EUR"}, "amount:-0.00 EUR"),
        ({"value": "10.50\n", "currency_code": "EUR"}, "amount:10.50? EUR"),
        ({"value": ".", "currency_code": "EUR"}, "amount:. EUR"),
        ({"value": "", "currency_code": "EUR"}, "amount: EUR"),
        ({"value": "9" * 33, "currency_code": "EUR"}, f"amount:{'9' * 20} EUR"),
        ({"value": 10.5, "currency_code": "EUR"}, "amount:10.5 EUR"),
        ({"value": 1050, "currency_code": "EUR"}, "amount:1050 EUR"),
        ({"currency_code": "EUR"}, "amount:null EUR"),
        ({"value": "10.50"}, "amount:10.50 null"),
        ({"value": "10.50", "currency_code": "euro"}, "amount:10.50 euro"),
        ({"value": "10.500", "currency_code": "KWD"}, "amount:10500 KWD"),
        ({"total": "10.50", "currency": "EUR"}, "amount:null null"),
        ("10.50", "amount:null null"),
        ({}, "amount:null null"),
    ],
)
def test_an_amount_that_is_not_exact_becomes_a_doubt(
    amount: object, doubt: str
) -> None:
    stated = stated_amount(amount)  # type: ignore[arg-type]
    assert stated.amount_minor is None
    assert stated.doubt == doubt


def test_a_missing_amount_states_nothing() -> None:
    assert stated_amount(None) == Stated()


@given(
    sign=st.sampled_from(["", "-"]),
    whole=DIGITS,
    fraction=DIGITS,
    currency=st.sampled_from(["EUR", "USD", "HUF", "TWD", "JPY"]),
)
def test_reading_never_rounds(
    sign: str, whole: str, fraction: str, currency: str
) -> None:
    text = f"{sign}{whole}.{fraction}" if fraction else sign + whole
    stated = stated_amount({"value": text, "currency_code": currency})
    if stated.amount_minor is None:
        assert stated.doubt is not None
        return
    digits = EXPONENTS[currency]
    scaled = int((whole or "0") + fraction.ljust(8, "0"))
    assert abs(stated.amount_minor) * 10**8 == scaled * 10**digits
    assert (stated.amount_minor < 0) == bool(sign)


def test_currencies_with_other_decimals_than_none_or_two_are_refused() -> None:
    assert {"BHD", "KWD", "TND", "CLF"} <= facts.REFUSED_CURRENCIES
    assert not {"EUR", "JPY", "HUF", "TWD"} & facts.REFUSED_CURRENCIES
