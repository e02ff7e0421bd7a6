from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.hub import START, amount
from tui import format as f

MINOR = st.integers(1, 10**14)


@given(minor=MINOR, exponent=st.integers(0, 4))
def test_what_is_written_is_read_back_exactly(minor: int, exponent: int) -> None:
    if len(str(minor)) <= 15:
        assert f.parse_amount(f.digits(minor, exponent), exponent) == minor


@given(minor=st.integers(-(10**15), 10**15), exponent=st.integers(0, 4))
def test_money_shows_every_digit(minor: int, exponent: int) -> None:
    text = f.money(amount(minor, "XYZ", exponent))
    shown = text.removesuffix(" XYZ").replace(" ", "").replace(".", "")
    assert int(shown) == minor
    assert len(text.removesuffix(" XYZ").partition(".")[2]) == exponent


@pytest.mark.parametrize(
    ("minor", "currency", "exponent", "text"),
    [
        (0, "GBP", 2, "0.00 GBP"),
        (5, "GBP", 2, "0.05 GBP"),
        (123_456_789, "EUR", 2, "1 234 567.89 EUR"),
        (1_000, "JPY", 0, "1 000 JPY"),
        (1, "KWD", 3, "0.001 KWD"),
        (-250, "GBP", 2, "-2.50 GBP"),
        (9_007_199_254_740_993, "GBP", 2, "90 071 992 547 409.93 GBP"),
    ],
)
def test_money_is_exact_text(
    minor: int, currency: str, exponent: int, text: str
) -> None:
    assert f.money(amount(minor, currency, exponent)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".5",
        "1,50",
        "1.505",
        "-1",
        "1e3",
        "0",
        "0.00",
        "٣",
        "1.2.3",
        "9" * 16,
    ],
)
def test_amount_that_is_not_exact_is_refused_with_a_sentence(text: str) -> None:
    assert isinstance(f.parse_amount(text, 2), str)


def test_amount_in_a_currency_without_decimals_takes_none() -> None:
    assert f.parse_amount("1 500", 0) == 1500
    assert f.parse_amount("1500.0", 0) == "This currency has no decimals."


@given(st.text())
def test_plain_text_holds_nothing_that_steers(text: str) -> None:
    shown = f.plain(text)
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert "\u202e" not in shown
    assert shown == f.plain(shown)


def test_share_is_cut_and_never_rounded_up_to_all() -> None:
    assert f.percent(0.999999) == "99.99%"
    assert f.percent(1.0) == "100%"
    assert f.percent(0.98749) == "98.7%"
    assert f.percent(0.0) == "0.0%"
    assert f.percent(None) == "—"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (61, "1m01s"),
        (600, "10m"),
        (3660, "1h01m"),
        (90000, "1d01h"),
    ],
)
def test_age_has_two_units_at_most(seconds: int, text: str) -> None:
    assert f.age(seconds) == text


def test_future_moment_is_said_to_be_to_come() -> None:
    assert f.since(START + timedelta(minutes=2), START) == "in 2m"


def test_moment_in_detail_has_its_zone() -> None:
    assert f.when(START) == "2026-11-24 12:00:00 UTC"


def test_every_state_has_a_word_of_its_own_and_an_ascii_symbol() -> None:
    words = [word for word, _, _ in f.STATES.values()]
    assert len(set(words)) == len(words) == len(f.TONES)
    assert all(symbol.isascii() for _, _, symbol in f.STATES.values())
