"""The PayPal adapter: operations made of builders and readers.

Invariant: of all operations only `refund` yields a request that moves money, and it
yields exactly one; nothing but the token request and PayPal's own API is authorized.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import LookupFailed, PaymentUnreadable
from refundwatch.gateways.paypal import (
    answers,
    building,
    certificates,
    facts,
    lookup,
    payment,
    webhooks,
)

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
        Session,
        Unauthorized,
        Unsure,
        Verdict,
    )


class PayPal(Adapter):
    """PayPal's Payments v2; the version is part of every path."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what PayPal can do."""
        return facts.CAPABILITIES

    def origins(self, account: AccountView) -> tuple[str, ...]:
        """Give where PayPal publishes the certificates that sign its webhooks."""
        return certificates.origins(account)

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - who opened the session watches its age
    ) -> HttpRequest:
        """Return the request with the session's token as bearer.

        A token request brings its own authentication, and a request that names its
        own host (for a certificate) must carry no token there.

        Raises:
            InvariantBroken: the request needs a session and there is none.
        """
        if request.operation == building.SESSION or request.target[:1] != "/":
            return request
        if credentials.session is None:
            message = "The connection to PayPal has no session."
            raise InvariantBroken(message)
        bearer = ("Authorization", f"Bearer {credentials.session.secret}")
        return replace(request, headers=(*request.headers, bearer))

    def open_session(
        self,
        account: AccountView,  # noqa: ARG002 - a token is the connection's
        credentials: Credentials,
        now: datetime,
    ) -> Operation[Session | Unauthorized | Unsure]:
        """Fetch a token for the client.

        Raises:
            InvariantBroken: on the call itself: a credential is missing.
        """
        return _open_session(building.session_request(credentials), now)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund, or send `stored` again and read its answer.

        Raises:
            NotExpressible: PayPal cannot be told this refund; nothing is yielded.
        """
        request = stored or building.refund_request(instruction)
        return _order(request, instruction.merchant_reference)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refunds of the payment's order and keep those with our reference."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return lookup.look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by PayPal's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return lookup.read_refund(instruction, refund_id, "poll")

    def read_payment(
        self,
        account: AccountView,  # noqa: ARG002 - the session names the account
        payment_reference: str,
        currency: str,  # noqa: ARG002 - PayPal states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what was captured and, from the order, what was given back."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        return payment.read_payment(payment_reference)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],  # noqa: ARG002 - PayPal signs with a certificate
        now: datetime,
    ) -> Operation[Verdict]:
        """Verify and read a delivery, asking for the certificate it names."""
        return webhooks.receive(account, delivery, now)

    def probe(
        self,
        account: AccountView,  # noqa: ARG002 - the session names the account
    ) -> Operation[ProbeResult]:
        """Read the kinds of events."""
        response = yield building.probe_request()
        return answers.probe_result(response)


def _open_session(
    request: HttpRequest, now: datetime
) -> Operation[Session | Unauthorized | Unsure]:
    response = yield request
    return answers.session_of(response, now)


def _order(request: HttpRequest, merchant_reference: str) -> Operation[Outcome]:
    response = yield request
    return answers.refund_outcome(response, merchant_reference)
