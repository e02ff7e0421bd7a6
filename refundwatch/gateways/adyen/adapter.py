"""The Adyen adapter: it orders refunds and listens; Adyen can be asked nothing else.

Invariant: of all operations only `refund` yields a request that moves money, and it
yields exactly one, always with its amount, our reference and the key.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.adyen import answers, events, facts
from refundwatch.gateways.contract import (
    HttpRequest,
    LookupFailed,
    PaymentUnreadable,
)

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Capabilities,
        Credentials,
        LookupResult,
        Operation,
        Outcome,
        PaymentRead,
        ProbeResult,
        RawDelivery,
        RefundInstruction,
        Verdict,
    )
    from refundwatch.gateways.reading import JsonObject

_JSON = ("Content-Type", "application/json")
_CANNOT_READ = "not_offered"


class Adyen(Adapter):
    """Adyen's Checkout API; the version is part of the connection's endpoint."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Adyen can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a static key does not age
    ) -> HttpRequest:
        """Return the request with the API key."""
        key = credentials.values.get("api_key")
        if not key:
            message = "The connection to Adyen has no credential api_key."
            raise InvariantBroken(message)
        return replace(request, headers=(*request.headers, ("X-API-Key", key)))

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund, or send `stored` again and read its answer.

        Raises:
            NotExpressible: Adyen cannot be told this refund; nothing is yielded.
        """
        return _order(stored or _refund_request(instruction), instruction)

    def look_up(
        self,
        instruction: RefundInstruction,  # noqa: ARG002 - there is nothing to ask
    ) -> Operation[LookupResult]:
        """Say that Adyen offers no look-up."""
        return reading.without_request(LookupFailed(_CANNOT_READ))

    def read_refund(
        self,
        instruction: RefundInstruction,  # noqa: ARG002 - there is nothing to ask
    ) -> Operation[LookupResult]:
        """Say that Adyen offers no read of a refund."""
        return reading.without_request(LookupFailed(_CANNOT_READ))

    def read_payment(
        self, account: AccountView, payment_reference: str, currency: str
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Say that Adyen offers no read of a payment."""
        del account, payment_reference, currency
        return reading.without_request(PaymentUnreadable(_CANNOT_READ))

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - nothing in a delivery is stamped
    ) -> Operation[Verdict]:
        """Verify and read a delivery; nothing has to be asked for it."""
        return reading.without_request(events.verdict(account, delivery, secrets))

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Ask for the payment methods: it reads only, and proves key and account."""
        response = yield HttpRequest(
            operation="probe",
            method="POST",
            target="/paymentMethods",
            headers=(_JSON,),
            body=_encoded({"merchantAccount": _merchant_account(account)}),
        )
        return answers.probe_result(response)


def _order(request: HttpRequest, instruction: RefundInstruction) -> Operation[Outcome]:
    response = yield request
    return answers.refund_outcome(response, instruction.account, _key_of(request))


def _key_of(request: HttpRequest) -> str:
    return dict(request.headers).get("Idempotency-Key", "")


def _refund_request(instruction: RefundInstruction) -> HttpRequest:
    units = facts.CAPABILITIES.gateway_units(
        instruction.amount_minor, instruction.currency
    )
    _check_texts(instruction)
    body: JsonObject = {
        "merchantAccount": _merchant_account(instruction.account),
        "amount": {"currency": instruction.currency, "value": units},
        "reference": instruction.merchant_reference,
    }
    reason = facts.REASONS.get(instruction.reason_code)
    if reason is not None:
        body["merchantRefundReason"] = reason
    return HttpRequest(
        operation="refund",
        method="POST",
        target=f"/payments/{instruction.payment_reference}/refunds",
        headers=(("Idempotency-Key", instruction.idempotency_key), _JSON),
        body=_encoded(body),
        moves_money=True,
    )


def _check_texts(instruction: RefundInstruction) -> None:
    if not reading.is_plain_id(instruction.payment_reference):
        message = "This payment reference is no pspReference."
        raise NotExpressible(message, field="payment_reference")
    if not reading.is_key(instruction.idempotency_key, facts.KEY_LIMIT):
        message = f"A key at Adyen is 1 to {facts.KEY_LIMIT} ASCII characters."
        raise NotExpressible(message, field="idempotency_key")
    if not 0 < len(instruction.merchant_reference) <= facts.REFERENCE_LIMIT:
        message = f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters."
        raise NotExpressible(message, field="merchant_reference")


def _merchant_account(account: AccountView) -> str:
    name = account.settings.get(facts.MERCHANT_ACCOUNT)
    if not name:
        message = f"Account {account.name} has no setting {facts.MERCHANT_ACCOUNT}."
        raise InvariantBroken(message)
    return name


def _encoded(body: JsonObject) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
