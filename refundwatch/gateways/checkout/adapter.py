"""The Checkout.com adapter: operations made of builders and readers.

Invariant: of all operations only `refund` yields a request that moves money, and it
yields exactly one; a bearer is sent to the connection's own endpoint alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.checkout import (
    answers,
    building,
    events,
    facts,
    lookup,
    orders,
    payment,
    sessions,
    settlement,
)
from refundwatch.gateways.contract import LookupFailed, PaymentUnreadable

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
        Session,
        Unauthorized,
        Unsure,
        Verdict,
    )
    from refundwatch.gateways.settlement import BadLine, SettlementLine


class Checkout(Adapter):
    """Checkout.com's current API; it has no versions to ask for."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Checkout.com can do."""
        return facts.CAPABILITIES

    def origins(self, account: AccountView) -> tuple[str, ...]:
        """Give the host of tokens that belongs to the endpoint."""
        host = sessions.token_host(account.endpoint)
        return (host,) if host else ()

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - who opened the session watches its age
    ) -> HttpRequest:
        """Return the request with the secret key or the session's token as bearer.

        A token request brings its own authentication.

        Raises:
            InvariantBroken: there is neither key nor session.
        """
        if request.operation == sessions.SESSION:
            return request
        secret = credentials.values.get(facts.SECRET_KEY)
        if not secret and credentials.session is not None:
            secret = credentials.session.secret
        if not secret:
            message = "The connection to Checkout.com has no key and no session."
            raise InvariantBroken(message)
        bearer = ("Authorization", f"Bearer {secret}")
        return replace(request, headers=(*request.headers, bearer))

    def open_session(
        self, account: AccountView, credentials: Credentials, now: datetime
    ) -> Operation[Session | Unauthorized | Unsure]:
        """Take the secret key, or fetch a token.

        Raises:
            InvariantBroken: on the call itself: the connection has no credential.
        """
        return sessions.open_session(account, credentials, now)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund, or send `stored` again and read its answer.

        A payment that is not captured is voided instead, which has no amount: it
        gives up the whole, and is ordered for nothing less.

        Raises:
            NotExpressible: Checkout.com cannot be told this refund; nothing is yielded.
        """
        if stored is not None:
            return orders.send(stored, instruction)
        return orders.order(instruction)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the payment's actions and keep the refunds with our reference."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return lookup.look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the payment's actions and keep the one with the gateway's id."""
        action_id = instruction.gateway_reference
        if not action_id or not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return lookup.read_refund(instruction, action_id)

    def read_payment(
        self,
        account: AccountView,  # noqa: ARG002 - the bearer names the account
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Checkout.com states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read the payment's balances."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        return _read_payment(payment_reference)

    def receive(
        self,
        account: AccountView,  # noqa: ARG002 - each has its own signature key
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - no signature covers a stamp
    ) -> Operation[Verdict]:
        """Verify and read a delivery; nothing has to be asked for it."""
        return reading.without_request(events.verdict(delivery, secrets))

    def probe(
        self,
        account: AccountView,  # noqa: ARG002 - the bearer names the account
    ) -> Operation[ProbeResult]:
        """Ask for a payment that nobody has."""
        response = yield building.payment_request("probe", facts.NO_PAYMENT)
        return answers.probe_result(response)

    def read_settlement(
        self,
        account: AccountView,  # noqa: ARG002 - the file names its own money
        name: str,
        content: Iterable[bytes],
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a report "Financial Actions by Payout ID".

        Raises:
            SettlementUnreadable: it is no such report.
        """
        return settlement.lines(name, content)


def _read_payment(reference: str) -> Operation[PaymentRead | PaymentUnreadable]:
    response = yield building.payment_request("read_payment", reference)
    return payment.payment_of(response, reference)
