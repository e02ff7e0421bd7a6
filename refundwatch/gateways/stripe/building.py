"""The requests that Stripe is sent.

Invariant: a refund always states its amount, because Stripe takes a missing one as
"everything that is left"; what cannot be stated exactly is refused before it exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from refundwatch.errors import NotExpressible
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.reading import is_key, is_plain_id
from refundwatch.gateways.stripe import facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, RefundInstruction

KEY_LIMIT: Final = 255
FORM: Final = "application/x-www-form-urlencoded"


def is_charge(payment_reference: str) -> bool:
    """Tell whether the payment is named by its charge, not its payment intent."""
    return payment_reference.startswith(facts.CHARGE_PREFIXES)


def refund_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order of a refund.

    Raises:
        NotExpressible: the amount, the payment, the key or our reference cannot be
            stated to Stripe.
    """
    units = facts.CAPABILITIES.gateway_units(
        instruction.amount_minor, instruction.currency
    )
    _check_texts(instruction)
    form = [
        (_payment_field(instruction.payment_reference), instruction.payment_reference),
        ("amount", str(units)),
        (f"metadata[{facts.REFERENCE_KEY}]", instruction.merchant_reference),
    ]
    reason = facts.REASONS.get(instruction.reason_code)
    if reason is not None:
        form.append(("reason", reason))
    return HttpRequest(
        operation="refund",
        method="POST",
        target="/v1/refunds",
        headers=(
            *_version(instruction.account),
            ("Idempotency-Key", instruction.idempotency_key),
            ("Content-Type", FORM),
        ),
        body=urlencode(form).encode("ascii"),
        moves_money=True,
    )


def _check_texts(instruction: RefundInstruction) -> None:
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id that Stripe gives."
        raise NotExpressible(message, field="payment_reference")
    if not is_key(instruction.idempotency_key, KEY_LIMIT):
        message = f"A key at Stripe is 1 to {KEY_LIMIT} printable ASCII characters."
        raise NotExpressible(message, field="idempotency_key")
    if not 0 < len(instruction.merchant_reference) <= facts.REFERENCE_LIMIT:
        message = f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters."
        raise NotExpressible(message, field="merchant_reference")


def list_request(
    instruction: RefundInstruction, starting_after: str | None
) -> HttpRequest:
    """Ask for a page of the payment's refunds, newest first."""
    query = [
        (_payment_field(instruction.payment_reference), instruction.payment_reference),
        ("limit", str(facts.PAGE_SIZE)),
    ]
    if starting_after is not None:
        query.append(("starting_after", starting_after))
    return _read("look_up", instruction.account, "/v1/refunds?" + urlencode(query))


def read_refund_request(account: AccountView, refund_id: str) -> HttpRequest:
    """Ask for one refund by Stripe's id."""
    return _read("read_refund", account, f"/v1/refunds/{quote(refund_id, safe='')}")


def payment_intent_request(account: AccountView, reference: str) -> HttpRequest:
    """Ask for a payment intent with its charge inside."""
    path = f"/v1/payment_intents/{quote(reference, safe='')}"
    query = urlencode([("expand[]", "latest_charge")])
    return _read("read_payment", account, f"{path}?{query}")


def charge_request(account: AccountView, reference: str) -> HttpRequest:
    """Ask for a charge."""
    return _read("read_payment", account, f"/v1/charges/{quote(reference, safe='')}")


def probe_request(account: AccountView) -> HttpRequest:
    """Ask for the balance: it proves reachability, key and mode."""
    return _read("probe", account, "/v1/balance")


def _read(operation: str, account: AccountView, target: str) -> HttpRequest:
    return HttpRequest(operation, "GET", target, _version(account))


def _version(account: AccountView) -> tuple[tuple[str, str], ...]:
    return (("Stripe-Version", account.api_version or facts.API_VERSION),)


def _payment_field(payment_reference: str) -> str:
    return "charge" if is_charge(payment_reference) else "payment_intent"
