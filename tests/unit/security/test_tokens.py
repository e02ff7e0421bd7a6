from __future__ import annotations

import string
from base64 import urlsafe_b64encode
from hashlib import sha256
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import TokenInvalid
from refundwatch.security.tokens import hash_secret, matches, mint, parse

entropies = st.binary(min_size=37, max_size=37)


def fixed(octets: bytes) -> str:
    parts = iter((octets[:5], octets[5:]))
    return mint(lambda count: next(parts)[:count]).text


@given(entropies)
def test_token_has_the_documented_parts(octets: bytes) -> None:
    text = fixed(octets)
    assert len(text) == 4 + 8 + 1 + 43 + 6
    assert text.startswith("rwk_")
    assert text[12] == "_"
    assert text[13:56] == urlsafe_b64encode(octets[5:]).decode().rstrip("=")
    checksum = crc32(text[:56].encode()).to_bytes(4, "big")
    assert text[56:] == urlsafe_b64encode(checksum).decode().rstrip("=")


@given(entropies)
def test_presented_token_matches_what_was_stored(octets: bytes) -> None:
    parts = iter((octets[:5], octets[5:]))
    minted = mint(lambda _: next(parts))
    presented = parse(minted.text)
    assert presented.id == minted.id
    assert minted.secret_sha256 == sha256(minted.text[13:56].encode()).digest()
    assert hash_secret(minted.text[13:56]) == minted.secret_sha256
    assert matches(presented, minted.secret_sha256)
    assert not matches(presented, bytes(32))
    assert not matches(presented, minted.secret_sha256[:-1])
    assert not matches(presented, b"")


def test_tokens_are_drawn_anew() -> None:
    one, other = mint(), mint()
    assert one.id != other.id
    assert not matches(parse(one.text), other.secret_sha256)


def test_every_single_character_typo_is_refused() -> None:
    text = fixed(bytes(range(37)))
    alphabet = string.printable + "\u00e9\u0430"
    for at, right in enumerate(text):
        for wrong in alphabet:
            if wrong != right:
                with pytest.raises(TokenInvalid):
                    parse(text[:at] + wrong + text[at + 1 :])


def test_every_lost_doubled_or_swapped_character_is_refused() -> None:
    text = fixed(bytes(range(100, 137)))
    for at in range(len(text)):
        with pytest.raises(TokenInvalid):
            parse(text[:at] + text[at + 1 :])
        with pytest.raises(TokenInvalid):
            parse(text[:at] + text[at] + text[at:])
    for at, (one, two) in enumerate(pairwise(text)):
        if one != two:
            with pytest.raises(TokenInvalid):
                parse(text[:at] + two + one + text[at + 2 :])


@pytest.mark.parametrize("text", ["", "rwk_", "Bearer x", "rws_" + "a" * 58, "x" * 999])
def test_what_is_no_token_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        parse(text)
    assert str(caught.value) == "This is not a valid token."
    assert caught.value.http_status == 401


@pytest.mark.parametrize("wrap", ["{} ", " {}", "{}\n", "{0}{0}"])
def test_token_with_something_around_it_is_refused(wrap: str) -> None:
    with pytest.raises(TokenInvalid):
        parse(wrap.format(fixed(bytes(37))))


def test_no_repr_shows_the_secret() -> None:
    minted = mint()
    shown = f"{minted!r}{minted}{parse(minted.text)!r}"
    assert minted.text[13:56] not in shown
    assert minted.secret_sha256.hex() not in shown
    assert repr(minted.secret_sha256) not in shown
    assert minted.id in shown
