from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.authorizenet import building, facts
from refundwatch.gateways.contract import (
    Heard,
    NotOffered,
    NotProcessed,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.anet import (
    ANET,
    ANET_REFUND,
    GATEWAY,
    GOOD,
    KNOWN,
    OURS,
    REFUND_ID,
    SALE_ID,
    answer,
    approved,
    enveloped,
    refund_details,
    refused,
    sale,
)
from tests.unit.gateways.driving import drive, result_of

ORDER = building.refund_request(
    ANET_REFUND, {"creditCard": {"cardNumber": "XXXX1111", "expirationDate": "XXXX"}}
)
WHOLE = replace(ANET_REFUND, amount_minor=5000)
VOID = building.void_request("void", WHOLE, SALE_ID)


def outcome(*responses: Any) -> Any:
    return result_of(GATEWAY.refund(ANET_REFUND, ORDER), *responses)


def test_an_approved_refund_is_only_accepted() -> None:
    heard = outcome(approved())
    assert isinstance(heard, Heard)
    assert heard.word is Word.PENDING
    assert heard.evidence.gateway_reference == REFUND_ID
    assert heard.evidence.merchant_reference == OURS
    assert heard.evidence.payment_reference == SALE_ID
    assert heard.evidence.amount_minor is None
    assert not heard.evidence.requires_action


def test_a_held_refund_waits_for_people_at_the_gateway() -> None:
    heard = outcome(approved(responseCode="4"))
    assert (heard.word, heard.evidence.requires_action) == (Word.PENDING, True)


def test_an_empty_reference_to_the_sale_is_no_other_sale() -> None:
    heard = outcome(approved(refTransID=""))
    assert heard.evidence.payment_reference is None


@pytest.mark.parametrize("transaction_id", ["0", "", "x", None, 60190000123])
def test_an_approval_without_a_transaction_proves_nothing(transaction_id: Any) -> None:
    assert outcome(approved(transId=transaction_id)) == Unsure("no_transaction")


def test_an_approval_in_an_envelope_of_errors_proves_nothing() -> None:
    body = {
        "transactionResponse": {"responseCode": "1", "transId": REFUND_ID},
        "messages": {"resultCode": "Error", "message": []},
    }
    assert outcome(answer(body)) == Unsure("response_1")


@pytest.mark.parametrize(
    "code", sorted(facts.REFUSALS - facts.ECHOES - facts.NOT_SETTLED)
)
def test_a_documented_refusal_is_one(code: str) -> None:
    assert outcome(refused(code)) == RefusedByGateway(code)


def test_more_than_is_left_can_be_the_echo_of_our_own_success() -> None:
    for code in ("51", "55"):
        assert outcome(refused(code)) == RefusedByGateway(code, may_be_echo=True)


def test_the_one_code_for_all_is_told_apart_by_the_sale() -> None:
    waits = outcome(refused("54"), sale("capturedPendingSettlement"))
    assert waits == NotProcessed("sale_capturedPendingSettlement", 3600)
    is_refused = outcome(refused("54"), sale())
    assert is_refused == RefusedByGateway("54", may_be_echo=True)
    unread = outcome(refused("50"), enveloped("E00053"))
    assert unread == RefusedByGateway("50")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (refused("999", "2"), RefusedByGateway("999")),
        (refused(None, "2"), RefusedByGateway("declined")),
        (refused(None), Unsure("reason_none")),
        (refused("999"), Unsure("reason_999")),
        *(
            (refused(code), Unsure(f"reason_{code}"))
            for code in ("19", "25", "57", "120")
        ),
        (refused("13"), Unauthorized("reason_13")),
        (refused("6", "9"), Unsure("response_9")),
        (enveloped("E00003"), RefusedByGateway("E00003")),
        (enveloped("E00015"), RefusedByGateway("E00015")),
        (enveloped("E00007"), Unauthorized("E00007")),
        (enveloped("E00040"), Unauthorized("E00040")),
        (enveloped("E00001"), Unsure("E00001")),
        (enveloped("E00027"), Unsure("E00027")),
        (enveloped("E00053"), Unsure("E00053")),
        (enveloped("E00104"), Unsure("E00104")),
        (answer({"messages": GOOD}), Unsure("I00001")),
        (answer({}), Unsure("no_response_code")),
        (answer(b"\xef\xbb\xbf"), Unsure("not_json")),
        (answer(b"{}", 401), Unauthorized("http_401")),
        (answer(b"{}", 502), Unsure("http_502")),
        (answer(b"{}", 429, **{"retry-after": "7"}), Unsure("http_429", 7)),
    ],
)
def test_an_answer_means_what_is_documented_and_no_more(
    response: Any, expected: object
) -> None:
    assert outcome(response) == expected


@pytest.mark.parametrize("code", ["E00003", "E00007", "E00040"])
@pytest.mark.parametrize(
    ("envelope", "transaction"),
    [
        ("Ok", {}),
        ("Error", {"transId": REFUND_ID}),
        ("Ok", {"transId": REFUND_ID}),
        (None, {}),
    ],
)
def test_an_error_beside_what_says_otherwise_proves_nothing(
    code: str, envelope: str | None, transaction: dict[str, str]
) -> None:
    messages: dict[str, Any] = {"message": [{"code": code, "text": "No."}]}
    if envelope is not None:
        messages["resultCode"] = envelope
    body = {"transactionResponse": transaction, "messages": messages}
    assert outcome(answer(body)) == Unsure(code)


# --- twins ------------------------------------------------------------------------


def test_a_duplicate_proves_that_ours_ran_and_says_no_more() -> None:
    assert outcome(refused("11")) == Unsure("duplicate", replayed=True)


def test_a_duplicate_that_names_our_own_transaction_is_adopted() -> None:
    driven = drive(
        GATEWAY.refund(ANET_REFUND, ORDER),
        refused("11", transId=REFUND_ID),
        refund_details(),
    )
    assert isinstance(driven.result, Heard)
    assert driven.result.word is Word.PENDING
    assert driven.result.evidence.amount_minor == 1250
    assert [request.moves_money for request in driven.requests] == [True, False]


@pytest.mark.parametrize(
    "found",
    [
        refund_details(order={"invoiceNumber": "another"}),
        sale(transId=REFUND_ID, order={"invoiceNumber": OURS}),
        enveloped("E00040"),
        answer(b"", 500),
    ],
)
def test_a_duplicate_that_names_something_else_is_only_a_hint(found: Any) -> None:
    twin = outcome(refused("11", transId=REFUND_ID), found)
    assert twin == Unsure("duplicate", replayed=True)


# --- voids ------------------------------------------------------------------------


def voided(*responses: Any) -> Any:
    return result_of(GATEWAY.refund(WHOLE, VOID), *responses)


@pytest.mark.parametrize("code", ["1", "310"])
def test_a_void_gives_back_the_whole_sale_at_once(code: str) -> None:
    said = [{"code": code, "description": "x"}]
    heard = voided(approved(transId=SALE_ID, messages=said))
    assert isinstance(heard, Heard)
    assert heard.word is Word.SUCCEEDED
    assert heard.evidence.gateway_reference == SALE_ID
    assert heard.evidence.payment_reference == SALE_ID


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [{"code": "311", "description": "x"}]},
        {"transId": "60190000999"},
        {"responseCode": "4"},
    ],
)
def test_a_void_that_is_not_plainly_done_proves_nothing(changes: Any) -> None:
    assert isinstance(voided(approved(**{"transId": SALE_ID} | changes)), Unsure)


def test_a_void_that_came_too_late_is_refused_without_another_look() -> None:
    assert voided(refused("16")) == RefusedByGateway("16")
    assert voided(refused("54")) == RefusedByGateway("54", may_be_echo=True)


# --- taking back ------------------------------------------------------------------


def test_a_refund_before_its_batch_is_taken_back() -> None:
    driven = drive(GATEWAY.cancel(KNOWN), approved())
    (request,) = driven.requests
    assert request.moves_money
    assert driven.result.word is Word.FAILED
    assert driven.result.evidence.gateway_reference == REFUND_ID
    assert driven.result.evidence.raw_status == "voided"


def test_a_refund_that_settled_is_not_taken_back() -> None:
    assert result_of(GATEWAY.cancel(KNOWN), refused("16")) == RefusedByGateway("16")
    assert isinstance(result_of(GATEWAY.cancel(KNOWN), refused("11")), Unsure)
    other = approved(transId="60190000999")
    assert isinstance(result_of(GATEWAY.cancel(KNOWN), other), Unsure)


@pytest.mark.parametrize("reference", [None, "", "x", SALE_ID])
def test_what_is_no_refund_of_its_own_cannot_be_taken_back(reference: Any) -> None:
    instruction = replace(KNOWN, gateway_reference=reference)
    assert result_of(GATEWAY.cancel(instruction)) == NotOffered()


# --- the sale and the probe -------------------------------------------------------


def payment(*responses: Any) -> Any:
    return result_of(GATEWAY.read_payment(ANET, SALE_ID, "USD"), *responses)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (sale(), PaymentRead(5000, "USD")),
        (sale(settleAmount="50"), PaymentRead(5000, "USD")),
        (sale(settleAmount=50), PaymentRead(5000, "USD")),
        (sale(settleAmount="50.0000"), PaymentRead(5000, "USD")),
        (
            sale("capturedPendingSettlement", settleAmount=12.1),
            PaymentRead(1210, "USD"),
        ),
        (sale("authorizedPendingCapture", settleAmount=0.0), PaymentRead(5000, "USD")),
        (sale("voided"), PaymentRead(0, "USD")),
        (sale("declined"), PaymentRead(0, "USD")),
        (sale("chargeback"), PaymentRead(5000, "USD", disputed=True)),
        (sale("somethingNew"), PaymentUnreadable("sale_status:somethingNew")),
        (sale(settleAmount=50.001), PaymentUnreadable("amount:50.001 USD")),
        (sale(settleAmount=None), PaymentUnreadable("no_amount")),
        (
            sale(transactionType="refundTransaction"),
            PaymentUnreadable("not_a_sale", missing=True),
        ),
        (enveloped("E00040"), PaymentUnreadable("E00040", missing=True)),
        (enveloped("E00011"), PaymentUnreadable("E00011", unauthorized=True)),
        (answer(b"", 500), PaymentUnreadable("http_500")),
    ],
)
def test_a_sale_is_read_for_what_it_took(response: Any, expected: object) -> None:
    assert payment(response) == expected


def test_a_reference_that_is_no_transaction_is_not_asked_for() -> None:
    unread = result_of(GATEWAY.read_payment(ANET, "pi_1", "USD"))
    assert unread == PaymentUnreadable("payment_reference_unusable", missing=True)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer({"messages": GOOD}), ProbeResult()),
        (enveloped("E00007"), ProbeResult("E00007", unauthorized=True)),
        (enveloped("E00053"), ProbeResult("E00053")),
        (answer({}), ProbeResult("no_result_code")),
        (answer(b"", 403), ProbeResult("http_403", unauthorized=True)),
    ],
)
def test_a_probe_tells_health(response: Any, expected: object) -> None:
    assert result_of(GATEWAY.probe(ANET), response) == expected
