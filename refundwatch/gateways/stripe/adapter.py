"""The Stripe adapter: operations made of builders and readers.

Invariant: of all operations only `refund` yields a request that moves money, and it
yields exactly one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken, MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import (
    Absent,
    Found,
    Heard,
    LookupFailed,
    PaymentUnreadable,
)
from refundwatch.gateways.stripe import answers, building, events, facts

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Capabilities,
        Credentials,
        HttpRequest,
        LookupResult,
        Operation,
        Outcome,
        PaymentRead,
        ProbeResult,
        RawDelivery,
        RefundInstruction,
        Verdict,
    )
    from refundwatch.gateways.reading import Json


class Stripe(Adapter):
    """Stripe's API v1, at the version the account pins."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Stripe can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a static key does not age
    ) -> HttpRequest:
        """Return the request with the secret key as bearer."""
        key = credentials.values.get("api_key")
        if not key:
            message = "The connection to Stripe has no credential api_key."
            raise InvariantBroken(message)
        headers = (*request.headers, ("Authorization", f"Bearer {key}"))
        return replace(request, headers=headers)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund, or send `stored` again and read its answer.

        Raises:
            NotExpressible: Stripe cannot be told this refund; nothing is yielded.
        """
        request = stored or building.refund_request(instruction)
        return _order(request, instruction.payment_reference)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read every refund of the payment and keep those with our reference."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return _look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by Stripe's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return _read_refund(instruction, refund_id)

    def read_payment(
        self,
        account: AccountView,
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Stripe states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what the payment's charge captured and gave back."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        if building.is_charge(payment_reference):
            return _read_charge(account, payment_reference)
        return _read_payment_intent(account, payment_reference)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,
    ) -> Operation[Verdict]:
        """Verify and read a delivery; nothing has to be asked for it."""
        return reading.without_request(events.verdict(account, delivery, secrets, now))

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Read the balance."""
        response = yield building.probe_request(account)
        return answers.probe_result(response, account)


def _order(request: HttpRequest, payment_reference: str) -> Operation[Outcome]:
    response = yield request
    return answers.refund_outcome(response, payment_reference)


def _look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    matches: list[Heard] = []
    cursor: str | None = None
    for _ in range(facts.MAX_PAGES):
        response = yield building.list_request(instruction, cursor)
        if response.status != answers.OK:
            return reading.lookup_failed(response)
        try:
            page = reading.parse_object(response.body)
            listed = [_listed(item, instruction) for item in _entries(page)]
        except MalformedResponse as error:
            return LookupFailed(error.message)
        ours = instruction.merchant_reference
        matches += [one for one in listed if one.evidence.merchant_reference == ours]
        if not reading.flag(page, "has_more"):
            return Found(tuple(matches)) if matches else Absent()
        last = listed[-1].evidence.gateway_reference if listed else None
        if last is None or last == cursor:
            return LookupFailed("listing_stuck")
        cursor = last
    return LookupFailed("listing_too_long")


def _entries(page: Json) -> list[Json]:
    """Give the entries of a list; one that is no list cannot prove an absence."""
    entries = reading.items(page, "data")
    if entries is None or reading.flag(page, "has_more") is None:
        raise MalformedResponse("no_list_object")
    return entries


def _listed(entry: Json, instruction: RefundInstruction) -> Heard:
    return answers.read_refund_object(entry, "lookup", instruction.payment_reference)


def _read_refund(
    instruction: RefundInstruction, refund_id: str
) -> Operation[LookupResult]:
    response = yield building.read_refund_request(instruction.account, refund_id)
    if response.status != answers.OK:
        return reading.lookup_failed(response)
    try:
        refund = reading.parse_object(response.body)
        found = answers.read_refund_object(
            refund, "poll", instruction.payment_reference
        )
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if found.evidence.gateway_reference != refund_id:
        return LookupFailed("another_refund")
    return Found((found,))


def _read_payment_intent(
    account: AccountView, reference: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    response = yield building.payment_intent_request(account, reference)
    if response.status != answers.OK:
        return reading.payment_unreadable(response)
    intent = reading.object_or_none(response.body)
    if reading.text(intent, "object") != "payment_intent":
        return PaymentUnreadable("no_payment_intent_object")
    charge = reading.member(intent, "latest_charge")
    if charge is not None:
        return answers.payment_of_charge(charge, account)
    charge_id = reading.text(intent, "latest_charge")
    if charge_id is not None and reading.is_plain_id(charge_id):
        return (yield from _read_charge(account, charge_id))
    return answers.payment_without_charge(intent, account)


def _read_charge(
    account: AccountView, reference: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    response = yield building.charge_request(account, reference)
    if response.status != answers.OK:
        return reading.payment_unreadable(response)
    charge = reading.object_or_none(response.body)
    return answers.payment_of_charge(charge, account)
