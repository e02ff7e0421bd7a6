"""A delivered item as the JSON it is stored as, and back.

Invariant: reading what was written gives an equal item.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import Evidence, Word
from refundwatch.store.contract import DeliveryItem

if TYPE_CHECKING:
    from refundwatch.store.rows import Row

_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
_EVIDENCE = tuple(field.name for field in fields(Evidence))
_ITEM = tuple(
    field.name
    for field in fields(DeliveryItem)
    if field.name not in {"word", "evidence", "payment_aliases"}
)


def item_text(item: DeliveryItem) -> str:
    """Write an item."""
    stated: dict[str, Any] = {name: getattr(item, name) for name in _ITEM}
    stated["payment_aliases"] = list(item.payment_aliases)
    stated["word"] = item.word and item.word.value
    evidence = item.evidence
    stated["evidence"] = evidence and {n: getattr(evidence, n) for n in _EVIDENCE}
    return _ENCODER.encode(stated)


def item_of(row: Row) -> DeliveryItem:
    """Read the item of a row of `delivery`."""
    stated = json.loads(row["item"])
    word, evidence = stated.pop("word"), stated.pop("evidence")
    aliases = tuple(stated.pop("payment_aliases"))
    return DeliveryItem(
        **stated,
        payment_aliases=aliases,
        word=word and Word(word),
        evidence=evidence and Evidence(**evidence),
    )
