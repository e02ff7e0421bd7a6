from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refundwatch.domain.idempotency import (
    derive_key,
    derive_uuid,
    key_as_uuid,
    merchant_reference,
    request_fingerprint,
)
from refundwatch.errors import InvariantBroken, NotCanonical, TextInvalid

if TYPE_CHECKING:
    from refundwatch.domain.canonical import JsonValue

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
inputs = st.tuples(texts, texts, texts, texts, st.integers(0, 3))

INPUT = ("refundwatch.example", "stripe-uk", "pi_3Mtw", "return-1001", 0)


def reference_digest(label: str, *parts: str) -> bytes:
    text = b""
    for part in (label, *parts):
        octets = part.encode()
        text += len(octets).to_bytes(4, "big") + octets
    return hashlib.sha256(text).digest()


def test_key_is_the_digest_of_length_prefixed_parts() -> None:
    digest = reference_digest("refundwatch/idem/v1", *map(str, INPUT))
    assert derive_key(*INPUT) == b32encode(digest)[:32].decode().lower()


def test_key_stays_what_it_was_in_every_release() -> None:
    assert derive_key(*INPUT) == "yrl6baplfyvdbs6dvnovsdd2lvbu76rv"
    assert derive_uuid(*INPUT) == "c457e081-eb2e-8a30-8bc3-ab5d590c7a5d"
    assert merchant_reference(*INPUT) == "rwo7d5p7cxieysgicx7y"


@given(inputs)
def test_forms_fit_every_gateway(parts: tuple[str, str, str, str, int]) -> None:
    assert re.fullmatch(r"[a-z2-7]{32}", derive_key(*parts))
    assert re.fullmatch(r"rw[a-z2-7]{18}", merchant_reference(*parts))
    uuid = UUID(derive_uuid(*parts))
    assert uuid.version == 8
    assert uuid.variant == "specified in RFC 4122"
    assert str(uuid) == derive_uuid(*parts)
    assert key_as_uuid(derive_key(*parts)) == str(uuid)


@given(inputs, inputs)
def test_other_input_gives_other_keys(
    one: tuple[str, str, str, str, int], other: tuple[str, str, str, str, int]
) -> None:
    assume(one != other)
    assert derive_key(*one) != derive_key(*other)
    assert derive_uuid(*one) != derive_uuid(*other)
    assert merchant_reference(*one) != merchant_reference(*other)


@given(texts, texts, st.integers(0, 3))
def test_text_moved_between_parts_gives_another_key(a: str, b: str, at: int) -> None:
    assume(a and b)
    assert derive_key(a, b, "", "", 0) != derive_key("", a + b, "", "", 0)
    assert derive_key("i", a, b, "r", at) != derive_key("i", a + b, "", "r", at)


def test_next_generation_has_its_own_key_and_reference() -> None:
    again = (*INPUT[:4], 1)
    assert derive_key(*again) != derive_key(*INPUT)
    assert merchant_reference(*again) != merchant_reference(*INPUT)


def test_key_and_reference_share_no_text() -> None:
    assert merchant_reference(*INPUT)[2:] != derive_key(*INPUT)[:18]


def test_uuid_keeps_the_digest_outside_version_and_variant() -> None:
    digest = reference_digest("refundwatch/idem/v1", *map(str, INPUT))[:16]
    octets = UUID(derive_uuid(*INPUT)).bytes
    assert octets[:6] == digest[:6]
    assert octets[6] == 0x80 | (digest[6] & 0x0F)
    assert octets[7] == digest[7]
    assert octets[8] == 0x80 | (digest[8] & 0x3F)
    assert octets[9:] == digest[9:]


@pytest.mark.parametrize("bad", ["", "a" * 31, "a" * 33, "A" * 32, "1" * 32, "é" * 32])
def test_uuid_of_what_is_no_key_is_refused(bad: str) -> None:
    with pytest.raises(InvariantBroken):
        key_as_uuid(bad)


def test_negative_generation_is_refused() -> None:
    with pytest.raises(InvariantBroken):
        derive_key(*INPUT[:4], -1)


def test_lone_surrogate_is_refused_and_not_replaced() -> None:
    with pytest.raises(TextInvalid):
        derive_key("i", "a", "p", "\ud800", 0)


def test_fingerprint_ignores_order_and_nothing_else() -> None:
    body: dict[str, JsonValue] = {
        "request_id": "r1",
        "amount_minor": 1200,
        "currency": "EUR",
    }
    turned = dict(reversed(body.items()))
    more, noted = body | {"amount_minor": 1201}, body | {"note": None}
    canonical = b'{"amount_minor":1200,"currency":"EUR","request_id":"r1"}'
    assert request_fingerprint(body) == hashlib.sha256(canonical).hexdigest()
    assert request_fingerprint(turned) == request_fingerprint(body)
    assert request_fingerprint(more) != request_fingerprint(body)
    assert request_fingerprint(noted) != request_fingerprint(body)


def test_fingerprint_of_a_float_is_refused() -> None:
    with pytest.raises(NotCanonical):
        request_fingerprint({"amount": 1.5})  # type: ignore[dict-item]
