"""Free text of people about anything that is no refund: sealed, never in the log.

Invariant: the log carries the commitment of a note, never a word of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.sealing import seal_text

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "notes")


@dataclass(frozen=True, slots=True)
class Note:
    """What a text is about, on which occasion, by whom and when."""

    subject: str
    kind: str
    actor: str
    at: datetime


def keep_note(
    tx: Transaction, note: Note, text: str | None, salt: bytes | None = None
) -> str | None:
    """Keep a text sealed; give its commitment, None without a text.

    `salt` is that of a commitment which was signed; else one is drawn.
    """
    if text is None:
        return None
    row = tx.one(_SQL["next"], (note.subject,))
    number = int(row["number"]) if row is not None else 1
    place = f"{note.subject}/{number}"
    sealed = seal_text(tx.sealer, tx.entropy, "note", place, "text", text, salt)
    values = (
        note.subject,
        number,
        note.kind,
        note.actor,
        micros(note.at),
        sealed.sealed,
    )
    tx.change(_SQL["add"], values)
    return sealed.commitment
