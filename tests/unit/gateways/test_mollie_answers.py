from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.schemas import conforms, document
from tests.unit.gateways.driving import answer, drive, result_of
from tests.unit.gateways.mollie_hand import (
    GATEWAY,
    GOOD,
    KNOWN,
    MOLLIE,
    MOLLIE_REFUND,
    PAYMENT,
    RECORDED,
    REFUND_ID,
    TOKEN,
    error,
    listed,
    refund,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

GUARD = "A duplicate refund has been detected"


def stored() -> HttpRequest:
    driven = drive(GATEWAY.refund(MOLLIE_REFUND), listed(), answer(201, GOOD))
    return driven.requests[-1]


def outcome(response: HttpResponse) -> Any:
    driven = drive(GATEWAY.refund(MOLLIE_REFUND, stored()), response)
    assert len(driven.requests) == 1
    return driven.result


# --- acceptance -------------------------------------------------------------------


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_documented_refund_object_is_understood(recorded: dict[str, Any]) -> None:
    body, word = recorded["body"], Word(recorded["expected"]["word"])
    assert outcome(answer(recorded["status"], body)) == Heard(
        word,
        Evidence(
            source="answer",
            raw_status=body["status"],
            gateway_reference=REFUND_ID,
            merchant_reference="rw-000001",
            payment_reference=PAYMENT,
            amount_minor=1050,
            currency="EUR",
            failure_code=body["status"] if word is Word.FAILED else None,
        ),
    )


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_recorded_answer_is_what_the_document_describes(
    recorded: dict[str, Any],
) -> None:
    shape = {"$ref": "#/components/schemas/entity-refund-response"}
    conforms(document("mollie-refunds.json"), recorded["body"], shape)


@pytest.mark.parametrize("status", ["in_transit", "", None, 7, "Refunded"])
def test_a_status_that_nobody_saw_goes_to_people(status: Any) -> None:
    heard = outcome(answer(201, GOOD | {"status": status}))
    assert heard.word is Word.UNSEEN
    assert heard.evidence.gateway_reference == REFUND_ID


@pytest.mark.parametrize(
    ("amount", "read"),
    [
        ({"currency": "EUR", "value": "5.95"}, (595, "EUR")),
        ({"currency": "JPY", "value": "1000"}, (1000, "JPY")),
        ({"currency": "ISK", "value": "1000"}, (1000, "ISK")),
        ({"currency": "ISK", "value": "1000.00"}, (1000, "ISK")),
        ({"currency": "KWD", "value": "1.234"}, (1234, "KWD")),
    ],
)
def test_an_amount_is_read_exactly(amount: Any, read: Any) -> None:
    said = outcome(answer(201, GOOD | {"amount": amount}))
    assert said.word is Word.PENDING
    assert (said.evidence.amount_minor, said.evidence.currency) == read


@pytest.mark.parametrize(
    "amount",
    [
        {"currency": "EUR", "value": "5.951"},
        {"currency": "EUR", "value": 5.95},
        {"currency": "EUR", "value": "1e3"},
        {"currency": "eur", "value": "5.95"},
        {"currency": "JPY", "value": "10.5"},
        {"value": "5.95"},
        "5.95",
    ],
    ids=str,
)
def test_an_amount_that_is_none_goes_to_people(amount: Any) -> None:
    said = outcome(answer(201, GOOD | {"amount": amount}))
    assert said.word is Word.UNSEEN
    assert said.evidence.amount_minor is None


@pytest.mark.parametrize(
    ("metadata", "reference"),
    [
        ({"rw_refund_id": "rw-1"}, "rw-1"),
        ('{"rw_refund_id": "rw-1"}', "rw-1"),
        ("rw-000001", "rw-000001"),
        ("order 17", None),
        ({"order": "17"}, None),
        (["rw-1"], None),
        (17, None),
        (None, None),
    ],
    ids=str,
)
def test_our_reference_is_read_from_whatever_was_stored(
    metadata: Any, reference: str | None
) -> None:
    said = outcome(answer(201, GOOD | {"metadata": metadata}))
    assert said.evidence.merchant_reference == reference


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"resource":"refund"}'])
def test_an_acceptance_without_a_refund_proves_nothing(body: bytes) -> None:
    assert isinstance(outcome(answer(201, body)), Unsure)


# --- refusals ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "echo"),
    [(400, True), (404, False), (405, False), (410, False), (415, False), (422, True)],
)
def test_a_documented_refusal_is_one(status: int, *, echo: bool) -> None:
    refused = outcome(error(status, field="amount"))
    assert refused == RefusedByGateway(f"http_{status}:amount", may_be_echo=echo)


def test_a_missing_balance_is_told() -> None:
    refused = outcome(error(422, "Your PayPal balance is insufficient"))
    assert refused.insufficient_funds


def test_the_guard_of_equal_amounts_waits_and_is_no_refusal() -> None:
    assert outcome(error(409, GUARD)) == NotProcessed("equal_amount_guard", 3900)


def test_a_key_in_use_proves_nothing() -> None:
    assert outcome(error(409, "A request with this key is running")) == Unsure(
        "http_409"
    )


def test_a_key_of_another_request_is_stuck_or_at_least_no_refusal() -> None:
    told = outcome(
        error(400, "Idempotency-Key was used before", headers={"retry_after": "9"})
    )
    assert told == Unsure("http_400", 9)


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_not_performed_is_tried_again(status: int) -> None:
    told = outcome(error(status, headers={"retry_after": "11"}))
    assert told == NotProcessed(f"http_{status}", 11)


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 502, 503, 504])
def test_a_page_of_somebody_else_proves_nothing(status: int) -> None:
    assert outcome(answer(status, b"<html>")) == Unsure(f"http_{status}")
    assert isinstance(outcome(answer(status, {"status": 418})), Unsure)


def test_an_error_that_is_repeated_is_stuck() -> None:
    told = outcome(error(500, headers={"idempotent_replayed": "true"}))
    assert told == Unsure("http_500", replayed=True)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_executes_nothing(status: int) -> None:
    assert outcome(error(status)) == Unauthorized(f"http_{status}")


# --- cancellations ----------------------------------------------------------------


def test_a_cancellation_that_is_accepted_ends_the_refund() -> None:
    ended = result_of(GATEWAY.cancel(KNOWN), answer(204, b""))
    assert ended.word is Word.FAILED
    assert ended.evidence.raw_status == ended.evidence.failure_code == "canceled"
    assert ended.evidence.gateway_reference == REFUND_ID


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_what_cannot_be_cancelled_is_read(status: int) -> None:
    now = answer(200, GOOD | {"status": "processing"})
    stands = result_of(GATEWAY.cancel(KNOWN), error(status), now)
    assert (stands.word, stands.evidence.raw_status) == (Word.PENDING, "processing")


def test_a_refund_that_disappeared_is_not_taken_for_cancelled() -> None:
    gone = result_of(GATEWAY.cancel(KNOWN), error(404), error(404), listed(refund(1)))
    assert gone == Unsure("http_404")
    told = refund(1, id=REFUND_ID, status="canceled")
    known = result_of(GATEWAY.cancel(KNOWN), error(404), error(404), listed(told))
    assert known.word is Word.FAILED


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (error(401), Unauthorized("http_401")),
        (error(429), NotProcessed("http_429")),
        (error(503), NotProcessed("http_503")),
        (error(500), Unsure("http_500")),
        (answer(200, {}), Unsure("http_200")),
    ],
    ids=lambda it: str(getattr(it, "status", "")),
)
def test_another_answer_to_a_cancellation_ends_nothing(
    response: Any, result: Any
) -> None:
    assert result_of(GATEWAY.cancel(KNOWN), response) == result


def test_what_has_no_name_at_mollie_cannot_be_cancelled() -> None:
    told = result_of(GATEWAY.cancel(MOLLIE_REFUND))
    assert told == RefusedByGateway("no_gateway_reference")


# --- probes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "resource"), [(MOLLIE, "profile"), (TOKEN, "organization")]
)
def test_a_probe_is_content_with_who_we_are(account: Any, resource: str) -> None:
    told = answer(200, {"resource": resource})
    assert result_of(GATEWAY.probe(account), told) == ProbeResult()
    assert result_of(GATEWAY.probe(account), answer(200, {})).failure
    assert result_of(GATEWAY.probe(account), error(401)).unauthorized
