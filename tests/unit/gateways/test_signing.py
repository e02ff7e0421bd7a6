from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.gateways import signing

SECRET = "whsec_rw_test"
STAMP = 1767225600
AT = datetime.fromtimestamp(STAMP, UTC)
BODY = b'{"id":"evt_1"}'


def digest(body: bytes, secret: str = SECRET, stamp: str = str(STAMP)) -> str:
    message = stamp.encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def header(stamp: str = str(STAMP), secret: str = SECRET) -> str:
    return f"t={stamp},v1={digest(BODY, secret, stamp)}"


def fault(written: str | None, *, at: datetime = AT, body: bytes = BODY) -> str | None:
    return signing.stamped_fault(written, body, (SECRET,), at, 300)


def test_a_signature_over_the_raw_bytes_holds() -> None:
    assert fault(header()) is None


@pytest.mark.parametrize("offset", [-300, 300])
def test_a_stamp_at_the_edge_of_the_tolerance_holds(offset: int) -> None:
    assert fault(header(), at=AT + timedelta(seconds=offset)) is None


@pytest.mark.parametrize("offset", [-301, 301])
def test_a_stamp_too_old_or_too_far_ahead_is_stale(offset: int) -> None:
    assert fault(header(), at=AT + timedelta(seconds=offset)) == "signature_stale"


def test_a_far_future_stamp_with_a_true_signature_is_stale() -> None:
    assert fault(header("999999999999")) == "signature_stale"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "t=1767225600",
        f"v1={digest(BODY)}",
        f"t=,v1={digest(BODY)}",
        f"t=17x,v1={digest(BODY)}",
        f"t=-1767225600,v1={digest(BODY)}",
        f"t=1767225600.0,v1={digest(BODY)}",
        f"t={STAMP},t={STAMP},v1={digest(BODY)}",
        f"t={STAMP},v1=zz",
        f"t={STAMP},v1={digest(BODY).upper()}",
        f"t={STAMP},v0={digest(BODY)}",
        f"t={'9' * 13},v1={digest(BODY)}",
        f"t=١٧٦٧,v1={digest(BODY)}",
    ],
)
def test_a_header_of_another_form_is_malformed(written: str) -> None:
    assert fault(written) == "signature_malformed"


def test_a_missing_header_is_named() -> None:
    assert fault(None) == "signature_missing"


def test_an_empty_secret_verifies_nothing() -> None:
    forged = f"t={STAMP},v1={digest(BODY, '')}"
    assert signing.stamped_fault(forged, BODY, ("",), AT, 300) == "signature_mismatch"


def test_either_secret_of_a_rotation_holds() -> None:
    old, new = "whsec_old", "whsec_new"
    for signer in (old, new):
        written = header(secret=signer)
        assert signing.stamped_fault(written, BODY, (old, new), AT, 300) is None
        assert signing.stamped_fault(written, BODY, (SECRET,), AT, 300) is not None


def test_a_flood_of_signatures_is_not_checked_beyond_the_first_few() -> None:
    wrong = ",".join(f"v1={'0' * 64}" for _ in range(signing.MAX_SIGNATURES))
    assert fault(f"t={STAMP},{wrong},v1={digest(BODY)}") == "signature_mismatch"


@given(st.text(max_size=200), st.binary(max_size=100))
def test_any_header_and_body_give_a_verdict(written: str, body: bytes) -> None:
    assert fault(written, body=body) is not None


def test_a_secret_that_is_no_hex_key_is_passed_over() -> None:
    good = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
    keys = signing.hex_keys((good, "nonsense", "", "AB", good[:-1], good.lower()))
    assert keys == (bytes.fromhex(good), bytes.fromhex(good))


def test_fields_are_joined_without_escaping_and_compared_as_text() -> None:
    key = bytes(32)
    fields = ("a:b", "\\", "é")
    expected = b64encode(signing.hmac_sha256(key, "a:b:\\:é".encode())).decode()
    assert signing.fields_hold(fields, expected, (key,))
    assert not signing.fields_hold(("a", "b:\\", "é"), expected + "\n", (key,))
    assert not signing.fields_hold(fields, expected.rstrip("="), (key,))
    assert not signing.fields_hold(fields, expected, ())


@given(st.lists(st.text(), max_size=4), st.text(max_size=60))
def test_any_fields_and_signature_give_a_verdict(
    fields: list[str], signature: str
) -> None:
    assert not signing.fields_hold(fields, signature, (bytes(32),))
