from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.filter import parse_filter, suggest
from refundwatch.domain.filter_terms import (
    AgeTerm,
    AmountTerm,
    Column,
    Compare,
    Flag,
    FlagTerm,
    RefundFilter,
    Since,
    StateTerm,
    TextTerm,
    ValueTerm,
    fold,
)
from refundwatch.domain.refund import OPERATOR_WORDS, RefundState
from refundwatch.errors import FilterInvalid

S = RefundState


def terms(text: str) -> list[object]:
    return list(parse_filter(text).terms)


def states(*wanted: RefundState, negated: bool = False) -> StateTerm:
    return StateTerm(frozenset(wanted), negated)


def test_empty_text_lets_everything_through() -> None:
    assert parse_filter("  \t ") == RefundFilter()


def test_the_whole_language_at_once() -> None:
    text = 'state:unknown gateway:Adyen amount>100 age>2h Text !"two words"'
    assert terms(text) == [
        states(S.UNKNOWN),
        AmountTerm(Compare.MORE, 100),
        AgeTerm(Since.CREATED, Compare.MORE, 7200),
        TextTerm("text"),
        TextTerm("two words", negated=True),
        ValueTerm(Column.GATEWAY, frozenset({"adyen"})),
    ]


@pytest.mark.parametrize("state", RefundState)
def test_each_state_is_known_by_its_name_and_by_what_operators_read(
    state: RefundState,
) -> None:
    word = OPERATOR_WORDS[state]
    for text in (state.value, f'"{word}"', state.upper(), word.replace(" ", "-")):
        if "," not in text or text.startswith('"'):
            assert terms(f"state:{text}") == [states(state)]


def test_commas_and_repeats_widen_and_other_keys_narrow() -> None:
    assert terms("state:unknown,pending state:review") == [
        states(S.UNKNOWN, S.PENDING, S.REVIEW)
    ]
    assert terms("account:a account:b") == [
        ValueTerm(Column.ACCOUNT, frozenset({"a", "b"}))
    ]


def test_a_negated_value_stays_apart() -> None:
    assert terms("state:queued !state:held,unknown !account:a") == [
        states(S.QUEUED),
        states(S.HELD, S.UNKNOWN, negated=True),
        ValueTerm(Column.ACCOUNT, frozenset({"a"}), negated=True),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("needs:approval", states(S.AWAITING_APPROVAL)),
        ("needs:review", states(S.REVIEW)),
        ("frozen:yes", FlagTerm(Flag.FROZEN, wanted=True)),
        ("!frozen:yes", FlagTerm(Flag.FROZEN, wanted=False)),
        ("action:no", FlagTerm(Flag.ACTION, wanted=False)),
        ("currency:eur", ValueTerm(Column.CURRENCY, frozenset({"EUR"}))),
        (
            "connection:shop/main",
            ValueTerm(Column.CONNECTION, frozenset({"shop/main"})),
        ),
        ("payment:pi_1", ValueTerm(Column.PAYMENT, frozenset({"pi_1"}))),
        ("request:R-1", ValueTerm(Column.REQUEST, frozenset({"R-1"}))),
        ("invoice:INV-7", ValueTerm(Column.INVOICE, frozenset({"INV-7"}))),
        ("reason:damaged", ValueTerm(Column.REASON, frozenset({"damaged"}))),
        ("amount>=12.50", AmountTerm(Compare.AT_LEAST, 1250, scale=2)),
        ("amount:3", AmountTerm(Compare.EQUAL, 3)),
        ("minor<5", AmountTerm(Compare.LESS, 5, minor=True)),
        ("updated<1h30m", AgeTerm(Since.UPDATED, Compare.LESS, 5400)),
        ("!age>1w", AgeTerm(Since.CREATED, Compare.MORE, 604800, negated=True)),
        ('"state:unknown"', TextTerm("state:unknown")),
        ('request:"a,b"', ValueTerm(Column.REQUEST, frozenset({"a,b"}))),
        (r'"say \"no\""', TextTerm('say "no"')),
        ("INV-7", TextTerm("inv-7")),
    ],
)
def test_each_word_becomes_its_term(text: str, expected: object) -> None:
    assert terms(text) == [expected]


@pytest.mark.parametrize(
    ("text", "word", "position", "hint"),
    [
        ("re_1 stat:unknown", "stat:unknown", 6, "no field stat"),
        ("state:lost", "state:lost", 1, "no state 'lost'"),
        ("a state:", "state:", 3, "missing"),
        ("amount>17,000", "amount>17,000", 1, "no grouping"),
        ("amount>1e3", "amount>1e3", 1, "digits"),
        ("minor>1.5", "minor>1.5", 1, "whole number"),
        ("age>2x", "age>2x", 1, "such as"),
        ("age:2h", "age:2h", 1, "< or >"),
        ("age>999999999w", "age>999999999w", 1, "hundred years"),
        ("state>unknown", "state>unknown", 1, "by : only"),
        ("frozen:maybe", "frozen:maybe", 1, "yes or no"),
        ("needs:coffee", "needs:coffee", 1, "no needs"),
        ("currency:EURO", "currency:EURO", 1, "no currency"),
        ('x "open', '"open', 3, "not ended"),
        ("!", "!", 1, "nothing to look for"),
        ("a\x01b", "a\\x01b", 1, "control character"),
        ("a\ud800b", "a\\ud800b", 1, "Unicode"),
        ("a " * 41, "a", 81, "at most 40 words"),
        ("a" * 1001, "a", 1001, "at most 1000 characters"),
    ],
)
def test_strict_names_the_word_and_its_position(
    text: str, word: str, position: int, hint: str
) -> None:
    with pytest.raises(FilterInvalid) as caught:
        parse_filter(text)
    assert caught.value.message.startswith(f"'{word}' at character {position}: ")
    assert hint in caught.value.message
    assert caught.value.field == "filter"


@pytest.mark.parametrize(
    "begun", ["stat", "state:", "state:u", "amount>", "age>2", "a:", "!", '"st', "!x:"]
)
def test_half_typed_leaves_the_rest_standing(begun: str) -> None:
    found = parse_filter(f"state:unknown {begun}", lenient=True)
    assert found.terms[0] == states(S.UNKNOWN)
    assert len(found.terms) + len(found.problems) == 2 or begun == "state:u"


def test_lenient_says_which_words_it_left_out() -> None:
    found = parse_filter("state:unk re_1", lenient=True)
    assert found.terms == (TextTerm("re_1"),)
    assert [(p.word, p.position) for p in found.problems] == [("state:unk", 1)]


letters = st.text(
    alphabet=st.one_of(
        st.sampled_from('stateamountgwy:!<>=,." \\0123456789hdmn\t'),
        st.characters(),
    ),
    max_size=60,
)
words = st.lists(
    st.sampled_from(
        ["state:unknown", "amount>10", "age<2h", "!x", '"q r"', "frozen:yes", "re_1"]
    )
)


@given(letters)
def test_no_text_raises_anything_but_filter_invalid(text: str) -> None:
    lenient = parse_filter(text, lenient=True)
    try:
        strict = parse_filter(text)
    except FilterInvalid:
        assert lenient.problems
    else:
        assert strict == lenient


@given(letters, st.integers(-3, 70))
def test_suggestions_never_fail_and_parse(text: str, cursor: int) -> None:
    for word in suggest(text, cursor, {"gateway": ("adyen", 'o"d,d')}):
        parse_filter(word, lenient=True)


@given(words)
def test_words_that_stand_alone_stand_together(chosen: list[str]) -> None:
    found = parse_filter(" ".join(chosen[:40]))
    assert not found.problems
    assert len(found.terms) <= len(chosen)


@given(
    st.sampled_from(Compare),
    st.decimals(0, 10**6, places=3),
    st.integers(0, 10**9),
    st.sampled_from([0, 2, 3, 4]),
)
def test_an_amount_compares_exactly_in_every_currency(
    compare: Compare, number: Decimal, minor: int, exponent: int
) -> None:
    found = parse_filter(f"amount{compare}{number:f}").terms[0]
    assert isinstance(found, AmountTerm)
    operator, bound = found.bound(exponent)
    amount = Decimal(minor).scaleb(-exponent)
    assert _holds(operator, minor, bound) is _holds(compare, amount, number)


def _holds(compare: Compare, left: Decimal | int, right: Decimal | int) -> bool:
    match compare:
        case Compare.MORE:
            return left > right
        case Compare.AT_LEAST:
            return left >= right
        case Compare.LESS:
            return left < right
        case Compare.AT_MOST:
            return left <= right
        case Compare.EQUAL:
            return left == right


def test_suggestions_complete_keys_and_values() -> None:
    assert suggest("", 0)[0] == "state:"
    assert suggest("re_1 !am", 8) == ("!amount>",)
    assert "state:pending" in suggest("state:p", 7)
    assert 'state:"paid out"' in suggest("state:p", 7)
    assert suggest("state:unknown,pen", 17) == ("state:unknown,pending",)
    assert suggest("gateway:a", 9, {"gateway": ("adyen", "stripe")}) == (
        "gateway:adyen",
    )
    assert suggest("frozen:", 7) == ("frozen:yes", "frozen:no")


def test_suggestions_look_only_left_of_the_cursor() -> None:
    assert suggest("sta re_1", 3) == ("state:",)


@given(st.text())
def test_fold_is_what_sql_does(text: str) -> None:
    try:
        folded = fold(text)
    except UnicodeEncodeError:
        return
    assert folded == "".join(c.lower() if "A" <= c <= "Z" else c for c in text)
