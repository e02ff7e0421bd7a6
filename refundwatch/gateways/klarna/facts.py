"""What Klarna documents, as data.

Invariant: a code or an order status that stands nowhere here proves nothing.

Source: Klarna Order Management API 1.0 and Settlements API 1.0.0-rc2, OpenAPI
documents as mirrored in api-evangelist/klarna; "Refund orders and manage
authorizations", "Escalation and retry policy", "Error codes: Order Management", "Rate
limit", "Set up your webhooks", https://docs.klarna.com (read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup
from refundwatch.gateways.settlement import LineKind

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_LIMIT: Final = 255
MOST_UNITS: Final = 200_000_000
KEY_HEADER: Final = "Klarna-Idempotency-Key"

# "Minor units" is documented with two decimals alone, and every market of Klarna's has
# two: what it would take in another currency is a guess.
REFUSED_CURRENCIES: Final = frozenset(
    currency
    for currency, decimals in EXPONENTS.items()
    if decimals != 2  # noqa: PLR2004
)

CAPABILITIES: Final = Capabilities(
    name="klarna",
    title="Klarna",
    lookup=Lookup.BY_LISTING,
    key_window_seconds=24 * 60 * 60,
    # "Some seconds": a read may lag behind the write that it would confirm.
    lookup_delay_seconds=120,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    # Whether an error is replayed under its key is not documented.
    replay_is_authoritative=False,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=False,
    voids=False,
    reference_limit=REFERENCE_LIMIT,
    amount_form="minor_units",
    webhook_answer=b"",
    webhook_tolerance_seconds=None,
    settlement_source="api",
    credentials=("username", "password"),
    settings=(),
    limits=(
        "A refund has no status: it is booked when it is accepted.",
        "A booked refund cannot be cancelled.",
        "The same key with another body repeats the first answer: each is read again.",
        "No webhook tells of a refund; it is read from its order.",
        "An order that was not captured is cancelled, not refunded.",
        "Order lines are not sent, so the customer may see an invoice without them.",
        f"One refund is at most {MOST_UNITS} minor units.",
    ),
    refused_currencies=REFUSED_CURRENCIES,
    most_units=MOST_UNITS,
)

# --- orders -----------------------------------------------------------------------

ORDER_STATUSES: Final = frozenset(
    {"AUTHORIZED", "PART_CAPTURED", "CAPTURED", "CANCELLED", "EXPIRED", "CLOSED"}
)
NO_ORDER: Final = "00000000-0000-0000-0000-000000000000"
"""No order has this id: to be told so proves the credentials."""

# --- errors -----------------------------------------------------------------------

REFUSAL_STATUSES: Final = frozenset({400, 404, 413, 415, 422})
NOT_ALLOWED: Final = "_NOT_ALLOWED"
REFUND_NOT_ALLOWED: Final = "REFUND_NOT_ALLOWED"
PERMISSION: Final = "permission"
NO_CAPTURES: Final = "no captures"
EDGE_WAIT_SECONDS: Final = 300
"""A 403 without an error object is the DDoS protection: it wants to be left alone."""

MAX_RESET_SECONDS: Final = 3600

# --- webhooks of the Klarna Network -----------------------------------------------

DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {"payment.dispute.state-change.initiated": EventKind.DISPUTE_OPENED}
)

# --- settlement -------------------------------------------------------------------

# The specification gives no sign, so the type decides; 0 keeps the sign as written.
LINE_KINDS: Final[Mapping[str, tuple[LineKind, int]]] = MappingProxyType(
    {
        "SALE": (LineKind.PAYMENT, 1),
        "RETURN": (LineKind.REFUND, -1),
        "FEE": (LineKind.FEE, -1),
        "FEE_REFUND": (LineKind.FEE, 1),
        "COMMISSION": (LineKind.FEE, -1),
        "TAX": (LineKind.FEE, -1),
        "REVERSAL": (LineKind.CHARGEBACK, -1),
        "REVERSAL_MERCHANT_PROTECTION": (LineKind.CHARGEBACK_REVERSED, 1),
        "CHARGE": (LineKind.OTHER, -1),
        "CREDIT": (LineKind.OTHER, 1),
        "HOLDBACK": (LineKind.OTHER, -1),
        "RELEASE": (LineKind.OTHER, 1),
        "CORRECTION": (LineKind.OTHER, 0),
    }
)
