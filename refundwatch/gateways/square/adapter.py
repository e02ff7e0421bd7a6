"""The Square adapter: operations made of builders and readers.

Invariant: of all operations only `refund` yields a request that moves money, and it
yields exactly one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import LookupFailed, PaymentUnreadable
from refundwatch.gateways.square import (
    answers,
    building,
    events,
    facts,
    lookup,
    settlement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
    from refundwatch.gateways.settlement import BadLine, SettlementLine


class Square(Adapter):
    """Square's API v2, at the version the account pins."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Square can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - who refreshes the token watches its age
    ) -> HttpRequest:
        """Return the request with the access token as bearer."""
        token = credentials.values.get("access_token")
        if not token:
            message = "The connection to Square has no credential access_token."
            raise InvariantBroken(message)
        headers = (*request.headers, ("Authorization", f"Bearer {token}"))
        return replace(request, headers=headers)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund, or send `stored` again and read its answer.

        A repeated key brings the first success, whose status may be an old one: what
        became of it since is told by webhook and poll.

        Raises:
            NotExpressible: Square cannot be told this refund; nothing is yielded.
        """
        request = stored or building.refund_request(instruction)
        return _order(request, instruction.merchant_reference)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read every refund that the payment names and keep those that are ours."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return lookup.look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by Square's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return lookup.read_refund(instruction, refund_id)

    def read_payment(
        self,
        account: AccountView,
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Square states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what the payment took and gave back."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        return _read_payment(account, payment_reference)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - nothing in a signature is stamped
    ) -> Operation[Verdict]:
        """Verify and read a delivery; nothing has to be asked for it."""
        return reading.without_request(events.verdict(account, delivery, secrets))

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Read one refund of any."""
        response = yield building.probe_request(account)
        return answers.probe_result(response)

    def read_settlement(
        self,
        account: AccountView,  # noqa: ARG002 - entries name no account
        name: str,
        content: Iterable[bytes],
    ) -> Iterator[SettlementLine | BadLine]:
        """Read the pages of a payout's entries, as the API gives them.

        Raises:
            SettlementUnreadable: it is no page of payout entries.
        """
        return settlement.lines(name, content)


def _order(request: HttpRequest, ours: str) -> Operation[Outcome]:
    response = yield request
    return answers.refund_outcome(response, ours)


def _read_payment(
    account: AccountView, payment_id: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    response = yield building.payment_request("read_payment", account, payment_id)
    if response.status != answers.OK:
        return reading.payment_unreadable(response, answers.reason(response))
    return answers.payment_read(response.body, payment_id)
