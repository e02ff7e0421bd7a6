from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.errors import NotExpressible
from refundwatch.gateways.adyen import facts as adyen
from refundwatch.gateways.amounts import Stated, stated_units
from refundwatch.gateways.stripe import facts as stripe

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Capabilities

BOTH = pytest.mark.parametrize(
    "capabilities", [stripe.CAPABILITIES, adyen.CAPABILITIES], ids=lambda c: c.name
)

STATED = [
    (stripe.CAPABILITIES, "EUR", 1050, 1050),
    (stripe.CAPABILITIES, "JPY", 9899, 9899),
    (stripe.CAPABILITIES, "KWD", 1230, 1230),
    (stripe.CAPABILITIES, "ISK", 5, 500),
    (stripe.CAPABILITIES, "UGX", 7, 700),
    (stripe.CAPABILITIES, "MGA", 500, 5),
    (stripe.CAPABILITIES, "HUF", 12345, 12345),
    (stripe.CAPABILITIES, "CLP", 12345, 12345),
    (adyen.CAPABILITIES, "EUR", 1050, 1050),
    (adyen.CAPABILITIES, "JPY", 9899, 9899),
    (adyen.CAPABILITIES, "KWD", 1234, 1234),
    (adyen.CAPABILITIES, "UGX", 7, 7),
    (adyen.CAPABILITIES, "ISK", 5, 500),
    (adyen.CAPABILITIES, "CLP", 12, 1200),
    (adyen.CAPABILITIES, "CVE", 1200, 12),
    (adyen.CAPABILITIES, "IDR", 500000, 5000),
]


@pytest.mark.parametrize(("capabilities", "currency", "minor", "units"), STATED)
def test_an_amount_is_restated_exactly_both_ways(
    capabilities: Capabilities, currency: str, minor: int, units: int
) -> None:
    assert capabilities.gateway_units(minor, currency) == units
    assert capabilities.iso_minor(units, currency) == minor


@pytest.mark.parametrize(
    ("capabilities", "currency", "minor", "field"),
    [
        (stripe.CAPABILITIES, "KWD", 1234, "amount_minor"),
        (stripe.CAPABILITIES, "MGA", 501, "amount_minor"),
        (stripe.CAPABILITIES, "LYD", 1000, "currency"),
        (stripe.CAPABILITIES, "CLF", 10000, "currency"),
        (stripe.CAPABILITIES, "eur", 1050, "currency"),
        (stripe.CAPABILITIES, "XAU", 1050, "currency"),
        (stripe.CAPABILITIES, "EUR", 0, "amount_minor"),
        (stripe.CAPABILITIES, "EUR", -5, "amount_minor"),
        (stripe.CAPABILITIES, "ISK", 2**53 - 1, "amount_minor"),
        (adyen.CAPABILITIES, "CVE", 1250, "amount_minor"),
        (adyen.CAPABILITIES, "IDR", 50, "amount_minor"),
        (adyen.CAPABILITIES, "BIF", 50, "currency"),
    ],
)
def test_an_amount_the_gateway_cannot_state_is_refused_before_sending(
    capabilities: Capabilities, currency: str, minor: int, field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        capabilities.gateway_units(minor, currency)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("capabilities", "currency", "units"),
    [
        (stripe.CAPABILITIES, "ISK", 550),
        (stripe.CAPABILITIES, "UGX", 1),
        (stripe.CAPABILITIES, "LYD", 1000),
        (stripe.CAPABILITIES, "ZZZ", 1000),
        (adyen.CAPABILITIES, "CLP", 1250),
        (adyen.CAPABILITIES, "UYI", 100),
    ],
)
def test_units_that_are_no_whole_minor_unit_are_not_rounded(
    capabilities: Capabilities, currency: str, units: int
) -> None:
    assert capabilities.iso_minor(units, currency) is None


@BOTH
@given(currency=st.sampled_from(sorted(EXPONENTS)), minor=st.integers(-5, 2**53 + 5))
def test_what_can_be_stated_comes_back_unchanged(
    capabilities: Capabilities, currency: str, minor: int
) -> None:
    try:
        units = capabilities.gateway_units(minor, currency)
    except NotExpressible:
        return
    assert units > 0
    assert capabilities.iso_minor(units, currency) == minor


@BOTH
@pytest.mark.parametrize("units", [True, 10.5, "1050", [1], {}, 2**53])
def test_an_amount_that_is_no_whole_number_becomes_a_doubt(
    capabilities: Capabilities, units: object
) -> None:
    stated = stated_units(capabilities, units, "EUR")  # type: ignore[arg-type]
    assert stated.amount_minor is None
    assert stated.currency == "EUR"
    assert stated.doubt is not None
    assert stated.doubt.startswith("amount:")


@BOTH
def test_a_missing_amount_is_no_doubt_but_half_of_one_is(
    capabilities: Capabilities,
) -> None:
    assert stated_units(capabilities, None, None) == Stated()
    assert stated_units(capabilities, None, "EUR") == Stated(currency="EUR")
    assert stated_units(capabilities, 1050, None).doubt == "amount:1050 null"
    assert stated_units(capabilities, 1050, "euro").doubt == "amount:1050 euro"


def test_a_multiple_counts_in_the_gateways_own_unit() -> None:
    capabilities = replace(stripe.CAPABILITIES, multiples={"ISK": 1000})
    assert capabilities.gateway_units(10, "ISK") == 1000
    with pytest.raises(NotExpressible, match="multiples of 1000"):
        capabilities.gateway_units(5, "ISK")


def test_one_refund_has_its_bounds_in_the_gateways_own_unit() -> None:
    capabilities = replace(
        stripe.CAPABILITIES, least_units={"EUR": 100, "ISK": 200}, most_units=1000
    )
    assert capabilities.gateway_units(100, "EUR") == 100
    assert capabilities.gateway_units(1000, "EUR") == 1000
    assert capabilities.gateway_units(2, "ISK") == 200
    for amount_minor, currency in ((99, "EUR"), (1001, "EUR"), (1, "ISK")):
        with pytest.raises(NotExpressible) as caught:
            capabilities.gateway_units(amount_minor, currency)
        assert caught.value.field == "amount_minor"
