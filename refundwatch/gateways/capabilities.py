"""What a gateway can and cannot do, as data that the whole hub reads.

Invariant: an amount is restated between ISO 4217 and the gateway's own unit exactly
or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from refundwatch.domain.money import check_minor_units, exponent, rescale
from refundwatch.errors import AmountInvalid, CurrencyUnknown, NotExpressible

if TYPE_CHECKING:
    from collections.abc import Mapping


class Lookup(StrEnum):
    """How a refund is found by our own reference."""

    BY_LISTING = "by_listing"
    BY_REFERENCE = "by_reference"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the gateway can and cannot do, as data.

    Times are seconds. `key_window_seconds` is the documented life of an idempotency
    key, 0 where none is documented; `resend_within_seconds` is how long after the
    first send it may be used again by a rule of the gateway's own, where our margin
    would leave less, never longer than it lives. `lookup_delay_seconds` is how long a
    refund may be missing from a look-up that will show it. `complete_listing` is True
    only where the gateway states that its list is complete and consistent.
    `evidence_seconds` after a send its own message may still prove a refund that a
    look-up does not show: until then nothing follows from absence (or `NotShown`).
    `replay_is_authoritative`: repeating a key returns the first answer, refusals
    included. `webhook_signs_body` is False where a signature covers less than the
    body: then a word in it counts only as what is read again. `exponents` are the
    gateway's exceptions from ISO 4217; `multiples` names currencies whose amount must
    be a multiple in the gateway's unit; `refused_currencies` are those whose decimals
    at the gateway are not certain. `least_units`, by currency, and `most_units` bound
    one refund in the gateway's unit. `resend_wait_seconds` is 0 where a key protects a
    resend at once; else a resend needs two look-ups that found nothing, so long after
    the last send and so long apart.
    `other_credentials` are further whole sets that may stand in place of
    `credentials`: a connection has exactly one of them.
    `version_header` (lower case) is where each answer names the version that gave it;
    None where it repeats the header that pins one, or names none.
    `limits` are sentences for people about what it cannot do.
    """

    name: str
    title: str
    lookup: Lookup
    key_window_seconds: int
    lookup_delay_seconds: int
    reads_payment: bool
    reads_refund: bool
    needs_session: bool
    polls_pending: bool
    replay_is_authoritative: bool
    complete_listing: bool
    partial_refunds: bool
    cancels_refund: bool
    voids: bool
    reference_limit: int
    amount_form: str
    webhook_answer: bytes
    webhook_tolerance_seconds: int | None
    settlement_source: str
    credentials: tuple[str, ...]
    settings: tuple[str, ...]
    optional_settings: tuple[str, ...] = ()
    exponents: Mapping[str, int] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    multiples: Mapping[str, int] = field(default_factory=dict)
    refused_currencies: frozenset[str] = frozenset()
    webhook_signs_body: bool = True
    evidence_seconds: int = 0
    resend_wait_seconds: int = 0
    least_units: Mapping[str, int] = field(default_factory=dict)
    most_units: int | None = None
    resend_within_seconds: int = 0
    other_credentials: tuple[tuple[str, ...], ...] = ()
    version_header: str | None = None

    def gateway_units(self, amount_minor: int, currency: str) -> int:
        """Restate ISO minor units in the gateway's own smallest unit, exactly.

        Intake asks this before anything is reserved, the adapter before it builds.

        Raises:
            NotExpressible: the gateway cannot state this amount, or not certainly.
        """
        if currency in self.refused_currencies:
            message = f"{self.title} does not state its decimals of {currency}."
            raise NotExpressible(message, field="currency")
        try:
            ours = exponent(currency)
            theirs = exponent(currency, self.exponents)
            units = rescale(amount_minor, ours, theirs)
        except CurrencyUnknown as error:
            raise NotExpressible(error.message, field="currency") from error
        except AmountInvalid as error:
            raise NotExpressible(error.message, field="amount_minor") from error
        step = self.multiples.get(currency, 1)
        if units <= 0 or units % step:
            message = (
                f"{self.title} takes {currency} as positive multiples of {step} "
                f"units of exponent {theirs}, not {units}."
            )
            raise NotExpressible(message, field="amount_minor")
        self._check_bounds(units, currency)
        return units

    def _check_bounds(self, units: int, currency: str) -> None:
        least = self.least_units.get(currency, 1)
        if units < least or (self.most_units is not None and units > self.most_units):
            most = "" if self.most_units is None else f" and {self.most_units} at most"
            message = (
                f"{self.title} takes {least} units of {currency} at least{most}, "
                f"not {units}."
            )
            raise NotExpressible(message, field="amount_minor")

    def iso_minor(self, units: int, currency: str) -> int | None:
        """Restate the gateway's smallest units in ISO minor units; None if inexact."""
        if currency in self.refused_currencies:
            return None
        try:
            ours = exponent(currency)
            theirs = exponent(currency, self.exponents)
            return check_minor_units(rescale(units, theirs, ours))
        except (CurrencyUnknown, AmountInvalid):
            return None
