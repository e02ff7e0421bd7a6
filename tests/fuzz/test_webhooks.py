"""A changed delivery never counts, and an amount is exactly what was written."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import EventKind, Forged, GatewayEvent, Received
from tests.unit.gateways import authority, test_adyen_events, test_stripe_events
from tests.unit.gateways.driving import NOW, delivery, result_of
from tests.unit.gateways.test_paypal_events import REFUND as PAYPAL_REFUND
from tests.unit.gateways.test_paypal_events import event as paypal_event
from tests.unit.gateways.test_paypal_webhooks import verdict as paypal_verdict
from tests.unit.gateways.test_stripe_events import SECRET, event

# --- a changed body ---------------------------------------------------------------


@st.composite
def changed(draw: st.DrawFn, body: bytes) -> bytes:
    """The body with one piece replaced, dropped, doubled or moved."""
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 40)))
    piece = body[start:end]
    new = draw(
        st.binary(max_size=6)
        | st.sampled_from(
            [b"", piece * 2, piece[::-1], b"0", b" ", b",", b'"', b"\x00"]
        )
    )
    return body[:start] + new + body[end:]


STRIPE_BODY = json.dumps(event("refund.updated", test_stripe_events.REFUND)).encode()


@given(changed(STRIPE_BODY))
def test_changed_stripe_body_is_forged(body: bytes) -> None:
    assume(body != STRIPE_BODY)
    arrived = delivery(body, stripe_signature=test_stripe_events.signed(STRIPE_BODY))
    gateway = test_stripe_events.GATEWAY
    verdict = result_of(
        gateway.receive(test_stripe_events.STRIPE, arrived, (SECRET,), NOW)
    )
    assert verdict == Forged("signature_mismatch")


PAYPAL_BODY = json.dumps(paypal_event("PAYMENT.CAPTURE.REFUNDED")).encode()


@given(changed(PAYPAL_BODY))
def test_changed_paypal_body_is_forged(body: bytes) -> None:
    """But for a body of the same checksum, which is why a refund in it is a hint."""
    assume(body != PAYPAL_BODY)
    sent = authority.signed(PAYPAL_BODY)
    assert paypal_verdict(delivery(body, **named(sent.headers))) == Forged(
        "signature_mismatch"
    )


def named(headers: Any) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


ADYEN_BODY = test_adyen_events.envelope(test_adyen_events.signed())


@given(changed(ADYEN_BODY))
def test_changed_adyen_body_is_forged_or_says_the_same_of_the_money(
    body: bytes,
) -> None:
    """Adyen signs eight fields of an item; what is not signed may be any text."""
    verdict = test_adyen_events.receive(body, test_adyen_events.SECRET)
    if isinstance(verdict, Received):
        (whole,) = test_adyen_events.receive(
            ADYEN_BODY, test_adyen_events.SECRET
        ).events  # type: ignore[union-attr]
        for one in verdict.events:
            assert of_the_money(one) == of_the_money(whole)
    else:
        assert isinstance(verdict, Forged)


def of_the_money(one: GatewayEvent) -> tuple[object, ...]:
    said = one.evidence
    assert said is not None
    return (
        one.kind,
        one.dedupe_id,
        one.word,
        one.payment_reference,
        said.amount_minor,
        said.currency,
        said.merchant_reference,
        said.gateway_reference,
    )


# --- exact amounts ----------------------------------------------------------------

SIGNED = st.integers(-(2**53) + 1, 2**53 - 1) | st.integers(-1000, 1000) | st.none()
"""What Adyen can put its signature on."""

UNITS = (
    st.integers(-(10**18), 10**18)
    | st.integers(-1000, 1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.text(max_size=6)
    | st.integers(0, 10**9).map(str)
    | st.integers(0, 10**9).map(float)
)
CODES = st.sampled_from([*sorted(EXPONENTS), "eur", "Eur", "EUR ", "", "XXX", "EURO"])
WRITTEN = (
    CODES
    | st.sampled_from(
        ["u\u017fd", "\u0131nr", "\ufb01m", "\uff25\uff35\uff32", "eu\u0433"]
    )
    | st.text(max_size=4)
    | st.none()
    | st.integers()
)


@given(UNITS, WRITTEN)
@example(1050, "u\u017fd")
def test_stripe_amount_is_what_was_written_or_a_doubt(units: Any, written: Any) -> None:
    refund = test_stripe_events.REFUND | {"amount": units, "currency": written}
    one = test_stripe_events.received(event("refund.updated", refund))
    exactly(one, units, written, test_stripe_events.GATEWAY, upper=True)


@given(SIGNED, WRITTEN)
@example(1050, "u\u017fd")
def test_adyen_amount_is_what_was_written_or_a_doubt(units: Any, written: Any) -> None:
    amount = {"value": units, "currency": written}
    assume(isinstance(written, str))
    one = test_adyen_events.received(amount=amount)
    exactly(one, units, written, test_adyen_events.GATEWAY, upper=False)


def exactly(
    one: GatewayEvent, units: Any, written: Any, gateway: Any, *, upper: bool
) -> None:
    assert one.kind is EventKind.REFUND
    said = one.evidence
    assert said is not None
    if said.amount_minor is None:
        assert one.word is Word.UNSEEN or units is None
        return
    assert type(units) is int
    assert isinstance(written, str)
    assert written.isascii(), written
    assert said.currency == (written.upper() if upper else written)
    ours = EXPONENTS[said.currency]
    theirs = gateway.capabilities.exponents.get(said.currency, ours)
    assert Decimal(said.amount_minor).scaleb(-ours) == Decimal(units).scaleb(-theirs)


DECIMALS = (
    st.decimals(-(10**12), 10**12, places=2).map(lambda number: f"{number:f}")
    | st.from_regex(r"-?[0-9]{0,6}(\.[0-9]{0,4})?", fullmatch=True)
    | st.sampled_from(
        ["", ".", "-", "1e3", "\uff11", "1,00", " 1", "1_0", "0x1", "NaN"]
    )
    | st.text(max_size=6)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.none()
)


@given(DECIMALS, st.sampled_from(["USD", "JPY", "HUF", "TWD", "BHD", "usd"]))
def test_paypal_amount_is_what_was_written_or_a_doubt(value: Any, code: str) -> None:
    refund = PAYPAL_REFUND | {"amount": {"value": value, "currency_code": code}}
    (one,) = received_from_paypal(paypal_event("PAYMENT.CAPTURE.REFUNDED", refund))
    said = one.evidence
    assert said is not None
    if said.amount_minor is None:
        assert one.word is Word.UNSEEN
        return
    assert isinstance(value, str)
    assert said.currency == code
    assert Decimal(said.amount_minor).scaleb(-EXPONENTS[code]) == Decimal(value)


def received_from_paypal(content: Any) -> tuple[GatewayEvent, ...]:
    verdict = paypal_verdict(authority.signed(json.dumps(content).encode()))
    assert isinstance(verdict, Received)
    return verdict.events


@pytest.mark.parametrize("value", ["12.50", "12.5", "012.500", ".5"])
def test_paypal_reads_every_spelling_of_a_whole_amount(value: str) -> None:
    refund = PAYPAL_REFUND | {"amount": {"value": value, "currency_code": "USD"}}
    (one,) = received_from_paypal(paypal_event("PAYMENT.CAPTURE.REFUNDED", refund))
    assert one.evidence is not None
    assert one.evidence.amount_minor == Decimal(value) * 100
