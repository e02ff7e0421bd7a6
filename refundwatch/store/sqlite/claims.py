"""Opening an attempt, and finding what is due.

Invariant: a claim is one guarded statement; with it commit the attempt and, at the
first attempt under a key, the exact request. Whatever a refund needs in order to be
sent is looked at again here, in the unit that opens the attempt, and every send of
one key carries the same bytes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from refundwatch.domain import events as ev
from refundwatch.domain.canonical import canonical_bytes, parse_canonical
from refundwatch.domain.decision import Verdict, parse_statement
from refundwatch.domain.policy import SYSTEM, Permission, may
from refundwatch.domain.refund import IN_FLIGHT, Booking, Refund, RefundState
from refundwatch.errors import InvariantBroken, SealBroken, StatementInvalid
from refundwatch.store.contract import (
    Claimed,
    ClaimLost,
    ClaimRefund,
    DueLookups,
    DuePolls,
    DueSends,
    DueWork,
    NextDue,
    SignedText,
    StoredRequest,
)
from refundwatch.store.rows import (
    micros,
    optional_moment,
    payment_from_row,
    refund_from_row,
)
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import open_alarm
from refundwatch.store.sqlite.approvals import approvals_needed, creators_and_editors
from refundwatch.store.sqlite.proving import flaw, redirection
from refundwatch.store.sqlite.registry import Reading, joined_unit, question
from refundwatch.store.sqlite.signing import is_signed
from refundwatch.store.sqlite.statements import content_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.routing import RouteNote
    from refundwatch.store.contract import PaymentRow, Policy
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "claims")
S = RefundState

ALARM_APPROVALS: Final = "refund_approvals_invalid"
ALARM_UNPROVEN: Final = "refund_row_unproven"
_ordered: Final = attrgetter(
    "id",
    "revision",
    "account",
    "payment_reference",
    "amount_minor",
    "currency",
    "merchant_reference",
    "idempotency_key",
    "generation",
)
_CLAIMED: Final = frozenset(
    {
        "state",
        "fence",
        "connection",
        "attempts",
        "first_sent_at",
        "last_sent_at",
        "due_at",
        "negative_lookup_at",
    }
)
"""What the statement that claims writes by itself: an index is touched once."""

_BEGINNING: Final = -(2**62)


@joined_unit(ClaimRefund)
def _claim_all(
    tx: Transaction, commands: Sequence[ClaimRefund]
) -> list[Claimed | ClaimLost]:
    with tx.gathering():
        return [_claim(tx, command) for command in commands]


def _claim(tx: Transaction, command: ClaimRefund) -> Claimed | ClaimLost:
    refund = tx.load_refund(command.about.id)
    lost = _obstacle(tx, refund, command)
    if lost is not None:
        return ClaimLost(lost)
    broken = flaw(tx, refund) or redirection(refund, tx.load_balance(refund.payment_id))
    if broken is not None:
        _set_aside(tx, refund, command.at, broken)
        return ClaimLost("row_unproven")
    if not _is_same_order(command.about, refund):
        return ClaimLost("built_for_another")
    missing = _approvals_missing(tx, refund, command.policy)
    if missing:
        _void_approvals(tx, refund, command, missing)
        return ClaimLost("approvals_invalid")
    stored = _stored_request(tx, refund)
    request = stored or command.request
    if request is None:
        return ClaimLost("request_missing")
    return _open(tx, refund, command, request, is_new=stored is None)


def _obstacle(tx: Transaction, refund: Refund, command: ClaimRefund) -> str | None:
    """Name what forbids the claim now, in a code; the guard asks it all again."""
    if refund.state not in {S.QUEUED, S.UNKNOWN}:
        return f"state_{refund.state}"
    if refund.revision != command.about.revision:
        return "revision_changed"
    if refund.booking is not Booking.RESERVED:
        return "not_reserved"
    if tx.load_balance(refund.payment_id).frozen is not None:
        return "payment_frozen"
    if tx.one(_SQL["in_flight_beside"], (refund.payment_id, refund.id)) is not None:
        return "payment_busy"
    if refund.attempts:
        heard = (refund.account, refund.merchant_reference)
        if tx.one(_SQL["delivery_waits"], heard) is not None:
            # Somebody spoke of it already: what a read does not show yet may stand.
            return "delivery_waits"
    path = _path(tx, command.connection)
    if path is None or not path["configured"] or path["account"] != refund.account:
        return "connection_unknown"
    if path["paused"] is not None:
        return "connection_paused"
    return "circuit_open" if path["circuit_opened_at"] is not None else None


def _path(tx: Transaction, connection: str) -> Row | None:
    """Look a connection up; claims that gather look once."""
    if tx.sheaf is None:
        return tx.one(_SQL["connection"], (connection,))
    if connection not in tx.sheaf.paths:
        tx.sheaf.paths[connection] = tx.one(_SQL["connection"], (connection,))
    return tx.sheaf.paths[connection]


def _set_aside(tx: Transaction, refund: Refund, at: datetime, broken: str) -> None:
    """Keep from being sent what somebody else than the daemon wrote, and call people.

    Whether it was sent once can no longer be told from its row.
    """
    detail = {"changed": broken, "state": refund.state.value}
    open_alarm(tx, at, ALARM_UNPROVEN, refund.id, detail=detail, refund_id=refund.id)
    reason = f"row_unproven:{broken}"
    event: ev.RefundEvent = ev.Held(reason)
    if refund.state is S.UNKNOWN:
        event = ev.Unresolvable(reason)
    applied = tx.apply_event(refund, event, at)
    tx.save_applied(applied, at, SYSTEM.id, {"changed": broken})


def _is_same_order(about: Refund, refund: Refund) -> bool:
    """Tell whether a request was built for what the row says in this transaction."""
    return _ordered(about) == _ordered(refund)


# --- approvals --------------------------------------------------------------------


def _approvals_missing(tx: Transaction, refund: Refund, policy: Policy) -> int:
    needed = approvals_needed(tx, refund, policy)
    return max(needed - len(_proven_approvers(tx, refund)), 0) if needed else 0


def _proven_approvers(tx: Transaction, refund: Refund) -> frozenset[str]:
    """Name the persons whose stored statement approves exactly this content.

    A row alone proves nothing: whoever can write to the database can write one. The
    signature he cannot make, and who may approve stands in memory.
    """
    rows = tx.every(_SQL["approvals"], (refund.id, refund.revision))
    proven = {row["actor"] for row in rows if _is_proven(tx, refund, row)}
    return frozenset(proven) - creators_and_editors(tx, refund.id)


def _is_proven(tx: Transaction, refund: Refund, row: Row) -> bool:
    key = f"{refund.id}/{row['number']}"
    try:
        opened = tx.sealer.open("decision", key, "statement", row["statement"])
        stated = parse_statement(opened)
        signed = SignedText(opened, _signature(tx, key, row))
    except (SealBroken, StatementInvalid, UnicodeDecodeError):
        return False
    actor = stated.actor
    return (
        stated.decision is Verdict.APPROVE
        and stated.instance == tx.instance
        and actor == row["actor"]
        and _still_may(tx, actor)
        and (tx.roster is None or is_signed(tx, signed, stated))
        and stated.refund_id == refund.id
        and stated.revision == refund.revision
        and stated.request_sha256 == content_sha256(refund)
    )


def _still_may(tx: Transaction, person: str) -> bool:
    """Tell whether a person may approve now; where nobody signs, roles are tokens'."""
    if tx.roster is None:
        return True
    return may(tx.roster.principal(person), Permission.REFUND_APPROVE) is None


def _signature(tx: Transaction, key: str, row: Row) -> str:
    if row["signature"] is None:
        return ""
    opened = tx.sealer.open("decision", key, "signature", row["signature"])
    return opened.decode("utf-8")


def _void_approvals(
    tx: Transaction, refund: Refund, command: ClaimRefund, missing: int
) -> None:
    """Ask for approval again; what was sent once can only be looked up."""
    detail: dict[str, str | int] = {
        "missing": missing,
        "policy_version": command.policy.version,
    }
    open_alarm(
        tx,
        command.at,
        ALARM_APPROVALS,
        refund.id,
        detail=detail,
        refund_id=refund.id,
    )
    if refund.state is not S.QUEUED:
        return
    event = ev.ApprovalsInvalid(
        required_approvals=approvals_needed(tx, refund, command.policy),
        approvals_expire_at=command.at
        + timedelta(seconds=command.policy.approvals_expiry_seconds),
    )
    applied = tx.apply_event(refund, event, command.at)
    tx.save_applied(applied, command.at, SYSTEM.id, {**detail})


# --- the attempt ------------------------------------------------------------------


def _open(
    tx: Transaction,
    refund: Refund,
    command: ClaimRefund,
    request: StoredRequest,
    *,
    is_new: bool,
) -> Claimed | ClaimLost:
    applied = tx.apply_event(refund, ev.Claimed(command.connection), command.at)
    values: dict[str, SqlValue] = {
        "refund": refund.id,
        "revision": command.about.revision,
        "connection": command.connection,
        "at": micros(command.at),
    }
    row = tx.one(_SQL["claim"], values)
    if row is None:
        return ClaimLost("claimed_elsewhere")
    after = applied.after
    if (row["fence"], row["amount_minor"]) != (after.fence, after.amount_minor):
        raise InvariantBroken(f"{refund.id} was claimed as another one.")
    digest = sha256(request.body).hexdigest()
    if is_new:
        _store_request(tx, after, request, digest, command.at)
    _open_attempt(tx, after, command, digest)
    data: dict[str, JsonValue] = {
        "attempt": after.attempts,
        "body_sha256": digest,
        "policy_version": command.policy.version,
    }
    tx.save_applied(applied, command.at, SYSTEM.id, data, written=_CLAIMED)
    return Claimed(after, request)


def _open_attempt(
    tx: Transaction, after: Refund, command: ClaimRefund, digest: str
) -> None:
    values = (
        after.id,
        after.attempts,
        after.generation,
        after.fence,
        command.connection,
        digest,
        micros(command.at),
        micros(command.lease_until),
        _route_text(command.route),
    )
    tx.put(_SQL["open_attempt"], values)


def _route_text(notes: Sequence[RouteNote]) -> str | None:
    """Write why an attempt took its connection, for people who ask later."""
    if not notes:
        return None
    told = [[note.connection, note.reason, note.detail] for note in notes]
    return json.dumps(told, separators=(",", ":"))


def _store_request(
    tx: Transaction,
    refund: Refund,
    request: StoredRequest,
    digest: str,
    at: datetime,
) -> None:
    key = f"{refund.id}/{refund.generation}"

    def sealed(column: str, plain: bytes) -> bytes:
        return tx.sealer.seal("stored_request", key, column, plain)

    values: tuple[SqlValue, ...] = (
        refund.id,
        refund.generation,
        request.operation,
        request.method,
        sealed("target", request.target.encode("utf-8")),
        sealed("headers", canonical_bytes(request.headers)),
        sealed("body", request.body),
        digest,
        micros(at),
    )
    tx.put(_SQL["store_request"], values)


def _stored_request(tx: Transaction, refund: Refund) -> StoredRequest | None:
    """Open the request of this refund's key, if one was ever sent."""
    row = tx.one(_SQL["stored_request"], (refund.id, refund.generation))
    if row is None:
        return None
    key = f"{refund.id}/{refund.generation}"

    def opened(column: str) -> bytes:
        return tx.sealer.open("stored_request", key, column, row[column])

    body = opened("body")
    if sha256(body).hexdigest() != row["body_sha256"]:
        raise InvariantBroken(f"The stored request of {refund.id} was changed.")
    return StoredRequest(
        operation=row["operation"],
        method=row["method"],
        target=opened("target").decode("utf-8"),
        headers=_headers(opened("headers")),
        body=body,
    )


def _headers(stored: bytes) -> tuple[tuple[str, str], ...]:
    listed = parse_canonical(stored)
    if not isinstance(listed, list):
        message = "Stored headers are not a list."
        raise InvariantBroken(message)
    return tuple((str(name), str(value)) for name, value in listed)


# --- what is due ------------------------------------------------------------------


@question(DueSends)
def _due_sends(reading: Reading, query: DueSends) -> tuple[DueWork, ...]:
    values: dict[str, SqlValue] = {
        "at": micros(query.at),
        "limit": query.limit,
        "skip": _listed(query.skip),
        "skip_accounts": _listed(query.skip_accounts),
    }
    return _works(reading, reading.connection.execute(_SQL["due_sends"], values))


@question(DueLookups)
def _due_lookups(reading: Reading, query: DueLookups) -> tuple[DueWork, ...]:
    return _due_looks(reading, query, S.UNKNOWN)


@question(DuePolls)
def _due_polls(reading: Reading, query: DuePolls) -> tuple[DueWork, ...]:
    return _due_looks(reading, query, S.PENDING)


def _due_looks(
    reading: Reading, query: DueLookups | DuePolls, state: RefundState
) -> tuple[DueWork, ...]:
    values: dict[str, SqlValue] = {
        "state": state.value,
        "at": micros(query.at),
        "limit": query.limit,
        "skip": _listed(query.skip),
        "skip_accounts": _listed(query.skip_accounts),
    }
    return _works(reading, reading.connection.execute(_SQL["due_looks"], values))


def _works(reading: Reading, rows: Iterable[Row]) -> tuple[DueWork, ...]:
    """Bring each refund with its payment; a question for all, not one for each."""
    refunds = [refund_from_row(row) for row in rows]
    if not refunds:
        return ()
    wanted = (_listed({refund.payment_id for refund in refunds}),)
    shares: defaultdict[str, list[Row]] = defaultdict(list)
    for share in reading.connection.execute(_SQL["shares"], wanted):
        shares[share["payment_id"]].append(share)
    payments = {
        row["id"]: payment_from_row(row, shares[row["id"]])
        for row in reading.connection.execute(_SQL["payments"], wanted)
    }
    return tuple(_work(refund, payments[refund.payment_id]) for refund in refunds)


def _work(refund: Refund, payment: PaymentRow) -> DueWork:
    sent = refund.last_sent_at if refund.state in IN_FLIGHT else None
    return DueWork(refund, payment, sent or refund.created_at)


def _listed(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))


@question(NextDue)
def _next_due(reading: Reading, query: NextDue) -> datetime | None:
    after = _BEGINNING if query.after is None else micros(query.after)
    row = reading.connection.execute(_SQL["next_due"], {"after": after}).fetchone()
    return optional_moment(row["due_at"])
