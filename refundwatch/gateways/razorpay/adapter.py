"""The Razorpay adapter: operations made of builders and readers.

Invariant: of all operations only `refund` yields a request that moves money, and it
yields exactly one, always with its amount, our reference and the key.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import LookupFailed, PaymentUnreadable
from refundwatch.gateways.razorpay import (
    answers,
    building,
    events,
    facts,
    lookup,
    payment,
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


class Razorpay(Adapter):
    """Razorpay's API v1; the key id selects test or live."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Razorpay can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a static key does not age
    ) -> HttpRequest:
        """Return the request with key id and secret."""
        key_id = credentials.values.get("key_id")
        secret = credentials.values.get("key_secret")
        if not key_id or not secret:
            message = "The connection to Razorpay has no credential key_id, key_secret."
            raise InvariantBroken(message)
        pair = b64encode(f"{key_id}:{secret}".encode()).decode("ascii")
        # Razorpay takes the word in this spelling alone.
        headers = (*request.headers, ("Authorization", f"Basic {pair}"))
        return replace(request, headers=headers)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund, or send `stored` again and read its answer.

        Raises:
            NotExpressible: Razorpay cannot be told this refund; nothing is yielded.
        """
        return _order(stored or building.refund_request(instruction))

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read every refund of the payment and keep those with our reference."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return lookup.look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by Razorpay's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return lookup.read_refund(instruction, refund_id)

    def read_payment(
        self,
        account: AccountView,  # noqa: ARG002 - nothing of it is in the request
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Razorpay states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what the payment captured and gave back."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        return payment.read_payment(payment_reference)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - nothing in a delivery is stamped
    ) -> Operation[Verdict]:
        """Verify and read a delivery; nothing has to be asked for it."""
        return reading.without_request(events.verdict(account, delivery, secrets))

    def probe(
        self,
        account: AccountView,  # noqa: ARG002 - nothing of it is in the request
    ) -> Operation[ProbeResult]:
        """Read one refund."""
        response = yield building.probe_request()
        return answers.probe_result(response)

    def read_settlement(
        self,
        account: AccountView,  # noqa: ARG002 - a line names its own currency
        name: str,  # noqa: ARG002 - its content tells what it is
        content: Iterable[bytes],
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a page of the settlement reconciliation.

        Raises:
            SettlementUnreadable: it is none.
        """
        return settlement.read(content)


def _order(request: HttpRequest) -> Operation[Outcome]:
    response = yield request
    return answers.refund_outcome(response)
