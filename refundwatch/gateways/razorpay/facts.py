"""What Razorpay documents, as data.

Invariant: a status, an event or a description that stands nowhere here proves nothing.

Source: razorpay/markdown-docs api/refunds, api/payments, api/settlements, api/errors,
payments/refunds and webhooks, https://github.com/razorpay/markdown-docs (2026-04-09,
read 2026-11); razorpay-python 2.0.1; razorpay/razorpay-mcp-server pull request 128 on
receipts.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_KEY: Final = "rw_refund_id"
# Documented for the receipt of an order; for that of a refund no limit is.
REFERENCE_LIMIT: Final = 40
KEY_HEADER: Final = "X-Refund-Idempotency"
SPEED: Final = "speed"
ACCOUNT_ID: Final = "account_id"
NORMAL: Final = "normal"
SPEEDS: Final = frozenset({NORMAL, "optimum"})
PAGE_SIZE: Final = 100
MAX_PAGES: Final = 50
"""A payment with more than 5,000 refunds is looked at by people."""

_THREE_DECIMALS: Final = 3
# Three decimals are written, and the last must be zero.
MULTIPLES: Final[Mapping[str, int]] = MappingProxyType(
    {code: 10 for code, digits in EXPONENTS.items() if digits == _THREE_DECIMALS}
)
# Documented are none, two and three decimals.
REFUSED_CURRENCIES: Final = frozenset(
    code for code, digits in EXPONENTS.items() if digits > _THREE_DECIMALS
)

CAPABILITIES: Final = Capabilities(
    name="razorpay",
    title="Razorpay",
    lookup=Lookup.BY_LISTING,
    # How long a key lives is not documented; a day is what Razorpay's integrators rely
    # on, and no order is repeated before the payment's own list was read.
    key_window_seconds=24 * 60 * 60,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    # Whether a refusal is kept under its key is not documented.
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
    credentials=("key_id", "key_secret"),
    settings=(),
    optional_settings=(SPEED, ACCOUNT_ID),
    limits=(
        "A refund can neither be cancelled nor taken back.",
        "A refund counts as processed before the bank has a reference for it.",
        "A payment older than six months may be refused at once, or fail later.",
        "An instant refund that cannot be instant goes the normal way.",
        "The settlement report does not hold our reference.",
        "A webhook that fails for 24 hours is switched off as a whole.",
    ),
    multiples=MULTIPLES,
    refused_currencies=REFUSED_CURRENCIES,
    least_units=MappingProxyType({"INR": 100}),
)

# --- states -----------------------------------------------------------------------

WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "pending": Word.PENDING,
        "processed": Word.SUCCEEDED,
        "failed": Word.FAILED,
    }
)
BANK_REFERENCES: Final = ("arn", "rrn", "utr")

CAPTURED: Final = frozenset({"captured", "refunded"})
NOT_CAPTURED: Final = frozenset({"created", "authorized", "failed"})

# --- errors -----------------------------------------------------------------------

BAD_REQUEST: Final = "BAD_REQUEST_ERROR"
"""The others, `GATEWAY_ERROR` and `SERVER_ERROR`, prove nothing under any status."""

# Descriptions are matched as fragments, in small letters; only our code is kept.
ECHOES: Final = (
    ("has been fully refunded already", "already_refunded"),
    ("greater than amount captured", "amount_not_refundable"),
    ("greater than the amount captured", "amount_not_refundable"),
)
"""Refusals that our own earlier success would bring about too."""

REFUSALS: Final = (
    ("amount must be at least", "amount_too_small"),
    ("is not a valid id", "id_invalid"),
    ("id provided does not exist", "id_unknown"),
    ("requested url was not found", "url_unknown"),
    ("status should be captured", "not_captured"),
    ("more than 6 months old", "payment_too_old"),
    ("should not be sent", "field_unknown"),
    ("idempotency key must", "key_malformed"),
    ("idempotency key should", "key_malformed"),
    ("invalid idempotency key", "key_malformed"),
)
SHORT_OF_FUNDS: Final = (
    ("does not have enough balance", "insufficient_balance"),
    # What some accounts are told instead: people look at the balance first.
    ("invalid request sent", "invalid_request_sent"),
)
# Another request has used our key or our receipt: only a look-up can tell which.
USED_BEFORE: Final = (
    ("different request with the same idempotency key", "key_used_before"),
    ("receipt", "receipt_used_before"),
)
DENIED: Final = ("access denied", "key/secret provided is invalid", "not enabled")
UNKNOWN_PAYMENT: Final = ("is not a valid id", "id provided does not exist")

# --- events -----------------------------------------------------------------------

REFUND_EVENTS: Final = frozenset(
    {
        "refund.created",
        "refund.processed",
        "refund.failed",
        "refund.speed_changed",
    }
)
DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "payment.dispute.created": EventKind.DISPUTE_OPENED,
        # A lost `created` must not leave the payment free.
        "payment.dispute.under_review": EventKind.DISPUTE_OPENED,
        "payment.dispute.action_required": EventKind.DISPUTE_OPENED,
        "payment.dispute.won": EventKind.DISPUTE_CLOSED,
        "payment.dispute.lost": EventKind.DISPUTE_CLOSED,
        "payment.dispute.closed": EventKind.DISPUTE_CLOSED,
    }
)
