"""What Braintree documents, as data.

Invariant: a status, an error class or a code that stands nowhere here proves nothing.

Source: braintree/graphql-api schema.graphql (2025-04-29) and CHANGELOG.md; reference
pages "RefundTransactionInput", "ReverseTransactionInput", "ReverseRefundInput", guides
"Idempotency (At-Most-Once Processing)" and "Making API Calls", "Settlement responses",
https://developer.paypal.com/braintree (read 2026-11); braintree/braintree_python
braintree/error_codes.py and webhook_notification.py (4.48.0).
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS as ISO_EXPONENTS
from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION: Final = "2019-01-01"
# A PayPal payment makes it the invoice id, which is shorter than a card's order id.
REFERENCE_LIMIT: Final = 127
KEY_LIMIT: Final = 255
REQUEST_KEYS: Final = "request_keys"
OFF: Final = "off"
"""An account that may not use apiRequestKey sets the one to the other."""

CANCEL_KEY: Final = "-cancel"
"""Added to the refund's key: another input under the same key is a conflict."""

WAIT_SECONDS: Final = 600
"""Sales settle once a day; asking oftener tells nothing more."""

# A whole number, or exactly two or three decimals: four have no form.
REFUSED_CURRENCIES: Final = frozenset(
    currency for currency, digits in ISO_EXPONENTS.items() if digits not in {0, 2, 3}
)

CAPABILITIES: Final = Capabilities(
    name="braintree",
    title="Braintree",
    lookup=Lookup.BY_LISTING,
    key_window_seconds=30 * 24 * 60 * 60,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    # A repeat shows an executed refund as it is, but a refusal only as "this key
    # failed before", which Braintree asks to confirm by a look-up.
    replay_is_authoritative=False,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=True,
    voids=True,
    reference_limit=REFERENCE_LIMIT,
    amount_form="decimal_text",
    webhook_answer=b"",
    webhook_tolerance_seconds=None,
    settlement_source="report",
    credentials=("public_key", "private_key"),
    settings=(),
    optional_settings=(REQUEST_KEYS,),
    limits=(
        "An unsettled sale is voided as a whole; a part of it waits for settlement.",
        "A void asked for while settlement begins is declined: ask anew afterwards.",
        "A void carries no reference of ours: a voided sale is read as our void.",
        "Refunds of cards get no webhook when they settle: they are polled.",
        "A bank payment's refund can be declined after it was settled.",
        'An account without apiRequestKey sets request_keys = "off": no resend then.',
    ),
    refused_currencies=REFUSED_CURRENCIES,
)

WITHOUT_KEYS: Final = replace(CAPABILITIES, key_window_seconds=0)
"""Where nothing protects a repeat, only look-ups and people end a doubt."""

# --- states -----------------------------------------------------------------------

WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "AUTHORIZING": Word.PENDING,
        "AUTHORIZED": Word.PENDING,
        "SUBMITTED_FOR_SETTLEMENT": Word.PENDING,
        "SETTLING": Word.PENDING,
        "SETTLEMENT_PENDING": Word.PENDING,
        "SETTLEMENT_CONFIRMED": Word.PENDING,
        "SETTLED": Word.SUCCEEDED,
        "SETTLEMENT_DECLINED": Word.FAILED,
        "PROCESSOR_DECLINED": Word.FAILED,
        "GATEWAY_REJECTED": Word.FAILED,
        "FAILED": Word.FAILED,
        "AUTHORIZATION_EXPIRED": Word.FAILED,
        "VOIDED": Word.FAILED,
    }
)
"""What a refund's status says of the refund."""

VOIDED: Final = "VOIDED"
SETTLED: Final = "SETTLED"
VOIDABLE: Final = frozenset({"AUTHORIZED", "SUBMITTED_FOR_SETTLEMENT"})
"""A sale in one of these gives its money back by a void alone."""

SETTLES_LATER: Final = frozenset({"AUTHORIZING", "SETTLING", "SETTLEMENT_PENDING"})
"""Neither certainly voidable nor certainly refundable, and a refused key is spent."""

TAKEN: Final = VOIDABLE | {"SETTLING", "SETTLEMENT_PENDING", SETTLED}
"""The sale's amount is held or taken; what is merely held, a void lets go."""

NOT_TAKEN: Final = frozenset(
    {
        "AUTHORIZATION_EXPIRED",
        "FAILED",
        "GATEWAY_REJECTED",
        "PROCESSOR_DECLINED",
        "SETTLEMENT_DECLINED",
        VOIDED,
    }
)

# --- errors -----------------------------------------------------------------------

VALIDATION: Final = "VALIDATION"
RESOURCE_LIMIT: Final = "RESOURCE_LIMIT"
NOT_FOUND: Final = "NOT_FOUND"
DENIED: Final = frozenset({"AUTHENTICATION", "AUTHORIZATION", "UNSUPPORTED_CLIENT"})
REFUSING_CLASSES: Final = frozenset({NOT_FOUND, "NOT_IMPLEMENTED"})

BY_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {
        401: "AUTHENTICATION",
        403: "AUTHORIZATION",
        426: "UNSUPPORTED_CLIENT",
        429: RESOURCE_LIMIT,
    }
)
"""The class that a status of HTTP stands for by itself."""

KEYS_NOT_ALLOWED: Final = "915231"
KEY_CONFLICT: Final = "915232"
KEY_FAILED_BEFORE: Final = "915234"

ECHOES: Final = frozenset({"4004", "91504", "91512", "91521"})
"""Refusals that our own earlier success would bring about too."""

REFUSALS: Final = ECHOES | {
    "81501",
    "81503",
    "81528",
    "81531",
    "91505",
    "91506",
    "91538",
    "91547",
    "91559",
    "91574",
    "915200",
    "915201",
    "915230",
    "915282",
    KEY_FAILED_BEFORE,
}
"""A key in use (915233) and a key store that is down (915235) prove nothing."""

# --- events -----------------------------------------------------------------------

REFUND_FAILED: Final = "refund_failed"
CREDIT: Final = "credit"
DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "dispute_opened": EventKind.DISPUTE_OPENED,
        # A lost `opened` must not leave the payment free.
        "dispute_under_review": EventKind.DISPUTE_OPENED,
        "dispute_disputed": EventKind.DISPUTE_OPENED,
        "dispute_accepted": EventKind.DISPUTE_CLOSED,
        "dispute_auto_accepted": EventKind.DISPUTE_CLOSED,
        "dispute_expired": EventKind.DISPUTE_CLOSED,
        "dispute_lost": EventKind.DISPUTE_CLOSED,
        "dispute_won": EventKind.DISPUTE_CLOSED,
    }
)
