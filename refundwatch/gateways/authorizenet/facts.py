"""What Authorize.Net documents, as data.

Invariant: a status, a code or an event that stands nowhere here proves nothing.

Source: AuthorizeNet/sdk-php AnetApiSchema.xsd; activemerchant/active_merchant
authorize_net.rb; juspay/hyperswitch authorizedotnet/transformers.rs;
stymiee/authnetjson AuthnetWebhook.php; "Response and Reason Codes", "Webhooks",
"Error 11: A duplicate transaction has been submitted",
https://developer.authorize.net and https://support.authorize.net (read 2026-11).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS as ISO_EXPONENTS
from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Capabilities, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE_LIMIT: Final = 20
DUPLICATE_WINDOW_SECONDS: Final = 28_800
"""The longest window in which a second equal transaction is recognised."""

CURRENCY: Final = "currency"
RETRY_SECONDS: Final = 3600
"""A sale settles once a day; asking for it more often brings nothing."""

# Two decimals are always written, whatever the currency.
REFUSED_CURRENCIES: Final = frozenset(
    currency
    for currency, digits in ISO_EXPONENTS.items()
    if digits != 2  # noqa: PLR2004
)

CAPABILITIES: Final = Capabilities(
    name="authorizenet",
    title="Authorize.Net",
    lookup=Lookup.BY_LISTING,
    # No key: a resend is recognised by its invoice number, within the window alone.
    key_window_seconds=DUPLICATE_WINDOW_SECONDS,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    replay_is_authoritative=False,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=True,
    voids=True,
    reference_limit=REFERENCE_LIMIT,
    amount_form="decimal_text",
    webhook_answer=b"",
    webhook_tolerance_seconds=None,
    settlement_source="api",
    credentials=("api_login_id", "transaction_key"),
    settings=(CURRENCY,),
    limits=(
        "A sale that no batch has settled can only be voided, whole; a part waits.",
        "There are no idempotency keys: an equal refund is recognised for 8 hours.",
        "What was refunded of a sale before cannot be read; the gateway refuses more.",
        "The end of a refund comes by no webhook: it is polled until the batch.",
        "Disputes are told by no webhook.",
        "An account has one currency, of two decimals; answers do not name it.",
        "Old sales cannot be refunded: sources say 90 to 180 days after settlement.",
        "Reports state no fees; they come from the merchant's acquirer.",
    ),
    refused_currencies=REFUSED_CURRENCIES,
    resend_wait_seconds=60,
)

# --- states -----------------------------------------------------------------------

NEEDS_ACTION: Final = frozenset(
    {"FDSPendingReview", "FDSAuthorizedPendingReview", "underReview"}
)
"""Held by the fraud filter: a person must approve or decline it at the gateway."""

UNCLEAR: Final = frozenset({"settlementError", "communicationError", "couldNotVoid"})
"""Neither done nor failed: it stays pending and people are shown why."""

CAME_BACK: Final = frozenset({"returnedItem", "chargeback", "chargebackReversal"})

WORDS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "refundPendingSettlement": Word.PENDING,
        "pendingSettlement": Word.PENDING,
        "pendingFinalSettlement": Word.PENDING,
        "updatingSettlement": Word.PENDING,
        "approvedReview": Word.PENDING,
        "authorizedPendingRelease": Word.PENDING,
        "refundSettledSuccessfully": Word.SUCCEEDED,
        "settledSuccessfully": Word.SUCCEEDED,
        "declined": Word.FAILED,
        "generalError": Word.FAILED,
        "failedReview": Word.FAILED,
        "expired": Word.FAILED,
        "voided": Word.FAILED,
        **dict.fromkeys(NEEDS_ACTION | UNCLEAR, Word.PENDING),
        **dict.fromkeys(CAME_BACK, Word.REVERSED),
    }
)
"""What the status of a refund means."""

VOIDED: Final = "voided"
SETTLED: Final = "settledSuccessfully"
CAPTURED: Final = "capturedPendingSettlement"
AUTHORIZED: Final = "authorizedPendingCapture"
VOIDABLE: Final = frozenset({CAPTURED, AUTHORIZED})
WAITING: Final = (
    VOIDABLE
    | NEEDS_ACTION
    | UNCLEAR
    | {
        "approvedReview",
        "authorizedPendingRelease",
        "pendingFinalSettlement",
        "pendingSettlement",
        "updatingSettlement",
    }
)
"""States of a sale that the batch has not brought to an end yet."""

TAKEN: Final = WAITING | CAME_BACK | {SETTLED}
"""States of a sale that took money, or holds it until the batch."""

NOTHING_TAKEN: Final = frozenset(
    {VOIDED, "declined", "expired", "generalError", "failedReview"}
)
"""States of a sale that took no money, or gave it back whole."""

REFUND_TYPE: Final = "refundTransaction"
SALE_TYPES: Final = frozenset(
    {
        "authCaptureTransaction",
        "authCaptureContinueTransaction",
        "authOnlyTransaction",
        "authOnlyContinueTransaction",
        "captureOnlyTransaction",
        "priorAuthCaptureTransaction",
    }
)

# --- codes ------------------------------------------------------------------------

APPROVED, DECLINED, ERROR, HELD = "1", "2", "3", "4"
"""Response codes of a transaction."""

ALREADY_VOIDED: Final = "310"
DUPLICATE: Final = "11"
"""An equal transaction was executed inside the window: it is our own earlier one."""

NO_RECORD: Final = "E00040"

ECHOES: Final = frozenset({"51", "54", "55"})
"""Refusals that our own earlier success would bring about too."""

NOT_SETTLED: Final = frozenset({"50", "54"})
"""Refusals that a sale which waits for its batch brings about, among others."""

REFUSALS: Final = (
    ECHOES
    | NOT_SETTLED
    | {"2", "3", "4", "5", "6", "8", "16", "33", "128", "155", "289"}
)
BAD_LOGIN: Final = "13"

ENVELOPE_REFUSALS: Final = frozenset({"E00003", "E00013", "E00014", "E00015"})
CREDENTIAL_CODES: Final = frozenset(
    {
        "E00005",
        "E00006",
        "E00007",
        "E00008",
        "E00009",
        "E00010",
        "E00011",
        "E00045",
    }
)
"""Login, key, permission, test mode or name space: nothing was executed."""

# --- events -----------------------------------------------------------------------

REFUND_CREATED: Final = "net.authorize.payment.refund.created"
VOID_CREATED: Final = "net.authorize.payment.void.created"
EVENTS: Final = frozenset(
    {
        REFUND_CREATED,
        VOID_CREATED,
        "net.authorize.payment.fraud.held",
        "net.authorize.payment.fraud.approved",
        "net.authorize.payment.fraud.declined",
    }
)
"""Events that can speak of a refund, or of a void that takes a refund's place."""
