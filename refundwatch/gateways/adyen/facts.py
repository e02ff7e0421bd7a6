"""What Adyen documents, as data.

Invariant: an event or an error that stands nowhere here proves nothing.

Source: Adyen/adyen-openapi CheckoutService-v72.json and Webhooks-v1.json; "API
idempotency", "Error codes and messages", "Outcome of a refund", "Currency codes",
https://docs.adyen.com (read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_LIMIT: Final = 80
KEY_LIMIT: Final = 64
MERCHANT_ACCOUNT: Final = "merchant_account"

EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}
)
# Neither on a list of Adyen's nor of two decimals in ISO: what it takes is a guess.
REFUSED_CURRENCIES: Final = frozenset({"BIF", "CLF", "UYI", "UYW"})

CAPABILITIES: Final = Capabilities(
    name="adyen",
    title="Adyen",
    lookup=Lookup.NONE,
    key_window_seconds=7 * 24 * 60 * 60,
    lookup_delay_seconds=0,
    reads_payment=False,
    reads_refund=False,
    needs_session=False,
    polls_pending=False,
    replay_is_authoritative=True,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=False,
    voids=False,
    reference_limit=REFERENCE_LIMIT,
    amount_form="minor_units",
    webhook_answer=b"[accepted]",
    webhook_tolerance_seconds=None,
    settlement_source="report",
    credentials=("api_key",),
    settings=(MERCHANT_ACCOUNT,),
    exponents=EXPONENTS,
    limits=(
        "A refund cannot be read or searched: its end comes by webhook or report.",
        "Captured and refunded amounts of a payment cannot be read.",
        "A submitted refund cannot be cancelled.",
        "Partial refunds of some methods need line items, which are not sent.",
    ),
    refused_currencies=REFUSED_CURRENCIES,
)

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "duplicate": "DUPLICATE",
        "requested_by_customer": "CUSTOMER REQUEST",
        "return": "RETURN",
    }
)

# --- errors -----------------------------------------------------------------------

REFUSAL_STATUSES: Final = frozenset({400, 404, 422})
IN_PROGRESS: Final = "704"
KEY_STORE_DOWN: Final = "703"

# --- events -----------------------------------------------------------------------

# `REFUND_FAILED` and `REFUNDED_REVERSED` say "true" about themselves, not about the
# refund, and both come after its success.
REFUND_WORDS: Final[Mapping[tuple[str, str], Word]] = MappingProxyType(
    {
        ("REFUND", "true"): Word.SUCCEEDED,
        ("REFUND", "false"): Word.FAILED,
        ("REFUND_FAILED", "true"): Word.REVERSED,
        ("REFUNDED_REVERSED", "true"): Word.REVERSED,
        ("POSTPONED_REFUND", "true"): Word.PENDING,
    }
)
REFUND_EVENTS: Final = frozenset(
    {
        "REFUND",
        "REFUND_FAILED",
        "REFUNDED_REVERSED",
        "POSTPONED_REFUND",
        "VOID_PENDING_REFUND",
    }
)
CANCEL_OR_REFUND: Final = "CANCEL_OR_REFUND"

DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "REQUEST_FOR_INFORMATION": EventKind.DISPUTE_OPENED,
        "NOTIFICATION_OF_CHARGEBACK": EventKind.DISPUTE_OPENED,
        "CHARGEBACK": EventKind.DISPUTE_OPENED,
        "SECOND_CHARGEBACK": EventKind.DISPUTE_OPENED,
        "PREARBITRATION_OPEN": EventKind.DISPUTE_OPENED,
        "CHARGEBACK_REVERSED": EventKind.DISPUTE_CLOSED,
        "PREARBITRATION_WON": EventKind.DISPUTE_CLOSED,
    }
)

# The reason of a failed refund is free text, so it is matched loosely and only the
# code of the match is kept.
FAILURE_CODES: Final = (
    ("captured", "not_captured"),
    ("insufficient balance", "insufficient_balance"),
    ("already", "already_refunded"),
    ("fully refunded", "already_refunded"),
)
