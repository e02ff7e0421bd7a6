"""The two names of everything at Braintree: the GraphQL id and the legacy id.

Invariant: a refund is known by its legacy id, which answers, webhooks and reports all
state; a payment by whichever of its two ids the caller gave.

Source: braintree/graphql-api schema.graphql, `legacyId` and `idFromLegacyId`
(2025-04-29).
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

TRANSACTION: Final = "TRANSACTION"
REFUND: Final = "REFUND"

# The Base64 of `transaction_`, which fills its last group exactly.
_GLOBAL: Final = "dHJhbnNhY3Rpb25f"


def is_global(payment_reference: str) -> bool:
    """Tell whether a payment is named by its GraphQL id; else it is the legacy id."""
    return payment_reference.startswith(_GLOBAL)


def other_name(legacy_id: str) -> str:
    """Give the GraphQL id that a transaction of this legacy id has, to compare with.

    Nothing is asked by it: Braintree tells the id of an object itself.
    """
    return b64encode(f"transaction_{legacy_id}".encode()).decode("ascii").rstrip("=")
