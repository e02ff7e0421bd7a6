"""The contract: what every adapter must do, whatever its gateway.

A new gateway is checked by its case in `cases/`; nothing here knows a gateway.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.errors import NotExpressible
from refundwatch.flow import calls
from refundwatch.flow.attempt import from_store, to_store
from refundwatch.flow.ports import ConnectionPath
from refundwatch.gateways import registry
from refundwatch.gateways.contract import (
    Credentials,
    Heard,
    HttpRequest,
    HttpResponse,
    RawDelivery,
    Received,
    Session,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, looked_at
from tests.contract.cases import cases, examples
from tests.unit.gateways.driving import NOW, drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from refundwatch.gateways.contract import Gateway, Operation
    from tests.contract.case import GatewayCase

OURS = cases()
CASES = OURS | examples()
EVERY = pytest.mark.parametrize("name", tuple(CASES))
FLIPS = 160
"""How many places of a body are changed, spread over it; of a signature all are."""


def case_of(name: str) -> GatewayCase:
    return CASES[name]


def adapter(name: str) -> Gateway:
    return CASES[name].adapter or registry.gateway(name)


def every(kind: str) -> list[Any]:
    """Give (gateway, item) of each case's list, with names for the report."""
    return [
        pytest.param(name, item, id=f"{name}-{_label(item)}")
        for name, case in CASES.items()
        for item in getattr(case, kind)
    ]


def _label(item: object) -> str:
    match item:
        case Amount(minor=minor, currency=currency) | (minor, currency):
            return f"{minor}-{currency}"
        case Coded(code=code):
            return code
        case _:
            return str(getattr(item, "name", item))


def ordered(case: GatewayCase, **changes: object) -> HttpRequest:
    """Give the order of a refund, after the reads that come before it."""
    instruction = replace(case.instruction, **changes)  # type: ignore[arg-type]
    operation = adapter(case.name).refund(instruction)
    request = next(operation)
    for response in case.before_order(instruction):
        assert not request.moves_money
        request = operation.send(response)
    operation.close()
    assert request.moves_money
    return request


def reads(case: GatewayCase) -> list[HttpRequest]:
    """Give the first request of everything that moves no money."""
    gateway, known = adapter(case.name), case.known
    account = known.account
    payment = known.payment_reference
    operations: list[Operation[Any]] = [
        gateway.look_up(known),
        gateway.read_refund(known),
        gateway.read_payment(account, payment, known.currency),
        gateway.probe(account),
    ]
    found = [next(operation, None) for operation in operations]
    return [request for request in found if request is not None]


def test_every_gateway_has_its_case_and_every_case_its_gateway() -> None:
    assert tuple(OURS) == registry.NAMES
    assert [case.name for case in OURS.values()] == list(registry.NAMES)
    assert not any(case.adapter for case in OURS.values())


# --- requests ---------------------------------------------------------------------


@EVERY
def test_requests_are_what_the_official_document_asks_for(name: str) -> None:
    case = case_of(name)
    for request in (ordered(case), *reads(case)):
        case.valid(request)
    for amount in case.amounts:
        case.valid(ordered(case, amount_minor=amount.minor, currency=amount.currency))


@EVERY
def test_the_document_would_refuse_an_order_without_its_body(name: str) -> None:
    case = case_of(name)
    with pytest.raises((AssertionError, LookupError, ValueError)):
        case.valid(replace(ordered(case), target="/nowhere", body=b"{}"))


@EVERY
def test_only_an_order_moves_money_and_it_is_built_alike_each_time(name: str) -> None:
    case = case_of(name)
    assert not [request for request in reads(case) if request.moves_money]
    assert ordered(case) == ordered(case)
    stored = from_store(to_store(ordered(case)))
    again = adapter(name).refund(case.instruction, stored)
    assert next(again) == stored


@EVERY
def test_an_order_is_pinned_to_its_own_reference(name: str) -> None:
    case = case_of(name)
    request = ordered(case)
    reference = case.instruction.merchant_reference
    told = request.target.encode() + request.body
    assert reference.encode() in told or _in_headers(reference, request)
    other = ordered(case, merchant_reference="rw-000002", idempotency_key="b" * 32)
    assert to_store(other) != to_store(request)


def _in_headers(text: str, request: HttpRequest) -> bool:
    return any(text in value for _, value in request.headers)


# --- amounts ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "amount"), every("amounts"))
def test_amounts_are_exact_on_their_way_out(name: str, amount: Amount) -> None:
    case = case_of(name)
    request = ordered(case, amount_minor=amount.minor, currency=amount.currency)
    assert case.amount_in(request) == amount.written
    assert case.currency_in(request) in {None, amount.currency}


@pytest.mark.parametrize(("name", "amount"), every("amounts"))
def test_amounts_are_exact_on_their_way_back(name: str, amount: Amount) -> None:
    case = case_of(name)
    if case.echo is None:
        pytest.skip("no answer of this gateway states an amount")
    instruction = replace(
        case.instruction, amount_minor=amount.minor, currency=amount.currency
    )
    order = ordered(case, amount_minor=amount.minor, currency=amount.currency)
    told = case.echo(amount)
    responses = told if isinstance(told, tuple) else (told,)
    driven = drive(adapter(name).refund(instruction, order), *responses)
    assert isinstance(driven.result, Heard), driven.result
    evidence = driven.result.evidence
    assert evidence.amount_minor == amount.minor
    assert evidence.currency in {None, amount.currency}


@EVERY
def test_a_part_is_ordered_as_a_part(name: str) -> None:
    case = case_of(name)
    less = case.instruction.amount_minor - 1
    whole, part = ordered(case), ordered(case, amount_minor=less)
    assert case.amount_in(whole) != case.amount_in(part)


@pytest.mark.parametrize(("name", "impossible"), every("impossible"))
def test_an_amount_that_cannot_be_told_is_refused_before_anything_is_asked(
    name: str, impossible: tuple[int, str]
) -> None:
    amount_minor, currency = impossible
    instruction = replace(
        case_of(name).instruction, amount_minor=amount_minor, currency=currency
    )
    with pytest.raises(NotExpressible):
        adapter(name).refund(instruction)


# --- answers ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "answered"), every("answers"))
def test_documented_answers_mean_what_the_documents_say(
    name: str, answered: Answered
) -> None:
    case, gateway = case_of(name), adapter(name)
    instruction = answered.instruction or case.known
    operation: Operation[Any]
    match answered.operation:
        case "refund":
            operation = gateway.refund(instruction, ordered(case))
        case "read_payment":
            operation = gateway.read_payment(
                instruction.account,
                instruction.payment_reference,
                instruction.currency,
            )
        case "probe":
            operation = gateway.probe(instruction.account)
        case method:
            operation = getattr(gateway, method)(instruction)
    result = drive(operation, *answered.responses).result
    assert isinstance(result, answered.outcome), result
    for path, expected in answered.said.items():
        assert looked_at(result, path) == expected, path


@pytest.mark.parametrize(("name", "coded"), every("errors"))
def test_documented_errors_fall_into_their_class(name: str, coded: Coded) -> None:
    case = case_of(name)
    operation = adapter(name).refund(case.instruction, ordered(case))
    result = drive(operation, coded.response, *coded.more).result
    assert isinstance(result, coded.outcome), result
    for path, expected in coded.said.items():
        assert looked_at(result, path) == expected, path


@EVERY
def test_every_documented_error_code_is_shown(name: str) -> None:
    case = case_of(name)
    assert case.codes
    unshown = case.codes - {coded.code for coded in case.errors}
    assert not unshown, f"{name}: show the class of {sorted(unshown)}"


@EVERY
def test_a_case_shows_answers_and_deliveries(name: str) -> None:
    case = case_of(name)
    assert case.answers, f"{name}: show what each documented answer means"
    assert case.deliveries, f"{name}: show a signed delivery"


@EVERY
def test_a_broken_answer_to_an_order_proves_nothing(name: str) -> None:
    case = case_of(name)
    bodies = (b"", b"<html>", b"{}", b"\xff\xfe", b'{"a": NaN}')
    for status, body in product((200, 201, 500, 502, 503, 504), bodies):
        operation = adapter(name).refund(case.instruction, ordered(case))
        # What is read after the order, where it is, comes as broken as its answer.
        result = drive(operation, *[HttpResponse(status, {}, body)] * 3).result
        assert isinstance(result, Unsure), (status, body, result)


# --- webhooks ---------------------------------------------------------------------


def verdict_of(name: str, sent: Delivered, delivery: RawDelivery) -> object:
    account = sent.account or case_of(name).instruction.account
    operation = adapter(name).receive(account, delivery, sent.secrets, sent.at)
    waiting = list(sent.responses)
    try:
        next(operation)
        while True:
            operation.send(waiting.pop(0) if waiting else HttpResponse(404))
    except StopIteration as stop:
        return stop.value


@pytest.mark.parametrize(("name", "sent"), every("deliveries"))
def test_a_good_delivery_is_received(name: str, sent: Delivered) -> None:
    verdict = verdict_of(name, sent, sent.delivery)
    assert isinstance(verdict, Received), verdict
    if sent.words is not None:
        assert tuple(event.word for event in verdict.events) == sent.words
    ids = [event.dedupe_id for event in verdict.events]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("name", "sent"), every("deliveries"))
def test_a_delivery_with_one_bit_changed_says_nothing_new(
    name: str, sent: Delivered
) -> None:
    """A changed twin is refused, or every event of it is only a hint to read."""
    good = verdict_of(name, sent, sent.delivery)
    assert isinstance(good, Received)
    if not (sent.signed or sent.signed_in_body):
        assert sent.responses or all(event.hint for event in good.events)
        return
    for twin in _twins(sent):
        verdict = verdict_of(name, sent, twin)
        if isinstance(verdict, Received):
            assert _meaning(verdict) == _meaning(good), twin


def _meaning(verdict: Received) -> list[tuple[object, ...]]:
    """Give what could move money; a signature may leave a time or a note uncovered."""
    meant: list[tuple[object, ...]] = []
    for event in verdict.events:
        said = event.evidence
        stated: tuple[object, ...] = ()
        if said is not None:
            stated = (
                said.gateway_reference,
                said.merchant_reference,
                said.payment_reference,
                said.amount_minor,
                said.currency,
            )
        meant.append((event.kind, event.word, event.payment_reference, *stated))
    return meant


def _twins(sent: Delivered) -> Iterator[RawDelivery]:
    body, headers = sent.delivery.body, sent.delivery.headers
    step = max(len(body) // FLIPS, 1)
    for place in range(0, len(body), step):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        yield replace(sent.delivery, body=changed)
    for header in sent.signed:
        value = headers[header]
        for place in range(len(value)):
            changed_text = f"{value[:place]}{chr(ord(value[place]) ^ 1)}"
            yield replace(
                sent.delivery,
                headers={**headers, header: changed_text + value[place + 1 :]},
            )


@pytest.mark.parametrize(("name", "sent"), every("deliveries"))
def test_a_delivery_without_signature_or_under_another_key_is_refused(
    name: str, sent: Delivered
) -> None:
    if not (sent.signed or sent.signed_in_body):
        pytest.skip("this gateway signs nothing: what it says is read again")
    if sent.signed_in_body:
        other = replace(sent, secrets=("00" * 32,))
        assert not isinstance(verdict_of(name, other, sent.delivery), Received)
        return
    bare = {k: v for k, v in sent.delivery.headers.items() if k not in sent.signed}
    unsigned = verdict_of(name, sent, replace(sent.delivery, headers=bare))
    assert not isinstance(unsigned, Received)
    if sent.secrets:
        other = replace(sent, secrets=("00" * 32,))
        assert not isinstance(verdict_of(name, other, sent.delivery), Received)


# --- secrets ----------------------------------------------------------------------


@EVERY
def test_secrets_are_in_no_stored_request_and_no_repr(name: str) -> None:
    case, gateway = case_of(name), adapter(name)
    credentials = case.credentials
    if gateway.capabilities.needs_session:
        session = Session("session-secret-0001", NOW.replace(year=2030))
        credentials = replace(credentials, session=session)
    hidden = [value for value in credentials.values.values() if len(value) > 5]
    assert hidden
    for request in (ordered(case), *reads(case)):
        stored = to_store(request)
        bare = f"{stored.target}{stored.headers}{stored.body!r}"
        sent = gateway.authorize(request, credentials, NOW)
        shown = f"{sent!r} {sent} {credentials!r} {stored!r}"
        noted = repr(_noted(name, sent))
        for secret in hidden:
            assert secret not in bare
            assert secret not in shown
            assert secret not in noted


def _noted(name: str, request: HttpRequest) -> object:
    """Give the record of an exchange whose answer repeats everything that was sent."""
    account = case_of(name).instruction.account
    path = ConnectionPath(
        id=f"{account.name}/main",
        account=account,
        gateway=adapter(name),
        endpoint=account.endpoint,
        timeout_seconds=1.0,
        connect_timeout_seconds=1.0,
        concurrency=1,
    )
    asked = calls.Asked(path, request, NOW, 0.0)
    echoed = HttpResponse(400, dict(request.headers), request.body)
    return calls.answered(asked, echoed, 1.0)


@EVERY
def test_without_its_credential_nothing_is_sent(name: str) -> None:
    case = case_of(name)
    order = ordered(case)
    with pytest.raises(Exception, match=r"credential|session"):
        adapter(name).authorize(order, Credentials({}), NOW)
