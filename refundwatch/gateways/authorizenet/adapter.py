"""The Authorize.Net adapter: operations made of builders and readers.

Invariant: of all operations only `refund` and `cancel` yield a request that moves
money, each at most one; login and key are in no request before `authorize`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.authorizenet import (
    answers,
    building,
    events,
    facts,
    lookup,
    objects,
    ordering,
    settlement,
)
from refundwatch.gateways.contract import (
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
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
        ProbeResult,
        RawDelivery,
        RefundInstruction,
        Verdict,
    )
    from refundwatch.gateways.settlement import BadLine, SettlementLine

_NOT_READ = "payment_reference_unusable"


class AuthorizeNet(Adapter):
    """Authorize.Net's transaction and reporting API; one address takes everything."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Authorize.Net can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a static key does not age
    ) -> HttpRequest:
        """Return the request with login and key as its first member."""
        body = building.with_authentication(request.body, credentials)
        return replace(request, body=body)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Read the sale and order a refund or a void, or send `stored` again.

        A void has no amount by nature: it is ordered only where ours is the whole.

        Raises:
            NotExpressible: the gateway cannot be told this refund; nothing is yielded.
        """
        if stored is not None:
            return ordering.send(stored, instruction)
        building.check(instruction)
        return ordering.order(instruction)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Walk what is unsettled, then the batches, for our invoice number."""
        if not building.is_transaction_id(instruction.payment_reference):
            return reading.without_request(LookupFailed(_NOT_READ))
        return lookup.look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the details of the refund's own transaction."""
        if not building.is_transaction_id(instruction.gateway_reference):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return lookup.read_refund(instruction)

    def read_payment(
        self,
        account: AccountView,
        payment_reference: str,
        currency: str,  # noqa: ARG002 - the account has one currency
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what a sale took; what was refunded of it, no answer says."""
        if not building.is_transaction_id(payment_reference):
            return reading.without_request(PaymentUnreadable(_NOT_READ, missing=True))
        return _read_payment(account, payment_reference)

    def cancel(self, instruction: RefundInstruction) -> Operation[CancelResult]:
        """Void a refund that no batch has settled yet."""
        return ordering.cancel(instruction)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - the signature covers no time
    ) -> Operation[Verdict]:
        """Verify and read a delivery, asking for what it does not say."""
        return events.receive(account, delivery, secrets)

    def probe(
        self,
        account: AccountView,  # noqa: ARG002 - the login names the account
    ) -> Operation[ProbeResult]:
        """Ask whether login and key are right."""
        response = yield building.probe_request()
        return answers.probe_result(response)

    def read_settlement(
        self, account: AccountView, name: str, content: Iterable[bytes]
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a page of the reporting API, kept as a file.

        Raises:
            SettlementUnreadable: it is no such page.
        """
        return settlement.read_lines(account, name, content)


def _read_payment(
    account: AccountView, payment_reference: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    currency = building.currency_of(account)
    sale = yield from objects.read("read_payment", payment_reference, currency)
    if isinstance(sale, answers.Trouble):
        return sale.unreadable()
    if not objects.is_sale(sale):
        return PaymentUnreadable("not_a_sale", missing=True)
    if sale.status in facts.NOTHING_TAKEN:
        return PaymentRead(0, currency)
    if sale.status not in facts.TAKEN:
        return PaymentUnreadable(f"sale_status:{reading.shown(sale.status)}")
    stated = sale.amount()
    if stated.amount_minor is None or stated.amount_minor < 0:
        return PaymentUnreadable(stated.doubt or "no_amount")
    return PaymentRead(
        captured_minor=stated.amount_minor,
        currency=currency,
        disputed=sale.status == "chargeback",
    )
