"""Operators: statements of the roots, kept as signed, replayed and never believed.

Invariant: who an operator is stands in memory, made from statements whose signatures
were checked; rows that were changed, left out or put in make nobody an operator.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from refundwatch.domain.enrolment import FIRST_PREVIOUS, Enrolment, parse_enrolment
from refundwatch.domain.policy import SYSTEM, Denial
from refundwatch.domain.roster import founded
from refundwatch.errors import (
    EnrolmentRefused,
    EnrolmentUnknown,
    InvariantBroken,
    PublicKeyInvalid,
    RefundwatchError,
    SignatureRefused,
)
from refundwatch.store.contract import (
    EnrolmentRow,
    ListEnrolments,
    LogHead,
    OpenRoster,
    ProposeEnrolment,
    ReadHead,
    RosterOpened,
    SignEnrolment,
)
from refundwatch.store.rows import micros, moment, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import open_alarm
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.heads import root_at
from refundwatch.store.sqlite.registry import Reading, question, unit
from refundwatch.store.sqlite.signing import check_window

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.policy import Principal
    from refundwatch.domain.roster import OperatorKey, Roster
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "operators")

ALARM_OPERATORS: Final = "operators_unproven"
LONGEST_SECONDS: Final = 7 * 86_400
"""How long a proposal may wait for its second signature."""

_PURPOSE: Final = "enrol"
_HEAD: Final = "operators/head"


@dataclass(frozen=True, slots=True)
class _Broken:
    """Which statement does not hold, and why."""

    name: str
    why: str


# --- the start --------------------------------------------------------------------


@unit(OpenRoster)
def _open_roster(tx: Transaction, command: OpenRoster) -> RosterOpened:
    if not command.roots:
        return RosterOpened(None, None)
    roots = founded(command.instance, command.roots)
    found = _replayed(tx, roots)
    if not isinstance(found, _Broken):
        tx.roster = found
        return RosterOpened(found, None)
    # Fewer statements must never mean more rights: a revocation may be among them.
    tx.roster = roots
    detail = {"statement": found.name, "reason": found.why}
    open_alarm(tx, command.at, ALARM_OPERATORS, command.instance, detail=detail)
    return RosterOpened(roots, f"{found.name} ({found.why})")


def _replayed(tx: Transaction, roots: Roster) -> Roster | _Broken:
    roster = roots
    for row in tx.every(_SQL["in_force"]):
        name = f"statement {row['number']}, {row['sha256'][:12]}"
        try:
            said = parse_enrolment(row["statement"])
            if row["number"] != roster.number + 1 or said.digest != row["sha256"]:
                return _Broken(name, "changed")
            signers = _signers(tx, roots, said, row["statement"])
            if len(signers) < roots.needed(said.issued_at):
                return _Broken(name, "not_signed_by_enough_roots")
            roster = roster.after(said)
        except RefundwatchError as error:
            return _Broken(name, error.code)
    head = tx.one(_SQL["head"])
    reached = (0, FIRST_PREVIOUS) if head is None else (head["number"], head["sha256"])
    whole = head is None or hmac.compare_digest(
        head["proof"], _head_proof(tx, *reached)
    )
    if not whole or reached != (roster.number, roster.head):
        return _Broken("the last statements", "left_out")
    return roster


def _signers(
    tx: Transaction, roots: Roster, said: Enrolment, statement: bytes
) -> frozenset[str]:
    """Name the root operators whose signature of a statement holds."""
    found = set()
    for row in tx.every(_SQL["signatures"], (said.digest,)):
        try:
            key = _root_key(roots, row["person"], row["key"], said.issued_at)
            tx.signatures.check(statement, row["signature"], _PURPOSE, key.line)
        except (EnrolmentRefused, SignatureRefused):
            continue
        found.add(row["person"])
    return frozenset(found)


def _root_key(
    roster: Roster, person: str, fingerprint: str, at: datetime
) -> OperatorKey:
    key = roster.key(person, fingerprint)
    if key is None or not key.root or not key.counts(at):
        raise EnrolmentRefused(
            "Only the keys of the root file sign statements about operators.",
            field="key",
        )
    return key


# --- a statement's way into force -------------------------------------------------


@unit(ProposeEnrolment)
def _propose(tx: Transaction, command: ProposeEnrolment) -> EnrolmentRow:
    statement = command.signed.statement
    said = parse_enrolment(statement)
    roster = _need_roster(tx)
    check_window(said.issued_at, said.expires_at, command.at, LONGEST_SECONDS)
    roster.after(said)  # What could never come into force is not proposed.
    _check_key(tx, said)
    if tx.one(_SQL["one"], (said.digest,)) is not None:
        raise EnrolmentRefused("This statement was proposed already.", field="nonce")
    values = (said.digest, statement, said.nonce, micros(command.at))
    tx.change(_SQL["add"], values)
    return _sign(tx, command.principal, said, command.signed.signature, command.at)


@unit(SignEnrolment)
def _sign_other(tx: Transaction, command: SignEnrolment) -> EnrolmentRow:
    row = tx.one(_SQL["one"], (command.sha256,))
    if row is None:
        raise EnrolmentUnknown(f"There is no statement {command.sha256[:64]!a}.")
    said = parse_enrolment(row["statement"])
    if row["number"] is None:
        check_window(said.issued_at, said.expires_at, command.at, LONGEST_SECONDS)
    return _sign(tx, command.principal, said, command.signature, command.at)


def _sign(
    tx: Transaction,
    principal: Principal,
    said: Enrolment,
    signature: str,
    at: datetime,
) -> EnrolmentRow:
    """Store a root's signature; with enough of them the statement is in force."""
    roster = _need_roster(tx)
    statement, digest = said.statement(), said.digest
    key = _signing_key(tx, principal.id, statement, signature, at)
    if key is None:
        raise denied(
            Denial("root_key_needed", "A root operator's own key must sign this."),
            at,
            principal.id,
            None,
            f"operators:{said.act}",
            data={"person": said.person},
        )
    if any(
        row["person"] == principal.id for row in tx.every(_SQL["signatures"], (digest,))
    ):
        raise EnrolmentRefused("You have signed this statement: another root must.")
    tx.change(_SQL["sign"], (digest, principal.id, key, signature, micros(at)))
    data = {
        "act": said.act.value,
        "person": said.person,
        "key": said.key,
        "roles": None if said.roles is None else sorted(it.value for it in said.roles),
        "statement_sha256": digest,
        "signature_sha256": sha256(signature.encode("utf-8")).hexdigest(),
        "signing_key": key,
    }
    tx.append(at, "operators:signed", principal.id, None, {**data})
    row = _need(tx, digest)
    enough = len(_signers(tx, roster, said, statement)) >= roster.needed(said.issued_at)
    if row["number"] is None and enough:
        after = roster.after(said)
        tx.change(_SQL["put_in_force"], (after.number, micros(at), digest))
        proof = _head_proof(tx, after.number, after.head)
        tx.change(_SQL["put_head"], (after.number, after.head, proof))
        tx.append(at, "operators:changed", SYSTEM.id, None, {**data})
        tx.roster = after
    return _row(tx, digest)


def _signing_key(
    tx: Transaction, person: str, statement: bytes, signature: str, at: datetime
) -> str | None:
    """Find which of the person's root keys signed; None when none did."""
    operator = _need_roster(tx).operators.get(person)
    for fingerprint, key in ({} if operator is None else operator.keys).items():
        if not key.root or not key.counts(at):
            continue
        try:
            tx.signatures.check(statement, signature, _PURPOSE, key.line)
        except SignatureRefused:
            continue
        return fingerprint
    return None


def _check_key(tx: Transaction, said: Enrolment) -> None:
    """Refuse a statement whose fingerprint is not its key's."""
    if said.public_key is None:
        return
    try:
        named = tx.signatures.fingerprint(said.public_key)
    except PublicKeyInvalid as error:
        raise EnrolmentRefused(error.message, field="public_key") from error
    if named != said.key:
        raise EnrolmentRefused("The fingerprint is another key's.", field="key")


def _need_roster(tx: Transaction) -> Roster:
    if tx.roster is None:
        raise EnrolmentRefused("The daemon has not read its operators yet.")
    return tx.roster


def _need(tx: Transaction, digest: str) -> Row:
    row = tx.one(_SQL["one"], (digest,))
    if row is None:
        raise EnrolmentUnknown(f"There is no statement {digest[:64]!a}.")
    return row


def _head_proof(tx: Transaction, number: int, head: str) -> bytes:
    return tx.sealer.prove(_HEAD, json.dumps([number, head]).encode("ascii"))


@unit(ReadHead)
def _read_head(tx: Transaction, _command: ReadHead) -> LogHead:
    size = tx.heads.committed
    root = root_at(tx, size)
    if root is None:
        raise InvariantBroken("The log is shorter than what was committed.")
    return LogHead(size, root)


# --- reading ----------------------------------------------------------------------


def _row(tx: Transaction, digest: str) -> EnrolmentRow:
    row = _need(tx, digest)
    signers = tuple(
        it["person"] for it in tx.every(_SQL["signatures"], (row["sha256"],))
    )
    roster = _need_roster(tx)
    said = parse_enrolment(row["statement"])
    waiting = 0
    if row["number"] is None:
        waiting = max(roster.needed(said.issued_at) - len(signers), 0)
    return _enrolment(row, signers, waiting)


def _enrolment(row: Row, signers: tuple[str, ...], waiting_for: int) -> EnrolmentRow:
    return EnrolmentRow(
        sha256=row["sha256"],
        statement=row["statement"],
        proposed_at=moment(row["proposed_at"]),
        number=row["number"],
        in_force_at=optional_moment(row["in_force_at"]),
        signers=signers,
        waiting_for=waiting_for,
    )


@question(ListEnrolments)
def _list(reading: Reading, query: ListEnrolments) -> tuple[EnrolmentRow, ...]:
    found = reading.connection.execute(_SQL["list"], (query.limit,)).fetchall()
    rows = []
    for row in found:
        signatures = reading.connection.execute(_SQL["signatures"], (row["sha256"],))
        signers = tuple(it["person"] for it in signatures)
        rows.append(_enrolment(row, signers, int(row["number"] is None)))
    return tuple(rows)
