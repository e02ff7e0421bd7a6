"""The requests that Braintree is sent.

Invariant: a refund always states its amount and our reference, because Braintree takes
a missing amount as the whole sale and a missing reference as the sale's own. A void
states no amount by nature: it is built only for the whole of a sale.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.errors import NotExpressible
from refundwatch.gateways.braintree import documents, facts
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.decimals import decimal_text
from refundwatch.gateways.reading import is_key, is_plain_id

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, RefundInstruction
    from refundwatch.gateways.reading import Json, JsonObject

TARGET: Final = "/graphql"
ORDER: Final = "refund"
VOID: Final = "void"
CANCEL: Final = "cancel"


def check(instruction: RefundInstruction) -> None:
    """Refuse what Braintree cannot be told, before anything is asked.

    Raises:
        NotExpressible: the amount, the payment, the key or our reference.
    """
    decimal_text(facts.CAPABILITIES, instruction.amount_minor, instruction.currency)
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id that Braintree gives."
        raise NotExpressible(message, field="payment_reference")
    limit = facts.KEY_LIMIT - len(facts.CANCEL_KEY)
    if not is_key(instruction.idempotency_key, limit):
        message = f"A key at Braintree is 1 to {limit} printable ASCII characters."
        raise NotExpressible(message, field="idempotency_key")
    if not is_key(instruction.merchant_reference, facts.REFERENCE_LIMIT):
        message = (
            f"Our reference has 1 to {facts.REFERENCE_LIMIT} printable ASCII "
            "characters."
        )
        raise NotExpressible(message, field="merchant_reference")


def refund_request(instruction: RefundInstruction, transaction_id: str) -> HttpRequest:
    """Build the order of a refund of a settled sale, whole or in part."""
    written: JsonObject = {
        "transactionId": transaction_id,
        "refund": {
            "amount": decimal_text(
                facts.CAPABILITIES, instruction.amount_minor, instruction.currency
            ),
            "orderId": instruction.merchant_reference,
        },
    }
    return _order(ORDER, instruction, documents.REFUND, written)


def void_request(instruction: RefundInstruction, transaction_id: str) -> HttpRequest:
    """Build the order that gives back the whole of a sale; it states no amount.

    Braintree voids the sale, or refunds all of it where it has settled meanwhile. Our
    reference goes along only as what is echoed.
    """
    written: JsonObject = {"transactionId": transaction_id}
    return _order(VOID, instruction, documents.REVERSE, written)


def cancel_request(instruction: RefundInstruction, refund_id: str) -> HttpRequest:
    """Build the order that takes back a refund which has not settled."""
    own = instruction.idempotency_key + facts.CANCEL_KEY
    instruction = replace(instruction, idempotency_key=own)
    written: JsonObject = {"refundId": refund_id}
    return _order(CANCEL, instruction, documents.CANCEL, written)


def sale_request(operation: str, account: AccountView, sale_id: str) -> HttpRequest:
    """Ask for a sale with all its refunds."""
    return _request(operation, account, documents.SALE, {"id": sale_id})


def read_refund_request(
    operation: str, account: AccountView, refund_id: str
) -> HttpRequest:
    """Ask for one refund by its GraphQL id."""
    return _request(operation, account, documents.READ_REFUND, {"id": refund_id})


def identity_request(
    operation: str, account: AccountView, legacy_id: str, kind: str
) -> HttpRequest:
    """Ask for the GraphQL id behind a legacy id; it need not exist to be answered."""
    variables: Json = {"legacyId": legacy_id, "type": kind}
    return _request(operation, account, documents.IDENTITY, variables)


def probe_request(account: AccountView) -> HttpRequest:
    """Ask for nothing: it proves reachability and a valid key, not refund rights."""
    return _request("probe", account, documents.PING, {})


def _order(
    operation: str, instruction: RefundInstruction, document: str, written: JsonObject
) -> HttpRequest:
    """Add what names an order: its key, and our reference as what is echoed."""
    account = instruction.account
    written["clientMutationId"] = instruction.merchant_reference
    if account.settings.get(facts.REQUEST_KEYS) != facts.OFF:
        written["apiRequestKey"] = instruction.idempotency_key
    return _request(operation, account, document, {"input": written}, moves_money=True)


def _request(
    operation: str,
    account: AccountView,
    document: str,
    variables: Json,
    *,
    moves_money: bool = False,
) -> HttpRequest:
    body = json.dumps(
        {"query": document, "variables": variables}, separators=(",", ":")
    )
    return HttpRequest(
        operation=operation,
        method="POST",
        target=TARGET,
        headers=(
            ("Braintree-Version", account.api_version or facts.API_VERSION),
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
        ),
        body=body.encode("ascii"),
        moves_money=moves_money,
    )
