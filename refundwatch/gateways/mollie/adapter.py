"""The Mollie adapter: operations made of builders and readers.

Invariant: only `refund` and `cancel` yield a request that moves money, each exactly
one; a refund is ordered only after the payment's refunds were read, because Mollie
refuses an equal amount for an hour, whatever the key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import InvariantBroken, MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import (
    Absent,
    Found,
    Heard,
    LookupFailed,
    NotProcessed,
    PaymentUnreadable,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.mollie import (
    answers,
    building,
    events,
    facts,
    listing,
    objects,
    settlement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        CancelResult,
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
    from refundwatch.gateways.settlement import BadLine, SettlementLine


class Mollie(Adapter):
    """Mollie's API v2; the version is part of every path."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Mollie can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a static key does not age
    ) -> HttpRequest:
        """Return the request with the key or token as bearer.

        Raises:
            InvariantBroken: the connection has none.
        """
        key = credentials.values.get("api_key")
        if not key:
            message = "The connection to Mollie has no credential api_key."
            raise InvariantBroken(message)
        headers = (*request.headers, ("Authorization", f"Bearer {key}"))
        return replace(request, headers=headers)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Look at the payment's refunds, then order; or send `stored` again.

        Raises:
            NotExpressible: Mollie cannot be told this refund; nothing is yielded.
        """
        if stored is not None:
            return _order(instruction, stored)
        return _look_and_order(instruction, building.refund_request(instruction))

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read every refund of the payment and keep those with our reference."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return _look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by Mollie's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not _are_plain(instruction, refund_id):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return _read_refund(instruction, refund_id)

    def read_payment(
        self,
        account: AccountView,
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Mollie states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what was captured of the payment and given back of it."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        return _read_payment(account, payment_reference)

    def cancel(self, instruction: RefundInstruction) -> Operation[CancelResult]:
        """Ask for an accepted refund back; by nature it names no amount.

        Where Mollie does not cancel it, the refund is read: the word says where it
        stands.
        """
        refund_id = instruction.gateway_reference
        if refund_id is None or not _are_plain(instruction, refund_id):
            return reading.without_request(RefusedByGateway("no_gateway_reference"))
        return _cancel(instruction, refund_id)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - no delivery of Mollie's bears a time
    ) -> Operation[Verdict]:
        """Verify a signed event, or read what an unsigned delivery names."""
        return events.receive(account, delivery, secrets)

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Read who we are."""
        response = yield building.probe_request(account)
        return answers.probe_result(response)

    def read_settlement(
        self,
        account: AccountView,  # noqa: ARG002 - the pages name no account
        name: str,
        content: Iterable[bytes],
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a page of balance transactions, or of a settlement's refunds.

        Raises:
            SettlementUnreadable: it is neither.
        """
        return settlement.read_page(name, content)


def _are_plain(instruction: RefundInstruction, refund_id: str) -> bool:
    return reading.is_plain_id(refund_id) and reading.is_plain_id(
        instruction.payment_reference
    )


def _guard_seconds(instruction: RefundInstruction) -> int:
    """Give the length of the guard; an account may know that it is another."""
    written = instruction.account.settings.get(facts.GUARD_SETTING, "")
    plain = written.isascii() and written.isdigit() and len(written) < len("1000000")
    return int(written) if plain else facts.GUARD_SECONDS


def _look_and_order(
    instruction: RefundInstruction, request: HttpRequest
) -> Operation[Outcome]:
    whole = yield from listing.read_whole("look_before", instruction, "lookup")
    if isinstance(whole, LookupFailed):
        return _unlisted(whole)
    known = listing.ours_among(whole, instruction.merchant_reference)
    if isinstance(known, Found):
        return known.matches[0]
    wait = listing.guarded_seconds(whole, instruction, _guard_seconds(instruction))
    if wait is not None:
        return NotProcessed("equal_amount_guard", wait, alone=True)
    return (yield from _order(instruction, request))


def _unlisted(failed: LookupFailed) -> Outcome:
    if failed.unauthorized:
        return Unauthorized(failed.reason)
    if failed.reason == f"http_{answers.NOT_FOUND}":
        return RefusedByGateway("payment_not_found")
    return Unsure(failed.reason, failed.retry_after_seconds)


def _order(instruction: RefundInstruction, request: HttpRequest) -> Operation[Outcome]:
    response = yield request
    return answers.refund_outcome(
        response, instruction.merchant_reference, _guard_seconds(instruction)
    )


def _look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    whole = yield from listing.read_whole("look_up", instruction, "lookup")
    if isinstance(whole, LookupFailed):
        return whole
    return listing.ours_among(whole, instruction.merchant_reference)


def _read_refund(
    instruction: RefundInstruction, refund_id: str
) -> Operation[LookupResult]:
    response = yield building.read_refund_request("read_refund", instruction, refund_id)
    if response.status == answers.NOT_FOUND:
        return (yield from _find(instruction, refund_id))
    if response.status != answers.OK:
        return reading.lookup_failed(response)
    try:
        refund = reading.parse_object(response.body)
        found = objects.read_refund_object(
            refund, "poll", instruction.merchant_reference
        )
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if found.evidence.gateway_reference != refund_id:
        return LookupFailed("another_refund")
    return Found((found,))


def _find(instruction: RefundInstruction, refund_id: str) -> Operation[LookupResult]:
    """Look among the payment's refunds for one that cannot be read by itself.

    A cancelled refund disappears, but one that was just made may not be readable yet.
    So absence is no proof that it was cancelled; where time says that it cannot be
    late, people decide.
    """
    whole = yield from listing.read_whole("read_refund", instruction, "poll")
    if isinstance(whole, LookupFailed):
        return whole
    matches = tuple(
        one.heard
        for one in whole.refunds
        if one.heard.evidence.gateway_reference == refund_id
    )
    if not matches and _cannot_be_late(instruction):
        evidence = Evidence(
            source="poll",
            raw_status=facts.GONE,
            gateway_reference=refund_id,
            payment_reference=instruction.payment_reference,
        )
        return Found((Heard(Word.UNSEEN, evidence),))
    return Found(matches) if matches else Absent()


def _cannot_be_late(instruction: RefundInstruction) -> bool:
    asked_at, accepted_at = instruction.asked_at, instruction.accepted_at
    if asked_at is None or accepted_at is None:
        return False
    return (asked_at - accepted_at).total_seconds() > facts.GONE_SECONDS


def _read_payment(
    account: AccountView, reference: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    response = yield building.payment_request(account, reference)
    if response.status != answers.OK:
        return reading.payment_unreadable(response)
    return objects.read_payment_object(response.body, reference, account)


def _cancel(instruction: RefundInstruction, refund_id: str) -> Operation[CancelResult]:
    response = yield building.cancel_request(instruction, refund_id)
    if response.status == answers.NO_CONTENT:
        return answers.cancelled(instruction, refund_id)
    outcome = answers.not_cancelled(response)
    if outcome is not None:
        return outcome
    stands = yield from _read_refund(instruction, refund_id)
    if isinstance(stands, Found):
        return stands.matches[0]
    return Unsure(answers.reason(response))
