from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from lxml import etree

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.authorizenet.signing import mistaken_signature, signature
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.model import Fate, Request
from tests.sandbox.authorizenet import (
    KEY,
    LOGIN,
    SALE,
    Merchant,
    code,
    read,
    reason,
)
from tests.sandbox.hands import START
from tests.shared import SHARED
from tests.unit.gateways.anet import NAMESPACE, schema

VECTORS = json.loads(
    (
        SHARED
        / "gateways/specs/webhook-vectors-square-braintree-checkout-authorizenet.json"
    ).read_text("utf-8")
)["authorizenet"]["vectors"]
WINDOW = {"setting": [{"settingName": "duplicateWindow", "settingValue": "28800"}]}


def unsettled(merchant: Merchant, **content: Any) -> Any:
    return merchant.call("getUnsettledTransactionListRequest", **content)


def batches(merchant: Merchant, **content: Any) -> Any:
    return merchant.call("getSettledBatchListRequest", **content).get("batchList", [])


# --- a refund ---------------------------------------------------------------------


def test_a_refund_is_approved_and_settles_with_its_batch() -> None:
    merchant = Merchant()
    answer = merchant.refund()
    assert answer["refId"] == "rw-1"
    told = answer["transactionResponse"]
    assert (told["responseCode"], told["refTransID"]) == ("1", SALE)
    [row] = merchant.rows()
    assert row.executed_at is None
    [pending] = unsettled(merchant)["transactions"]
    assert pending["transactionStatus"] == "refundPendingSettlement"
    assert (pending["invoiceNumber"], pending["settleAmount"]) == ("rw-1", 12.5)
    posts = merchant.wait(300)
    assert [post.event.rpartition("payment.")[2] for post in posts] == [
        "refund.created"
    ]
    assert "transactions" not in unsettled(merchant)
    [batch] = batches(merchant)
    listed = merchant.call("getTransactionListRequest", batchId=batch["batchId"])
    assert [one["transId"] for one in listed["transactions"]] == [told["transId"]]
    found = merchant.details(told["transId"])
    assert found["transrefId"] == "rw-1"
    assert found["transaction"]["transactionStatus"] == "refundSettledSuccessfully"
    assert found["transaction"]["refTransId"] == SALE
    assert found["transaction"]["batch"]["batchId"] == batch["batchId"]
    [row] = merchant.rows()
    assert row.net_minor == 1250


def test_its_bodies_fit_the_schema() -> None:
    official = schema(SHARED / "gateways/specs/AnetApiSchema.xsd")
    merchant = Merchant(settings={"sale_settles_seconds": 10.0})
    merchant.now += 20
    refund_id = merchant.refund()["transactionResponse"]["transId"]
    merchant.wait(300)
    batch_id = batches(merchant)[0]["batchId"]
    found = [
        ("createTransactionResponse", merchant.refund(order=None)),
        ("getTransactionDetailsResponse", merchant.details(refund_id)),
        ("getTransactionDetailsResponse", merchant.details(SALE)),
        ("getUnsettledTransactionListResponse", unsettled(merchant)),
        (
            "getTransactionListResponse",
            merchant.call("getTransactionListRequest", batchId=batch_id),
        ),
        (
            "getSettledBatchListResponse",
            merchant.call("getSettledBatchListRequest"),
        ),
        ("authenticateTestResponse", merchant.call("authenticateTestRequest")),
    ]
    for name, answer in found:
        element = as_answer(name, answer)
        assert official.validate(element), (name, official.error_log)


# The names of a list's elements, and what JSON has after the rest but XML before.
_ONES = {
    "transactions": "transaction",
    "batchList": "batch",
    "message": None,
    "messages": "message",
    "errors": "error",
}
_FIRST = ("refId", "messages", "sessionToken")


def as_answer(name: str, value: Any) -> Any:
    """Undo what JSON makes of an answer: lists without their elements' names."""
    element = etree.Element(f"{{{NAMESPACE}}}{name}")
    if isinstance(value, dict):
        keys = list(value)
        if name.endswith("Response") and name != "transactionResponse":
            keys.sort(key=lambda key: key not in _FIRST)
        for key in keys:
            _append(element, key, value[key])
    else:
        element.text = str(value)
    return element


def _append(element: Any, key: str, value: Any) -> None:
    if not isinstance(value, list):
        element.append(as_answer(key, value))
    elif _ONES[key] is None:
        for one in value:
            element.append(as_answer(key, one))
    else:
        around = etree.SubElement(element, f"{{{NAMESPACE}}}{key}")
        for one in value:
            around.append(as_answer(str(_ONES[key]), one))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"refTransId": None}, "33"),
        ({"payment": None}, "33"),
        ({"payment": {"creditCard": {"cardNumber": "XXXX0000"}}}, "6"),
        ({"amount": "0"}, "5"),
        ({"amount": None}, "5"),
        ({"amount": "-1.00"}, "5"),
        ({"amount": "1.005"}, "5"),
        ({"amount": "50.01"}, "55"),
        ({"currencyCode": "EUR"}, "54"),
    ],
)
def test_a_refund_that_cannot_be_is_refused(changes: Any, expected: str) -> None:
    merchant = Merchant()
    answer = merchant.refund(**changes)
    assert reason(answer) == expected
    assert answer["transactionResponse"]["transId"] == "0"
    assert merchant.rows() == []


def test_a_sale_it_does_not_know_is_not_found() -> None:
    merchant = Merchant()
    order = merchant.order() | {"refTransId": "1"}
    answer = merchant.call("createTransactionRequest", transactionRequest=order)
    assert reason(answer) == "16"


def test_too_much_and_nothing_left_have_codes_of_their_own() -> None:
    merchant = Merchant()
    merchant.refund(amount="40.00")
    assert reason(merchant.refund(amount="11.00")) == "55"
    merchant.refund(amount="10.00")
    assert reason(merchant.refund(amount="0.01")) == "54"


def test_one_code_stands_for_unsettled_old_and_charged_back() -> None:
    merchant = Merchant(settings={"sale_settles_seconds": 60.0})
    assert reason(merchant.refund()) == "54"
    merchant.now += 60
    merchant.model.dispute(SALE, merchant.now, chargeback=True)
    assert reason(merchant.refund()) == "54"
    merchant.add("7", created_at=START - 181 * 86_400)
    assert reason(merchant.refund(refTransId="7")) == "54"


# --- the order of members, and the envelope ---------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "E00003"),
        (b"[]", "E00003"),
        ({"noSuchRequest": {}}, "E00045"),
        ({"authenticateTestRequest": 7}, "E00003"),
        ({"authenticateTestRequest": {}}, "E00003"),
        (
            {"authenticateTestRequest": {"merchantAuthentication": LOGIN, "x": 1}},
            "E00003",
        ),
        (
            {
                "authenticateTestRequest": {
                    "refId": "1",
                    "merchantAuthentication": LOGIN,
                }
            },
            "E00003",
        ),
        (
            {
                "authenticateTestRequest": {
                    "merchantAuthentication": LOGIN,
                    "refId": "r" * 21,
                }
            },
            "E00015",
        ),
        (
            {
                "authenticateTestRequest": {
                    "merchantAuthentication": LOGIN | {"transactionKey": "other"}
                }
            },
            "E00007",
        ),
    ],
)
def test_a_request_out_of_form_is_refused_with_a_good_status(
    body: Any, expected: str
) -> None:
    reply = Merchant().post(body)
    assert reply.status == 200
    assert code(read(reply)) == expected


def test_members_out_of_order_are_refused_whatever_they_say() -> None:
    merchant = Merchant()
    order = merchant.order()
    moved = {"amount": order.pop("amount"), **order}
    answer = merchant.call("createTransactionRequest", transactionRequest=moved)
    assert code(answer) == "E00003"
    card = {"expirationDate": "XXXX", "cardNumber": "XXXX1111"}
    assert code(merchant.refund(payment={"creditCard": card})) == "E00003"
    assert code(merchant.refund(order={"invoiceNumber": "r" * 21})) == "E00015"
    assert code(merchant.refund(transactionType="captureOnly")) == "E00013"
    wide = {"setting": [{"settingName": "duplicateWindow", "settingValue": "28801"}]}
    assert code(merchant.refund(transactionSettings=wide)) == "E00013"
    assert merchant.rows() == []


def test_reporting_can_be_switched_off() -> None:
    merchant = Merchant(settings={"reporting": 0})
    assert code(merchant.details(SALE)) == "E00011"
    assert code(merchant.call("authenticateTestRequest")) == "I00001"


# --- duplicates -------------------------------------------------------------------


def test_an_equal_refund_is_refused_inside_two_minutes() -> None:
    merchant = Merchant()
    merchant.refund()
    assert reason(merchant.refund(amount="12.5")) == "11"
    merchant.now += 119
    assert reason(merchant.refund()) == "11"
    merchant.now += 1
    assert merchant.refund()["transactionResponse"]["responseCode"] == "1"
    assert len(merchant.rows()) == 2


def test_the_window_that_is_asked_for_counts_and_tells_the_twin_or_not() -> None:
    merchant = Merchant()
    first = merchant.refund(transactionSettings=WINDOW)["transactionResponse"][
        "transId"
    ]
    merchant.now += 28_799
    told = [
        merchant.refund(transactionSettings=WINDOW)["transactionResponse"]["transId"]
        for _ in range(20)
    ]
    assert set(told) == {"0", first}
    merchant.now += 1
    again = merchant.refund(transactionSettings=WINDOW)
    assert again["transactionResponse"]["responseCode"] == "1"


def test_the_invoice_number_alone_tells_two_refunds_apart() -> None:
    merchant = Merchant()
    merchant.refund(order=None)
    # Not even of another sale, where the card is the same.
    assert reason(merchant.refund(order=None)) == "11"
    other = merchant.refund(order={"invoiceNumber": "rw-2"})
    assert other["transactionResponse"]["responseCode"] == "1"


def test_a_refused_refund_leaves_no_twin() -> None:
    merchant = Merchant()
    merchant.refund(amount="90.00")
    assert reason(merchant.refund(amount="90.00")) == "55"


# --- voids ------------------------------------------------------------------------


def test_a_sale_before_its_batch_is_voided_whole_and_once() -> None:
    merchant = Merchant(settings={"sale_settles_seconds": 60.0})
    found = merchant.details(SALE)["transaction"]
    assert found["transactionStatus"] == "capturedPendingSettlement"
    first = merchant.void()["transactionResponse"]
    assert (first["responseCode"], first["transId"]) == ("1", SALE)
    again = merchant.void()["transactionResponse"]
    assert (again["responseCode"], again["messages"][0]["code"]) == ("1", "310")
    found = merchant.details(SALE)["transaction"]
    assert (found["transactionStatus"], found["settleAmount"]) == ("voided", 0.0)
    [row] = merchant.rows()
    assert (row.net_minor, row.refund_id) == (5_000, SALE)
    [post] = merchant.wait(10)
    assert post.event.endswith("void.created")


def test_a_settled_sale_is_not_voided() -> None:
    merchant = Merchant()
    assert reason(merchant.void()) == "16"
    assert reason(merchant.void("123")) == "16"
    assert merchant.rows() == []


def test_an_authorization_can_be_voided_and_not_refunded() -> None:
    merchant = Merchant()
    merchant.add("8", captured=False)
    assert reason(merchant.refund(refTransId="8")) == "54"
    assert merchant.void("8")["transactionResponse"]["responseCode"] == "1"


def test_a_refund_before_its_batch_can_be_taken_back() -> None:
    merchant = Merchant()
    refund_id = merchant.refund()["transactionResponse"]["transId"]
    assert merchant.void(refund_id)["transactionResponse"]["responseCode"] == "1"
    again = merchant.void(refund_id)["transactionResponse"]
    assert again["messages"][0]["code"] == "310"
    merchant.wait(600)
    [row] = merchant.rows()
    assert (row.executed_at, row.net_minor) == (None, 0)
    assert merchant.refund(amount="50.00")["transactionResponse"]["responseCode"] == "1"


def test_a_refund_in_a_batch_stays() -> None:
    merchant = Merchant()
    refund_id = merchant.refund()["transactionResponse"]["transId"]
    merchant.wait(300)
    assert reason(merchant.void(refund_id)) == "16"


# --- lists ------------------------------------------------------------------------


def paging(limit: int, offset: int) -> dict[str, Any]:
    return {
        "sorting": {"orderBy": "submitTimeUTC", "orderDescending": True},
        "paging": {"limit": limit, "offset": offset},
    }


def test_a_list_comes_in_pages_the_newest_first() -> None:
    merchant = Merchant()
    for number in range(5):
        merchant.refund(amount="1.00", order={"invoiceNumber": f"rw-{number}"})
        merchant.now += 1
    pages = [
        [
            one["invoiceNumber"]
            for one in unsettled(merchant, **paging(2, n)).get("transactions", [])
        ]
        for n in (1, 2, 3, 4)
    ]
    assert pages == [["rw-4", "rw-3"], ["rw-2", "rw-1"], ["rw-0"], []]


def test_a_list_out_of_bounds_is_refused() -> None:
    merchant = Merchant()
    assert code(unsettled(merchant, **paging(1001, 1))) == "E00013"
    assert code(unsettled(merchant, **paging(1, 0))) == "E00013"
    assert code(unsettled(merchant, paging={"offset": 1, "limit": 1})) == "E00003"
    assert code(unsettled(merchant)) == "I00004"
    unknown = merchant.call("getTransactionListRequest", batchId="1")
    assert code(unknown) == "E00040"
    wide = merchant.call(
        "getSettledBatchListRequest",
        firstSettlementDate="2026-01-01T00:00:00Z",
        lastSettlementDate="2026-02-02T00:00:00Z",
    )
    assert code(wide) == "E00013"


def test_a_read_can_lag() -> None:
    merchant = Merchant(lookup_lags=1.0)
    refund_id = merchant.refund()["transactionResponse"]["transId"]
    assert code(merchant.details(refund_id)) == "E00040"
    assert code(unsettled(merchant)) == "I00004"
    merchant.now += 60
    assert merchant.details(refund_id)["transaction"]["transId"] == refund_id


# --- what happens by itself -------------------------------------------------------


def test_a_held_refund_is_reviewed_and_then_settles() -> None:
    merchant = Merchant(needs_action=1.0)
    told = merchant.refund()["transactionResponse"]
    assert told["responseCode"] == "4"
    found = merchant.details(told["transId"])["transaction"]
    assert found["transactionStatus"] == "FDSPendingReview"
    events = [post.event.rpartition("payment.")[2] for post in merchant.wait(900)]
    assert sorted(events) == ["fraud.approved", "fraud.held", "refund.created"]
    [row] = merchant.rows()
    assert row.net_minor == 1250


def test_a_refund_can_fail_in_its_batch_without_a_word() -> None:
    merchant = Merchant(fails_late=1.0)
    refund_id = merchant.refund()["transactionResponse"]["transId"]
    posts = merchant.wait(600)
    assert len(posts) == 1
    found = merchant.details(refund_id)["transaction"]
    assert found["transactionStatus"] == "generalError"
    [row] = merchant.rows()
    assert row.executed_at is None


def test_a_refund_to_a_bank_account_can_come_back() -> None:
    merchant = Merchant()
    merchant.add("9", method="echeck")
    refund_id = merchant.refund(refTransId="9")["transactionResponse"]["transId"]
    with pytest.raises(UnknownSubjectError):
        merchant.model.bounce(refund_id, merchant.now)
    merchant.wait(300)
    merchant.model.bounce(refund_id, merchant.now)
    found = merchant.details(refund_id)["transaction"]
    assert found["transactionStatus"] == "returnedItem"
    assert found["payment"]["bankAccount"]["accountNumber"].startswith("XXXX")
    assert [row.net_minor for row in merchant.rows()] == [0]


def test_what_is_done_by_hand_is_told_like_the_rest() -> None:
    merchant = Merchant(settings={"sale_settles_seconds": 60.0})
    with pytest.raises(UnknownSubjectError):
        merchant.model.external_refund(SALE, 100, merchant.now)
    merchant.model.external_refund(SALE, 5_000, merchant.now)
    with pytest.raises(UnknownSubjectError):
        merchant.model.external_refund(SALE, 5_000, merchant.now)
    merchant.add("9")
    merchant.now += 60
    merchant.model.external_refund("9", 100, merchant.now, "by hand")
    events = [post.event.rpartition("payment.")[2] for post in merchant.wait(30)]
    assert events == ["void.created", "refund.created"]


def test_a_planted_amount_is_what_is_executed() -> None:
    merchant = Merchant()
    merchant.world.plant("authorizenet", SALE, 77)
    refund_id = merchant.refund()["transactionResponse"]["transId"]
    assert merchant.details(refund_id)["transaction"]["settleAmount"] == 0.77


# --- faults -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["rate_limited", "unavailable", "error_before"])
def test_a_fault_before_executes_nothing(fault: str) -> None:
    merchant = Merchant(**{fault: 1.0})
    body = {
        "createTransactionRequest": {
            "merchantAuthentication": LOGIN,
            "transactionRequest": merchant.order(),
        }
    }
    reply = merchant.post(body)
    if reply.status == 200:
        assert code(read(reply)) in {"E00053", "E00104", "E00001"}
    assert merchant.rows() == []
    assert merchant.world.counters()["authorizenet"][fault] == 1


@pytest.mark.parametrize(
    "fault", ["error_after", "truncated", "reset_after", "garbled"]
)
def test_a_fault_after_has_executed_it(fault: str) -> None:
    merchant = Merchant(**{fault: 1.0})
    body = {
        "createTransactionRequest": {
            "merchantAuthentication": LOGIN,
            "transactionRequest": merchant.order(),
        }
    }
    merchant.post(body)
    assert len(merchant.rows()) == 1


def test_what_comes_late_after_a_resend_is_a_twin() -> None:
    merchant = Merchant(executed_late=1.0)
    body = {
        "createTransactionRequest": {
            "merchantAuthentication": LOGIN,
            "transactionRequest": merchant.order(),
        }
    }
    assert merchant.post(body).fate is Fate.EXECUTED_LATE
    merchant.world.set_faults("none", {})
    merchant.now += 1
    merchant.post(body)
    merchant.wait(100)
    assert len(merchant.rows()) == 1


@pytest.mark.parametrize(
    ("fault", "name", "expected"),
    [
        ("unknown_status", "responseCode", "9"),
        ("sparse_answer", "refTransID", ""),
    ],
)
def test_an_answer_can_be_falsified(fault: str, name: str, expected: str) -> None:
    merchant = Merchant(**{fault: 1.0})
    assert merchant.refund()["transactionResponse"][name] == expected


def test_the_answer_can_name_another_sale() -> None:
    merchant = Merchant(wrong_amount=1.0)
    assert merchant.refund()["transactionResponse"]["refTransID"] != SALE


def test_a_refusal_is_a_business_one() -> None:
    for seed in range(6):
        merchant = Merchant(refusal=1.0, seed=seed)
        assert reason(merchant.refund()) in {"2", "128", "155"}
        assert merchant.rows() == []


# --- webhooks ---------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["id"])
def test_the_signature_is_the_recorded_one(vector: Any) -> None:
    body = vector["body_text"].encode()
    assert signature(vector["signature_key"], body) == vector["signature"]
    mistaken = vector["must_fail_signature_if_key_is_hex_decoded"]
    assert mistaken_signature(vector["signature_key"], body) == mistaken


def test_a_webhook_is_signed_and_a_forgery_is_not() -> None:
    merchant = Merchant(webhook_forged=1.0)
    for number in range(6):
        merchant.refund(amount="1.00", order={"invoiceNumber": f"rw-{number}"})
    posts = merchant.wait(60)
    assert {post.forged for post in posts} == {True, False}
    for post in posts:
        told = dict(post.headers)["X-ANET-Signature"]
        assert (told == signature(KEY, post.body)) is not post.forged


def test_an_unknown_event_is_well_signed() -> None:
    merchant = Merchant(webhook_unknown=1.0)
    merchant.refund()
    events = {post.event.rpartition("payment.")[2] for post in merchant.wait(60)}
    assert "refund.reviewed" in events
    assert merchant.world.counters()["authorizenet"][Fault.WEBHOOK_UNKNOWN] == 1


def get(merchant: Merchant, target: str, key: str = "sandboxKey000001") -> Any:
    pair = base64.b64encode(f"sandboxLogin:{key}".encode()).decode()
    path, _, query = target.partition("?")
    request = Request(
        method="GET",
        path=path,
        query=tuple(tuple(one.split("=")) for one in query.split("&") if one),  # type: ignore[misc]
        headers=(("authorization", f"Basic {pair}"),),
    )
    return merchant.model.handle(request, merchant.now)


def test_the_history_of_notifications_can_be_read() -> None:
    merchant = Merchant()
    merchant.refund()
    root = "/rest/v1/notifications"
    assert get(merchant, root, key="other").status == 401
    [listed] = json.loads(get(merchant, f"{root}?offset=0&limit=10").body)[
        "notifications"
    ]
    one = f"{root}/{listed['notificationId']}"
    assert json.loads(get(merchant, one).body)["deliveryStatus"] == "RetryPending"
    merchant.wait(10)
    assert json.loads(get(merchant, one).body)["deliveryStatus"] == "Delivered"
    assert get(merchant, f"{root}/none").status == 404


def test_another_path_is_not_served() -> None:
    merchant = Merchant()
    request = Request(method="GET", path="/xml/v1/request.api")
    assert merchant.model.handle(request, merchant.now).status == 404


def test_a_snapshot_goes_on_where_it_was() -> None:
    merchant = Merchant()
    merchant.refund()
    merchant.wait(5)
    other = Merchant()
    other.world.load(json.loads(json.dumps(merchant.world.dump())))
    other.now = merchant.now
    assert reason(other.refund()) == "11"
    other.wait(300)
    [row] = other.rows()
    assert row.net_minor == 1250
