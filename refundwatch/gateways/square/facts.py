"""What Square documents, as data.

Invariant: a status or code that stands nowhere here proves nothing.

Source: square/connect-api-specification api.json (2025-08-20); "Refund Payments",
"Idempotency", "Refunds API", "List Payout Entries", "Dispute state updated",
https://developer.squareup.com (read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, Lookup
from refundwatch.gateways.settlement import LineKind

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION: Final = "2025-08-20"
KEY_LIMIT: Final = 45
REFERENCE_LIMIT: Final = 192
"""The length of `reason`, the only text of ours that comes back."""

MOST_REFUNDS: Final = 100
"""Square takes 20 a payment; a list far beyond that is looked at by people."""

NOTIFICATION_URL: Final = "notification_url"
"""The address as it is registered at Square, to the letter: it is signed too."""

MERCHANT_ID: Final = "merchant_id"

# Square's list of currencies has none of these, or only what they replaced.
REFUSED_CURRENCIES: Final = frozenset(
    {"BYN", "MRU", "STN", "UYW", "VED", "VES", "XAD", "XCG", "ZWG", "ZWL"}
)

CAPABILITIES: Final = Capabilities(
    name="square",
    title="Square",
    lookup=Lookup.BY_LISTING,
    # Square publishes no life of a key, nor what two calls at once under one key do. A
    # day is what may be relied on, and only after two looks that found nothing.
    key_window_seconds=24 * 60 * 60,
    resend_wait_seconds=60,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    # Only the first success is repeated, and its status may be an old one.
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
    credentials=("access_token",),
    settings=(),
    optional_settings=(NOTIFICATION_URL, MERCHANT_ID),
    limits=(
        "A refund that fails blocks all later ones of its payment: pay another way.",
        "A payment takes at most 20 refunds, for one year.",
        "One refund of a payment waits until another that is pending has ended.",
        "An accepted refund cannot be cancelled.",
        "A payment that was not completed is cancelled, not refunded.",
        "Webhooks need the setting notification_url, exactly as registered.",
    ),
    refused_currencies=REFUSED_CURRENCIES,
)

# --- states -----------------------------------------------------------------------

WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "PENDING": Word.PENDING,
        "COMPLETED": Word.SUCCEEDED,
        "REJECTED": Word.FAILED,
        "FAILED": Word.FAILED,
    }
)
FAILURES: Final[Mapping[str, str]] = MappingProxyType(
    {"REJECTED": "rejected", "FAILED": "failed_payment_blocked"}
)

COMPLETED: Final = "COMPLETED"
NOTHING_CAPTURED: Final = frozenset({"APPROVED", "CANCELED", "FAILED"})

# --- errors -----------------------------------------------------------------------

REFUSAL_STATUSES: Final = frozenset({400, 402, 404, 422})
ECHOES: Final = frozenset({"REFUND_AMOUNT_INVALID", "PAYMENT_NOT_REFUNDABLE"})
"""Refusals that our own earlier success would bring about too."""

REFUSALS: Final = ECHOES | frozenset(
    {
        "BAD_REQUEST",
        "CARD_DECLINED",
        "CARD_EXPIRED",
        "CARD_MISMATCH",
        "CARD_NOT_SUPPORTED",
        "CARD_PRESENCE_REQUIRED",
        "CARD_TOKEN_EXPIRED",
        "CARD_TOKEN_USED",
        "CURRENCY_MISMATCH",
        "GENERIC_DECLINE",
        "INVALID_CARD",
        "INVALID_CARD_DATA",
        "INVALID_FEES",
        "MISSING_REQUIRED_PARAMETER",
        "NOT_FOUND",
        "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE",
        "REFUND_DECLINED",
        "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION",
        "UNSUPPORTED_CARD_BRAND",
        "UNSUPPORTED_COUNTRY",
        "UNSUPPORTED_CURRENCY",
        "UNSUPPORTED_ENTRY_METHOD",
        "UNSUPPORTED_INSTRUMENT_TYPE",
        "UNSUPPORTED_SOURCE_TYPE",
        "VALUE_TOO_HIGH",
        "VALUE_TOO_LONG",
        "VALUE_TOO_LOW",
        "VALUE_TOO_SHORT",
        "VERSION_MISMATCH",
    }
)

LIMITED: Final = "RATE_LIMITED"
ALREADY_PENDING: Final = "REFUND_ALREADY_PENDING"
KEY_REUSED: Final = "IDEMPOTENCY_KEY_REUSED"

CREDENTIAL_CODES: Final = frozenset(
    {
        "ACCESS_TOKEN_EXPIRED",
        "ACCESS_TOKEN_REVOKED",
        "API_VERSION_INCOMPATIBLE",
        "APPLICATION_DISABLED",
        "CLIENT_DISABLED",
        "FORBIDDEN",
        "INSUFFICIENT_PERMISSIONS",
        "INSUFFICIENT_PERMISSIONS_FOR_REFUND",
        "INSUFFICIENT_SCOPES",
        "INVALID_SQUARE_VERSION_FORMAT",
        "SANDBOX_NOT_SUPPORTED",
        "UNAUTHORIZED",
    }
)

# --- events -----------------------------------------------------------------------

REFUND_EVENTS: Final = frozenset({"refund.created", "refund.updated"})
DISPUTE_EVENTS: Final = frozenset({"dispute.created", "dispute.state.updated"})
DISPUTES_OVER: Final = frozenset({"WON", "INQUIRY_CLOSED"})
"""A dispute that is lost or accepted has taken the money: the payment stays closed."""

# --- payouts ----------------------------------------------------------------------

LINE_KINDS: Final[Mapping[str, LineKind]] = MappingProxyType(
    {
        "CHARGE": LineKind.PAYMENT,
        "REFUND": LineKind.REFUND,
        "DISPUTE": LineKind.CHARGEBACK,
        "PAYOUT": LineKind.PAYOUT,
        **dict.fromkeys(
            (
                "APP_FEE_REFUND",
                "DEPOSIT_FEE",
                "DEPOSIT_FEE_REVERSED",
                "FEE",
                "PROCESSING_FEE",
                "PROCESSING_FEE_REFUND",
                "TAX_ON_FEE",
                "THIRD_PARTY_FEE",
                "THIRD_PARTY_FEE_REFUND",
                "UNDO_PROCESSING_FEE_REFUND",
            ),
            LineKind.FEE,
        ),
    }
)
