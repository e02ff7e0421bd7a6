from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from refundwatch.gateways.contract import Credentials, HttpRequest
from refundwatch.gateways.cybersource import encryption
from refundwatch.sandbox import snapshot
from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.cybersource.proving import webhook_signature
from refundwatch.sandbox.model import Fate, Reply
from refundwatch.sandbox.world import World
from tests.sandbox.cybersource import (
    ACCOUNT,
    CAPTURE,
    CHECK,
    PLAIN,
    SALE,
    SIGNING,
    Merchant,
    body_of,
)
from tests.sandbox.hands import signer
from tests.shared import SHARED
from tests.unit.gateways.cybersource_making import private_key, private_pem

SPECS = SHARED / "gateways/specs"
SPEC = json.loads((SPECS / "cybersource-refunds.json").read_text("utf-8"))
VECTORS = json.loads(
    (SPECS / "webhook-vectors-mollie-razorpay-cybersource-klarna.json").read_text(
        "utf-8"
    )
)["cybersource"]["vectors"]


def fits(value: Any, path: str, method: str, status: str) -> None:
    schema = SPEC["paths"][path][method]["responses"][status]["schema"]
    jsonschema.Draft202012Validator(schema).validate(value)


def refused(reply: Reply) -> tuple[int, str]:
    return reply.status, body_of(reply)["reason"]


# --- who asks ---------------------------------------------------------------------

TARGET = f"/tss/v2/transactions/{CAPTURE}"
BOTH = pytest.mark.parametrize("account", [ACCOUNT, SIGNING], ids=["jwt", "signature"])


@BOTH
def test_a_proven_request_is_served(account: Any) -> None:
    merchant = Merchant(account=account)
    assert merchant.send("GET", TARGET).status == 200
    assert merchant.refund().status == 201


@BOTH
@pytest.mark.parametrize(
    "changes",
    [
        {"target": f"{TARGET}1"},
        {"method": "PUT"},
        {"body": b"{}"},
        {"headers": ()},
    ],
)
def test_another_request_than_the_proven_one_is_not_served(
    account: Any, changes: dict[str, Any]
) -> None:
    merchant = Merchant(account=account)
    reply = merchant.deliver(replace(merchant.authorized("GET", TARGET), **changes))
    assert reply.status == 401
    assert body_of(reply) == {"response": {"rmsg": "Authentication Failed"}}


@BOTH
@pytest.mark.parametrize("seconds", [-3_600, 3_600])
def test_a_clock_of_another_hour_is_not_believed(account: Any, seconds: float) -> None:
    merchant = Merchant(account=account)
    request = merchant.authorized("GET", TARGET, at=merchant.now + seconds)
    assert merchant.deliver(request).status == 401


@BOTH
@pytest.mark.parametrize(
    "values",
    [
        {"key_id": "another", "shared_secret": PLAIN.shared_secret},
        {"key_id": PLAIN.key_id, "shared_secret": "YW5vdGhlcg=="},
    ],
)
def test_another_key_is_not_believed(account: Any, values: dict[str, str]) -> None:
    merchant = Merchant(account=account)
    headers = [("Host", "h"), ("v-c-merchant-id", PLAIN.merchant_id)]
    if account is ACCOUNT:
        headers.append(("Authorization", "Bearer"))
    bare = HttpRequest("x", "GET", TARGET, tuple(headers))
    now = datetime.fromtimestamp(merchant.now, UTC)
    request = merchant.adapter.authorize(bare, Credentials(values), now)
    assert merchant.deliver(request).status == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.b.c", "..", "Bearer"])
def test_what_is_no_token_is_not_believed(token: str) -> None:
    headers = (("Authorization", f"Bearer {token}"),)
    reply = Merchant().deliver(HttpRequest("x", "GET", TARGET, headers))
    assert reply.status == 401


# --- orders -----------------------------------------------------------------------


def test_every_order_is_another_refund_whatever_it_repeats() -> None:
    merchant = Merchant()
    replies = [merchant.refund() for _ in range(6)]
    assert [reply.status for reply in replies[:5]] == [201] * 5
    assert len({body_of(reply)["id"] for reply in replies[:5]}) == 5
    assert refused(replies[5]) == (400, "INVALID_AMOUNT")


@pytest.fixture
def answered() -> list[Any]:
    merchant = Merchant()
    return [body_of(merchant.refund("0.10", code=f"rw-{n}")) for n in range(12)]


def test_an_order_is_answered_pending(answered: list[Any]) -> None:
    for body in answered:
        assert body["status"] == "PENDING"
        assert body["refundAmountDetails"]["refundAmount"] == "0.10"
        assert len(body["id"]) == 22
        assert body["id"].isdigit()
        assert int(body["id"]) > 2**53
        fits(body, "/pts/v2/captures/{id}/refunds", "post", "201")


def test_the_echoed_currency_is_in_either_case(answered: list[Any]) -> None:
    told = {body["refundAmountDetails"]["currency"] for body in answered}
    assert told == {"USD", "usd"}


def test_created_may_be_declined() -> None:
    merchant = Merchant(refusal=1.0)
    bodies = [merchant.refund(code=f"rw-{number}") for number in range(30)]
    assert {reply.status for reply in bodies} == {201}
    told = {body_of(reply)["status"] for reply in bodies}
    assert told == {"DECLINED", "INVALID_REQUEST"}
    assert not any(row.executed for row in merchant.rows())
    one = body_of(bodies[0])
    seen = merchant.transaction(one["id"])["applicationInformation"]
    assert seen["rCode"] == "0"
    merchant.world.set_faults("none", {})
    assert body_of(merchant.refund("50.00"))["status"] == "PENDING"


def test_decimals_that_a_currency_does_not_have_are_cut_off() -> None:
    merchant = Merchant()
    merchant.add("7000000000000000000001", 5_000, currency="JPY")
    merchant.refund("9.999")
    merchant.refund("99.9", payment="7000000000000000000001", currency="JPY")
    assert [row.amount_minor for row in merchant.rows()] == [999, 99]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": None}, "MISSING_FIELD"),
        ({"amount": 10}, "INVALID_DATA"),
        ({"amount": "-1.00"}, "INVALID_DATA"),
        ({"amount": "1,00"}, "INVALID_DATA"),
        ({"amount": "0.00"}, "INVALID_AMOUNT"),
        ({"amount": "0.001"}, "INVALID_AMOUNT"),
        ({"amount": "50.01"}, "INVALID_AMOUNT"),
        ({"currency": None}, "MISSING_FIELD"),
        ({"currency": "usd"}, "INVALID_DATA"),
        ({"currency": "EUR"}, "INVALID_DATA"),
        ({"code": ""}, "MISSING_FIELD"),
        ({"code": "x" * 51}, "INVALID_DATA"),
        ({"code": 7}, "INVALID_DATA"),
        ({"payment": "7"}, "INVALID_DATA"),
        ({"orderInformation": "x"}, "MISSING_FIELD"),
        ({"clientReferenceInformation": {}}, "MISSING_FIELD"),
    ],
)
def test_an_order_that_cybersource_does_not_take_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    merchant = Merchant()
    reply = merchant.refund(**changes)
    assert refused(reply) == (400, reason)
    fits(body_of(reply), "/pts/v2/captures/{id}/refunds", "post", "400")
    assert merchant.rows() == []


@pytest.mark.parametrize("body", [b"[]", b"\xff", b"x"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    target = f"/pts/v2/captures/{CAPTURE}/refunds"
    assert refused(Merchant().send("POST", target, body)) == (400, "INVALID_DATA")


def test_each_way_of_taking_money_has_its_own_path() -> None:
    merchant = Merchant()
    authorization = merchant.model.payment(CAPTURE).order_id
    wrong = [
        {"payment": CAPTURE, "kind": "payments"},
        {"payment": authorization, "kind": "payments"},
        {"payment": SALE, "kind": "captures"},
        {"payment": CHECK, "kind": "payments"},
    ]
    for where in wrong:
        assert refused(merchant.refund(**where)) == (400, "INVALID_DATA")
    check = {"paymentInformation": {"paymentType": {"name": "CHECK"}}}
    assert merchant.refund(payment=CAPTURE).status == 201
    assert merchant.refund(payment=SALE, kind="payments").status == 201
    assert merchant.refund(payment=CHECK, kind="payments", **check).status == 201
    merchant.add("7000000000000000000009", captured=False)
    early = merchant.refund(payment="7000000000000000000009", kind="payments")
    assert refused(early) == (400, "INVALID_DATA")


def test_a_processor_may_give_back_more_than_was_captured() -> None:
    merchant = Merchant(settings={"bounds_refunds": 0})
    assert merchant.refund("99.00").status == 201
    merchant.wait(10)
    assert [row.net_minor for row in merchant.rows()] == [9_900]


def test_after_half_a_year_a_refund_is_declined() -> None:
    merchant = Merchant()
    merchant.now += 181 * 86_400
    assert body_of(merchant.refund())["status"] == "DECLINED"


def test_a_planted_amount_is_what_is_paid() -> None:
    merchant = Merchant()
    merchant.world.plant("cybersource", CAPTURE, 7)
    assert body_of(merchant.refund())["refundAmountDetails"]["refundAmount"] == "0.07"


@pytest.mark.parametrize("path", ["/x", "/pts/v2/credits", "/pts/v2/refunds"])
def test_another_path_is_not_served(path: str) -> None:
    assert Merchant().send("POST", path, {}).status == 404


# --- cancelling -------------------------------------------------------------------


def void(merchant: Merchant, refund_id: str) -> Reply:
    body = {"clientReferenceInformation": {"code": "rw-1-void"}}
    return merchant.send("POST", f"/pts/v2/refunds/{refund_id}/voids", body)


def timeout_void(merchant: Merchant, attempt: str, slash: str = "") -> Reply:
    body = {"clientReferenceInformation": {"code": "rw-1", "transactionId": attempt}}
    return merchant.send("POST", f"/pts/v2/voids{slash}", body)


def test_a_refund_in_no_batch_is_cancelled() -> None:
    merchant = Merchant()
    made = body_of(merchant.refund("50.00"))
    reply = void(merchant, made["id"])
    assert (reply.status, body_of(reply)["status"]) == (201, "VOIDED")
    fits(body_of(reply), "/pts/v2/refunds/{id}/voids", "post", "201")
    assert refused(void(merchant, made["id"])) == (400, "NOT_VOIDABLE")
    merchant.wait(1_000)
    assert not any(row.executed for row in merchant.rows())
    seen = merchant.transaction(made["id"])
    assert seen["applicationInformation"]["status"] == "VOIDED"
    own = merchant.transaction(body_of(reply)["id"])
    assert own["applicationInformation"]["applications"][0]["name"] == "ics_void"
    assert merchant.refund("50.00").status == 201


def test_a_batched_refund_is_not_cancelled() -> None:
    merchant = Merchant()
    made = body_of(merchant.refund())
    merchant.wait(10)
    assert refused(void(merchant, made["id"])) == (400, "NOT_VOIDABLE")
    assert refused(void(merchant, "7")) == (400, "INVALID_DATA")
    assert [row.net_minor for row in merchant.rows()] == [1_000]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_lost_order_is_cancelled_by_its_attempt(slash: str) -> None:
    merchant = Merchant()
    assert refused(timeout_void(merchant, "Trw-1", slash)) == (400, "INVALID_DATA")
    merchant.refund()
    assert refused(timeout_void(merchant, "", slash)) == (400, "INVALID_DATA")
    reply = timeout_void(merchant, "Trw-1", slash)
    assert body_of(reply)["status"] == "VOIDED"
    fits(body_of(reply), "/pts/v2/voids/", "post", "201")
    merchant.wait(1_000)
    assert not any(row.executed for row in merchant.rows())


# --- reads ------------------------------------------------------------------------


def test_the_search_lags_and_then_shows_without_a_status() -> None:
    merchant = Merchant()
    made = body_of(merchant.refund())
    query = (
        "clientReferenceInformation.code:rw-1 AND "
        "submitTimeUtc:[NOW/DAY-7DAYS TO NOW/DAY+1DAY}"
    )
    assert merchant.search(query)["totalCount"] == 0
    merchant.now += 121
    found = merchant.search(query)
    [row] = found["_embedded"]["transactionSummaries"]
    assert row["id"] == made["id"]
    assert "status" not in row["applicationInformation"]
    fits(found, "/tss/v2/searches", "post", "201")


def test_a_search_finds_longer_references_too() -> None:
    merchant = Merchant()
    merchant.refund(code="rw-1")
    merchant.refund(code="rw-1-b")
    merchant.refund(code="rw-12")
    merchant.now += 121
    found = merchant.search('clientReferenceInformation.code:"rw-1"')
    codes = {
        row["clientReferenceInformation"]["code"]
        for row in found["_embedded"]["transactionSummaries"]
    }
    assert codes == {"rw-1", "rw-1-b"}


def test_a_search_is_paged() -> None:
    merchant = Merchant()
    for number in range(5):
        merchant.refund("1.00", code=f"rw-1-{number}")
    merchant.now += 121
    query = "clientReferenceInformation.code:rw-1"
    page = merchant.search(query, limit=2, offset=4)
    assert (page["totalCount"], page["count"]) == (5, 1)
    assert "_embedded" not in merchant.search(query, offset=9)


def test_a_search_by_id_and_by_time() -> None:
    merchant = Merchant()
    assert merchant.search(f"id:{CAPTURE}")["totalCount"] == 1
    merchant.now += 8 * 86_400
    week = "submitTimeUtc:[NOW/DAY-7DAYS TO NOW/DAY+1DAY}"
    assert merchant.search(week)["totalCount"] == 0
    ever = "submitTimeUtc:[2020-01-01T00:00:00Z TO 2040-01-01T00:00:00Z]"
    assert merchant.search(ever)["totalCount"] == 3


@pytest.mark.parametrize(
    "query",
    ["", "x", "a:b OR c:d", "unknown:1", "submitTimeUtc:x", "submitTimeUtc:[x TO y]"],
)
def test_a_query_that_nobody_reads_is_refused(query: str) -> None:
    body = {"query": query, "limit": 1}
    reply = Merchant().send("POST", "/tss/v2/searches", body)
    assert refused(reply) == (400, "INVALID_DATA")


def test_a_transaction_names_what_it_belongs_to() -> None:
    merchant = Merchant()
    merchant.add("7000000000000000000002", already_refunded_minor=700)
    made = body_of(merchant.refund(payment="7000000000000000000002"))
    seen = merchant.transaction("7000000000000000000002")
    fits(seen, "/tss/v2/transactions/{id}", "get", "200")
    names = [
        link["href"].rpartition("/")[2]
        for link in seen["_links"]["relatedTransactions"]
    ]
    kinds = {}
    for name in names:
        one = merchant.transaction(name)
        fits(one, "/tss/v2/transactions/{id}", "get", "200")
        kinds[name] = one["applicationInformation"]["applications"][0]["name"]
    assert list(kinds.values()) == ["ics_auth", "ics_credit", "ics_credit"]
    assert made["id"] in kinds
    assert seen["rootId"] == names[0]
    assert merchant.send("GET", "/tss/v2/transactions/7").status == 404


def test_a_refund_that_lags_is_not_read() -> None:
    merchant = Merchant(lookup_lags=1.0)
    made = body_of(merchant.refund())
    assert merchant.send("GET", f"/tss/v2/transactions/{made['id']}").status == 404
    merchant.now += 60
    assert merchant.transaction(made["id"])["id"] == made["id"]


# --- life -------------------------------------------------------------------------


def test_a_refund_is_batched_and_told_twice() -> None:
    merchant = Merchant()
    made = body_of(merchant.refund())
    posts = merchant.wait(60)
    told = [(post.event, json.loads(post.body)["payload"]["status"]) for post in posts]
    assert sorted(told) == [
        ("payments.refund.status.accepted", "PENDING"),
        ("payments.refund.status.updated", "BATCHED"),
    ]
    seen = merchant.transaction(made["id"])
    assert seen["applicationInformation"]["status"] == "TRANSMITTED"
    assert [row.net_minor for row in merchant.rows()] == [1_000]


def test_a_refund_may_fail_before_its_batch_and_nothing_tells() -> None:
    merchant = Merchant(fails_late=1.0)
    made = body_of(merchant.refund())
    assert [post.event for post in merchant.wait(60)] == [
        "payments.refund.status.accepted"
    ]
    seen = merchant.transaction(made["id"])
    assert seen["applicationInformation"]["status"] == "FAILED"
    assert not any(row.executed for row in merchant.rows())


def report(merchant: Merchant) -> Any:
    day = "startTime=2020-01-01T00:00:00Z&endTime=2040-01-01T00:00:00Z"
    reply = merchant.send("GET", f"/reporting/v3/purchase-refund-details?{day}")
    assert reply.status == 200, reply
    page = body_of(reply)
    fits(page, "/reporting/v3/purchase-refund-details", "get", "200")
    return page


@BOTH
def test_a_bounce_of_a_card_is_told_by_the_report_alone(account: Any) -> None:
    merchant = Merchant(account=account)
    made = body_of(merchant.refund())
    merchant.refund(code="rw-2")
    merchant.wait(60)
    merchant.model.bounce(made["id"], merchant.now)
    assert merchant.wait(60) == []
    seen = merchant.transaction(made["id"])
    assert seen["applicationInformation"]["status"] == "TRANSMITTED"
    told = {
        one["requestId"]: one["status"]
        for one in report(merchant)["settlementStatuses"]
    }
    assert told.pop(made["id"]) == "Failed"
    assert list(told.values()) == ["Settled"]
    assert sum(row.net_minor for row in merchant.rows()) == 1_000
    with pytest.raises(UnknownSubjectError):
        merchant.model.bounce(made["id"], merchant.now)


def test_a_bounce_of_a_check_is_told_by_an_event() -> None:
    merchant = Merchant(bounces=1.0)
    check = {"paymentInformation": {"paymentType": {"name": "CHECK"}}}
    made = body_of(merchant.refund(payment=CHECK, kind="payments", **check))
    merchant.refund(code="rw-2")
    events = [post.event for post in merchant.wait(1_000)]
    assert events.count("payments.credits.failed") == 1
    seen = merchant.transaction(made["id"])
    assert seen["applicationInformation"]["status"] == "FAILED"
    assert sum(row.net_minor for row in merchant.rows()) == 1_000


def test_a_report_needs_its_days() -> None:
    reply = Merchant().send("GET", "/reporting/v3/purchase-refund-details")
    assert reply.status == 400


def test_a_refund_in_the_business_center_and_a_dispute() -> None:
    merchant = Merchant()
    refund = merchant.model.external_refund(CAPTURE, 300, merchant.now, "by hand")
    merchant.model.dispute(CAPTURE, merchant.now, chargeback=False)
    merchant.wait(60)
    [row] = merchant.rows()
    assert (row.net_minor, row.source) == (300, "dashboard")
    seen = merchant.transaction(refund.id)
    assert seen["clientReferenceInformation"]["code"] == "by hand"


# --- notifications ----------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["id"])
def test_the_vectors_come_out_of_our_signing(vector: dict[str, Any]) -> None:
    named = dict(part.split("=", 1) for part in vector["header_value"].split(";"))
    text = vector.get("signed_text", vector["body_text"]).encode()
    made = webhook_signature(
        vector["secret_b64"], named["keyId"], int(named["t"]), text
    )
    assert made == vector["header_value"]


def test_each_attempt_is_written_and_signed_anew() -> None:
    merchant = Merchant()
    merchant.refund()
    posts = merchant.wait(600, status=500)
    tries = [post for post in posts if post.event.endswith("accepted")]
    bodies = [json.loads(post.body) for post in tries]
    assert [body["retryNumber"] for body in bodies] == [0, 1, 2, 3]
    assert [body["requestType"] for body in bodies] == ["NEW"] + ["RETRY"] * 3
    assert len({body["transactionTraceId"] for body in bodies}) == 4
    assert len({json.dumps(body["payload"]) for body in bodies}) == 1
    assert len({dict(post.headers)["v-c-signature"] for post in tries}) == 4


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "merchant")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key().public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3_650))
        .sign(private_key(), SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize("signs", ["payload", "compact", "decrypted", "body"])
@pytest.mark.parametrize("is_sealed", [False, True])
def test_every_reading_of_the_signed_text_reaches_the_adapter(
    signs: str, is_sealed: bool
) -> None:
    settings: dict[str, Any] = {"webhook_signs": signs}
    if is_sealed:
        settings["encryption_certificate"] = certificate()
    merchant = Merchant(settings=settings)
    merchant.secrets = (*merchant.secrets, private_pem())
    merchant.refund()
    posts = merchant.wait(60)
    assert len(posts) == 2
    for post in posts:
        assert (b"encData" in post.body) is is_sealed
        [event] = merchant.received(post).events
        assert event.word is not None
        assert event.evidence.amount_minor == 1_000


def test_what_is_sealed_opens_to_the_whole_notification() -> None:
    merchant = Merchant(settings={"encryption_certificate": certificate()})
    merchant.refund()
    [post, *_] = merchant.wait(60)
    text = encryption.decrypted(body_of_post(post)["encData"], (private_key(),))
    assert text is not None
    assert json.loads(text)["eventType"].startswith("payments.refund.status.")


def body_of_post(post: Any) -> Any:
    return json.loads(post.body)


# --- faults and snapshots ---------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("error_before", {500, 502, 504}),
        ("unavailable", {503}),
        ("rate_limited", {429}),
        ("token_expired", {401}),
    ],
)
def test_a_fault_before_execution_leaves_no_refund(
    fault: str, statuses: set[int]
) -> None:
    merchant = Merchant(**{fault: 1.0})
    told = {merchant.refund("0.01", code=f"rw-{n}").status for n in range(20)}
    assert told <= statuses
    assert merchant.rows() == []


@pytest.mark.parametrize(
    "fault", ["dropped_after", "reset_after", "truncated", "garbled", "error_after"]
)
def test_a_fault_after_execution_leaves_the_refund(fault: str) -> None:
    merchant = Merchant(**{fault: 1.0})
    reply = merchant.refund()
    assert reply.fate is not Fate.ANSWERED or reply.status != 201 or fault == "garbled"
    merchant.wait(60)
    assert [row.net_minor for row in merchant.rows()] == [1_000]


def test_a_late_arrival_after_a_retry_pays_twice_for_there_are_no_keys() -> None:
    merchant = Merchant(executed_late=1.0)
    assert merchant.refund().fate is Fate.EXECUTED_LATE
    merchant.world.set_faults("none", {})
    assert merchant.refund().status == 201
    merchant.wait(600)
    assert [row.net_minor for row in merchant.rows()] == [1_000, 1_000]
    assert len(merchant.world.ledger.doubles()) == 1


@pytest.mark.parametrize("profile", ["rough", "hostile"])
def test_a_merchant_goes_on_from_its_snapshot(profile: str) -> None:
    whole, parted = Merchant(profile, 3), Merchant(profile, 3)
    for number in range(30):
        for merchant in (whole, parted):
            merchant.refund("0.10", code=f"rw-{number}")
            merchant.wait(5)
    state = json.loads(json.dumps(parted.world.dump()))
    parted.world = World(parted.world.config, signer())
    parted.world.load(state)
    for number in range(30, 60):
        replies = [m.refund("0.10", code=f"rw-{number}") for m in (whole, parted)]
        assert replies[0] == replies[1]
        posts = [[post.body for post in m.wait(5)] for m in (whole, parted)]
        assert posts[0] == posts[1]
    assert snapshot.encode(whole.rows()) == snapshot.encode(parted.rows())
