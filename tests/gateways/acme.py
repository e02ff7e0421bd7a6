"""Acme Pay, an invented gateway: the adapter that docs/adding-a-gateway.md builds.

It stands in no registry. Invariant: only `refund` yields a request that moves money,
and exactly one; what is neither a documented yes nor a documented no proves nothing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import InvariantBroken, MalformedResponse, NotExpressible
from refundwatch.gateways import contract, reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.signing import stamped_fault

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.gateways.contract import Operation, RefundInstruction
    from refundwatch.gateways.reading import Json

TOLERANCE_SECONDS: Final = 300
TEXT_LIMIT: Final = 64
CAPABILITIES: Final = contract.Capabilities(
    name="acme",
    title="Acme Pay",
    lookup=contract.Lookup.BY_LISTING,
    key_window_seconds=24 * 60 * 60,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    replay_is_authoritative=True,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=False,
    voids=False,
    reference_limit=TEXT_LIMIT,
    amount_form="minor_units",
    webhook_answer=b"",
    webhook_tolerance_seconds=TOLERANCE_SECONDS,
    settlement_source="report",
    credentials=("api_key",),
    settings=(),
    limits=("An accepted refund cannot be cancelled.",),
    exponents={"ISK": 2},
)
WORDS: Final = {"queued": Word.PENDING, "paid": Word.SUCCEEDED, "failed": Word.FAILED}
REFUSALS: Final = frozenset({"payment_unknown", "payment_not_captured", "disputed"})
NOTHING_LEFT: Final = "amount_exceeds_remaining"
NO_FUNDS: Final = "insufficient_balance"


class Acme(Adapter):
    """Acme Pay's API v1."""

    @property
    def capabilities(self) -> contract.Capabilities:
        """Declare what Acme can do."""
        return CAPABILITIES

    def authorize(
        self,
        request: contract.HttpRequest,
        credentials: contract.Credentials,
        now: datetime,
    ) -> contract.HttpRequest:
        """Return the request with the key as bearer; a static key does not age."""
        del now
        key = credentials.values.get("api_key")
        if not key:
            raise InvariantBroken("The connection to Acme has no credential api_key.")
        headers = (*request.headers, ("Authorization", f"Bearer {key}"))
        return replace(request, headers=headers)

    def refund(
        self,
        instruction: RefundInstruction,
        stored: contract.HttpRequest | None = None,
    ) -> Operation[contract.Outcome]:
        """Order the refund; what cannot be said raises before anything is yielded."""
        return _order(stored or refund_request(instruction))

    def look_up(
        self, instruction: RefundInstruction
    ) -> Operation[contract.LookupResult]:
        """Read all refunds of the payment and keep those with our reference."""
        payment = instruction.payment_reference
        if not reading.is_plain_id(payment):
            return contract.LookupFailed("payment_reference_unusable")
        response = yield _read("look_up", f"/v1/payments/{payment}/refunds")
        if response.status != HTTPStatus.OK:
            return reading.lookup_failed(response)
        try:
            listed = reading.items(reading.parse_object(response.body), "refunds")
            if listed is None:
                return contract.LookupFailed("no_list")
            told = [read_refund_object(one, "lookup") for one in listed]
        except MalformedResponse as error:
            return contract.LookupFailed(error.message)
        ours = instruction.merchant_reference
        found = [it for it in told if it.evidence.merchant_reference == ours]
        return contract.Found(tuple(found)) if found else contract.Absent()

    def read_refund(
        self, instruction: RefundInstruction
    ) -> Operation[contract.LookupResult]:
        """Read the refund by Acme's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return contract.LookupFailed("no_gateway_reference")
        response = yield _read("read_refund", f"/v1/refunds/{refund_id}")
        if response.status != HTTPStatus.OK:
            return reading.lookup_failed(response)
        try:
            found = read_refund_object(reading.parse_object(response.body), "poll")
        except MalformedResponse as error:
            return contract.LookupFailed(error.message)
        if found.evidence.gateway_reference != refund_id:
            return contract.LookupFailed("another_refund")
        return contract.Found((found,))

    def read_payment(
        self, account: contract.AccountView, payment_reference: str, currency: str
    ) -> Operation[contract.PaymentRead | contract.PaymentUnreadable]:
        """Read what the payment captured and gave back."""
        del account, currency
        if not reading.is_plain_id(payment_reference):
            return contract.PaymentUnreadable("unusable", missing=True)
        response = yield _read("read_payment", f"/v1/payments/{payment_reference}")
        if response.status != HTTPStatus.OK:
            return reading.payment_unreadable(response)
        payment = reading.object_or_none(response.body)
        stated = reading.at(payment, "currency")
        captured = stated_units(CAPABILITIES, reading.at(payment, "captured"), stated)
        back = stated_units(CAPABILITIES, reading.at(payment, "refunded"), stated)
        minor, code = captured.amount_minor, captured.currency
        if minor is None or code is None:
            return contract.PaymentUnreadable("captured_untold")
        return contract.PaymentRead(minor, code, back.amount_minor)

    def receive(
        self,
        account: contract.AccountView,
        delivery: contract.RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,
    ) -> Operation[contract.Verdict]:
        """Verify the raw bytes, then read the event; nothing has to be asked."""
        del account
        header, body = delivery.headers.get("acme-signature"), delivery.body
        fault = stamped_fault(header, body, secrets, now, TOLERANCE_SECONDS)
        good = contract.Received((event_of(body),))
        return reading.without_request(contract.Forged(fault) if fault else good)

    def probe(self, account: contract.AccountView) -> Operation[contract.ProbeResult]:
        """Read the status page of the key's account."""
        del account
        response = yield _read("probe", "/v1/status")
        if response.status != HTTPStatus.OK:
            return reading.probe_failed(response)
        return contract.ProbeResult()


def refund_request(it: RefundInstruction) -> contract.HttpRequest:
    """Build the order; raises NotExpressible where Acme cannot be told it."""
    units = CAPABILITIES.gateway_units(it.amount_minor, it.currency)
    told = {
        "payment_reference": reading.is_plain_id(it.payment_reference),
        "idempotency_key": reading.is_key(it.idempotency_key, TEXT_LIMIT),
        "merchant_reference": 0 < len(it.merchant_reference) <= TEXT_LIMIT,
    }
    for field, good in told.items():
        if not good:
            raise NotExpressible(f"Acme takes no such {field}.", field=field)
    body = {"payment": it.payment_reference, "amount": units, "currency": it.currency}
    key = ("Idempotency-Key", it.idempotency_key)
    return contract.HttpRequest(
        operation="refund",
        method="POST",
        target="/v1/refunds",
        headers=(key, ("Content-Type", "application/json")),
        body=json.dumps(body | {"reference": it.merchant_reference}).encode(),
        moves_money=True,
    )


def _read(operation: str, target: str) -> contract.HttpRequest:
    return contract.HttpRequest(operation, "GET", target)


def _order(request: contract.HttpRequest) -> Operation[contract.Outcome]:
    response = yield request
    if response.status != HTTPStatus.CREATED:
        return error_outcome(response)
    try:
        return read_refund_object(reading.parse_object(response.body), "answer")
    except MalformedResponse as error:
        return contract.Unsure(error.message)


def read_refund_object(refund: Json, source: str) -> contract.Heard:
    """Read a refund; raises MalformedResponse where it has no id."""
    raw = reading.text(refund, "state")
    evidence = Evidence(
        source=source,
        raw_status=reading.shown(raw),
        gateway_reference=reading.required_text(refund, "id"),
        merchant_reference=reading.text(refund, "reference"),
        payment_reference=reading.text(refund, "payment"),
        failure_code=raw if raw == "failed" else None,
    )
    amount, currency = reading.at(refund, "amount"), reading.at(refund, "currency")
    stated = stated_units(CAPABILITIES, amount, currency)
    return heard(WORDS.get(raw or "", Word.UNSEEN), evidence, stated)


def error_outcome(response: contract.HttpResponse) -> contract.Outcome:
    """Give the class of an error; what is not documented proves nothing."""
    error = reading.object_or_none(response.body)
    code = reading.text(error, "error", "code", limit=reading.MAX_SHOWN)
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = reading.retry_after_seconds(response.headers)
        return contract.NotProcessed("limited", wait)
    if code in REFUSALS or code in {NOTHING_LEFT, NO_FUNDS}:
        echo, poor = code == NOTHING_LEFT, code == NO_FUNDS
        return contract.RefusedByGateway(code or "", echo, poor)
    return reading.common_outcome(response)


def event_of(body: bytes) -> contract.GatewayEvent:
    """Say what a verified delivery means; one that is no refund's means nothing."""
    event = reading.object_or_none(body)
    identity = reading.text(event, "id") or reading.body_sha256(body)
    named = reading.shown(reading.text(event, "type"))
    at = reading.utc_text_of_unix(reading.whole(event, "created"))
    try:
        told = read_refund_object(reading.member(event, "refund"), "webhook")
    except MalformedResponse:
        return contract.GatewayEvent(contract.EventKind.OTHER, identity, named, at)
    said, kind = told.evidence, contract.EventKind.REFUND
    of = said.payment_reference
    return contract.GatewayEvent(kind, identity, named, at, told.word, said, of)
