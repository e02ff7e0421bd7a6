from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.sandbox.settings import DAY_SECONDS
from tests.sandbox.hands import CAPTURE, Hands, body_of, events_of

if TYPE_CHECKING:
    from refundwatch.sandbox.model import Reply


def issue_of(reply: Reply) -> str:
    return body_of(reply)["details"][0]["issue"]


def test_a_refund_completes_at_once() -> None:
    hands = Hands()
    reply = hands.paypal_refund("10.50", key="k")
    refund = body_of(reply)
    assert (reply.status, refund["status"]) == (201, "COMPLETED")
    assert refund["amount"] == {"currency_code": "EUR", "value": "10.50"}
    up = next(link["href"] for link in refund["links"] if link["rel"] == "up")
    assert up.endswith("/v2/payments/captures/" + CAPTURE)
    assert (
        refund["seller_payable_breakdown"]["total_refunded_amount"]["value"] == "10.50"
    )
    [row] = hands.rows("paypal")
    assert (row.net_minor, row.merchant_reference) == (1_050, "rw-1")
    assert events_of(hands.wait(10)) == ["PAYMENT.CAPTURE.REFUNDED"]


def test_the_minimal_form_is_the_default() -> None:
    hands = Hands()
    target = f"/v2/payments/captures/{CAPTURE}/refund"
    reply = hands.paypal(
        "POST", target, {"amount": {"value": "1.00", "currency_code": "EUR"}}
    )
    assert set(body_of(reply)) == {"id", "status", "links"}


def test_an_empty_body_refunds_everything_left() -> None:
    hands = Hands()
    hands.paypal_refund("10.00")
    hands.paypal("POST", f"/v2/payments/captures/{CAPTURE}/refund")
    assert [row.net_minor for row in hands.rows("paypal")] == [1_000, 4_000]


# Tokens.


def test_a_token_is_had_with_basic_credentials() -> None:
    token = body_of(Hands().paypal_token())
    assert token["expires_in"] == 32_400
    assert token["token_type"] == "Bearer"


def test_wrong_credentials_have_the_form_of_oauth() -> None:
    reply = Hands().paypal_token("wrong")
    assert (reply.status, body_of(reply)["error"]) == (401, "invalid_client")


def test_a_call_without_a_token_is_an_authentication_failure() -> None:
    reply = Hands().paypal("GET", f"/v2/payments/captures/{CAPTURE}", Authorization="")
    assert (reply.status, body_of(reply)["name"]) == (401, "AUTHENTICATION_FAILURE")


def test_a_token_expires() -> None:
    hands = Hands()
    target = f"/v2/payments/captures/{CAPTURE}"
    assert hands.paypal("GET", target).status == 200
    hands.wait(32_400)
    reply = hands.paypal("GET", target)
    assert (reply.status, body_of(reply)["error"]) == (401, "invalid_token")


def test_the_expired_token_fault_ends_the_token_without_execution() -> None:
    hands = Hands()
    hands.paypal("GET", f"/v2/payments/captures/{CAPTURE}")
    hands.world.set_faults(None, {"token_expired": 1.0})
    assert body_of(hands.paypal_refund(key="k"))["error"] == "invalid_token"
    hands.world.set_faults("none", {})
    assert hands.paypal_refund(key="k").status == 401
    assert hands.rows("paypal") == []
    hands.token = ""
    assert hands.paypal_refund(key="k").status == 201


# Idempotency, rule by rule.


def test_same_id_shows_the_refund_as_it_now_is() -> None:
    hands = Hands(pending_first=1.0)
    first = body_of(hands.paypal_refund(key="k"))
    assert first["status"] == "PENDING"
    assert first["status_details"] == {"reason": "ECHECK"}
    hands.wait(600)
    again = hands.paypal_refund(key="k")
    assert again.status == 200
    assert (body_of(again)["id"], body_of(again)["status"]) == (
        first["id"],
        "COMPLETED",
    )
    assert len(hands.rows("paypal")) == 1


def test_same_id_while_the_first_runs_is_409() -> None:
    hands = Hands(latency_seconds=2.0, latency_spread=0.0)
    hands.paypal_refund(key="k")
    reply = hands.paypal_refund(key="k")
    assert (reply.status, issue_of(reply)) == (409, "PREVIOUS_REQUEST_IN_PROGRESS")
    hands.wait(2.0)
    assert hands.paypal_refund(key="k").status == 200
    assert len(hands.rows("paypal")) == 1


def test_same_id_other_body_is_a_duplicate_request_id() -> None:
    hands = Hands()
    hands.paypal_refund("10.00", key="k")
    reply = hands.paypal_refund("11.00", key="k")
    assert (reply.status, issue_of(reply)) == (400, "DUPLICATE_REQUEST_ID")
    assert len(hands.rows("paypal")) == 1


def test_a_rejected_attempt_does_not_burn_the_id() -> None:
    hands = Hands(refusal=1.0)
    assert hands.paypal_refund(key="k").status == 422
    hands.world.set_faults("none", {})
    assert hands.paypal_refund(key="k").status == 201


def test_an_error_after_execution_is_healed_by_a_repeat() -> None:
    hands = Hands(error_after=1.0)
    assert hands.paypal_refund(key="k").status >= 500
    hands.world.set_faults("none", {})
    assert hands.paypal_refund(key="k").status == 200
    assert len(hands.rows("paypal")) == 1


def test_the_id_is_kept_for_45_days() -> None:
    hands = Hands()
    hands.paypal_refund(key="k")
    hands.wait(45 * DAY_SECONDS)
    hands.token = ""
    reply = hands.paypal_refund(key="k")
    # The invoice id still guards when the request id no longer does.
    assert issue_of(reply) == "DUPLICATE_INVOICE_ID"
    assert len(hands.rows("paypal")) == 1


def test_another_id_with_the_same_invoice_is_refused() -> None:
    hands = Hands()
    hands.paypal_refund(key="a")
    reply = hands.paypal_refund(key="b")
    assert (reply.status, issue_of(reply)) == (422, "DUPLICATE_INVOICE_ID")


# Refusals.


@pytest.mark.parametrize(
    ("value", "currency", "status", "issue"),
    [
        ("10.005", "EUR", 422, "DECIMAL_PRECISION"),
        ("0.00", "EUR", 422, "CANNOT_BE_ZERO_OR_NEGATIVE"),
        ("-1.00", "EUR", 422, "CANNOT_BE_ZERO_OR_NEGATIVE"),
        ("10.00", "XXX", 422, "INVALID_CURRENCY_CODE"),
        ("10.00", "USD", 422, "REFUND_CAPTURE_CURRENCY_MISMATCH"),
        ("50.01", "EUR", 422, "REFUND_AMOUNT_EXCEEDED"),
        ("1,50", "EUR", 400, "INVALID_PARAMETER_SYNTAX"),
        ("10.00", "JPY", 422, "DECIMALS_NOT_SUPPORTED"),
        ("10.00", "HUF", 422, "DECIMALS_NOT_SUPPORTED"),
    ],
)
def test_bad_amounts_are_named(
    value: str, currency: str, status: int, issue: str
) -> None:
    hands = Hands()
    reply = hands.paypal_refund(value, currency=currency)
    assert (reply.status, issue_of(reply)) == (status, issue)
    assert body_of(reply)["debug_id"] == reply.header("paypal-debug-id")


def test_an_amount_as_a_number_is_refused() -> None:
    target = f"/v2/payments/captures/{CAPTURE}/refund"
    body = {"amount": {"value": 10.0, "currency_code": "EUR"}}
    reply = Hands().paypal("POST", target, body)
    assert issue_of(reply) == "INVALID_PARAMETER_SYNTAX"


def test_an_unknown_capture_is_404() -> None:
    reply = Hands().paypal_refund(capture="0" * 17)
    assert (reply.status, issue_of(reply)) == (404, "INVALID_RESOURCE_ID")


def test_nothing_left_is_fully_refunded() -> None:
    hands = Hands()
    hands.paypal_refund("50.00")
    reply = hands.paypal_refund("1.00", reference="rw-2")
    assert issue_of(reply) == "CAPTURE_FULLY_REFUNDED"


def test_two_refunds_together_cannot_pass_the_capture() -> None:
    hands = Hands()
    hands.paypal_refund("30.00", reference="rw-a")
    reply = hands.paypal_refund("30.00", reference="rw-b")
    assert issue_of(reply) == "REFUND_AMOUNT_EXCEEDED"


@pytest.mark.parametrize(
    ("facts", "value", "issue"),
    [
        ({"captured": False}, "1.00", "PENDING_CAPTURE"),
        ({"dispute": "chargeback"}, "1.00", "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"),
        ({"dispute": "open"}, "1.00", "TRANSACTION_DISPUTED"),
        ({"partial_allowed": False}, "1.00", "PARTIAL_REFUND_NOT_ALLOWED"),
    ],
)
def test_the_state_of_the_capture_decides(
    facts: dict[str, Any], value: str, issue: str
) -> None:
    hands = Hands()
    hands.add("paypal", "A" * 17, **facts)
    assert issue_of(hands.paypal_refund(value, capture="A" * 17)) == issue


def test_a_full_refund_is_allowed_while_a_dispute_is_open() -> None:
    hands = Hands()
    hands.add("paypal", "A" * 17, dispute="open")
    assert hands.paypal_refund("50.00", capture="A" * 17).status == 201


def test_a_refund_after_180_days_is_too_late() -> None:
    hands = Hands()
    hands.wait(181 * DAY_SECONDS)
    assert issue_of(hands.paypal_refund()) == "REFUND_TIME_LIMIT_EXCEEDED"


def test_the_mock_header_forces_an_issue() -> None:
    hands = Hands()
    mock = '{"mock_application_codes":"REFUND_FAILED_INSUFFICIENT_FUNDS"}'
    target = f"/v2/payments/captures/{CAPTURE}/refund"
    reply = hands.paypal("POST", target, {}, **{"PayPal-Mock-Response": mock})
    assert issue_of(reply) == "REFUND_FAILED_INSUFFICIENT_FUNDS"
    assert hands.rows("paypal") == []


def test_another_content_type_is_415() -> None:
    target = f"/v2/payments/captures/{CAPTURE}/refund"
    reply = Hands().paypal("POST", target, {}, **{"Content-Type": "text/plain"})
    assert reply.status == 415


# Life and reads.


@pytest.mark.parametrize("fails", [0.0, 1.0])
def test_the_end_of_a_pending_refund_is_told_by_no_event(fails: float) -> None:
    hands = Hands(pending_first=1.0, fails_late=fails)
    refund = body_of(hands.paypal_refund())
    posts = hands.wait(3_600)
    assert events_of(posts) == ["PAYMENT.CAPTURE.REFUNDED"]
    assert json.loads(posts[0].body)["resource"]["status"] == "PENDING"
    read = body_of(hands.paypal("GET", f"/v2/payments/refunds/{refund['id']}"))
    [row] = hands.rows("paypal")
    if fails:
        assert read["status"] in ("FAILED", "CANCELLED")
        assert (row.executed_at, row.net_minor) == (None, 0)
    else:
        assert (read["status"], row.net_minor) == ("COMPLETED", 1_000)


def test_the_capture_tells_how_much_only_by_its_status() -> None:
    hands = Hands()
    target = f"/v2/payments/captures/{CAPTURE}"
    assert body_of(hands.paypal("GET", target))["status"] == "COMPLETED"
    hands.paypal_refund("10.00")
    assert body_of(hands.paypal("GET", target))["status"] == "PARTIALLY_REFUNDED"
    hands.paypal_refund("40.00", reference="rw-2")
    assert body_of(hands.paypal("GET", target))["status"] == "REFUNDED"


def test_the_order_lists_its_refunds_after_the_lag() -> None:
    hands = Hands(lookup_lags=1.0)
    capture = body_of(hands.paypal("GET", f"/v2/payments/captures/{CAPTURE}"))
    order_id = capture["supplementary_data"]["related_ids"]["order_id"]
    refund_id = body_of(hands.paypal_refund())["id"]
    target = f"/v2/checkout/orders/{order_id}"
    early = body_of(hands.paypal("GET", target))
    assert "refunds" not in early["purchase_units"][0]["payments"]
    assert hands.paypal("GET", f"/v2/payments/refunds/{refund_id}").status == 404
    hands.wait(60)
    late = body_of(hands.paypal("GET", target))
    [refund] = late["purchase_units"][0]["payments"]["refunds"]
    assert (refund["id"], refund["custom_id"]) == (refund_id, "rw-1")


def test_events_can_be_listed_read_and_sent_again() -> None:
    hands = Hands()
    refund_id = body_of(hands.paypal_refund())["id"]
    hands.wait(60)
    query = f"?event_type=PAYMENT.CAPTURE.REFUNDED&transaction_id={refund_id}"
    listed = body_of(hands.paypal("GET", "/v1/notifications/webhooks-events" + query))
    [event] = listed["events"]
    target = f"/v1/notifications/webhooks-events/{event['id']}"
    assert body_of(hands.paypal("GET", target)) == event
    assert hands.paypal("POST", target + "/resend", {}).status == 202
    assert events_of(hands.wait(1)) == ["PAYMENT.CAPTURE.REFUNDED"]


def test_disputes_and_reversals_are_events() -> None:
    hands = Hands()
    model = hands.world.model("paypal")
    model.dispute(CAPTURE, hands.now, chargeback=False)
    [post] = hands.wait(60)
    resource = json.loads(post.body)["resource"]
    assert post.event == "CUSTOMER.DISPUTE.CREATED"
    [disputed] = resource["disputed_transactions"]
    assert disputed["seller_transaction_id"] == CAPTURE
    model.dispute(CAPTURE, hands.now, chargeback=True)
    assert events_of(hands.wait(60)) == ["PAYMENT.CAPTURE.REVERSED"]
    assert hands.rows("paypal") == []


def test_amounts_without_decimals_are_written_without() -> None:
    hands = Hands()
    hands.add("paypal", "B" * 17, 100_000, "HUF")
    refund = body_of(hands.paypal_refund("10", currency="HUF", capture="B" * 17))
    assert refund["amount"]["value"] == "10"
    assert [row.net_minor for row in hands.rows("paypal")] == [1_000]
