from __future__ import annotations

from dataclasses import replace

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    Heard,
    HttpResponse,
    NotProcessed,
    Outcome,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.driving import drive, result_of
from tests.unit.gateways.worldpay_talk import (
    DOCTYPE,
    GATEWAY,
    ORDER,
    REFUND,
    WORLDPAY,
    amount,
    error,
    order,
    outcome,
    received,
    replied,
)

ACCEPTED = Evidence(
    source="answer",
    raw_status="refundReceived",
    gateway_reference="rw-000123-1",
    payment_reference=ORDER,
    amount_minor=595,
    currency="GBP",
)


def test_received_is_accepted_and_never_more() -> None:
    assert outcome(received()) == Heard(Word.PENDING, ACCEPTED)


@pytest.mark.parametrize("event", ["SENT_FOR_REFUND", "REFUNDED"])
def test_an_answer_with_the_orders_state_is_an_acceptance_of_no_stated_amount(
    event: str,
) -> None:
    heard = outcome(order(event))
    assert isinstance(heard, Heard)
    assert heard.word is Word.PENDING
    assert heard.evidence.raw_status == event
    assert heard.evidence.amount_minor is None


@pytest.mark.parametrize("event", ["REFUND_FAILED", "CAPTURED", "", "NEVER_SEEN"])
def test_a_state_that_may_be_an_earlier_refunds_proves_nothing(event: str) -> None:
    assert outcome(order(event)) == Unsure("no_receipt")


def test_a_cancelled_order_is_accepted_as_a_void() -> None:
    before = order("AUTHORISED", total=amount(595))
    for answer in (
        received("", tag="cancelReceived"),
        received("", tag="voidReceived"),
        order("CANCELLED"),
    ):
        heard = outcome(answer, before)
        assert isinstance(heard, Heard)
        assert heard.word is Word.PENDING
        assert heard.evidence.gateway_reference == "rw-000123-1"


@pytest.mark.parametrize("tag", ["cancelReceived", "refundDeferred"])
def test_a_receipt_for_something_else_goes_to_people(tag: str) -> None:
    heard = outcome(received(tag=tag))
    assert isinstance(heard, Heard)
    assert (heard.word, heard.evidence.raw_status) == (Word.UNSEEN, tag)


def test_a_receipt_of_another_order_is_told_as_such() -> None:
    heard = outcome(received(code="other"))
    assert isinstance(heard, Heard)
    assert heard.evidence.payment_reference == "other"


@pytest.mark.parametrize(
    ("stated", "minor"),
    [
        (amount(595, "JPY", 0), 595),
        (amount(5950, "KWD", 3), 5950),
        (amount(10, "HUF", 0), 1000),
        (amount(700, "ISK", 2), 7),
        (amount(5950, "EUR", 3), 595),
    ],
)
def test_an_echoed_amount_is_worth_what_its_own_exponent_says(
    stated: str, minor: int
) -> None:
    heard = outcome(received(stated))
    assert isinstance(heard, Heard)
    assert (heard.word, heard.evidence.amount_minor) == (Word.PENDING, minor)


@pytest.mark.parametrize(
    "stated",
    [
        amount("5.95"),
        amount(-595),
        amount("9" * 17),
        amount(exponent=1),
        amount(exponent=""),
        amount(5955, "JPY", 2),
        amount(currency="XXX"),
        amount(currency="gbp"),
        '<amount value="595" currencyCode="GBP"/>',
    ],
)
def test_an_amount_that_cannot_be_restated_goes_to_people(stated: str) -> None:
    heard = outcome(received(stated))
    assert isinstance(heard, Heard)
    assert heard.word is Word.UNSEEN
    assert heard.evidence.raw_status.startswith("amount:")
    assert heard.evidence.amount_minor is None


def test_unknown_elements_and_versions_are_passed_over() -> None:
    content = (
        '<reply new="1"><later/><ok><refundReceived orderCode="rw-order-10042" x="y">'
        f"{amount()}</refundReceived></ok></reply>"
    )
    root = '<paymentService version="1.4.1" merchantCode="RWTESTGBP">'
    body = f"{DOCTYPE}{root}{content}</paymentService>".encode()
    assert outcome(HttpResponse(200, {}, body)) == Heard(Word.PENDING, ACCEPTED)


# --- errors -----------------------------------------------------------------------

ERRORS: list[tuple[str, Outcome]] = [
    ("1", Unsure("error_1")),
    ("2", RefusedByGateway("error_2")),
    ("3", RefusedByGateway("error_3")),
    ("4", Unauthorized("error_4")),
    ("5", RefusedByGateway("error_5")),
    ("6", RefusedByGateway("error_6")),
    ("7", RefusedByGateway("error_7")),
    ("8", NotProcessed("error_8", 900)),
    ("9", Unsure("error_9")),
    ("10", RefusedByGateway("error_10")),
    ("13", RefusedByGateway("error_13")),
    ("14", Unsure("error_14")),
    ("15", Unsure("error_15")),
]


@pytest.mark.parametrize("inside", [False, True], ids=["reply", "order"])
@pytest.mark.parametrize(("code", "expected"), ERRORS)
def test_an_error_means_what_its_code_says_wherever_it_stands(
    code: str, expected: Outcome, inside: bool
) -> None:
    assert outcome(error(code, inside=inside)) == expected


@pytest.mark.parametrize("code", ["2", "4", "5", "8"])
@pytest.mark.parametrize("inside", [False, True], ids=["reply", "order"])
def test_an_error_beside_a_receipt_proves_nothing(code: str, *, inside: bool) -> None:
    both = error(code, inside=inside)
    receipt = received().body.split(b"<reply>")[1].split(b"</reply>")[0]
    body = both.body.replace(b"</reply>", receipt + b"</reply>")
    assert outcome(replace(both, body=body)) == Unsure("error_beside_receipt")


def test_an_idempotency_service_that_is_not_enabled_is_a_fault_of_setup() -> None:
    assert outcome(error("9", "Service not enabled")) == Unauthorized("error_9")
    assert outcome(error("9", "Request in progress")) == Unsure("error_9")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Refund amount too high", RefusedByGateway("amount_too_high")),
        ("Invalid refund amount", RefusedByGateway("invalid_refund_amount")),
        ("Could not find payment for order", RefusedByGateway("unknown_order")),
        ("Something else", Unsure("error_uncoded")),
    ],
)
def test_an_error_without_code_is_told_by_its_text(text: str, expected: object) -> None:
    assert outcome(error(None, text)) == expected
    assert outcome(error("x1", text)) == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (HttpResponse(401, {}, b"<html>"), Unauthorized("http_401")),
        (HttpResponse(403, {}, b""), Unauthorized("http_403")),
        (HttpResponse(404, {}, b""), NotProcessed("http_404")),
        (HttpResponse(429, {"retry-after": "9"}, b""), NotProcessed("http_429", 9)),
        (HttpResponse(408, {}, b""), Unsure("http_408")),
        (HttpResponse(409, {}, b""), Unsure("http_409")),
        (HttpResponse(500, {}, b""), Unsure("http_500")),
        (HttpResponse(302, {}, b""), Unsure("http_302")),
        (HttpResponse(200, {}, b"<html>ok</html>"), Unsure("not_a_reply")),
        (HttpResponse(200, {}, b""), Unsure("not_xml")),
        (replied("<ok/>"), Unsure("no_receipt")),
        (replied(""), Unsure("no_receipt")),
        (replied(f"<ok>{amount()}</ok>", "OTHER"), Unsure("other_merchant")),
    ],
)
def test_other_answers_prove_no_more_than_their_status(
    response: HttpResponse, expected: Outcome
) -> None:
    assert outcome(response) == expected


def test_a_declared_entity_is_refused_and_nothing_is_fetched() -> None:
    hostile = b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&x;</p>'
    assert outcome(HttpResponse(200, {}, hostile)) == Unsure("xml_subset")


def test_a_stored_void_is_answered_as_a_void() -> None:
    before = order("AUTHORISED", total=amount(595))
    operation = GATEWAY.refund(REFUND)
    next(operation)
    stored = operation.send(before)
    again = drive(
        GATEWAY.refund(REFUND, stored), received("", tag="cancelReceived")
    ).result
    assert isinstance(again, Heard)
    assert again.word is Word.PENDING


# --- probe ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (error("5", "Could not find payment for order"), ProbeResult()),
        (order(), ProbeResult()),
        (error("4"), ProbeResult("error_4", unauthorized=True)),
        (error("8"), ProbeResult("error_8")),
        (HttpResponse(401, {}, b""), ProbeResult("http_401", unauthorized=True)),
        (HttpResponse(200, {}, b"<html>"), ProbeResult("not_xml")),
    ],
)
def test_a_probe_proves_user_and_merchant(
    response: HttpResponse, expected: ProbeResult
) -> None:
    assert result_of(GATEWAY.probe(WORLDPAY), response) == expected
