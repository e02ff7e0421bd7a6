"""What a gateway says of an amount, restated in ISO 4217 minor units.

Invariant: an amount is restated exactly or not at all; one that cannot be becomes a
doubt that leads to people, never a rounded or a missing amount.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import Heard
from refundwatch.gateways.reading import MAX_WHOLE, shown

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Capabilities
    from refundwatch.gateways.reading import Json

_CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Stated:
    """An amount as a gateway stated it; None where it stated nothing.

    `doubt` is what it wrote where that is no exact amount: it must go to review.
    """

    amount_minor: int | None = None
    currency: str | None = None
    doubt: str | None = None


def stated_units(capabilities: Capabilities, units: Json, currency: Json) -> Stated:
    """Read an amount given as an integer of the gateway's own smallest unit."""
    if units is None and currency is None:
        return Stated()
    code = currency if isinstance(currency, str) else None
    if code is None or not _CURRENCY.fullmatch(code):
        return Stated(doubt=_doubt(units, currency))
    if units is None:
        return Stated(currency=code)
    if not isinstance(units, int) or isinstance(units, bool) or abs(units) > MAX_WHOLE:
        return Stated(currency=code, doubt=_doubt(units, currency))
    minor = capabilities.iso_minor(units, code)
    if minor is None:
        return Stated(currency=code, doubt=_doubt(units, currency))
    return Stated(minor, code)


def heard(word: Word, evidence: Evidence, stated: Stated) -> Heard:
    """Join a word with the stated amount; a doubtful amount is an unseen status."""
    whole = replace(
        evidence, amount_minor=stated.amount_minor, currency=stated.currency
    )
    if stated.doubt is None:
        return Heard(word, whole)
    return Heard(Word.UNSEEN, replace(whole, raw_status=stated.doubt))


def _doubt(units: Json, currency: Json) -> str:
    return f"amount:{shown(units, 20)} {shown(currency, 8)}"
