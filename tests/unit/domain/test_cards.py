from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from refundwatch.domain.cards import holds_card, mask_cards
from refundwatch.domain.idempotency import derive_uuid, merchant_reference
from refundwatch.domain.intake import payment_id

# The networks' own published test numbers.
CARDS = (
    "4111111111111111",
    "4242424242424242",
    "4222222222222",
    "4000000000000000006",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3530111333300000",
    "6200000000000005",
    "6304000000000000",
    "2200000000000053",
)


def grouped(digits: str, separator: str) -> str:
    if len(digits) == 15:
        return separator.join((digits[:4], digits[4:10], digits[10:]))
    return separator.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def with_check_digit(digits: str) -> str:
    """An independent Luhn: by table, from the left."""
    table = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    odd = len(digits) % 2
    total = sum(
        table[int(it)] if at % 2 != odd else int(it) for at, it in enumerate(digits)
    )
    return digits + str(-total % 10)


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize(
    "separator", ["", " ", "-", ".", "/", "\u00a0", " - ", "\u2013"]
)
def test_card_is_found_however_it_is_grouped(card: str, separator: str) -> None:
    text = f"Paid with {grouped(card, separator)}, thanks"
    assert holds_card(text)
    assert mask_cards(text) == f"Paid with [card ****{card[-4:]}], thanks"


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111 12/27",
        "7 4111 1111 1111 1111",
        "card:4111111111111111.",
        "x=4111111111111111&y=2",
        "\u0664" + "\u0661" * 15,
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "41 11 11 11 11 11 11 11",
        "4111\t1111\n1111 1111",
    ],
)
def test_card_is_found_beside_other_things(text: str) -> None:
    assert holds_card(text)
    assert not holds_card(mask_cards(text))


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # a wrong check digit
        "ORD4111111111111111",  # how an order number is written
        "4111111111111111_1",
        "14111111111111111111111",  # the middle of a longer number
        "1234567812345670",  # right by its check digit, of no network
        "0000000000000000",
        "2026-11-25 02:53:26.411111",
        "+44 20 7946 0958 12",
        "8835511210681145",  # Adyen pspReference
        "6461731521426399003473",  # Cybersource request id
        "c56a4180-65aa-42ec-a945-5fd21dec0538",
        "",
    ],
)
def test_other_numbers_are_none(text: str) -> None:
    assert not holds_card(text)
    assert mask_cards(text) == text


@given(
    st.sampled_from(["4", "51", "55", "2221", "2720", "6011", "62", "3528"]),
    st.text("0123456789", min_size=11, max_size=14),
    st.sampled_from(["", " ", "-"]),
)
def test_every_right_number_of_a_network_is_found_and_one_wrong_digit_hides_it(
    head: str, tail: str, separator: str
) -> None:
    card = with_check_digit((head + tail + "0" * 15)[:15])
    assert holds_card(f"a {grouped(card, separator)} b")
    for at in range(4, 16):
        wrong = card[:at] + str((int(card[at]) + 1) % 10) + card[at + 1 :]
        assert not holds_card(f"a {wrong} b")


@given(st.text(max_size=80))
@example("4111-1111-1111-1111 5555 5555 5555 4444")
def test_masking_ends_and_leaves_none(text: str) -> None:
    assert not holds_card(mask_cards(text))


def test_our_own_ids_and_references_are_never_taken_for_cards() -> None:
    for number in range(2000):
        parts = ("hub.test", "stripe-uk", f"pi_{number}", f"r-{number}", 0)
        for text in (
            payment_id("hub.test", "stripe-uk", f"pi_{number}"),
            merchant_reference(*parts),
            derive_uuid(*parts),
        ):
            assert not holds_card(text), text


@given(st.integers(0, 10**12))
def test_order_numbers_under_thirteen_digits_are_never_taken(number: int) -> None:
    assert not holds_card(f"order {number}") or number >= 10**12
