"""Who signs in tests: throwaway keys, and paper signatures where no key is needed.

A paper signature is a hash that anybody can make: it shows that the bytes are those
that were signed, for the key and purpose they were signed for, at next to no cost.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from refundwatch.domain.audit import salted_commitment
from refundwatch.domain.decision import Decision, Proof, Verdict
from refundwatch.domain.merkle import EMPTY_ROOT
from refundwatch.domain.money import exponent
from refundwatch.domain.order import (
    Order,
    OrderAct,
    close_detail,
    trip_detail,
    unfreeze_detail,
)
from refundwatch.domain.roster import Operator, OperatorKey, Roster
from refundwatch.errors import SignatureRefused
from refundwatch.store.contract import SetCircuit, SignedText, Signing
from refundwatch.store.sqlite.statements import content_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from refundwatch.domain.policy import Principal
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import DecideRefund, UnfreezePayment
    from refundwatch.store.sqlite.store import SqliteStore

SALT = bytes(16)
C = TypeVar("C", "SetCircuit", "UnfreezePayment")
_numbers = count(1)


class PaperSignatures:
    """Checks paper signatures."""

    def check(
        self, message: bytes, signature: str, purpose: str, key_line: str
    ) -> None:
        if signature != paper(message, purpose, key_line):
            raise SignatureRefused("paper")

    def fingerprint(self, key_line: str) -> str:
        return fingerprint(key_line)


def paper(message: bytes, purpose: str, key_line: str) -> str:
    parts = (message, purpose.encode(), key_line.encode())
    return sha256(b"|".join(parts)).hexdigest()


@cache
def fingerprint(key_line: str) -> str:
    digest = sha256(key_line.encode()).digest()
    return "SHA256:" + b64encode(digest).decode().rstrip("=")


def paper_key(person: str, number: int = 1) -> OperatorKey:
    line = f"paper {person.removeprefix('person:')}-{number}"
    return OperatorKey(fingerprint(line), line)


def known(roster: Roster | None, people: Iterable[Principal], instance: str) -> Roster:
    """The roster with these persons in it, each with a paper key and its roles."""
    base = roster or Roster(instance)
    operators = dict(base.operators)
    for it in people:
        key = paper_key(it.id)
        had = operators.get(it.id, Operator(it.id, keys={key.fingerprint: key}))
        operators[it.id] = replace(had, roles=it.roles)
    return replace(base, operators=operators)


def introduce(store: SqliteStore, people: Iterable[Principal], instance: str) -> None:
    """Let a store know these persons, as if roots had enrolled them."""
    store.attach_signatures(PaperSignatures())
    held = store._writer.people
    held.roster = known(held.roster, people, instance)


def nonce() -> str:
    return f"nonce-{next(_numbers):020}"


def proof_of(person: str, at: Any, *, key: OperatorKey | None = None) -> Proof:
    used = key or paper_key(person)
    return Proof(
        key=used.fingerprint,
        log_size=0,
        log_root=EMPTY_ROOT.hex(),
        nonce=nonce(),
        expires_at=at.replace(microsecond=0) + timedelta(minutes=5),
    )


def statement_of(
    command: DecideRefund,
    refund: Refund,
    *,
    instance: str,
    gateway: str,
    key: OperatorKey | None = None,
) -> Decision:
    """What the person states: exactly what the command asks for."""
    evidence = None
    if command.decision is Verdict.RESOLVE and command.resolution is not None:
        evidence = {**command.evidence, "resolution": command.resolution.value}
    commitment = None
    if command.reason_text is not None:
        salt = command.reason_salt or SALT
        commitment = salted_commitment(salt, command.reason_text.encode("utf-8"))
    edits = command.decision is Verdict.EDIT
    return Decision(
        actor=command.principal.id,
        decision=command.decision,
        instance=instance,
        gateway=gateway,
        payment_id=refund.payment_id,
        refund_id=refund.id,
        revision=refund.revision,
        request_sha256=content_sha256(refund),
        amount_minor=(edits and command.amount_minor) or refund.amount_minor,
        currency=refund.currency,
        exponent=exponent(refund.currency),
        reason=command.reason_code,
        policy_version=command.policy.version,
        issued_at=command.at,
        evidence=evidence,
        reason_commitment=commitment,
        proof=proof_of(command.principal.id, command.at, key=key),
        refund_reason_code=command.refund_reason_code,
    )


def signed(
    command: DecideRefund, refund: Refund, *, instance: str, gateway: str
) -> DecideRefund:
    """The command with its person's paper signature; a machine signs nothing."""
    if not command.principal.is_person or not command.reason_code:
        return command
    said = statement_of(command, refund, instance=instance, gateway=gateway)
    text = said.statement()
    line = paper_key(command.principal.id).line
    return replace(
        command,
        reason_salt=SALT if command.reason_text is not None else None,
        signed=SignedText(text, paper(text, "decision", line)),
    )


def order_of(
    command: SetCircuit | UnfreezePayment,
    instance: str,
    was: str = "",
    since: datetime | None = None,
) -> Order:
    """What the person orders: exactly what the command asks for."""
    if isinstance(command, SetCircuit):
        part, lasts = command.part.value, command.lasts
        seconds = None if lasts is None else round(lasts.total_seconds())
        act = OrderAct.TRIP if command.opens else OrderAct.CLOSE
        subject = command.connection
        detail = trip_detail(part, seconds) if command.opens else close_detail(part)
    else:
        act, subject = OrderAct.UNFREEZE, command.payment_id
        detail = unfreeze_detail(was, since)
    text = command.reason_text
    return Order(
        actor=command.principal.id,
        act=act,
        subject=subject,
        detail=detail,
        instance=instance,
        reason=command.reason_code,
        reason_commitment=None
        if text is None
        else salted_commitment(SALT, text.encode()),
        policy_version="policy-1",
        issued_at=command.at,
        proof=proof_of(command.principal.id, command.at),
    )


def signing(said: Order, *, purpose: str = "decision") -> Signing:
    """The order with its person's paper signature."""
    message = said.statement()
    made = paper(message, purpose, paper_key(said.actor).line)
    salt = None if said.reason_commitment is None else SALT
    return Signing("policy-1", SignedText(message, made), salt)


def ordered(
    command: C, *, instance: str, was: str = "dispute", since: datetime | None = None
) -> C:
    """The command with its person's paper signature."""
    said = order_of(command, instance, was, since)
    return replace(command, signing=signing(said))
