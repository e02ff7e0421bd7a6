from __future__ import annotations

from typing import Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    Heard,
    HttpResponse,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.driving import answer, result_of
from tests.unit.gateways.klarna import (
    GATEWAY,
    KLARNA_REFUND,
    LOCATION,
    ORDER_ID,
    REFUND,
    REFUND_ID,
    booked,
    error,
    order,
)


def outcome(*responses: HttpResponse) -> Any:
    return result_of(GATEWAY.refund(KLARNA_REFUND), *responses)


BOOKED = Heard(
    Word.SUCCEEDED,
    Evidence(
        source="answer",
        raw_status="booked",
        amount_minor=5950,
        currency="SEK",
        gateway_reference=REFUND_ID,
        merchant_reference="rw-000123",
        payment_reference=ORDER_ID,
    ),
)


@pytest.mark.parametrize(
    "headers",
    [
        {"refund_id": REFUND_ID, "location": f"{LOCATION}/{REFUND_ID}"},
        {"refund_id": REFUND_ID},
        {"refund_id": f" {REFUND_ID} "},
        {"location": f"{LOCATION}/{REFUND_ID}"},
        {"location": f"/ordermanagement/v1/orders/{ORDER_ID}/refunds/{REFUND_ID}"},
        {"location": f"{LOCATION}/{REFUND_ID}?x=1"},
        {},
    ],
)
@pytest.mark.parametrize("body", [b"", b'"bare string"', b"not json"])
def test_a_booking_is_found_by_either_header_or_by_our_reference(
    headers: dict[str, str], body: bytes
) -> None:
    other = REFUND | {"refund_id": "another", "reference": "rw-000999"}
    assert outcome(booked(body, **headers), order(other, REFUND)) == BOOKED


@pytest.mark.parametrize(
    "headers",
    [
        {"refund_id": "../x", "location": ""},
        {"location": LOCATION},
        {"location": f"{LOCATION}/"},
        {"location": "https://[bad"},
        {"location": f"https://elsewhere.example/{REFUND_ID}"},
    ],
)
def test_headers_that_name_no_refund_are_not_believed(headers: dict[str, str]) -> None:
    assert outcome(booked(**headers), order()) == Unsure("no_refund_id")
    assert outcome(booked(**headers), order(REFUND)) == BOOKED


@pytest.mark.parametrize(
    "read",
    [order(), order(REFUND | {"refund_id": "other"}), error(404, "NO_SUCH_ORDER")]
    + [answer(status) for status in (403, 429, 500, 503)]
    + [answer(200, b"<html>"), order(REFUND, order_id="another")],
)
def test_a_booking_that_no_read_shows_yet_is_only_accepted(read: HttpResponse) -> None:
    found = outcome(booked(refund_id=REFUND_ID), read)
    assert isinstance(found, Heard)
    assert found.word is Word.PENDING
    assert found.evidence.gateway_reference == REFUND_ID
    assert found.evidence.payment_reference == ORDER_ID
    assert found.evidence.amount_minor is None


def test_a_silent_replay_of_another_refund_shows_its_own_amount() -> None:
    first = REFUND | {"refunded_amount": 100, "reference": "rw-000001"}
    found = outcome(booked(refund_id=REFUND_ID), order(first))
    assert found.evidence.amount_minor == 100
    assert found.evidence.merchant_reference == "rw-000001"


def test_without_an_id_two_of_ours_are_for_the_look_up() -> None:
    twice = order(REFUND, REFUND | {"refund_id": "second"})
    assert outcome(booked(), twice) == Unsure("no_refund_id")


@pytest.mark.parametrize("amount", ["5950", 59.5, -1.0, True])
def test_an_amount_that_is_no_whole_number_goes_to_people(amount: object) -> None:
    found = outcome(
        booked(refund_id=REFUND_ID), order(REFUND | {"refunded_amount": amount})
    )
    assert found.word is Word.UNSEEN


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (error(400, "BAD_VALUE"), RefusedByGateway("BAD_VALUE")),
        (error(404, "NO_SUCH_ORDER"), RefusedByGateway("NO_SUCH_ORDER")),
        (error(413, "TOO_LARGE"), RefusedByGateway("TOO_LARGE")),
        (error(415, "MEDIA_TYPE"), RefusedByGateway("MEDIA_TYPE")),
        (
            error(422, "UNPROCESSABLE_ENTITY"),
            RefusedByGateway("UNPROCESSABLE_ENTITY"),
        ),
        (
            error(403, "REFUND_NOT_ALLOWED", "Order has no captures."),
            RefusedByGateway("REFUND_NOT_ALLOWED"),
        ),
        (
            error(403, "REFUND_NOT_ALLOWED", "Amount is higher than captured."),
            RefusedByGateway("REFUND_NOT_ALLOWED", may_be_echo=True),
        ),
        (error(403, "FORBIDDEN"), Unauthorized("http_403:FORBIDDEN")),
        (
            error(403, "ACCESS_NOT_ALLOWED", "Missing PERMISSION"),
            Unauthorized("http_403:ACCESS_NOT_ALLOWED"),
        ),
        (error(401, "UNAUTHORIZED"), Unauthorized("http_401:UNAUTHORIZED")),
        (answer(401, b""), Unauthorized("http_401")),
        (answer(403, b"<html>"), NotProcessed("edge", 300)),
        (answer(403, {}), NotProcessed("edge", 300)),
        (
            error(429, "TOO_MANY_REQUESTS", x_ratelimit_reset="7"),
            NotProcessed("http_429:TOO_MANY_REQUESTS", 7),
        ),
        (answer(429, b"", x_ratelimit_reset="1772445600"), NotProcessed("http_429")),
        (answer(429, b"", x_ratelimit_reset="9999"), NotProcessed("http_429", 3600)),
        (answer(429, b"", x_ratelimit_reset="soon"), NotProcessed("http_429")),
        (answer(429, b"", retry_after="3"), NotProcessed("http_429", 3)),
        (error(409, "CONFLICT"), Unsure("http_409:CONFLICT")),
        (error(500, "UNEXPECTED_ERROR"), Unsure("http_500:UNEXPECTED_ERROR")),
        (answer(503, b"", retry_after="9"), Unsure("http_503", 9)),
        (answer(400, b"<html>"), Unsure("http_400")),
        (answer(404, b""), Unsure("http_404")),
        (answer(200, b"{}"), Unsure("http_200")),
        (answer(204, b""), Unsure("http_204")),
        (error(408, "BAD_VALUE"), Unsure("http_408:BAD_VALUE")),
    ],
)
def test_what_booked_nothing_has_its_class(
    response: HttpResponse, expected: object
) -> None:
    assert outcome(response) == expected
