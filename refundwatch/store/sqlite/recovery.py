"""A new beginning for a log whose end was lost, by the word of two people.

Invariant: one person alone changes nothing but the record of the word; with the second
one commit the log's new name, an entry that quotes what is known of the old one, and
that nothing read from a gateway before is believed any more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import Denial, Permission, may
from refundwatch.errors import LogBroken
from refundwatch.store.contract import AcceptLoss, LostUntil, OriginRow
from refundwatch.store.rows import micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.registry import Reading, question, unit

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "proof")

WORD_LASTS: Final = timedelta(days=1)
"""So long the first person's word waits for the second's."""


@unit(AcceptLoss)
def _accept(tx: Transaction, command: AcceptLoss) -> OriginRow | None:
    _must_be_allowed(command)
    data: dict[str, JsonValue] = {
        "known_size": command.known_size,
        "known": command.known,
        "reason": command.reason_code,
        "next_origin": command.origin,
    }
    at, actor = command.at, command.principal.id
    since = micros(at - WORD_LASTS)
    others = tx.every(_SQL["accepted"], (command.known, actor, since))
    if not others:
        values = (actor, command.known, command.reason_code, micros(at))
        tx.change(_SQL["accept"], values)
        tx.append(at, "log:loss:accepted", actor, None, data)
        return None
    row = tx.one(_SQL["origin"])
    if row is not None and row["generation"] >= command.generation:
        raise LogBroken(f"The log is {row['origin']} already.")
    old = None if row is None else row["origin"]
    first = [other["principal"] for other in others]
    tx.change(_SQL["forget_accepted"])
    seq = tx.append(
        at, "log:reopened", actor, None, {**data, "closes": old, "accepted_by": first}
    )
    tx.change(_SQL["put_origin"], (command.generation, command.origin, micros(at), seq))
    # What became of them since is not in this database: ask before anything leaves.
    tx.change(_SQL["doubt_payments"])
    tx.change(_SQL["look_now"], (micros(at),))
    tx.touch("lookup", "poll", "send")
    return OriginRow(command.generation, command.origin, at, seq)


def _must_be_allowed(command: AcceptLoss) -> None:
    denial = may(command.principal, Permission.LOG_RECOVER)
    if denial is None and not command.principal.is_person:
        denial = Denial("people_only", "Only a person may accept a loss.")
    if denial is not None:
        raise denied(denial, command.at, command.principal.id, None, "log:recover")


@question(LostUntil)
def _lost_until(reading: Reading, _query: LostUntil) -> datetime | None:
    row = reading.connection.execute(_SQL["lost_until"]).fetchone()
    return optional_moment(row["at"])
