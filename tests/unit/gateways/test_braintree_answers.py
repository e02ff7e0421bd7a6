from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from graphql import GraphQLEnumType

from refundwatch.domain.refund import Word
from refundwatch.gateways.braintree import facts
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.contract import (
    Absent,
    Found,
    Heard,
    LookupFailed,
    NotProcessed,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.braintree_talk import (
    BRAINTREE,
    KNOWN,
    REFUND,
    REFUND_ID,
    SALE_ID,
    error,
    failed,
    identity,
    money,
    node,
    refund,
    refunded,
    said,
    sale,
    schema,
)
from tests.unit.gateways.driving import answer, drive
from tests.unit.gateways.test_braintree_requests import order

GATEWAY = Braintree()
ORDER = order()
WHOLE = replace(REFUND, amount_minor=5000)


def outcome_of(response: Any) -> Any:
    return drive(GATEWAY.refund(REFUND, ORDER), response).result


# --- states -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("AUTHORIZING", Word.PENDING),
        ("AUTHORIZED", Word.PENDING),
        ("SUBMITTED_FOR_SETTLEMENT", Word.PENDING),
        ("SETTLING", Word.PENDING),
        ("SETTLEMENT_PENDING", Word.PENDING),
        ("SETTLEMENT_CONFIRMED", Word.PENDING),
        ("SETTLED", Word.SUCCEEDED),
        ("SETTLEMENT_DECLINED", Word.FAILED),
        ("PROCESSOR_DECLINED", Word.FAILED),
        ("GATEWAY_REJECTED", Word.FAILED),
        ("FAILED", Word.FAILED),
        ("AUTHORIZATION_EXPIRED", Word.FAILED),
        ("VOIDED", Word.FAILED),
        ("HELD", Word.UNSEEN),
        ("settled", Word.UNSEEN),
        (None, Word.UNSEEN),
        (7, Word.UNSEEN),
    ],
)
def test_a_status_is_read_by_the_table_alone(status: Any, word: Word) -> None:
    heard = outcome_of(refunded(status=status))
    assert isinstance(heard, Heard)
    assert heard.word is word
    assert heard.evidence.gateway_reference == "rwrefund01"


def test_every_status_of_the_schema_has_its_word() -> None:
    statuses = schema().type_map["PaymentStatus"]
    assert isinstance(statuses, GraphQLEnumType)
    assert statuses.values.keys() == facts.WORDS.keys()


def test_a_failure_names_the_processors_code() -> None:
    event = {
        "status": "PROCESSOR_DECLINED",
        "processorResponse": {"legacyCode": "2000"},
    }
    declined = refunded(status="PROCESSOR_DECLINED", statusHistory=[event])
    assert outcome_of(declined).evidence.failure_code == "PROCESSOR_DECLINED:2000"
    other = refunded(status="VOIDED", statusHistory=[event])
    assert outcome_of(other).evidence.failure_code == "VOIDED"


def test_a_refund_beside_errors_is_a_fact() -> None:
    partly = said(
        {"refundTransaction": {"refund": refund(statusHistory=None)}},
        error("INTERNAL"),
    )
    assert isinstance(outcome_of(partly), Heard)


def test_a_sparse_answer_states_less_and_contradicts_nothing() -> None:
    bare = {"legacyId": "rwrefund01", "status": "SETTLED"}
    heard = outcome_of(said({"refundTransaction": {"refund": bare}}))
    assert heard.word is Word.SUCCEEDED
    assert heard.evidence.amount_minor is None
    assert heard.evidence.merchant_reference is None
    assert heard.evidence.payment_reference is None


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("12.50", "USD", 1250),
        ("100", "USD", 10000),
        ("100.00", "USD", 10000),
        ("1250", "JPY", 1250),
        ("1250.00", "JPY", 1250),
        ("1.234", "KWD", 1234),
    ],
)
def test_an_echoed_amount_is_compared_as_a_number(
    value: str, currency: str, minor: int
) -> None:
    heard = outcome_of(refunded(amount=money(value, currency)))
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (minor, currency)


@pytest.mark.parametrize("value", ["12.505", "x", "", "1e3", 12.5, None, "-", True])
def test_an_inexact_amount_goes_to_people(value: Any) -> None:
    amount = {"value": value, "currencyCode": "USD"}
    heard = outcome_of(refunded(amount=amount))
    assert heard.evidence.amount_minor is None
    assert heard.word is Word.UNSEEN


@pytest.mark.parametrize("legacy_id", [None, "", "../x", 5])
def test_a_refund_without_its_name_proves_nothing(legacy_id: Any) -> None:
    assert isinstance(outcome_of(refunded(legacyId=legacy_id)), Unsure)


# --- errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (failed("VALIDATION", "91506"), RefusedByGateway("91506")),
        (failed("VALIDATION", "91574"), RefusedByGateway("91574")),
        (failed("VALIDATION", "91512"), RefusedByGateway("91512", may_be_echo=True)),
        (failed("VALIDATION", "91521"), RefusedByGateway("91521", may_be_echo=True)),
        (failed("VALIDATION", "91504"), RefusedByGateway("91504", may_be_echo=True)),
        (failed("VALIDATION", "915282"), RefusedByGateway("915282")),
        (failed("VALIDATION", "915234"), RefusedByGateway("915234")),
        (failed("VALIDATION", "915200"), RefusedByGateway("915200")),
        (failed("NOT_FOUND"), RefusedByGateway("NOT_FOUND")),
        (failed("NOT_IMPLEMENTED"), RefusedByGateway("NOT_IMPLEMENTED")),
        (failed("VALIDATION", "915231"), Unauthorized("VALIDATION:915231")),
        (failed("AUTHENTICATION"), Unauthorized("AUTHENTICATION")),
        (failed("AUTHORIZATION"), Unauthorized("AUTHORIZATION")),
        (failed("UNSUPPORTED_CLIENT"), Unauthorized("UNSUPPORTED_CLIENT")),
        (answer(401), Unauthorized("AUTHENTICATION")),
        (answer(403), Unauthorized("AUTHORIZATION")),
        (answer(426), Unauthorized("UNSUPPORTED_CLIENT")),
        (failed("RESOURCE_LIMIT"), NotProcessed("RESOURCE_LIMIT")),
        (answer(429, retry_after="7"), NotProcessed("RESOURCE_LIMIT", 7)),
        (failed("VALIDATION", "915233"), Unsure("VALIDATION:915233")),
        (failed("VALIDATION", "915235"), Unsure("VALIDATION:915235")),
        (
            failed("VALIDATION", "915232"),
            Unsure("VALIDATION:915232", replayed=True),
        ),
        (failed("VALIDATION", "99999"), Unsure("VALIDATION:99999")),
        (failed("VALIDATION"), Unsure("VALIDATION")),
        (failed("INTERNAL"), Unsure("INTERNAL")),
        (failed("SERVICE_AVAILABILITY"), Unsure("SERVICE_AVAILABILITY")),
        (failed("SOMETHING_NEW"), Unsure("SOMETHING_NEW")),
        (failed(None), Unsure("unclassified")),
        (answer(408), Unsure("http_408")),
        (answer(503, retry_after="9"), Unsure("http_503", 9)),
        (answer(422, {"errors": []}), Unsure("http_422")),
        (said({"refundTransaction": None}), Unsure("nothing_in_data")),
        (answer(200, {"errors": "x"}), Unsure("errors_no_list")),
    ],
)
def test_an_error_has_the_class_that_is_documented(
    response: Any, outcome: object
) -> None:
    assert outcome_of(response) == outcome


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ((("VALIDATION", "81503"), ("VALIDATION", "99999")), Unsure),
        ((("AUTHENTICATION", None), ("INTERNAL", None)), Unsure),
        ((("VALIDATION", "81503"), ("RESOURCE_LIMIT", None)), NotProcessed),
        ((("RESOURCE_LIMIT", None), ("AUTHORIZATION", None)), Unauthorized),
        ((("VALIDATION", "91505"), ("VALIDATION", "91512")), RefusedByGateway),
    ],
)
def test_of_several_errors_the_most_doubtful_counts(errors: Any, kind: type) -> None:
    for order_ in (errors, errors[::-1]):
        response = said(None, *(error(*one) for one in order_))
        outcome = outcome_of(response)
        assert isinstance(outcome, kind)
        if isinstance(outcome, RefusedByGateway):
            assert outcome.may_be_echo


# --- look-ups ---------------------------------------------------------------------


def looked_up(instruction: Any = REFUND, **sold: Any) -> Any:
    return drive(GATEWAY.look_up(instruction), identity(), node(sale(**sold))).result


def test_a_look_up_keeps_the_refunds_with_our_reference() -> None:
    other = refund(legacyId="rwrefund02", orderId="rw-r-000124")
    inherited = refund(legacyId="rwrefund03", orderId="shop-1")
    found = looked_up(refunds=[other, refund(), inherited])
    assert isinstance(found, Found)
    assert [one.evidence.gateway_reference for one in found.matches] == ["rwrefund01"]
    assert looked_up(refunds=[other, inherited]) == Absent()
    assert looked_up() == Absent()


def test_a_refund_of_equal_amount_is_not_ours() -> None:
    assert looked_up(refunds=[refund(orderId=None)]) == Absent()


def test_a_voided_sale_is_our_void_of_the_whole_alone() -> None:
    found = looked_up(WHOLE, status="VOIDED")
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.SUCCEEDED
    assert found.matches[0].evidence.amount_minor == 5000
    assert looked_up(REFUND, status="VOIDED") == Absent()


def test_a_void_is_read_again_as_its_sale() -> None:
    for reference in ("rwsale0001", SALE_ID):
        known = replace(
            WHOLE, payment_reference=reference, gateway_reference="rwsale0001"
        )
        responses = [identity()] * (reference != SALE_ID)
        operation = GATEWAY.read_refund(known)
        found = drive(operation, *responses, node(sale(status="VOIDED"))).result
        assert found.matches[0].word is Word.SUCCEEDED
        assert found.matches[0].evidence.payment_reference == reference


@pytest.mark.parametrize(
    ("sold", "reason"),
    [
        ({"refunds": None}, "refunds_not_listed"),
        ({"refunds": {}}, "refunds_not_listed"),
        ({"status": "HELD"}, "sale_status:HELD"),
        ({"refunds": [refund(legacyId=None)]}, "missing_legacyId"),
        ({"legacyId": None, "status": "VOIDED"}, "missing_legacyId"),
    ],
)
def test_a_sale_that_is_not_read_whole_proves_no_absence(
    sold: dict[str, Any], reason: str
) -> None:
    assert looked_up(WHOLE, **sold) == LookupFailed(reason)


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (failed("NOT_FOUND"), LookupFailed("NOT_FOUND")),
        (node(None), LookupFailed("NOT_FOUND")),
        (failed("AUTHORIZATION"), LookupFailed("AUTHORIZATION", unauthorized=True)),
        (answer(401), LookupFailed("http_401", unauthorized=True)),
        (answer(429, retry_after="5"), LookupFailed("http_429", 5)),
        (answer(502), LookupFailed("http_502")),
        (said({}), LookupFailed("no_node")),
    ],
)
def test_an_unanswered_look_up_proves_nothing(response: Any, result: object) -> None:
    assert drive(GATEWAY.look_up(REFUND), identity(), response).result == result
    read = drive(GATEWAY.read_refund(KNOWN), identity(REFUND_ID), response).result
    assert read == result


def test_a_refund_is_read_by_its_legacy_id() -> None:
    read = drive(GATEWAY.read_refund(KNOWN), identity(REFUND_ID), node(refund()))
    assert isinstance(read.result, Found)
    assert read.result.matches[0].evidence.source == "poll"
    other = node(refund(legacyId="rwrefund09"))
    result = drive(GATEWAY.read_refund(KNOWN), identity(REFUND_ID), other).result
    assert result == LookupFailed("another_refund")
    unnamed = GATEWAY.read_refund(REFUND)
    assert drive(unnamed).result == LookupFailed("no_gateway_reference")
    unusable = GATEWAY.look_up(replace(REFUND, payment_reference="a/b"))
    assert drive(unusable).result == LookupFailed("payment_reference_unusable")


# --- payments ---------------------------------------------------------------------


def payment(**sold: Any) -> Any:
    operation = GATEWAY.read_payment(BRAINTREE, "rwsale0001", "USD")
    return drive(operation, identity(), node(sale(**sold))).result


def test_what_was_given_back_is_summed_without_what_failed() -> None:
    refunds = [
        refund(status="SETTLED", amount=money("10.00")),
        refund(status="SUBMITTED_FOR_SETTLEMENT", amount=money("5.00")),
        refund(status="VOIDED", amount=money("7.00")),
        refund(status="PROCESSOR_DECLINED", amount=money("7.00")),
    ]
    assert payment(refunds=refunds) == PaymentRead(5000, "USD", 1500)
    assert payment() == PaymentRead(5000, "USD", 0)


@pytest.mark.parametrize(
    "refunds",
    [
        None,
        [refund(status="HELD")],
        [refund(amount=None)],
        [refund(amount=money("1.00", "EUR"))],
        [refund(amount=money("-1.00"))],
    ],
)
def test_what_cannot_be_summed_is_not_told(refunds: Any) -> None:
    assert payment(refunds=refunds) == PaymentRead(5000, "USD", None)


@pytest.mark.parametrize("status", sorted(facts.TAKEN))
def test_a_sale_that_holds_or_took_its_amount_states_it(status: str) -> None:
    assert payment(status=status) == PaymentRead(5000, "USD", 0)


@pytest.mark.parametrize("status", sorted(facts.NOT_TAKEN))
def test_a_sale_that_took_nothing_has_nothing_to_refund(status: str) -> None:
    assert payment(status=status) == PaymentRead(0, "USD", 0)


def test_a_sale_that_cannot_be_read_is_said_so() -> None:
    assert payment(status="AUTHORIZING") == PaymentUnreadable("sale_status:AUTHORIZING")
    assert payment(amount=None) == PaymentUnreadable("no_amount")
    operation = GATEWAY.read_payment(BRAINTREE, "rwsale0001", "USD")
    missing = PaymentUnreadable("NOT_FOUND", missing=True)
    assert drive(operation, identity(), failed("NOT_FOUND")).result == missing
    unusable = GATEWAY.read_payment(BRAINTREE, "a/b", "USD")
    assert drive(unusable).result.missing


# --- probes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (said({"ping": "pong"}), ProbeResult()),
        (said({"ping": "x"}), ProbeResult("no_pong")),
        (failed("AUTHENTICATION"), ProbeResult("AUTHENTICATION", unauthorized=True)),
        (answer(401), ProbeResult("http_401", unauthorized=True)),
        (answer(503), ProbeResult("http_503")),
    ],
)
def test_a_probe_hears_a_pong(response: Any, result: object) -> None:
    assert drive(GATEWAY.probe(BRAINTREE), response).result == result
