"""What Cybersource documents, as data.

Invariant: a status or a reason that stands nowhere here proves nothing.

Source: CyberSource/cybersource-rest-client-python (commit 968a29f) README, docs and
generator/cybersource-rest-spec.json; CyberSource/cybersource-rest-samples-python
samples/Payments, TransactionSearch and Webhooks; "Webhooks Implementation Guide"
26.7.01; "Timeout Void(s)", "Credits", https://developer.cybersource.com (read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS as ISO_EXPONENTS
from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_LIMIT: Final = 50
ATTEMPT_LIMIT: Final = 30
VOID_SUFFIX: Final = "-void"
TOKEN_SECONDS: Final = 120
STALE_SECONDS: Final = 60 * 60
INDEX_SECONDS: Final = 30 * 60
"""How long the search may miss what was executed; then people decide."""

FRESH_SECONDS: Final = 120
"""The least delay of the index: a payment missing from it is read again then."""

SEARCH_DAYS: Final = 180
SEARCH_LIMIT: Final = 100
MOST_RELATED: Final = 40
"""Related transactions of one payment that are read one by one."""

MERCHANT_ID: Final = "merchant_id"
AUTHENTICATION: Final = "authentication"
JWT: Final = "jwt"
HTTP_SIGNATURE: Final = "http_signature"

# Cybersource cuts decimals off instead of refusing them, and nobody confirms that it
# keeps a third one: what ends in zero is the same amount in both cases.
MULTIPLES: Final[Mapping[str, int]] = MappingProxyType(
    {currency: 10 for currency, digits in ISO_EXPONENTS.items() if digits == 3}  # noqa: PLR2004 - decimals
)
REFUSED_CURRENCIES: Final = frozenset(
    currency
    for currency, digits in ISO_EXPONENTS.items()
    if digits > 3  # noqa: PLR2004 - decimals
)

CAPABILITIES: Final = Capabilities(
    name="cybersource",
    title="Cybersource",
    lookup=Lookup.BY_REFERENCE,
    # There are no keys: whatever is sent again is a second refund.
    key_window_seconds=0,
    lookup_delay_seconds=INDEX_SECONDS,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    replay_is_authoritative=False,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=True,
    voids=False,
    reference_limit=REFERENCE_LIMIT,
    amount_form="decimal_text",
    webhook_answer=b"",
    webhook_tolerance_seconds=STALE_SECONDS,
    settlement_source="api",
    credentials=("key_id", "shared_secret"),
    settings=(MERCHANT_ID,),
    optional_settings=(AUTHENTICATION,),
    limits=(
        "There is no idempotency: an order without an answer is never sent again.",
        "The search shows a refund after minutes; after half an hour people decide.",
        "A refund can be cancelled until it is in a batch, usually the same day.",
        "A lost order is never undone by its attempt: it may be the one wanted.",
        "A refusal by the processor after transmission shows only in the report.",
        "Disputes are told by no event: the acquirer tells of them.",
        "What was refunded of one of several captures cannot be told apart.",
        "Of three decimals the third must be zero; four are not sent.",
    ),
    multiples=MULTIPLES,
    refused_currencies=REFUSED_CURRENCIES,
    # Some deliveries sign their payload alone.
    webhook_signs_body=False,
)

# --- states -----------------------------------------------------------------------

PENDING: Final = "PENDING"
TRANSMITTED: Final = "TRANSMITTED"
VOIDED: Final = "VOIDED"
ANSWERED: Final[Mapping[str, Word]] = MappingProxyType(
    {PENDING: Word.PENDING, TRANSMITTED: Word.SUCCEEDED}
)
"""Words of the answer to an order; it is 201 for refusals too."""

REFUSED: Final = frozenset({"DECLINED", "INVALID_REQUEST"})
WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        PENDING: Word.PENDING,
        "BATCHED": Word.SUCCEEDED,
        TRANSMITTED: Word.SUCCEEDED,
        "SUCCEEDED": Word.SUCCEEDED,
        "SETTLED": Word.SUCCEEDED,
        "FAILED": Word.FAILED,
        "REJECTED": Word.FAILED,
        VOIDED: Word.FAILED,
    }
)
NOT_CAPTURED: Final = frozenset({"FAILED", "REJECTED", VOIDED})
CANCELLED: Final = frozenset({VOIDED, "CANCELLED"})
NOT_CANCELLED: Final = frozenset({"FAILED"})

# --- applications: what a transaction did -----------------------------------------

CREDITS: Final = frozenset({"ics_credit", "ics_ecp_credit"})
CAPTURES: Final = frozenset({"ics_bill"})
CHECK_DEBITS: Final = frozenset({"ics_ecp_debit"})
AUTHORIZATIONS: Final = frozenset({"ics_auth"})
DONE: Final = "1"
NOT_DONE: Final = frozenset({"0", "-1"})

# --- errors -----------------------------------------------------------------------

ECHOES: Final = frozenset({"INVALID_AMOUNT"})
"""Refusals that our own earlier success would bring about too."""

REFUSALS: Final = ECHOES | {
    "ACCOUNT_NOT_ALLOWED_CREDIT",
    "CAPTURE_ALREADY_VOIDED",
    "DECISION_PROFILE_REJECT",
    "INVALID_CARD",
    "INVALID_DATA",
    "MISSING_FIELD",
    "NOT_SUPPORTED",
}
NOT_VOIDABLE: Final = "NOT_VOIDABLE"
INSUFFICIENT_FUNDS: Final = frozenset({"INSUFFICIENT_FUND", "INSUFFICIENT_FUNDS"})
DUPLICATE: Final = "DUPLICATE_REQUEST"
"""Something like this order ran before: only a look-up can tell what."""

MISCONFIGURED: Final = "INVALID_MERCHANT_CONFIGURATION"

# --- events -----------------------------------------------------------------------

REFUND_EVENTS: Final = (
    "payments.refund.",
    "payments.refunds.",
    "payments.credits.",
)

# --- settlement -------------------------------------------------------------------

REFUND_TYPES: Final = frozenset({"refund", "refunds", "credit", "credits"})
PAYMENT_TYPES: Final = frozenset(
    {"capture", "captures", "payment", "payments", "sale", "sales"}
)
SETTLED: Final = "settled"
NOT_SETTLED: Final = frozenset({"declined", "error", "failed", "rejected"})
