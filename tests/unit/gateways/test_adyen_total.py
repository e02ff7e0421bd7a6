from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.gateways.adyen.adapter import Adyen
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    Heard,
    HttpResponse,
    NotProcessed,
    ProbeResult,
    Received,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.driving import ADYEN, ADYEN_REFUND, NOW, delivery, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, VALUES, bodies
from tests.unit.gateways.test_adyen_answers import RECORDED
from tests.unit.gateways.test_adyen_events import ITEM, SECRET, signature, signed

GATEWAY = Adyen()
ANSWERS = [recorded["body"] for recorded in RECORDED]


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@given(responses(*ANSWERS))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    outcome = result_of(GATEWAY.refund(ADYEN_REFUND), response)
    match outcome:
        case Heard(evidence=evidence):
            assert response.status == 201
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 100
        case RefusedByGateway(code=code):
            assert response.status in {400, 404, 422}
            assert len(code) <= 16
        case NotProcessed():
            transient = response.headers.get("transient-error", "").lower() == "true"
            assert response.status >= 400
            assert transient or response.status in {404, 429}
        case Unauthorized():
            assert response.status in {401, 403}
        case Unsure(reason=reason):
            assert len(reason) <= 64
        case _:
            raise AssertionError(outcome)


@given(responses({"paymentMethods": []}))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(ADYEN), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status == 200


ENVELOPE = {
    "live": "false",
    "notificationItems": [{"NotificationRequestItem": signed()}],
}


@given(bodies(ENVELOPE) | st.builds(lambda v: json.dumps(v).encode(), VALUES))
def test_any_body_gives_a_verdict(body: bytes) -> None:
    verdict = result_of(GATEWAY.receive(ADYEN, delivery(body), (SECRET,), NOW))
    assert isinstance(verdict, Received | Forged)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "pspReference": TEXTS,
            "originalReference": TEXTS,
            "merchantReference": TEXTS,
            "amount": st.fixed_dictionaries(
                {}, optional={"value": st.integers(), "currency": TEXTS}
            ),
            "eventCode": st.sampled_from(["REFUND", "CHARGEBACK", "CAPTURE"]) | TEXTS,
            "success": st.sampled_from(["true", "false"]) | TEXTS,
            "eventDate": TEXTS,
            "reason": TEXTS,
        },
    )
)
def test_any_well_signed_item_is_received(changes: dict[str, Any]) -> None:
    item = ITEM | changes
    amount = dict(item["amount"])
    if abs(amount.get("value", 0)) >= 2**53:
        del amount["value"]
    item["amount"] = amount
    item["additionalData"] = {"hmacSignature": signature(item)}
    wrapped = [{"NotificationRequestItem": item}]
    body = json.dumps({"live": "false", "notificationItems": wrapped}).encode()
    verdict = result_of(GATEWAY.receive(ADYEN, delivery(body), (SECRET,), NOW))
    assert isinstance(verdict, Received)
    (event,) = verdict.events
    assert (event.kind is EventKind.REFUND) is (event.word is not None)
