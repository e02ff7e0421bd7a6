from __future__ import annotations

import hashlib
from enum import IntEnum, StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    canonical_bytes,
    canonical_sha256,
    parse_canonical,
)
from refundwatch.errors import NotCanonical

keys = st.text(st.characters(max_codepoint=127), max_size=6)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_bytes_are_those_of_rfc_8785(value: Any) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(values)
def test_bytes_read_back_as_the_value(value: Any) -> None:
    assert parse_canonical(canonical_bytes(value)) == value


@given(st.binary(max_size=24))
def test_any_bytes_are_canonical_or_refused(stored: bytes) -> None:
    try:
        value = parse_canonical(stored)
    except NotCanonical:
        return
    assert canonical_bytes(value) == stored


class Count(IntEnum):
    ONE = 1


class Word(StrEnum):
    YES = "yes"


def test_enums_tuples_and_mappings_are_written_as_their_plain_value() -> None:
    assert canonical_bytes({"b": (Count.ONE, Word.YES), "a": {}}) == (
        b'{"a":{},"b":[1,"yes"]}'
    )
    assert canonical_bytes({Word.YES: True}) == b'{"yes":true}'


def test_text_beyond_ascii_stands_unescaped() -> None:
    value = '\u00e9\u20ac\u2028\x7f\x1f"\\/\U0001f600'
    assert canonical_bytes(value) == (
        b'"\xc3\xa9\xe2\x82\xac\xe2\x80\xa8\x7f\\u001f\\"\\\\/\xf0\x9f\x98\x80"'
    )


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        b"bytes",
        {1},
        object(),
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        "\ud800",
        {"a": ["\udfff"]},
        {"\u00e9": 1},
        {1: 2},
        {"a": {"b": 1.5}},
    ],
)
def test_value_outside_the_subset_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical_bytes(value)


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    assert canonical_bytes(nested(MAX_DEPTH))
    with pytest.raises(NotCanonical):
        canonical_bytes(nested(MAX_DEPTH + 1))
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotCanonical):
        canonical_bytes(loop)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b" 1",
        b"1\n",
        b"01",
        b"-0",
        b"1.0",
        b"1e2",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"9" * 5000,
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'"\\u0061"',
        b'"\\ud800"',
        b'"\\/"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        '{"\u00e9":1}'.encode(),
        b"[" * 100_000,
    ],
)
def test_other_spelling_is_refused(stored: bytes) -> None:
    with pytest.raises(NotCanonical):
        parse_canonical(stored)


def test_largest_integers_are_held() -> None:
    assert canonical_bytes(2**53 - 1) == b"9007199254740991"
    assert parse_canonical(b"-9007199254740991") == 1 - 2**53


def test_digest_is_over_the_bytes() -> None:
    assert canonical_sha256({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
