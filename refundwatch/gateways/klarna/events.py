"""What the webhooks of the Klarna Network mean, once their signature holds.

Invariant: they name payments of another product by ids of its own, so none of them is
a word about a refund; a delivery whose signature holds is never refused for what it
says, except that it speaks of the other mode.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.gateways import reading, signing
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
    Verdict,
)
from refundwatch.gateways.klarna import facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.gateways.contract import AccountView, RawDelivery
    from refundwatch.gateways.reading import Json

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PAYMENT_NAMES: Final = ("order_id", "payment_transaction_id", "payment_request_id")


def verdict(
    account: AccountView, delivery: RawDelivery, secrets: Sequence[str]
) -> Verdict:
    """Verify the raw bytes, then read the event.

    Several signing keys may be active; each one given is tried, so the header that
    names the key decides nothing.
    """
    keys = [secret.encode() for secret in secrets if secret]
    if not keys:
        return Unverifiable("no_usable_secret")
    given = delivery.headers.get("klarna-signature")
    if given is None:
        return Forged("signature_missing")
    if not _DIGEST.fullmatch(given):
        return Forged("signature_malformed")
    expected = [signing.hmac_sha256(key, delivery.body).hex() for key in keys]
    if not signing.any_equal(expected, (given,)):
        return Forged("signature_mismatch")
    event = reading.object_or_none(delivery.body)
    live = reading.flag(event, "metadata", "live")
    if live is not None and live is not (account.mode == "live"):
        return Forged("live")
    return Received((_event(event, delivery.body),))


def _event(event: Json, body: bytes) -> GatewayEvent:
    identity = reading.text(event, "metadata", "event_id")
    kind_name = reading.text(event, "metadata", "event_type")
    named = reading.shown(kind_name) if kind_name else "unreadable"
    kind = facts.DISPUTE_EVENTS.get(kind_name or "", EventKind.OTHER)
    names = _payment_names(event) if kind is not EventKind.OTHER else ()
    return GatewayEvent(
        kind=kind,
        dedupe_id=identity or reading.body_sha256(body),
        type=named,
        occurred_at=reading.utc_text(reading.text(event, "metadata", "occurred_at")),
        payment_reference=names[0] if names else None,
        payment_aliases=names[1:],
    )


def _payment_names(event: Json) -> tuple[str, ...]:
    """Give every name a dispute gives its payment: none may be one of ours."""
    names = (reading.text(event, "payload", name) for name in _PAYMENT_NAMES)
    return tuple(name for name in names if name is not None)
