"""The requests that Mollie is sent.

Invariant: a refund always states its amount and carries our reference; what cannot be
stated exactly is refused before it exists. Nothing of an answer becomes a path.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from refundwatch.errors import NotExpressible
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.decimals import decimal_text
from refundwatch.gateways.mollie import facts
from refundwatch.gateways.reading import is_key, is_plain_id

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, RefundInstruction

CANCEL: Final = "cancel"


def uses_token(account: AccountView) -> bool:
    """Tell whether a token of the organization stands for the profile's key."""
    return account.settings.get(facts.ACCESS) == facts.ORGANIZATION


def _says_test(account: AccountView) -> bool:
    """Tell whether a call has to say that it is about test money; a key says it."""
    return uses_token(account) and account.mode == "sandbox"


def refund_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order of a refund.

    Raises:
        NotExpressible: the amount, the payment, the key or our reference cannot be
            stated to Mollie.
    """
    value = decimal_text(
        facts.CAPABILITIES, instruction.amount_minor, instruction.currency
    )
    _check_texts(instruction)
    order: dict[str, object] = {
        "amount": {"currency": instruction.currency, "value": value},
        "description": instruction.merchant_reference,
        "metadata": {facts.REFERENCE_KEY: instruction.merchant_reference},
    }
    if _says_test(instruction.account):
        order["testmode"] = True
    return HttpRequest(
        operation="refund",
        method="POST",
        target=_refunds_of(instruction),
        headers=(
            ("Idempotency-Key", instruction.idempotency_key),
            ("Content-Type", "application/json"),
        ),
        body=json.dumps(order, separators=(",", ":")).encode("ascii"),
        moves_money=True,
    )


def _check_texts(instruction: RefundInstruction) -> None:
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id that Mollie gives."
        raise NotExpressible(message, field="payment_reference")
    if not is_key(instruction.idempotency_key, facts.KEY_LIMIT):
        limit = facts.KEY_LIMIT
        message = f"A key at Mollie is 1 to {limit} printable ASCII characters."
        raise NotExpressible(message, field="idempotency_key")
    if not 0 < len(instruction.merchant_reference) <= facts.REFERENCE_LIMIT:
        message = f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters."
        raise NotExpressible(message, field="merchant_reference")


def cancel_request(instruction: RefundInstruction, refund_id: str) -> HttpRequest:
    """Build the cancellation of a refund; by its nature it names no amount."""
    target = f"{_refunds_of(instruction)}/{refund_id}"
    return HttpRequest(
        operation=CANCEL,
        method="DELETE",
        target=_with_query(instruction.account, target),
        moves_money=True,
    )


def list_request(
    operation: str, instruction: RefundInstruction, first: str | None
) -> HttpRequest:
    """Ask for a page of the payment's refunds, beginning with the one named."""
    query = [("limit", str(facts.PAGE_SIZE))]
    if first is not None:
        query.append(("from", first))
    return _read(operation, instruction.account, _refunds_of(instruction), query)


def read_refund_request(
    operation: str, instruction: RefundInstruction, refund_id: str
) -> HttpRequest:
    """Ask for one refund by Mollie's id."""
    target = f"{_refunds_of(instruction)}/{refund_id}"
    return _read(operation, instruction.account, target)


def payment_request(account: AccountView, reference: str) -> HttpRequest:
    """Ask for a payment."""
    return _read("read_payment", account, f"/v2/payments/{reference}")


def named_payment_request(account: AccountView, reference: str) -> HttpRequest:
    """Ask for the payment that an unsigned webhook names, with its refunds."""
    query = [("embed", "refunds")]
    return _read("read_webhook", account, f"/v2/payments/{reference}", query)


def probe_request(account: AccountView) -> HttpRequest:
    """Ask who we are: it proves reachability and the credential."""
    who = "organizations" if uses_token(account) else "profiles"
    return HttpRequest("probe", "GET", f"/v2/{who}/me")


def _refunds_of(instruction: RefundInstruction) -> str:
    return f"/v2/payments/{instruction.payment_reference}/refunds"


def _read(
    operation: str,
    account: AccountView,
    target: str,
    query: list[tuple[str, str]] | None = None,
) -> HttpRequest:
    return HttpRequest(operation, "GET", _with_query(account, target, query))


def _with_query(
    account: AccountView, target: str, query: list[tuple[str, str]] | None = None
) -> str:
    pairs = [*(query or [])]
    if _says_test(account):
        pairs.append(("testmode", "true"))
    return f"{target}?{urlencode(pairs)}" if pairs else target
