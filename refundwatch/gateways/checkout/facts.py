"""What Checkout.com documents, as data.

Invariant: a status, a code or an event that stands nowhere here proves nothing.

Source: checkout/checkout-api-reference nas_spec (2021-07); checkout/checkout-sdk-python
and checkout-sdk-java (2026); "Idempotency", "Format the amount value", "API response
codes", "API rate limits", "Webhook event types", https://www.checkout.com/docs
(read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_KEY: Final = "rw_refund_id"
REFERENCE_LIMIT: Final = 50
KEY_LIMIT: Final = 36
"""No length is documented; a UUID, which is recommended, has this many characters."""

NO_PAYMENT: Final = "pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"
"""A well-formed id that no payment has: asking for it tests the way and the key."""

MOST_UNITS: Final = 999_999_999
"""An amount has nine digits at most, in every currency."""

RESEND_WAIT_SECONDS: Final = 60

SECRET_KEY: Final = "secret_key"  # noqa: S105 - the name of a credential
ACCESS_KEY: Final = ("access_key_id", "access_key_secret")
SCOPE: Final = "oauth_scope"
DEFAULT_SCOPE: Final = "gateway"

AUTHORIZATION_PREFIX: Final = "authorization:"
"""A webhook secret that begins so is the value of the header, not a signature key."""

# Two decimals by the rule "everything else", of which ISO knows none; restating them
# from there makes both zero.
EXPONENTS: Final[Mapping[str, int]] = MappingProxyType({"CLP": 2})
# Three decimals with the last digit zero.
MULTIPLES: Final[Mapping[str, int]] = MappingProxyType(
    dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 10)
)
# "Everything else has two decimals", which ISO denies for these; CLF was once listed
# with none.
REFUSED_CURRENCIES: Final = frozenset({"CLF", "UYI", "UYW"})

CAPABILITIES: Final = Capabilities(
    name="checkout",
    title="Checkout.com",
    lookup=Lookup.BY_LISTING,
    key_window_seconds=24 * 60 * 60,
    # How late an accepted refund is listed is not documented.
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=True,
    polls_pending=True,
    # Only an acceptance is kept under its key; a refusal speaks of its own call.
    replay_is_authoritative=False,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=False,
    voids=True,
    reference_limit=REFERENCE_LIMIT,
    amount_form="minor_units",
    webhook_answer=b"",
    webhook_tolerance_seconds=None,
    settlement_source="report",
    credentials=(SECRET_KEY,),
    settings=(),
    optional_settings=(SCOPE,),
    exponents=EXPONENTS,
    limits=(
        "A refund cannot be read by itself: it is found in its payment's actions.",
        "A refund is accepted at once and ends later, by webhook or when polled.",
        "An accepted refund cannot be cancelled.",
        "A payment not captured yet is voided, and only as a whole.",
        "A failed answer is not kept under its key: a repeat waits for two look-ups.",
        "Deliveries are signed without a time: only their id tells a repeat.",
        f"A webhook secret {AUTHORIZATION_PREFIX}VALUE is what their header must say.",
    ),
    multiples=MULTIPLES,
    refused_currencies=REFUSED_CURRENCIES,
    most_units=MOST_UNITS,
    other_credentials=(ACCESS_KEY,),
    # A failed answer is not kept under its key, so a repeat may execute once more.
    resend_wait_seconds=RESEND_WAIT_SECONDS,
    version_header="cko-version",
)

# --- payments ---------------------------------------------------------------------

AUTHORIZED: Final = "Authorized"
CAPTURED: Final = "Captured"
NOT_YET: Final = frozenset(
    {"Active", "Authentication Requested", "Pending", "Requested", "Retry Scheduled"}
)
"""Payments that may still become captured."""

NEVER: Final = frozenset({"Canceled", "Card Verified", "Declined", "Expired", "Voided"})
"""Payments of which nothing was captured, and nothing will be."""

CAPTURE_WAIT_SECONDS: Final = 60 * 60

# --- actions ----------------------------------------------------------------------

REFUND: Final = "Refund"
VOID: Final = "Void"
RETURN: Final = "Return"
APPROVED: Final = "10000"
DECLINING: Final = ("2", "3", "4", "5")
"""How response codes begin that approve nothing."""

# --- errors -----------------------------------------------------------------------

ECHOES: Final = frozenset({"refund_amount_exceeds_balance", "amount_exceeds_balance"})
"""Refusals that our own earlier success would bring about too."""

INSUFFICIENT_FUNDS: Final = "amount_exceeds_balance"
"""Whose balance is meant is not documented: the payment's or the merchant's."""

REFUSALS: Final = ECHOES | {
    "action_failure_limit_exceeded",
    "amount_invalid",
    "currency_invalid",
    "metadata_key_invalid",
    "parameter_invalid",
    "payment_expired",
    "payment_invalid",
    "payment_type_invalid",
    "refund_authorization_declined",
    "request_invalid",
}
UNCERTAIN: Final = frozenset({"processing_error", "service_unavailable"})
LIMITED: Final = frozenset({"api_calls_quota_exceeded"})
ACCOUNT_TROUBLE: Final = frozenset(
    {"business_invalid", "business_settings_missing", "server_api_not_allowed"}
)
"""Every refund of this account would be refused until people settle it."""

CLIENT_ERRORS: Final = frozenset(
    {"invalid_client", "invalid_scope", "unauthorized_client"}
)

# --- events -----------------------------------------------------------------------

REFUND_EVENTS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "payment_refund_pending": Word.PENDING,
        "payment_refunded": Word.SUCCEEDED,
        "payment_refund_declined": Word.FAILED,
    }
)
VOID_EVENTS: Final[Mapping[str, Word]] = MappingProxyType(
    {"payment_voided": Word.SUCCEEDED, "payment_void_declined": Word.FAILED}
)
"""Voids of others are no refunds: what is left of a partial capture is voided too."""

DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "dispute_received": EventKind.DISPUTE_OPENED,
        "dispute_evidence_required": EventKind.DISPUTE_OPENED,
        "dispute_arbitration_sent_to_scheme": EventKind.DISPUTE_OPENED,
        # The money is gone: a lost beginning must not leave the payment free.
        "dispute_accepted": EventKind.DISPUTE_OPENED,
        "dispute_expired": EventKind.DISPUTE_OPENED,
        "dispute_lost": EventKind.DISPUTE_OPENED,
        "dispute_arbitration_lost": EventKind.DISPUTE_OPENED,
        "payment_returned": EventKind.DISPUTE_OPENED,
        "dispute_arbitration_won": EventKind.DISPUTE_CLOSED,
        "dispute_canceled": EventKind.DISPUTE_CLOSED,
        "dispute_resolved": EventKind.DISPUTE_CLOSED,
        "dispute_won": EventKind.DISPUTE_CLOSED,
    }
)

# --- settlement -------------------------------------------------------------------

FEE_ENDINGS: Final = ("fee", "tax")
