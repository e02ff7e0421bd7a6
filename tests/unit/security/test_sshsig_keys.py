"""Public keys: one spelling each, and nothing that only looks like one."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import PublicKeyInvalid
from refundwatch.security.sshsig import (
    Demands,
    PublicKey,
    parse_public_key,
    refusal_of,
)
from refundwatch.security.sshsig.wire import Fields, mpint, string
from tests.unit.security.sshsig_making import ACCEPT, RSA_TOO

GOOD = ACCEPT[0]["public"]
SK = b"sk-ssh-ed25519@openssh.com"


def line(name: bytes, *fields: bytes) -> str:
    blob = string(name) + b"".join(fields)
    return f"{name.decode()} {b64encode(blob).decode()}"


@pytest.mark.parametrize("row", ACCEPT, ids=lambda row: row["name"])
def test_comment_and_line_end_are_left_out(row: dict[str, Any]) -> None:
    bare = parse_public_key(row["public"])
    assert parse_public_key(f"{row['public']} alice@laptop of hers\n") == bare
    assert parse_public_key(bare.line) == bare
    assert bare.is_sk is row["public"].startswith("sk-")


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD + "\n\n",
        GOOD + "\n" + GOOD,
        GOOD + " comment\r\n",
        " " + GOOD,
        'namespaces="x" ' + GOOD,
        GOOD.replace(" ", "  "),
        GOOD.replace("ssh-ed25519", "SSH-ED25519"),
        GOOD.replace("ssh-ed25519", "ssh-rsa"),
        GOOD[:-1],
        GOOD + "=",
        GOOD[:-4],
        GOOD.split(" ")[1],
        "ssh-ed25519 é",
        GOOD + " \0",
        GOOD + " " + "x" * 17_000,
        line(b"ssh-dss", mpint(7), mpint(5), mpint(3), mpint(2)),
        line(b"ssh-ed25519-cert-v01@openssh.com", string(bytes(32))),
        line(b"ssh-ed25519", string(bytes(31))),
        line(b"ssh-ed25519", string(bytes(33))),
        line(b"ssh-ed25519", string(b"\x09" * 32), b"\0"),
        line(b"ssh-ed25519"),
        line(SK, string(b"\x09" * 32)),
        line(b"ecdsa-sha2-nistp256", string(b"nistp384"), string(b"\x04" + bytes(64))),
        line(b"ecdsa-sha2-nistp256", string(b"nistp256"), string(b"\x04" + bytes(64))),
        line(b"ecdsa-sha2-nistp256", string(b"nistp256"), string(b"\0")),
        line(b"ecdsa-sha2-nistp192", string(b"nistp192"), string(b"\x04" + bytes(48))),
        line(b"ssh-rsa", mpint(2), mpint(2**3071 + 1)),
        line(b"ssh-rsa", mpint(1), mpint(2**3071 + 1)),
        line(b"ssh-rsa", mpint(65537), mpint(2**8193 + 1)),
        line(b"ssh-rsa", mpint(2**64 + 1), mpint(2**3071 + 1)),
        line(b"ssh-rsa", mpint(65537), string(b"\x80" + bytes(383))),
        line(b"ssh-rsa", string(b"\0\1\0\1"), mpint(2**3071 + 1)),
    ],
    ids=range(33),
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(PublicKeyInvalid):
        parse_public_key(text)


def test_short_form_of_a_point_is_a_second_spelling_and_refused() -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    with pytest.raises(PublicKeyInvalid, match="damaged"):
        parse_public_key(
            line(b"ecdsa-sha2-nistp256", string(b"nistp256"), string(point))
        )


# 8·P is the neutral point: found by adding points, not taken from the code.
SMALL = (
    "00" * 32,
    "01" + "00" * 31,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
)


@pytest.mark.parametrize("sign", [0x00, 0x80])
@pytest.mark.parametrize("small", SMALL)
def test_key_with_which_anybody_could_sign_is_refused(small: str, sign: int) -> None:
    """The system's library accepts them, and under them what was never signed."""
    point = bytearray.fromhex(small)
    point[31] |= sign
    library = Ed25519PublicKey.from_public_bytes(bytes(point))
    nobody = bytes([1]) + bytes(63)
    fits = [number for number in range(64) if holds(library, nobody, number)]
    assert fits, "OpenSSL refuses it by itself"
    for name, more in ((b"ssh-ed25519", b""), (SK, string(b"ssh:"))):
        with pytest.raises(PublicKeyInvalid, match="anybody could sign"):
            parse_public_key(line(name, string(bytes(point)), more))


def holds(key: Ed25519PublicKey, signature: bytes, number: int) -> bool:
    try:
        key.verify(signature, bytes([number]))
    except InvalidSignature:
        return False
    return True


def test_message_names_the_kind_that_cannot_sign() -> None:
    with pytest.raises(PublicKeyInvalid, match="ssh-dss key is of a kind"):
        parse_public_key(line(b"ssh-dss", mpint(7)))


def key_of(public: Any) -> PublicKey:
    return parse_public_key(
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    )


def test_only_allowed_kinds_can_be_enrolled() -> None:
    def curve(one: ec.EllipticCurve) -> PublicKey:
        return key_of(ec.generate_private_key(one).public_key())

    assert refusal_of(curve(ec.SECP256R1()), Demands()) is None
    assert refusal_of(curve(ec.SECP384R1()), Demands()) is None
    assert refusal_of(curve(ec.SECP521R1()), RSA_TOO) == "key_type"
    long, short = (
        key_of(rsa.RSAPublicNumbers(65537, 2**bits + 1).public_key())
        for bits in (3071, 3070)
    )
    assert refusal_of(long, Demands()) == "rsa_off"
    assert refusal_of(long, RSA_TOO) is None
    assert refusal_of(short, RSA_TOO) == "rsa_short"
    damaged = PublicKey("ssh-ed25519", b"\0")
    assert refusal_of(damaged, RSA_TOO) == "truncated"


@given(st.integers(0, 2**400))
def test_number_reads_as_it_was_written(number: int) -> None:
    fields = Fields(mpint(number))
    assert fields.mpint() == number
    fields.end()
