"""What Mollie documents, as data.

Invariant: a status or event type that stands nowhere here proves nothing.

Source: mollie/openapi specs.yaml (2026-08-21); mollie/api-documentation
source/overview/api-idempotency.rst, handling-errors.rst, webhooks.rst and
source/payments/refunds.rst; "Next-gen Webhooks", https://docs.mollie.com (read
2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, Lookup
from refundwatch.gateways.settlement import LineKind

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_KEY: Final = "rw_refund_id"
REFERENCE_LIMIT: Final = 200
KEY_LIMIT: Final = 64
PAGE_SIZE: Final = 250
MAX_PAGES: Final = 20
"""A payment with more than 5,000 refunds is looked at by people."""

# --- settings ---------------------------------------------------------------------

ACCESS: Final = "access"
ORGANIZATION: Final = "organization"
"""An account with this access uses a token of the organization, not a profile's key:
then every call about test money has to say so."""

GUARD_SETTING: Final = "duplicate_guard_seconds"

# --- two protections against repeats ----------------------------------------------

KEY_SECONDS: Final = 60 * 60
RESEND_WITHIN_SECONDS: Final = 30 * 60
"""Mollie forgets a key after an hour and advises repeats for 55 minutes at most; half
of the hour leaves room for a machine that slept between looking and sending."""

GUARD_SECONDS: Final = 60 * 60
"""So long an equal amount on the same payment is refused, whatever its key."""

GUARD_MARGIN: Final = 12
"""Mollie says "about an hour": one part in twelve more is waited for."""

GUARD_DETAIL: Final = "duplicate refund"
"""No error has a code, so this part of its text tells the guard from a busy key."""

CAPABILITIES: Final = Capabilities(
    name="mollie",
    title="Mollie",
    lookup=Lookup.BY_LISTING,
    key_window_seconds=KEY_SECONDS,
    resend_within_seconds=RESEND_WITHIN_SECONDS,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    # Whether a refusal is kept under its key is not documented.
    replay_is_authoritative=False,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=True,
    voids=False,
    reference_limit=REFERENCE_LIMIT,
    amount_form="decimal_text",
    webhook_answer=b"",
    webhook_tolerance_seconds=None,
    settlement_source="api",
    credentials=("api_key",),
    settings=(),
    optional_settings=(ACCESS, GUARD_SETTING),
    limits=(
        "Two refunds of the same amount on one payment go out an hour apart.",
        "A refund waits in the queue until the balance at Mollie covers it.",
        "A refund can be cancelled for about two hours, then no more.",
        "A classic webhook is not signed: what it names is read at Mollie.",
        "A cancelled refund disappears from reads.",
    ),
)

# --- states -----------------------------------------------------------------------

CANCELED: Final = "canceled"
WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "queued": Word.PENDING,
        "pending": Word.PENDING,
        "processing": Word.PENDING,
        "refunded": Word.SUCCEEDED,
        "failed": Word.FAILED,
        CANCELED: Word.FAILED,
    }
)

PAID: Final = "paid"
NOT_CAPTURED: Final = frozenset(
    {"open", "pending", "authorized", "canceled", "expired", "failed"}
)

GONE: Final = "gone"
GONE_SECONDS: Final = 3 * 60 * 60
"""An accepted refund that no read shows after this is not late: it was cancelled, or
something is wrong. Mollie sends what can still be cancelled after two hours."""

# --- events -----------------------------------------------------------------------

REFUND_EVENTS: Final = "refund."
CHARGEBACK_RECEIVED: Final = "chargeback.received"
CHARGEBACK_REVERSED: Final = "chargeback.reversed"

# --- settlement -------------------------------------------------------------------

LINE_KINDS: Final[Mapping[str, LineKind]] = MappingProxyType(
    {
        "payment": LineKind.PAYMENT,
        "capture": LineKind.PAYMENT,
        "refund": LineKind.REFUND,
        "returned-refund": LineKind.REFUND_REVERSED,
        "chargeback": LineKind.CHARGEBACK,
        "chargeback-reversal": LineKind.CHARGEBACK_REVERSED,
        "payment-fee": LineKind.FEE,
        "fee-prepayment": LineKind.FEE,
        "balance-charge-fee": LineKind.FEE,
        "outgoing-transfer": LineKind.PAYOUT,
    }
)
