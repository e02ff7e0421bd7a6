"""Sessions of persons: opened by their key, ended by time, word or change.

Invariant: a session's secret never comes here, and a row that the daemon did not write
itself is no session.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Final

from refundwatch.store.contract import (
    EndSession,
    GetSession,
    OpenSession,
    SessionRow,
    TouchSession,
)
from refundwatch.store.rows import micros, moment, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.registry import Reading, question, unit

if TYPE_CHECKING:
    from refundwatch.store.contract import Sealer
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "operators")
_PROOF: Final = "session"
_KEPT_US: Final = 86_400_000_000


@unit(OpenSession)
def _open_session(tx: Transaction, command: OpenSession) -> None:
    at = micros(command.at)
    tx.change(_SQL["drop_sessions"], (at - _KEPT_US,))
    fixed: tuple[SqlValue, ...] = (
        command.session_id,
        command.secret_sha256,
        command.person,
        command.key,
        command.changes,
        at,
        micros(command.expires_at),
    )
    tx.change(_SQL["add_session"], (*fixed, at, _proof(tx.sealer, fixed)))
    data = {
        "session_id": command.session_id,
        "key": command.key,
        "expires_at": command.expires_at.isoformat(),
    }
    tx.append(command.at, "session:opened", command.person, None, data)


@unit(EndSession)
def _end_session(tx: Transaction, command: EndSession) -> None:
    if tx.change(_SQL["end_session"], (micros(command.at), command.session_id)):
        data = {"session_id": command.session_id, "reason": command.reason}
        tx.append(command.at, "session:ended", command.actor, None, data)


@unit(TouchSession)
def _touch_session(tx: Transaction, command: TouchSession) -> None:
    at = micros(command.at)
    tx.change(_SQL["touch_session"], (at, command.session_id, at))


@question(GetSession)
def _get_session(reading: Reading, query: GetSession) -> SessionRow | None:
    row = reading.connection.execute(_SQL["session"], (query.session_id,)).fetchone()
    if row is None:
        return None
    fixed = (
        row["session_id"],
        row["secret_sha256"],
        row["person"],
        row["key"],
        row["changes"],
        row["opened_at"],
        row["expires_at"],
    )
    if not hmac.compare_digest(row["proof"], _proof(reading.sealer, fixed)):
        return None
    return SessionRow(
        session_id=row["session_id"],
        secret_sha256=row["secret_sha256"],
        person=row["person"],
        key=row["key"],
        changes=row["changes"],
        opened_at=moment(row["opened_at"]),
        expires_at=moment(row["expires_at"]),
        last_used_at=moment(row["last_used_at"]),
        ended_at=optional_moment(row["ended_at"]),
    )


def _proof(sealer: Sealer, fixed: tuple[SqlValue, ...]) -> bytes:
    told = [it.hex() if isinstance(it, bytes) else it for it in fixed]
    return sealer.prove(_PROOF, json.dumps(told).encode("ascii"))
