"""What PayPal documents, as data.

Invariant: a status, an issue or an event that stands nowhere here proves nothing.

Source: paypal/paypal-rest-api-specifications payments_payment_v2.json,
checkout_orders_v2.json and notifications_webhooks_v1.json (commit ec4d8f36);
"Idempotency", "Rate limiting guidelines", "Webhook event names",
https://developer.paypal.com (read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS as ISO_EXPONENTS
from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY_SECONDS: Final = 24 * 60 * 60
REFERENCE_LIMIT: Final = 127
KEY_LIMIT: Final = 108
EVENTS_PAGE: Final = 100

# A retry runs for three days, and whether it gets a new time is not documented.
STALE_SECONDS: Final = 4 * DAY_SECONDS
AHEAD_SECONDS: Final = 60 * 60

WEBHOOK_ID: Final = "webhook_id"
WEBHOOK_CA_FILE: Final = "webhook_ca_file"
WEBHOOK_CA_PEM: Final = "webhook_ca_pem"
WEBHOOK_CERT_ORIGIN: Final = "webhook_cert_origin"

# JPY has no decimals in ISO either.
EXPONENTS: Final[Mapping[str, int]] = MappingProxyType({"HUF": 0, "TWD": 0})
# The text of the schema speaks of three decimals, the list of currencies of none.
REFUSED_CURRENCIES: Final = frozenset(
    currency for currency, digits in ISO_EXPONENTS.items() if digits not in {0, 2}
)

CAPABILITIES: Final = Capabilities(
    name="paypal",
    title="PayPal",
    lookup=Lookup.BY_LISTING,
    key_window_seconds=45 * DAY_SECONDS,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=True,
    polls_pending=True,
    # A repeat tells the latest state of an executed refund; whether a refusal stays
    # under its key is not documented.
    replay_is_authoritative=False,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=False,
    voids=False,
    reference_limit=REFERENCE_LIMIT,
    amount_form="decimal_text",
    webhook_answer=b"",
    webhook_tolerance_seconds=STALE_SECONDS,
    settlement_source="api",
    credentials=("client_id", "client_secret"),
    settings=(WEBHOOK_ID, WEBHOOK_CA_FILE),
    optional_settings=(WEBHOOK_CERT_ORIGIN,),
    exponents=EXPONENTS,
    limits=(
        "A refund cannot be cancelled once it is accepted.",
        "The end of a pending refund comes by no webhook: it is polled for days.",
        "A capture can be refunded for 180 days, with some methods for less.",
        "While a dispute is open, partial refunds are refused.",
        "Fees of the original payment are generally kept.",
    ),
    refused_currencies=REFUSED_CURRENCIES,
    # The signature covers a CRC-32 of the body, which anybody can match.
    webhook_signs_body=False,
)

# --- states -----------------------------------------------------------------------

WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "COMPLETED": Word.SUCCEEDED,
        "PENDING": Word.PENDING,
        "FAILED": Word.FAILED,
        "CANCELLED": Word.FAILED,
    }
)
WAITS: Final = frozenset({"ECHECK"})
"""Reasons of a pending refund that people want to see beside it."""

COMPLETED: Final = "COMPLETED"
PENDING: Final = "PENDING"
PARTIALLY_REFUNDED: Final = "PARTIALLY_REFUNDED"
REFUNDED: Final = "REFUNDED"
CAPTURED: Final = frozenset({COMPLETED, PARTIALLY_REFUNDED, REFUNDED})
NOT_CAPTURED: Final = frozenset({"DECLINED", "FAILED"})
NOTHING_REFUNDED: Final = frozenset({COMPLETED, PENDING}) | NOT_CAPTURED
"""States of a capture of which nothing was given back."""

# --- errors -----------------------------------------------------------------------

ECHOES: Final = frozenset({"REFUND_AMOUNT_EXCEEDED", "CAPTURE_FULLY_REFUNDED"})
"""Refusals that our own earlier success would bring about too."""

INSUFFICIENT_FUNDS: Final = "REFUND_FAILED_INSUFFICIENT_FUNDS"
ACCOUNT_TROUBLE: Final = frozenset(
    {"PAYEE_ACCOUNT_LOCKED_OR_CLOSED", "PAYEE_ACCOUNT_RESTRICTED"}
)
"""Every refund of this account would be refused until people settle it with PayPal."""

EXECUTED_BEFORE: Final = frozenset({"DUPLICATE_INVOICE_ID", "DUPLICATE_REQUEST_ID"})
"""Our reference or our key was used before: something ran, and a repeat tells no more.

The reference never becomes free again, so only a look-up can decide.
"""

REFUSALS: Final[Mapping[int, frozenset[str]]] = MappingProxyType(
    {
        400: frozenset(
            {
                "INVALID_PARAMETER_SYNTAX",
                "INVALID_STRING_LENGTH",
                "MISSING_REQUIRED_PARAMETER",
            }
        ),
        404: frozenset({"INVALID_RESOURCE_ID"}),
        422: ECHOES
        | ACCOUNT_TROUBLE
        | {
            INSUFFICIENT_FUNDS,
            "CANNOT_BE_NEGATIVE",
            "CANNOT_BE_ZERO_OR_NEGATIVE",
            "CURRENCY_MISMATCH",
            "DECIMALS_NOT_SUPPORTED",
            "DECIMAL_PRECISION",
            "INVALID_CURRENCY_CODE",
            "MAX_NUMBER_OF_REFUNDS_EXCEEDED",
            "PARTIAL_REFUND_NOT_ALLOWED",
            "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
            "PENDING_CAPTURE",
            "PLATFORM_FEE_EXCEEDED",
            "PLATFORM_FEE_NOT_ENABLED",
            "REFUND_AMOUNT_TOO_LOW",
            "REFUND_CAPTURE_CURRENCY_MISMATCH",
            "REFUND_IS_RESTRICTED",
            "REFUND_NOT_ALLOWED",
            "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK",
            "REFUND_TIME_LIMIT_EXCEEDED",
            "TRANSACTION_DISPUTED",
        },
    }
)
NAMED_REFUSALS: Final[Mapping[int, str]] = MappingProxyType(
    {400: "INVALID_REQUEST", 404: "RESOURCE_NOT_FOUND"}
)
"""Names that refuse by themselves, where the answer states no issue."""

INVALID_TOKEN: Final = "invalid_token"  # noqa: S105 - the name of an error
CLIENT_ERRORS: Final = frozenset({"invalid_client", "unauthorized_client"})

# --- events -----------------------------------------------------------------------

CAPTURE_REFUNDED: Final = "PAYMENT.CAPTURE.REFUNDED"
CAPTURE_REVERSED: Final = "PAYMENT.CAPTURE.REVERSED"
REFUND_PREFIX: Final = "PAYMENT.REFUND."
"""Not on the official list of events; accepted, but nothing depends on them."""

RESOURCE_VERSION: Final = "2.0"
DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "CUSTOMER.DISPUTE.CREATED": EventKind.DISPUTE_OPENED,
        "CUSTOMER.DISPUTE.UPDATED": EventKind.DISPUTE_OPENED,
        "CUSTOMER.DISPUTE.RESOLVED": EventKind.DISPUTE_CLOSED,
    }
)

# --- certificates -----------------------------------------------------------------

ALGORITHM: Final = "SHA256withRSA"
CERTIFICATE_PATH: Final = "/v1/notifications/certs/"
CERTIFICATE_ORIGINS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "live": ("https://api.paypal.com", "https://api-m.paypal.com"),
        "sandbox": (
            "https://api.sandbox.paypal.com",
            "https://api-m.sandbox.paypal.com",
        ),
    }
)
"""PayPal publishes no such list; it follows the headers that it sends."""

CERTIFICATE_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "live": "messageverificationcerts.paypal.com",
        "sandbox": "messageverificationcerts.sandbox.paypal.com",
    }
)
