"""What Stripe documents, as data.

Invariant: a status or code that stands nowhere here proves nothing.

Source: stripe/openapi latest/openapi.spec3.json (2026-09-30.endive); "Refund and
cancel payments", "Advanced error handling", "Idempotent requests", "Error codes",
"Supported currencies", https://docs.stripe.com (read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION: Final = "2026-09-30.endive"
REFERENCE_KEY: Final = "rw_id"
REFERENCE_LIMIT: Final = 500
TOLERANCE_SECONDS: Final = 300
PAGE_SIZE: Final = 100
MAX_PAGES: Final = 50
"""A payment with more than 5,000 refunds is looked at by people."""

CHARGE_PREFIXES: Final = ("ch_", "py_")

# MGA has no decimals here; ISK and UGX have two that must be zero, which restating
# them from ISO's none brings by itself. UGX also stands on the zero-decimal list, and
# the special case wins.
EXPONENTS: Final[Mapping[str, int]] = MappingProxyType({"MGA": 0, "ISK": 2, "UGX": 2})
# Three decimals with the last digit zero.
MULTIPLES: Final[Mapping[str, int]] = MappingProxyType(
    dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 10)
)
# "Everything else has two decimals", which ISO denies for these.
REFUSED_CURRENCIES: Final = frozenset({"IQD", "LYD", "CLF", "UYW", "UYI"})

CAPABILITIES: Final = Capabilities(
    name="stripe",
    title="Stripe",
    lookup=Lookup.BY_LISTING,
    key_window_seconds=24 * 60 * 60,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    replay_is_authoritative=True,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=False,
    voids=False,
    reference_limit=REFERENCE_LIMIT,
    amount_form="minor_units",
    webhook_answer=b"",
    webhook_tolerance_seconds=TOLERANCE_SECONDS,
    settlement_source="api",
    credentials=("api_key",),
    settings=(),
    exponents=EXPONENTS,
    limits=(
        "A card refund cannot be cancelled once it is accepted.",
        "A payment that was not captured is cancelled, not refunded.",
        "A refund can fail up to 30 days after it was paid out.",
    ),
    multiples=MULTIPLES,
    refused_currencies=REFUSED_CURRENCIES,
)

# --- states -----------------------------------------------------------------------

WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "pending": Word.PENDING,
        "requires_action": Word.PENDING,
        "succeeded": Word.SUCCEEDED,
        "failed": Word.FAILED,
        "canceled": Word.FAILED,
    }
)
WAITS: Final = frozenset({"insufficient_funds", "charge_pending"})
"""Reasons of a pending refund that people want to see beside it."""

FAILURES: Final = frozenset(
    {
        "lost_or_stolen_card",
        "expired_or_canceled_card",
        "charge_for_pending_refund_disputed",
        "insufficient_funds",
        "declined",
        "merchant_request",
        "unknown",
    }
)

# `fraudulent` also blocks the card and the address, so no reason maps to it.
REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "duplicate": "duplicate",
        "requested_by_customer": "requested_by_customer",
    }
)

# --- errors -----------------------------------------------------------------------

REFUSAL_STATUSES: Final = frozenset({400, 402, 404})
REFUSALS: Final = frozenset(
    {
        "amount_too_large",
        "amount_too_small",
        "charge_disputed",
        "charge_invalid_parameter",
        "charge_not_refundable",
        "invalid_charge_amount",
        "livemode_mismatch",
        "parameter_invalid_empty",
        "parameter_invalid_integer",
        "parameter_invalid_string_blank",
        "parameter_invalid_string_empty",
        "parameter_missing",
        "parameter_unknown",
        "parameters_exclusive",
        "payment_intent_unexpected_state",
        "refund_disputed_payment",
        "resource_missing",
        "testmode_charges_only",
    }
)
ECHOES: Final = frozenset({"charge_already_refunded", "amount_too_large"})
"""Refusals that our own earlier success would bring about too."""

INSUFFICIENT_FUNDS: Final = "balance_insufficient"
LIMITED: Final = frozenset({"rate_limit", "lock_timeout"})
"""Stopped before execution, and not stored under the key."""

CREDENTIAL_CODES: Final = frozenset(
    {"api_key_expired", "platform_api_key_expired", "secret_key_required"}
)

# --- events -----------------------------------------------------------------------

REFUND_EVENTS: Final = frozenset(
    {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
)
DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "charge.dispute.created": EventKind.DISPUTE_OPENED,
        # The money is taken: a lost `created` must not leave the payment free.
        "charge.dispute.funds_withdrawn": EventKind.DISPUTE_OPENED,
        "charge.dispute.funds_reinstated": EventKind.DISPUTE_CLOSED,
        "charge.dispute.closed": EventKind.DISPUTE_CLOSED,
    }
)
