from __future__ import annotations

from base64 import encodebytes
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.gateways.contract import Forged, Received
from refundwatch.gateways.paypal import certificates
from tests.unit.gateways import authority
from tests.unit.gateways.authority import NAME, Issued, issue, leaf, root
from tests.unit.gateways.driving import NOW, answer
from tests.unit.gateways.test_paypal_webhooks import BODY, account, verdict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

DAY = timedelta(days=1)
ROOTS = root().pem


def believed(
    served: str | bytes, roots: str = ROOTS, mode: str = "sandbox"
) -> RSAPublicKey | None:
    store = certificates.trusted(roots)
    assert store is not None
    pem = served.encode() if isinstance(served, str) else served
    return certificates.believed_key(pem, store, mode, NOW)


def middle() -> Issued:
    return issue("Test Middle", root(), private=authority.key(2), authority=True)


# --- chains -----------------------------------------------------------------------


def test_a_leaf_of_a_trusted_authority_is_believed() -> None:
    assert believed(leaf().pem) == authority.key(1).public_key()


def test_a_leaf_with_its_intermediate_is_believed() -> None:
    between = middle()
    served = issue(NAME, between).pem + between.pem
    assert believed(served) is not None


def test_a_leaf_without_its_intermediate_is_not_believed() -> None:
    assert believed(issue(NAME, middle()).pem) is None


def test_an_operator_may_trust_the_intermediate_itself() -> None:
    between = middle()
    assert believed(issue(NAME, between).pem, between.pem) is not None
    assert believed(issue(NAME, between).pem, ROOTS + between.pem) is not None


@pytest.mark.parametrize(
    "served",
    [
        issue(NAME),
        issue(NAME, issue("Test Root", private=authority.key(3), authority=True)),
        issue(NAME, issue("A Leaf", root())),
        issue(NAME, root(), end=NOW - DAY),
        issue(NAME, root(), start=NOW + DAY),
        issue("evil.example", root()),
        issue("x." + NAME, root()),
        issue(NAME, root(), alternative=False),
        issue(NAME, root(), authority=True),
        issue(NAME, root(), private=authority.elliptic()),
        issue(authority.LIVE_NAME, root()),
    ],
    ids=[
        "signed by itself",
        "of an authority with the same name",
        "signed by a leaf",
        "expired",
        "not valid yet",
        "of another name",
        "of a name below",
        "named in its subject alone",
        "an authority itself",
        "with an elliptic key",
        "of the other mode",
    ],
)
def test_a_certificate_that_does_not_fit_is_not_believed(served: Issued) -> None:
    assert believed(served.pem) is None


def test_a_live_certificate_is_believed_for_a_live_account_alone() -> None:
    live = issue(authority.LIVE_NAME, root()).pem
    assert believed(live, mode="live") is not None
    assert believed(leaf().pem, mode="live") is None
    assert believed(live, mode="other") is None


def test_a_believed_certificate_of_another_key_verifies_nothing() -> None:
    other = issue(NAME, root(), private=authority.key(2))
    sent = authority.signed(BODY)
    served = answer(200, other.pem.encode())
    assert verdict(sent, served=served) == Forged("signature_mismatch")
    right = authority.signed(BODY, private=authority.key(2))
    assert isinstance(verdict(right, served=served), Received)


# --- bundles ----------------------------------------------------------------------


def test_an_unreadable_root_in_a_bundle_is_passed_over() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert believed(leaf().pem, "# a comment\n" + broken + ROOTS) is not None


@pytest.mark.parametrize(
    "bundle",
    ["", "x", ROOTS[:-40], "-----BEGIN CERTIFICATE-----"],
    ids=range(4),
)
def test_a_bundle_without_a_certificate_trusts_nobody(bundle: str) -> None:
    assert certificates.trusted(bundle) is None


# --- hostile files ----------------------------------------------------------------


@pytest.mark.parametrize(
    "served",
    [
        b"",
        b"<html>",
        b"\xff\xfe\x00",
        leaf().pem.encode()[:-30],
        leaf().pem.replace("CERTIFICATE", "PRIVATE KEY").encode(),
        b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\n====\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\n" * 2000,
        leaf().pem.encode() * 11,
        leaf().certificate.public_bytes(Encoding.DER),
        leaf().pem.encode()
        + b"-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----",
    ],
    ids=range(11),
)
def test_a_file_that_is_no_chain_is_not_believed(served: bytes) -> None:
    assert believed(served) is None
    sent = authority.signed(BODY)
    assert verdict(sent, served=answer(200, served)) == Forged("certificate")


def test_text_around_a_certificate_is_passed_over() -> None:
    served = (
        f"subject=CN {NAME}\r\n{leaf().pem.replace(chr(10), chr(13) + chr(10))}\r\n"
    )
    assert believed(served) is not None


@given(data=st.data(), changes=st.integers(1, 3))
def test_a_changed_certificate_never_brings_another_key(
    data: st.DataObject, changes: int
) -> None:
    octets = bytearray(leaf().certificate.public_bytes(Encoding.DER))
    for _ in range(changes):
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place] ^= data.draw(st.integers(1, 255))
    # A few bits beside the signed part can change without a meaning.
    assert believed(_pem(bytes(octets))) in (None, authority.key(1).public_key())


@given(st.binary(max_size=200))
def test_any_bytes_as_a_certificate_are_not_believed(octets: bytes) -> None:
    assert believed(octets) is None
    assert believed(_pem(octets)) is None


def _pem(octets: bytes) -> str:
    body = encodebytes(octets).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


def test_a_reason_shows_nothing_of_a_delivery() -> None:
    sent = authority.signed(BODY, paypal_transmission_sig="c2VjcmV0")
    reason = verdict(sent, to=replace(account(), mode="sandbox")).reason
    assert reason == "signature_mismatch"
    assert "c2VjcmV0" not in repr(sent)
