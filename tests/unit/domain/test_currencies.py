from __future__ import annotations

import iso4217
import pytest

from refundwatch.domain.currencies import EXPONENTS, WITHDRAWN, WITHOUT_MINOR_UNIT

PUBLISHED = {c.code: c.exponent for c in iso4217.Currency}


def test_every_published_currency_has_its_published_exponent() -> None:
    ours = {code: digits for code, digits in EXPONENTS.items() if code not in WITHDRAWN}
    assert ours == {c: e for c, e in PUBLISHED.items() if e is not None}


def test_codes_without_a_minor_unit_are_the_published_ones() -> None:
    assert {c for c, e in PUBLISHED.items() if e is None} == WITHOUT_MINOR_UNIT


def test_withdrawn_codes_are_not_current_ones() -> None:
    assert WITHDRAWN
    assert WITHDRAWN.isdisjoint(PUBLISHED)


@pytest.mark.parametrize(
    ("code", "digits"),
    [
        ("XAD", 2),
        ("XCG", 2),
        ("ZWG", 2),
        ("SLE", 2),
        ("VED", 2),
        ("BGN", 2),
        ("UYW", 4),
        ("CLF", 4),
        ("ISK", 0),
        ("UGX", 0),
        ("TND", 3),
        # Where CLDR's display digits differ from ISO's.
        ("AFN", 2),
        ("IQD", 3),
        ("IRR", 2),
        ("RSD", 2),
        ("YER", 2),
    ],
)
def test_exponent_of_a_currency_others_get_wrong(code: str, digits: int) -> None:
    assert EXPONENTS[code] == digits
