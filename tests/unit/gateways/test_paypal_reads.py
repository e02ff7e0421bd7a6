from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    Found,
    HttpResponse,
    LookupFailed,
)
from refundwatch.gateways.paypal.adapter import PayPal
from tests.unit.gateways.driving import PAYPAL_REFUND, Drive, answer, drive
from tests.unit.gateways.test_paypal_answers import REFUND

if TYPE_CHECKING:
    from refundwatch.gateways.contract import LookupResult

GATEWAY = PayPal()
CAPTURE_ID = PAYPAL_REFUND.payment_reference
ORDER_ID = "5O190127TN364715T"
API = "https://api-m.paypal.com"
KNOWN = replace(PAYPAL_REFUND, gateway_reference="1JU08902781691411")
CAPTURE_TARGET = f"/v2/payments/captures/{CAPTURE_ID}"
ORDER_TARGET = f"/v2/checkout/orders/{ORDER_ID}"
EVENTS_TARGET = (
    "/v1/notifications/webhooks-events"
    "?event_type=PAYMENT.CAPTURE.REFUNDED&page_size=100"
)


def capture(status: object = "COMPLETED", **changes: Any) -> dict[str, Any]:
    return {
        "id": CAPTURE_ID,
        "status": status,
        "amount": {"currency_code": "EUR", "value": "50.00"},
        "supplementary_data": {"related_ids": {"order_id": ORDER_ID}},
        "links": [
            {"href": f"{API}{CAPTURE_TARGET}", "rel": "self", "method": "GET"},
            {"href": f"{API}{ORDER_TARGET}", "rel": "up", "method": "GET"},
        ],
    } | changes


def refund(
    number: int, value: str = "10.50", of: str = CAPTURE_ID, **changes: Any
) -> dict[str, Any]:
    """Give somebody else's refund of the capture."""
    up = {"href": f"{API}/v2/payments/captures/{of}", "rel": "up", "method": "GET"}
    amount = {"value": value, "currency_code": "EUR"}
    stated = {"id": f"R{number}", "amount": amount, "links": [up]}
    elsewhere = {"custom_id": "", "invoice_id": f"ORDER-{number}"}
    return {**REFUND, **stated, **elsewhere, **changes}


def order(*refunds: object, **changes: Any) -> dict[str, Any]:
    payments: dict[str, object] = {"captures": [capture()]}
    if refunds:
        payments["refunds"] = list(refunds)
    return {
        "id": ORDER_ID,
        "purchase_units": [{"reference_id": "default", "payments": payments}],
    } | changes


def look(*responses: HttpResponse) -> Drive:
    return drive(GATEWAY.look_up(PAYPAL_REFUND), *responses)


def looked(capture_: object, order_: object) -> LookupResult:
    result: LookupResult = look(answer(200, capture_), answer(200, order_)).result
    return result


# --- look-up ----------------------------------------------------------------------


def test_a_refund_with_our_reference_is_found_in_the_order_of_its_capture() -> None:
    ours, other = REFUND, refund(7)
    done = look(
        answer(200, capture("PARTIALLY_REFUNDED")), answer(200, order(other, ours))
    )
    assert [r.target for r in done.requests] == [CAPTURE_TARGET, ORDER_TARGET]
    assert {r.operation for r in done.requests} == {"look_up"}
    assert isinstance(done.result, Found)
    (match,) = done.result.matches
    assert match.word is Word.SUCCEEDED
    assert match.evidence.source == "lookup"
    assert match.evidence.gateway_reference == "1JU08902781691411"
    assert match.evidence.merchant_reference == "rw-000001"
    assert match.evidence.payment_reference == CAPTURE_ID
    assert (match.evidence.amount_minor, match.evidence.currency) == (1050, "EUR")


def test_every_refund_with_our_reference_is_found() -> None:
    listed = order(REFUND, REFUND | {"id": "R8"}, refund(9))
    found = looked(capture("REFUNDED"), listed)
    assert isinstance(found, Found)
    references = [match.evidence.gateway_reference for match in found.matches]
    assert references == ["1JU08902781691411", "R8"]


@pytest.mark.parametrize("field", ["custom_id", "invoice_id"])
def test_one_of_the_two_fields_is_enough_to_be_found(field: str) -> None:
    listed = order(refund(7, **{field: "rw-000001"}))
    assert isinstance(looked(capture("REFUNDED"), listed), Found)


def test_our_reference_on_another_capture_is_found_and_says_so() -> None:
    listed = order(refund(7, of="OTHER", custom_id="rw-000001"))
    found = looked(capture("COMPLETED"), listed)
    assert isinstance(found, Found)
    assert found.matches[0].evidence.payment_reference == "OTHER"


def test_a_pending_refund_is_found_although_the_capture_looks_untouched() -> None:
    found = looked(capture("COMPLETED"), order(REFUND | {"status": "PENDING"}))
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.PENDING


@pytest.mark.parametrize("status", ["COMPLETED", "PENDING", "DECLINED", "FAILED"])
def test_nothing_given_back_and_nothing_listed_is_absent(status: str) -> None:
    assert looked(capture(status), order()) == Absent()


def test_a_list_of_others_refunds_is_absent() -> None:
    assert looked(capture("PARTIALLY_REFUNDED"), order(refund(7))) == Absent()


@pytest.mark.parametrize("status", ["PARTIALLY_REFUNDED", "REFUNDED"])
@pytest.mark.parametrize("listed", [order(), order(refund(7, of="OTHER"))])
def test_a_list_that_the_capture_contradicts_proves_no_absence(
    status: str, listed: object
) -> None:
    assert looked(capture(status), listed) == LookupFailed("refunds_not_listed")


@pytest.mark.parametrize("status", ["COMPLETED", "PENDING"])
@pytest.mark.parametrize("unreadable", [403, 404])
def test_an_untouched_capture_is_absent_without_its_order(
    status: str, unreadable: int
) -> None:
    done = look(answer(200, capture(status)), answer(unreadable, b""))
    assert done.result == Absent()


def test_an_untouched_capture_that_names_no_order_is_absent() -> None:
    nameless = capture(supplementary_data={}, links=[])
    assert look(answer(200, nameless)).result == Absent()


def test_the_order_is_found_by_its_link_where_no_field_names_it() -> None:
    linked = capture("REFUNDED", supplementary_data={})
    assert isinstance(looked(linked, order(REFUND)), Found)


def event_of(resource: object) -> dict[str, object]:
    return {"events": [{"id": "WH-1", "resource": refund(3)}, {"resource": resource}]}


@pytest.mark.parametrize(
    "answers",
    [
        [answer(200, capture("REFUNDED")), answer(404, b"")],
        [answer(200, capture("PARTIALLY_REFUNDED")), answer(403, b"")],
        [answer(200, capture("REFUNDED", supplementary_data={}, links=[]))],
    ],
)
def test_without_a_readable_order_our_event_leads_to_the_refund(
    answers: list[HttpResponse],
) -> None:
    done = look(*answers, answer(200, event_of(REFUND)), answer(200, REFUND))
    assert [r.target for r in done.requests[-2:]] == [
        EVENTS_TARGET,
        "/v2/payments/refunds/1JU08902781691411",
    ]
    assert {r.operation for r in done.requests} == {"look_up"}
    assert isinstance(done.result, Found)
    assert done.result.matches[0].evidence.source == "lookup"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"events": []}),
        (200, event_of(refund(7))),
        (200, event_of(REFUND | {"id": "../x"})),
        (200, {"events": "x"}),
        (200, b"<html>"),
        (403, {"name": "NOT_AUTHORIZED"}),
        (500, event_of(REFUND)),
    ],
)
def test_without_a_readable_order_no_event_proves_nothing(
    status: int, body: object
) -> None:
    done = look(
        answer(200, capture("REFUNDED")),
        answer(404, b""),
        answer(status, body, retry_after="4"),
    )
    assert done.result == LookupFailed("order_unreadable", 4)


def test_a_token_that_ran_out_among_the_events_is_unauthorized() -> None:
    done = look(
        answer(200, capture("REFUNDED")),
        answer(404, b""),
        answer(401, {"error": "invalid_token"}),
    )
    assert done.result == LookupFailed("http_401:invalid_token", unauthorized=True)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            answer(401, {"error": "invalid_token"}),
            LookupFailed("http_401:invalid_token", unauthorized=True),
        ),
        (
            answer(404, {"name": "RESOURCE_NOT_FOUND"}),
            LookupFailed("http_404:RESOURCE_NOT_FOUND"),
        ),
        (answer(429, b"", retry_after="3"), LookupFailed("http_429", 3)),
        (answer(503, b""), LookupFailed("http_503")),
        (answer(200, b"<html>"), LookupFailed("not_json")),
        (answer(200, capture(id="OTHER")), LookupFailed("another_capture")),
        (answer(200, {}), LookupFailed("missing_id")),
        (answer(200, capture("NEW")), LookupFailed("capture_status:NEW")),
        (answer(200, capture(status=None)), LookupFailed("capture_status:null")),
        (
            answer(200, capture(status=["COMPLETED"])),
            LookupFailed("capture_status:null"),
        ),
    ],
)
def test_a_capture_that_was_not_read_proves_nothing(
    response: HttpResponse, expected: LookupFailed
) -> None:
    assert look(response).result == expected


@pytest.mark.parametrize("status", ["COMPLETED", "PARTIALLY_REFUNDED"])
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(401, b""), LookupFailed("http_401", unauthorized=True)),
        (answer(429, b"", retry_after="3"), LookupFailed("http_429", 3)),
        (answer(500, b""), LookupFailed("http_500")),
        (answer(200, b"[]"), LookupFailed("not_an_object")),
        (answer(200, order(id="OTHER")), LookupFailed("another_order")),
        (answer(200, {"id": ORDER_ID}), LookupFailed("no_order_object")),
        (answer(200, order(purchase_units=[])), LookupFailed("no_order_object")),
        (answer(200, order(purchase_units=[7])), LookupFailed("no_order_object")),
        (
            answer(200, order(purchase_units=[{"payments": []}])),
            LookupFailed("no_order_object"),
        ),
        (
            answer(200, order(purchase_units=[{"payments": {"refunds": {}}}])),
            LookupFailed("no_order_object"),
        ),
        (answer(200, order(REFUND | {"id": None})), LookupFailed("missing_id")),
    ],
)
def test_an_order_that_was_not_read_proves_nothing(
    status: str, response: HttpResponse, expected: LookupFailed
) -> None:
    assert look(answer(200, capture(status)), response).result == expected


# --- one refund -------------------------------------------------------------------


def read(*responses: HttpResponse) -> Any:
    return drive(GATEWAY.read_refund(KNOWN), *responses).result


def test_a_refund_is_read_by_paypals_id() -> None:
    found = read(answer(200, REFUND | {"status": "CANCELLED"}))
    assert isinstance(found, Found)
    (match,) = found.matches
    assert match.word is Word.FAILED
    assert match.evidence.source == "poll"
    assert match.evidence.failure_code == "CANCELLED"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(200, REFUND | {"id": "OTHER"}), LookupFailed("another_refund")),
        (answer(200, {}), LookupFailed("missing_id")),
        (answer(200, b""), LookupFailed("not_json")),
        (answer(201, REFUND), LookupFailed("http_201")),
        (answer(404, b""), LookupFailed("http_404")),
        (answer(403, b""), LookupFailed("http_403", unauthorized=True)),
    ],
)
def test_a_refund_that_was_not_read_says_nothing(
    response: HttpResponse, expected: LookupFailed
) -> None:
    assert read(response) == expected
