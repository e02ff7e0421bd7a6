from __future__ import annotations

from typing import Any

import pytest
from lxml import etree  # type: ignore[import-untyped]

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.model import Fate
from tests.contract.schemas import spec_path
from tests.sandbox.hands import HOOK
from tests.sandbox.worldpay import (
    KEY,
    ORDER,
    Merchant,
    error_in,
    event_in,
    events_of,
)
from tests.unit.gateways.worldpay_talk import DOCTYPE

MINUTE, DAY = 60.0, 86_400.0


@pytest.fixture(scope="module")
def dtd() -> Any:
    with spec_path("worldpay-paymentService-refunds.dtd").open("rb") as file:
        return etree.DTD(file)


def fits(dtd: Any, document: str | bytes) -> None:
    body = document.encode() if isinstance(document, str) else document
    assert dtd.validate(etree.fromstring(body)), dtd.error_log.filter_from_errors()


# --- one refund -------------------------------------------------------------------


def test_a_refund_is_received_sent_and_paid_out(dtd: Any) -> None:
    merchant = Merchant()
    answer = merchant.refund()
    assert f'<refundReceived orderCode="{ORDER}"><amount value="595"' in answer
    fits(dtd, answer)
    assert [row.net_minor for row in merchant.rows()] == [0]
    posts = merchant.wait(MINUTE)
    assert events_of(posts) == ["SENT_FOR_REFUND", "REFUNDED"]
    assert [row.net_minor for row in merchant.rows()] == [595]
    seen = merchant.inquire()
    assert event_in(seen) == "REFUNDED"
    assert "<refundReference>rw-1</refundReference>" in seen
    fits(dtd, seen)
    for post in posts:
        fits(dtd, post.body)


def test_a_repeated_refund_is_a_second_refund_while_the_amount_fits() -> None:
    merchant = Merchant()
    for _ in range(20):
        assert "refundReceived" in merchant.refund(600)
    assert error_in(merchant.refund(600)) == "5"
    merchant.wait(MINUTE)
    assert sum(row.net_minor for row in merchant.rows()) == 12_000
    assert len(merchant.world.ledger.doubles()) == 1


def test_an_inquiry_shows_the_latest_refund_alone_and_late() -> None:
    merchant = Merchant()
    merchant.refund(100, reference="rw-a")
    merchant.wait(MINUTE)
    merchant.world.set_faults(None, {"lookup_lags": 1.0, "lag_seconds": 300.0})
    merchant.refund(200, reference="rw-b")
    merchant.wait(20)
    assert "rw-a" in merchant.inquire()
    merchant.wait(10 * MINUTE)
    seen = merchant.inquire()
    assert "rw-b" in seen
    assert "rw-a" not in seen


def test_what_is_left_is_told_where_that_inquiry_is_enabled(dtd: Any) -> None:
    merchant = Merchant()
    merchant.refund(595)
    left = merchant.inquire("refundableAmountInquiry")
    assert '<amount value="11405" currencyCode="GBP" exponent="2"' in left
    fits(dtd, left)
    closed = Merchant(settings={"refundable_inquiry": "no"})
    assert error_in(closed.inquire("refundableAmountInquiry")) == "5"


def test_many_accounts_hear_nothing_after_sent_for_refund() -> None:
    merchant = Merchant(settings={"tells_refunded": "no"})
    merchant.refund()
    assert events_of(merchant.wait(DAY)) == ["SENT_FOR_REFUND"]
    assert [row.net_minor for row in merchant.rows()] == [595]
    assert event_in(merchant.inquire()) == "SENT_FOR_REFUND"


def test_some_accounts_name_no_refund() -> None:
    merchant = Merchant(settings={"echoes_reference": "no"})
    merchant.refund()
    posts = merchant.wait(MINUTE)
    assert not [post for post in posts if b"rw-1" in post.body]
    assert "rw-1" not in merchant.inquire()


def test_the_exponent_counts_as_it_is_written() -> None:
    merchant = Merchant()
    assert error_in(merchant.refund(595, exponent=0)) == "5"  # 595.00 is too much
    assert "refundReceived" in merchant.refund(5950, exponent=3)
    merchant.add("jp", 12_000, "JPY")
    assert 'exponent="0"' in merchant.inquire(code="jp")
    assert error_in(merchant.refund(150, currency="JPY", exponent=2, code="jp")) == "5"
    assert "refundReceived" in merchant.refund(
        15_000, currency="JPY", exponent=2, code="jp"
    )
    merchant.wait(MINUTE)
    assert [row.net_minor for row in merchant.rows()] == [595, 150]


# --- refusals ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ('<refund><amount value="1" currencyCode="GBP"/></refund>', "2"),
        ('<refund><amount value="1" currencyCode="GBP" exponent="1"/></refund>', "2"),
        ('<refund key="k"><amount value="1" currencyCode="GBP"/></refund>', "2"),
        ("<refund/>", "2"),
        ("<voidEverything/>", "2"),
        ('<refund><amount value="0" currencyCode="GBP" exponent="2"/></refund>', "3"),
        ('<refund><amount value="-1" currencyCode="GBP" exponent="2"/></refund>', "3"),
        ('<refund><amount value="1" currencyCode="gbp" exponent="2"/></refund>', "3"),
        ('<refund><amount value="1" currencyCode="EUR" exponent="2"/></refund>', "5"),
        ("<cancel/>", "5"),
    ],
)
def test_a_bad_modification_is_refused_under_its_code(
    dtd: Any, what: str, code: str
) -> None:
    merchant = Merchant()
    answer = merchant.modify(what)
    assert error_in(answer) == code
    fits(dtd, answer)
    assert merchant.rows() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<paymentService",
        b'<paymentService version="1.4" merchantCode="RWTESTGBP"/>',
        DOCTYPE.encode() + b'<paymentService version="1.4" merchantCode="RWTESTGBP"/>',
        DOCTYPE.encode() + b'<paymentService merchantCode="RWTESTGBP"/>',
        b"<!DOCTYPE p [<!ENTITY x 'y'>]><paymentService/>",
    ],
)
def test_what_is_no_document_is_error_2(body: bytes) -> None:
    assert error_in(Merchant().post(body).body.decode()) == "2"


def test_another_merchant_code_is_a_security_violation() -> None:
    merchant = Merchant()
    inquiry = f'<inquiry><orderInquiry orderCode="{ORDER}"/></inquiry>'
    assert error_in(merchant.say(inquiry, "OTHER")) == "4"


def test_a_wrong_password_is_a_page_and_401() -> None:
    reply = Merchant().post(b"", password="no")
    assert (reply.status, reply.body[:6]) == (401, b"<html>")
    assert Merchant().post(b"", path="/").status == 404


@pytest.mark.parametrize(
    "facts", [{"captured": False}, {"dispute": "open"}, {"dispute": "chargeback"}]
)
def test_what_is_not_refundable_is_error_5(facts: dict[str, Any]) -> None:
    merchant = Merchant()
    merchant.add("other", **facts)
    assert error_in(merchant.refund(code="other")) == "5"
    assert error_in(merchant.refund(code="nobody")) == "5"


def test_a_refund_before_its_capture_settled_is_error_5_and_later_fine() -> None:
    merchant = Merchant(settings={"capture_settle_seconds": DAY})
    assert error_in(merchant.refund()) == "5"
    merchant.wait(DAY)
    assert "refundReceived" in merchant.refund()


def test_a_refusal_executes_nothing_and_may_bear_no_code() -> None:
    merchant = Merchant(refusal=1.0)
    codes = {error_in(merchant.refund()) for _ in range(30)}
    assert codes == {"5", "7", "none"}
    assert merchant.rows() == []


# --- cancelling -------------------------------------------------------------------


def test_what_is_not_captured_is_cancelled_whole(dtd: Any) -> None:
    merchant = Merchant()
    merchant.add("auth", captured=False)
    assert event_in(merchant.inquire(code="auth")) == "AUTHORISED"
    answer = merchant.modify('<cancel reference="rw-9"/>', "auth")
    assert '<cancelReceived orderCode="auth"/>' in answer
    fits(dtd, answer)
    posts = merchant.wait(MINUTE)
    assert events_of(posts) == ["CANCELLED"]
    fits(dtd, posts[0].body)
    assert event_in(merchant.inquire(code="auth")) == "CANCELLED"
    assert error_in(merchant.modify("<cancel/>", "auth")) == "5"
    assert [row.net_minor for row in merchant.rows()] == [12_000]


def test_cancel_or_refund_refunds_what_was_captured() -> None:
    merchant = Merchant()
    merchant.add("auth", captured=False)
    assert "cancelReceived" in merchant.modify("<cancelOrRefund/>", "auth")
    assert "refundReceived" in merchant.modify("<cancelOrRefund/>")
    merchant.wait(MINUTE)
    assert [row.net_minor for row in merchant.rows()] == [12_000, 12_000]


# --- later news -------------------------------------------------------------------


def test_a_refund_may_fail_after_it_was_sent() -> None:
    merchant = Merchant(fails_late=1.0)
    for _ in range(8):
        merchant.refund(100)
    ends = set(events_of(merchant.wait(MINUTE)))
    assert ends == {"SENT_FOR_REFUND", "REFUND_FAILED", "REFUND_EXPIRED"}
    assert [row.executed_at for row in merchant.rows()] == [None] * 8
    assert "refundReceived" in merchant.refund(12_000)


def test_a_refund_may_come_back() -> None:
    merchant = Merchant(bounces=1.0)
    merchant.refund()
    told = events_of(merchant.wait(10 * MINUTE))
    assert told == ["SENT_FOR_REFUND", "REFUNDED", "REFUND_FAILED"]
    [row] = merchant.rows()
    assert (row.executed_at is not None, row.net_minor) == (True, 0)


def test_a_refund_may_ask_the_shopper_first() -> None:
    merchant = Merchant(needs_action=1.0)
    merchant.refund()
    told = events_of(merchant.wait(10 * MINUTE))
    assert told == ["REFUND_WEBFORM_ISSUED", "SENT_FOR_REFUND", "REFUNDED"]


def test_a_refund_in_the_interface_bears_a_name_of_its_own(dtd: Any) -> None:
    merchant = Merchant()
    refund = merchant.model.external_refund(ORDER, 700, merchant.now)
    posts = merchant.wait(MINUTE)
    assert refund.merchant_reference.encode() in posts[-1].body
    assert b'<amount value="700"' in posts[-1].body
    fits(dtd, posts[-1].body)
    with pytest.raises(UnknownSubjectError):
        merchant.model.bounce("none", merchant.now)
    merchant.model.bounce(refund.id, merchant.now)
    assert events_of(merchant.wait(MINUTE)) == ["REFUND_FAILED"]


@pytest.mark.parametrize(
    ("chargeback", "event"),
    [(True, "CHARGED_BACK"), (False, "INFORMATION_REQUESTED")],
)
def test_a_dispute_is_told_and_hides_the_refunds(chargeback: bool, event: str) -> None:
    merchant = Merchant()
    merchant.refund()
    merchant.wait(MINUTE)
    merchant.model.dispute(ORDER, merchant.now, chargeback=chargeback)
    assert events_of(merchant.wait(MINUTE)) == [event]
    seen = merchant.inquire()
    assert event_in(seen) == event
    assert "rw-1" not in seen


# --- notifications ----------------------------------------------------------------


def test_a_notification_goes_to_the_address_with_its_secret() -> None:
    merchant = Merchant()
    merchant.refund()
    post = merchant.wait(MINUTE)[0]
    assert post.url == f"{HOOK}?key={KEY}"
    assert dict(post.headers)["Content-Type"].startswith("text/xml")


def test_a_forgery_does_not_know_the_secret() -> None:
    merchant = Merchant(webhook_forged=1.0)
    merchant.refund()
    posts = merchant.wait(MINUTE)
    forged = [post for post in posts if post.forged]
    assert {post.url for post in forged} == {HOOK}
    assert b"REFUND_FAILED" in forged[0].body


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"OK"), (200, b"<html>[OK]</html>"), (200, b""), (204, b"[OK]"), (500, b"")],
)
def test_one_wrong_answer_holds_back_all_that_follows(status: int, body: bytes) -> None:
    merchant = Merchant()
    merchant.refund(100, reference="rw-a")
    stuck = merchant.wait(1.0 * MINUTE, body, status)
    assert events_of(stuck)[0] == "SENT_FOR_REFUND"
    merchant.refund(100, reference="rw-b")
    more = merchant.wait(9 * MINUTE, body, status)
    # Only the oldest is tried again and again; everything newer waits behind it.
    assert {post.post_id for post in more} == {stuck[0].post_id}
    rest = merchant.wait(DAY)
    assert events_of(rest) == ["SENT_FOR_REFUND", "REFUNDED"] * 2
    assert len(merchant.model.outbox) == 0


def test_a_notification_is_given_up_after_a_week() -> None:
    merchant = Merchant()
    merchant.refund()
    merchant.wait(8 * DAY, b"no")
    assert merchant.model.outbox.exhausted >= 1
    merchant.wait(8 * DAY, b"no")
    assert len(merchant.model.outbox) == 0


def test_a_silent_notification_comes_in_the_end() -> None:
    merchant = Merchant(webhook_silent=1.0)
    merchant.refund()
    assert merchant.wait(MINUTE) == []
    # Late as they are, they may overtake each other.
    told = sorted(events_of(merchant.wait(DAY)))
    assert told == ["REFUNDED", "SENT_FOR_REFUND"]


def test_templates_differ_in_the_type_of_the_reference_and_in_the_amount() -> None:
    merchant = Merchant()
    for number in range(12):
        merchant.refund(100, reference=f"rw-{number}")
    bodies = [post.body for post in merchant.wait(MINUTE)]
    for piece in (
        b'type="refund"',
        b'type="capture"',
        b'</paymentMethod><amount value="100"',
        b'</paymentMethod><amount value="12000"',
        b"<reference>rw-",
    ):
        assert 0 < sum(piece in body for body in bodies) < len(bodies), piece


# --- faults -----------------------------------------------------------------------


def test_an_error_that_says_nothing_may_follow_an_execution() -> None:
    merchant = Merchant(error_after=1.0)
    replies = []
    for _ in range(12):
        merchant.now += 1
        replies.append(merchant.post(_refund_document()))
    assert {reply.status for reply in replies} == {200, 500}
    told = {error_in(reply.body.decode()) for reply in replies if reply.status == 200}
    assert told == {"1"}
    assert len(merchant.rows()) == 12


def test_every_distortion_is_of_the_answer_alone(dtd: Any) -> None:
    merchant = Merchant(sparse_answer=1.0)
    answer = merchant.refund()
    assert event_in(answer) == "SENT_FOR_REFUND"
    fits(dtd, answer)
    merchant.world.set_faults("none", {"wrong_amount": 1.0})
    assert 'value="595"' not in merchant.refund()
    merchant.world.set_faults("none", {"unknown_status": 1.0})
    assert "refundDeferred" in merchant.refund()
    assert [row.amount_minor for row in merchant.rows()] == [595] * 3


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("error_before", {(502, ""), (503, ""), (504, "")}),
        ("unavailable", {(503, ""), (200, "8")}),
        ("rate_limited", {(429, "")}),
    ],
)
def test_a_fault_before_execution_leaves_no_row(
    fault: str, expected: set[tuple[int, str]]
) -> None:
    merchant = Merchant()
    merchant.world.set_faults(None, {fault: 1.0})
    replies = [merchant.post(_refund_document()) for _ in range(20)]
    assert {(r.status, error_in(r.body.decode())) for r in replies} == expected
    assert merchant.rows() == []


def test_a_late_execution_happens_after_the_client_left() -> None:
    merchant = Merchant(executed_late=1.0)
    assert merchant.post(_refund_document()).fate is Fate.EXECUTED_LATE
    assert merchant.rows() == []
    merchant.wait(10 * MINUTE)
    assert [row.net_minor for row in merchant.rows()] == [100]


def _refund_document() -> bytes:
    return (
        f'{DOCTYPE}<paymentService version="1.4" merchantCode="RWTESTGBP"><modify>'
        f'<orderModification orderCode="{ORDER}"><refund reference="rw-1">'
        '<amount value="100" currencyCode="GBP" exponent="2"/></refund>'
        "</orderModification></modify></paymentService>"
    ).encode()


def test_the_state_survives_a_snapshot() -> None:
    merchant = Merchant(lookup_lags=1.0, lag_seconds=300.0)
    merchant.refund()
    merchant.wait(10)
    state = merchant.world.dump()
    other = Merchant()
    other.world.load(state)
    other.now = merchant.now
    assert other.inquire() == merchant.inquire()
    assert events_of(other.wait(MINUTE)) == events_of(merchant.wait(MINUTE))
