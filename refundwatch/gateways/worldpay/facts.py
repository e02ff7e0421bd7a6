"""What Worldpay documents of its XML gateway, as data.

Invariant: an event or an error that stands nowhere here proves nothing.

Source: paymentService DTD 1.4.2 (Worldpay/hybris, worldpayapi/resources/dtd);
"Modification requests", "Inquiry requests", "Order notifications", "Idempotency
errors", https://developer.worldpay.com (WPG pages, read 2026-11); the requests and
recorded answers of alphagov/pay-connector; Worldpay/Worldpay-Magento2-CG
Model/Payment/StateXml.php.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, EventKind, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_LIMIT: Final = 64
MERCHANT_CODE: Final = "merchant_code"
REFUNDABLE_INQUIRY: Final = "refundable_amount_inquiry"
SENT_FOR_REFUND_DAYS: Final = "sent_for_refund_days"
SETTLEMENT_COLUMNS: Final = "settlement_columns"
WEBHOOK_KEY: Final = "key"
"""The parameter of the notification address that holds its secret."""

PROBE_ORDER: Final = "refundwatch-probe"

ORDER_CODE: Final = re.compile(r"[\x21-\x7e]{1,64}")
MERCHANT: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")

# Not ISO 4217: integrators list both without decimals. What counts is the exponent of
# the original payment, which is read before an order.
EXPONENTS: Final[Mapping[str, int]] = MappingProxyType({"HUF": 0, "IDR": 0})
WRITABLE_EXPONENTS: Final = frozenset({0, 2, 3})
# Four decimals cannot be written at all.
REFUSED_CURRENCIES: Final = frozenset({"CLF", "UYW"})

NOTIFIED_SECONDS: Final = 15 * 60
"""By then a notification has normally come."""

REPLICA_SECONDS: Final = 5 * 60
"""Inquiries are answered from a copy: a change shows after this long at the latest."""

CAPABILITIES: Final = Capabilities(
    name="worldpay",
    title="Worldpay (WPG XML)",
    lookup=Lookup.BY_REFERENCE,
    key_window_seconds=0,
    lookup_delay_seconds=REPLICA_SECONDS,
    reads_payment=True,
    reads_refund=False,
    needs_session=False,
    polls_pending=True,
    replay_is_authoritative=False,
    # "Absent" is said only where the amount that is left proves it.
    complete_listing=True,
    partial_refunds=True,
    cancels_refund=False,
    voids=True,
    reference_limit=REFERENCE_LIMIT,
    amount_form="minor_units",
    webhook_answer=b"[OK]",
    webhook_tolerance_seconds=None,
    settlement_source="report",
    credentials=("username", "password"),
    settings=(MERCHANT_CODE,),
    optional_settings=(REFUNDABLE_INQUIRY, SENT_FOR_REFUND_DAYS, SETTLEMENT_COLUMNS),
    exponents=EXPONENTS,
    limits=(
        "There is no key: without an answer a day passes, then absence must be proven.",
        "Only the refundable amount inquiry can prove that; it must be enabled.",
        "An inquiry shows the latest event of an order alone, five minutes late.",
        "Refunds cannot be listed or searched.",
        "An inquiry tells no amount of a refund: only notifications and reports do.",
        "Notifications are not signed: the secret in their address proves the sender.",
        "A refund that was accepted cannot be cancelled.",
        "An order that is not captured is cancelled whole; a part of it waits.",
        "What was captured can be read only where the refundable amount inquiry is on.",
        "The inquiry service must be activated for the account.",
    ),
    refused_currencies=REFUSED_CURRENCIES,
    # The secret stands in the address, and TLS covers the whole request.
    webhook_signs_body=True,
    evidence_seconds=24 * 60 * 60,
)

# --- events -----------------------------------------------------------------------

SENT_FOR_REFUND: Final = "SENT_FOR_REFUND"
CANCELLED: Final = "CANCELLED"
AUTHORISED: Final = "AUTHORISED"
WEBFORM: Final = "REFUND_WEBFORM_ISSUED"

REFUND_WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        SENT_FOR_REFUND: Word.PENDING,
        WEBFORM: Word.PENDING,
        "REFUNDED": Word.SUCCEEDED,
        "REFUNDED_BY_MERCHANT": Word.SUCCEEDED,
        "REFUND_FAILED": Word.FAILED,
        "REFUND_EXPIRED": Word.FAILED,
    }
)
CAPTURED_EVENTS: Final = frozenset({"CAPTURED", "SETTLED", "SETTLED_BY_MERCHANT"})
REFUNDABLE: Final = CAPTURED_EVENTS | REFUND_WORDS.keys()
NOT_YET_CAPTURED: Final = frozenset(
    {AUTHORISED, "SENT_FOR_AUTHORISATION", "PENDING_PAYMENT"}
)
NEVER_TAKEN: Final = frozenset({CANCELLED, "REFUSED", "EXPIRED", "ERROR"})
DISPUTE_EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "INFORMATION_REQUESTED": EventKind.DISPUTE_OPENED,
        "CHARGED_BACK": EventKind.DISPUTE_OPENED,
        "CHARGEBACK_REVERSED": EventKind.DISPUTE_CLOSED,
    }
)
DISPUTED: Final = frozenset(
    {"INFORMATION_REQUESTED", "INFORMATION_SUPPLIED", "CHARGED_BACK"}
)
KNOWN_EVENTS: Final = (
    CAPTURED_EVENTS
    | NOT_YET_CAPTURED
    | NEVER_TAKEN
    | DISPUTED
    | frozenset({"CHARGEBACK_REVERSED"})
)
COMMISSION: Final = "SETTLED_BIBIT_COMMISSION"
NET: Final = "SETTLED_BIBIT_NET"

# --- errors -----------------------------------------------------------------------

UNKNOWN_ORDER: Final = "5"
REFUSALS: Final = frozenset({"2", "3", "5", "6", "7", "10", "11", "12", "13"})
SECURITY: Final = "4"
UNAVAILABLE: Final = "8"
IDEMPOTENCY: Final = "9"
# An error without a code is told by its text alone; texts differ between releases, so
# only what recorded answers say of refunds counts.
REFUSAL_TEXTS: Final = (
    ("amount too high", "amount_too_high"),
    ("invalid refund amount", "invalid_refund_amount"),
    ("could not find payment", "unknown_order"),
)
