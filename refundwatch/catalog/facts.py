"""What a gateway can and cannot do, in words, from what its adapter declares.

Invariant: every field of `Capabilities` is told here, and nothing that it does not say.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.gateways.contract import Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.gateways.contract import Capabilities

NO: Final = "no"
NONE: Final = "none"
_LOOKUPS: Final = {
    Lookup.BY_LISTING: "in its payment's list",
    Lookup.BY_REFERENCE: "by our reference",
    Lookup.NONE: NO,
}
_UNITS: Final = (("d", 24 * 60 * 60), ("h", 60 * 60), ("min", 60), ("s", 1))


def facts(declared: Capabilities) -> dict[str, str]:
    """Give every declared fact but the limits, by what it answers."""
    return (
        _doing(declared) | _repeating(declared) | _money(declared) | _set_up(declared)
    )


def _doing(it: Capabilities) -> dict[str, str]:
    return {
        "refunds a part": _yes(it.partial_refunds),
        "voids what is not settled": _yes(it.voids),
        "cancels an accepted refund": _yes(it.cancels_refund),
        "finds a refund": _LOOKUPS[it.lookup],
        "an absence from its list is proof": _yes(it.complete_listing),
        "a look-up may miss a refund for": _time(it.lookup_delay_seconds),
        "its message proves a refund not shown for": _time(it.evidence_seconds),
        "reads a refund by its own id": _yes(it.reads_refund),
        "reads the original payment": _yes(it.reads_payment),
        "pending refunds are polled": _yes(it.polls_pending),
        "settlement comes as": it.settlement_source,
    }


def _repeating(it: Capabilities) -> dict[str, str]:
    return {
        "an idempotency key lives": _time(it.key_window_seconds, NONE),
        "a key is used again within": _time(it.resend_within_seconds),
        "a repeat tells the first answer, refusals too": _yes(
            it.replay_is_authoritative
        ),
        "a repeat needs two empty look-ups apart": _time(it.resend_wait_seconds),
        "a webhook's signature covers its body": _yes(it.webhook_signs_body),
        "a webhook's stamp may be off by": (
            "no stamp"
            if it.webhook_tolerance_seconds is None
            else _time(it.webhook_tolerance_seconds)
        ),
        "a webhook is answered with": it.webhook_answer.decode("ascii") or "200 alone",
    }


def _money(it: Capabilities) -> dict[str, str]:
    most = "-" if it.most_units is None else str(it.most_units)
    return {
        "amounts are written as": it.amount_form.replace("_", " "),
        "decimals unlike ISO 4217": _pairs(it.exponents),
        "only multiples of, in its unit": _pairs(it.multiples),
        "least, in its unit": _pairs(it.least_units),
        "most, in its unit": most,
        "refuses currencies": " ".join(sorted(it.refused_currencies)) or "-",
        "our reference has at most": f"{it.reference_limit} characters",
    }


def _set_up(it: Capabilities) -> dict[str, str]:
    sets = (it.credentials, *it.other_credentials)
    return {
        "credentials": ", or ".join(" + ".join(names) for names in sets),
        "opens a session": _yes(it.needs_session),
        "an answer names its version in": it.version_header or "-",
        "settings": ", ".join(it.settings) or "-",
        "optional settings": ", ".join(it.optional_settings) or "-",
    }


def _yes(value: bool) -> str:  # noqa: FBT001 - a declared fact, not a switch
    return "yes" if value else NO


def _time(seconds: int, nothing: str = "-") -> str:
    if seconds == 0:
        return nothing
    unit, size = next(it for it in _UNITS if seconds % it[1] == 0)
    # A day alone reads better in hours, as gateways themselves write it.
    if timedelta(seconds=seconds) == timedelta(days=1):
        return "24 h"
    return f"{seconds // size} {unit}"


def _pairs(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {values[name]}" for name in sorted(values)) or "-"
