"""Signatures: the published vectors, and everything that is almost one."""

from __future__ import annotations

import random
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import InvariantBroken, SignatureRefused
from refundwatch.security.sshsig import (
    Demands,
    PublicKey,
    Sshsig,
    armor,
    namespace,
    parse_armored,
    parse_public_key,
    public_key_of,
    refusal_of,
    sign,
    signed_bytes,
    verify,
)
from refundwatch.security.sshsig.wire import string
from tests.unit.security.sshsig_making import (
    ACCEPT,
    BEGIN,
    DECISION,
    END,
    PRIVATE,
    REJECT,
    RSA_TOO,
    VECTORS,
    armored,
    blob_of,
    device_key,
    device_sign,
)

REASONS = {
    "message has a trailing newline": "mathematics",
    "amount changed": "mathematics",
    "login signature offered as decision": "namespace",
    "sk signature without user presence (flags 0x00)": "not_touched",
    "signed by a key that is not enrolled": "other_key",
    "version 2": "version",
    "truncated by one byte": "truncated",
    "bytes after the last field": "trailing_bytes",
    "hash algorithm sha1": "hash",
    "rsa with SHA-1 (ssh-rsa)": "algorithm",
    "signature algorithm does not fit the key type": "algorithm",
}
SEED = bytes(range(32))
KEY = public_key_of(PRIVATE)


def ids(row: dict[str, Any]) -> str:
    return str(row["name"])


def refused(
    message: bytes,
    text: str | bytes,
    key: PublicKey = KEY,
    space: str = DECISION,
    demands: Demands = RSA_TOO,
) -> str:
    """The reason for which it is refused."""
    with pytest.raises(SignatureRefused) as caught:
        verify(message, text, namespace=space, key=key, demands=demands)
    assert str(caught.value) == "The signature is not accepted."
    return caught.value.reason_code


def test_every_published_vector_is_here() -> None:
    assert (len(ACCEPT), len(REJECT)) == (8, 11)
    assert {row["name"] for row in REJECT} == set(REASONS)
    assert {parse_public_key(row["public"]).type for row in ACCEPT} == {
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ssh-rsa",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }


@pytest.mark.parametrize("row", ACCEPT, ids=ids)
def test_published_signature_is_accepted(row: dict[str, Any]) -> None:
    key = parse_public_key(row["public"])
    assert key.fingerprint == row["fingerprint"]
    assert key.line == row["public"]
    signed = verify(
        row["message"].encode(),
        row["armored"],
        namespace=row["namespace"],
        key=key,
        demands=RSA_TOO,
    )
    assert signed.key == key
    assert (signed.flags is not None) is key.is_sk
    assert (signed.counter is not None) is key.is_sk


@pytest.mark.parametrize("row", REJECT, ids=ids)
def test_published_forgery_is_refused_for_its_reason(row: dict[str, Any]) -> None:
    key = parse_public_key(row["public"])
    reason = refused(row["message"].encode(), row["armored"], key, row["namespace"])
    assert reason == REASONS[row["name"]]


@pytest.mark.parametrize("row", ACCEPT, ids=ids)
def test_signature_reads_and_writes_the_same(row: dict[str, Any]) -> None:
    found = parse_armored(row["armored"])
    again = armor(found.key, found.namespace, found.hash_name, found.signature)
    assert again == row["armored"]


def test_own_signature_is_byte_for_byte_the_published_one() -> None:
    stated = VECTORS["decision"]
    message = stated["message"].encode()
    assert signed_bytes(message, DECISION).hex() == stated["to_be_signed_hex"]
    assert sign(PRIVATE, message, DECISION) == ACCEPT[0]["armored"]
    found = parse_armored(ACCEPT[0]["armored"])
    assert found.signature.hex() == stated["signature_blob_hex"]


@pytest.mark.parametrize("row", ACCEPT, ids=ids)
def test_every_flipped_byte_is_refused(row: dict[str, Any]) -> None:
    key, message = parse_public_key(row["public"]), row["message"].encode()
    text = row["armored"].encode()
    for place in range(len(text)):
        for flip in (0x01, 0x20, 0x80):
            flipped = bytearray(text)
            flipped[place] ^= flip
            assert refused(message, bytes(flipped), key, row["namespace"])


def test_two_hundred_thousand_wild_inputs_raise_nothing_else() -> None:
    wild = random.Random(20261125)
    blob = blob_of(ACCEPT[6]["armored"])
    for number in range(200_000):
        cut = wild.randrange(len(blob))
        strange = wild.randbytes(wild.randrange(6))
        if number % 10:
            text = armored(blob[:cut] + strange + blob[cut + number % 7 :])
        else:
            text = strange.decode("latin-1") + ACCEPT[0]["armored"][cut:]
        try:
            parse_armored(text)
        except SignatureRefused:
            continue


def test_text_that_is_no_armor_is_refused() -> None:
    good = ACCEPT[0]["armored"]
    message = ACCEPT[0]["message"].encode()
    body = good.removeprefix(BEGIN).removesuffix(END + "\n")
    wrong = {
        "": "armor",
        good + "\n": "armor",
        "\n" + good: "armor",
        good.replace("\n", "\r\n"): "armor",
        good.replace(BEGIN, BEGIN.replace("BEGIN", "begin")): "armor",
        good.replace("\n-----END", "\n\n-----END"): "armor",
        f"{BEGIN}\n{END}\n": "armor",
        good.replace(BEGIN, BEGIN + " "): "armor",
        good.replace("U1NI", "U1N "): "base64",
        good.replace("\n-----END", "=\n-----END"): "base64",
        f"{BEGIN}{body}{body[1:]}{END}\n": "trailing_bytes",
        "é" + good: "armor",
        "x" * 16_385: "too_long",
        armored(b""): "armor",
        armored(b"SSHSIG"): "truncated",
        armored(b"SSHSIX" + blob_of(good)[6:]): "magic",
    }
    for text, reason in wrong.items():
        assert refused(message, text) == reason, text
    assert verify(message, good.rstrip("\n"), namespace=DECISION, key=KEY).key == KEY


def test_loose_bits_at_the_end_of_base64_are_refused() -> None:
    row = next(it for it in ACCEPT if it["armored"].splitlines()[-2].endswith("="))
    lines = row["armored"].splitlines()
    kept = lines[-2].rstrip("=")
    lines[-2] = kept[:-1] + chr(ord(kept[-1]) + 1) + "=" * (len(lines[-2]) - len(kept))
    key = parse_public_key(row["public"])
    text = "\n".join(lines) + "\n"
    assert refused(row["message"].encode(), text, key, row["namespace"]) == "base64"


def test_reserved_bytes_are_refused() -> None:
    blob = blob_of(ACCEPT[0]["armored"])
    space = string(DECISION.encode())
    filled = blob.replace(space + string(b""), space + string(b"x"))
    assert refused(ACCEPT[0]["message"].encode(), armored(filled)) == "reserved"


def test_checks_come_in_their_order() -> None:
    """Each text breaks a check and all after it; the first is what is told."""
    message = b"never signed"
    found = parse_armored(ACCEPT[4]["armored"])
    rsa = parse_public_key(ACCEPT[4]["public"])

    def write(it: Sshsig) -> str:
        return armor(it.key, it.namespace, it.hash_name, it.signature)

    worst = replace(
        found, namespace="other", hash_name="sha1", signature=string(b"ssh-rsa")
    )
    named = replace(worst, namespace=DECISION)
    hashed = replace(named, hash_name="sha512")
    assert refused(message, write(worst)) == "namespace"
    assert refused(message, write(named)) == "hash"
    assert refused(message, write(hashed)) == "other_key"
    assert refused(message, write(hashed), rsa, demands=Demands()) == "rsa_off"
    assert refused(message, write(hashed), rsa) == "algorithm"
    fitting = replace(hashed, signature=string(b"rsa-sha2-512") + string(b"x"))
    both = Demands(rsa=True, pin=True)
    assert refused(message, write(fitting), rsa, demands=both) == "not_a_device"
    assert refused(message, write(fitting), rsa) == "mathematics"


@pytest.mark.parametrize(
    ("flags", "pin", "reason"),
    [
        (0x00, False, "not_touched"),
        (0x01, False, None),
        (0x05, False, None),
        (0x04, False, "not_touched"),
        (0x00, True, "not_touched"),
        (0x01, True, "no_pin"),
        (0x05, True, None),
        (0x45, True, None),
    ],
)
def test_device_must_say_what_the_role_demands(
    flags: int, pin: bool, reason: str | None
) -> None:
    text = device_sign(SEED, b"message", DECISION, flags=flags, counter=2**32 - 1)
    key, demands = device_key(SEED), Demands(pin=pin)
    if reason is not None:
        assert refused(b"message", text, key, demands=demands) == reason
        return
    signed = verify(b"message", text, namespace=DECISION, key=key, demands=demands)
    assert (signed.flags, signed.counter) == (flags, 2**32 - 1)


def test_flags_and_counter_are_signed_too() -> None:
    text = device_sign(SEED, b"message", DECISION, flags=0x01)
    raised = blob_of(text)[:-5] + b"\x05" + blob_of(text)[-4:]
    counted = blob_of(text)[:-1] + b"\x08"
    for blob in (raised, counted):
        assert refused(b"message", armored(blob), device_key(SEED)) == "mathematics"


def test_device_made_for_a_website_is_refused() -> None:
    key = device_key(SEED, b"https://shop.example")
    text = device_sign(
        SEED, b"message", DECISION, flags=0x05, application=b"https://shop.example"
    )
    assert refused(b"message", text, key) == "application"
    assert refusal_of(key, Demands()) == "application"


def test_role_that_demands_a_device_refuses_a_key_in_a_file() -> None:
    row = ACCEPT[0]
    asked = Demands(pin=True)
    reason = refused(row["message"].encode(), row["armored"], demands=asked)
    assert reason == "not_a_device"
    assert refusal_of(KEY, asked) == "not_a_device"
    assert refusal_of(KEY, Demands()) is None


@pytest.mark.parametrize("purpose", ["login", "decision", "enrol"])
def test_namespace_names_purpose_and_instance(purpose: str) -> None:
    name = namespace(purpose, "refundwatch.example")
    assert name == f"refundwatch-{purpose}@refundwatch.example"
    if purpose in VECTORS["namespaces"]:
        assert name == VECTORS["namespaces"][purpose]


@pytest.mark.parametrize("wrong", [("intake", "a"), ("login", ""), ("", "a")])
def test_namespace_of_nothing_is_a_bug(wrong: tuple[str, str]) -> None:
    with pytest.raises(InvariantBroken):
        namespace(*wrong)


def test_nothing_is_signed_without_a_namespace_or_with_sha1() -> None:
    with pytest.raises(InvariantBroken):
        signed_bytes(b"message", "")
    with pytest.raises(InvariantBroken):
        signed_bytes(b"message", DECISION, "sha1")


def test_empty_namespace_is_never_expected() -> None:
    text = armor(KEY, "", "sha512", b"")
    assert refused(b"message", text, space="") == "namespace"


def test_namespace_that_is_no_text_is_another_namespace() -> None:
    space = string(DECISION.encode())
    blob = blob_of(ACCEPT[0]["armored"]).replace(space, string(b"\xff\xfe"))
    assert refused(ACCEPT[0]["message"].encode(), armored(blob)) == "namespace"


@given(st.binary(max_size=300), st.sampled_from([DECISION, "refundwatch-login@a"]))
def test_signature_holds_for_its_message_and_namespace_alone(
    message: bytes, space: str
) -> None:
    text = sign(PRIVATE, message, space)
    assert verify(message, text, namespace=space, key=KEY).flags is None
    assert refused(message + b"\n", text, space=space) == "mathematics"
    assert refused(message, text, space=space + "x") == "namespace"


def test_rewritten_ecdsa_signature_still_holds() -> None:
    """Why signature bytes are no replay key."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    row = ACCEPT[3]
    found = parse_armored(row["armored"])
    name, made = b"ecdsa-sha2-nistp256", found.signature[4 + 19 + 4 :]
    length = int.from_bytes(made[:4], "big")
    r = made[: 4 + length]
    s = int.from_bytes(made[8 + length :], "big")
    other = order - s
    octets = other.to_bytes(other.bit_length() // 8 + 1, "big")
    field = string(name) + string(r + string(octets))
    text = armor(found.key, DECISION, found.hash_name, field)
    assert text != row["armored"]
    assert verify(row["message"].encode(), text, namespace=DECISION, key=found.key)


def test_ecdsa_numbers_have_one_spelling() -> None:
    found = parse_armored(ACCEPT[3]["armored"])
    name = string(b"ecdsa-sha2-nistp256")
    for numbers, reason in (
        (string(b"\0\1") + string(b"\1"), "number_not_minimal"),
        (string(b"\x80") + string(b"\1"), "number_negative"),
        (string(b"\0") + string(b"\1"), "number_not_minimal"),
        (string(b"") + string(b"\1"), "mathematics"),
        (string(b"\1") + string(b"\1") + b"\0", "trailing_bytes"),
        (string(b"\1"), "truncated"),
        (string(b"\1" * 9000) + string(b"\1"), "mathematics"),
    ):
        text = armor(found.key, DECISION, "sha512", name + string(numbers))
        assert refused(b"message", text, found.key) == reason


def test_longest_accepted_text_is_16_kib() -> None:
    text = armor(KEY, DECISION, "sha512", bytes(11_900))
    assert 15_900 < len(text) <= 16_384
    assert refused(b"message", text) == "algorithm"
    assert refused(b"message", armored(b64encode(bytes(12_000)))) == "too_long"
