"""Two people about a refund in review.

Invariant: a review ends only when two different persons said the same ending, under
the same gateway reference and executed amount, in this review and after the gateway's
newest word in it; a person's newest word is the one that counts. A reference moves
from one refund to another only while both are in review.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.domain import events as ev
from refundwatch.domain.decision import parse_statement
from refundwatch.domain.idempotency import derive_key, merchant_reference
from refundwatch.domain.refund import RefundState
from refundwatch.domain.transition import apply
from refundwatch.errors import StateConflict, TextInvalid
from refundwatch.store.contract import Decided
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite import applying
from refundwatch.store.sqlite.outside import adopt_external
from refundwatch.store.sqlite.statements import Case, record

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "decisions")
_REFERENCE: Final = "gateway_reference"
_EXECUTED: Final = "executed_minor"
_AGREED: Final = (_REFERENCE, _EXECUTED)
_EXECUTED_ENDINGS: Final = frozenset({ev.Resolution.SUCCEEDED, ev.Resolution.REVERSED})
_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,14}")
S = RefundState


def resolve(tx: Transaction, case: Case) -> Decided:
    """Record a person's word on how it ended; the second same word ends the review.

    Raises:
        StateConflict: the refund is not in review.
        TextInvalid: no ending, a reference of another refund that is not in review
            itself, a resend that does not name the reference that the gateway gave
            it, a success of a disputed amount that does not say what was paid.
    """
    command, refund = case.command, case.refund
    if command.resolution is None:
        raise TextInvalid("A resolution says how it ended.", field="resolution")
    if refund.state is not S.REVIEW:
        raise StateConflict(refund.id, refund.state, "resolve")
    _owner_in_review(tx, case)
    _must_know_what_is_known(case)
    _must_name_the_amount(case)
    first = not same_word(tx, case)
    data = record(tx, case)
    if first:
        kind = "refund:resolution:proposed"
        tx.append_to_refund(command.at, kind, case.actor, refund.id, data)
        return Decided(refund, 1)
    _take_reference(tx, case)
    applied = apply(refund, _resolved(tx, case, command.resolution), command.at)
    if command.resolution is not ev.Resolution.DECLINED:
        # "Not executed" takes nothing back that was heard to have moved.
        adopt_external(tx, applied, command.at)
    tx.save_applied(applied, command.at, case.actor, data)
    return Decided(applied.after, 0)


def same_word(tx: Transaction, case: Case) -> frozenset[str]:
    """Name whose newest word of this review is the one that is being said.

    The same word is the same ending under the same reference and executed amount.
    """
    newest: dict[str, tuple[str | None, ...]] = {}
    for row in tx.every(_SQL["resolvers"], (case.refund.id, case.reviews)):
        place = f"{case.refund.id}/{row['number']}"
        statement = tx.sealer.open("decision", place, "statement", row["statement"])
        evidence = parse_statement(statement).evidence or {}
        agreed = (evidence.get(name) for name in _AGREED)
        newest[row["actor"]] = (row["resolution"], *agreed)
    evidence = case.command.evidence
    said = (case.command.resolution, *(evidence.get(name) for name in _AGREED))
    return frozenset(actor for actor, word in newest.items() if word == said)


def _must_name_the_amount(case: Case) -> None:
    """Refuse a success of a disputed amount that does not say which was paid."""
    refund, said = case.refund, case.command.evidence.get(_EXECUTED)
    succeeds = case.command.resolution is ev.Resolution.SUCCEEDED
    disputed = refund.review_reason == "amount_mismatch"
    if succeeds and disputed and said is None:
        raise TextInvalid(
            "The gateway spoke of another amount: name what it really paid as the "
            f"evidence's {_EXECUTED}, in minor units of {refund.currency}.",
            field="evidence",
        )
    if said is not None and not (succeeds and _AMOUNT.fullmatch(said)):
        raise TextInvalid(
            f"{_EXECUTED} is a whole number of minor units, of a success.",
            field="evidence",
        )


def _owner_in_review(tx: Transaction, case: Case) -> Refund | None:
    """Give the other refund in review that has the reference which people name.

    A gateway that answered two orders with each other's references left both in
    review; a refund that nobody questions keeps what it has, and who says "not
    executed" takes nothing: its true owner could then be sent again unnamed.
    """
    reference = case.command.evidence.get(_REFERENCE)
    row = applying.reference_owner(tx, case.refund, reference)
    if row is None:
        return None
    owner = tx.load_refund(row["id"])
    moves = case.command.resolution in _EXECUTED_ENDINGS and owner.state is S.REVIEW
    if reference is not None and not moves:
        raise TextInvalid(
            f"Gateway reference {reference[:64]!a} belongs to refund {owner.id}.",
            field="evidence",
        )
    return owner


def _take_reference(tx: Transaction, case: Case) -> None:
    """Take a reference off the refund in review that has it wrongly."""
    owner = _owner_in_review(tx, case)
    if owner is not None:
        at = case.command.at
        lost = apply(owner, ev.ReferenceLost(), at)
        tx.save_applied(lost, at, case.actor, {"owner": case.refund.id})


def _must_know_what_is_known(case: Case) -> None:
    """Refuse to send again, unnamed, what the gateway has a reference of.

    Whoever takes it for not executed must have seen it.
    """
    known, said = case.refund.gateway_reference, case.command.evidence.get(_REFERENCE)
    resends = case.command.resolution is ev.Resolution.RESEND
    if resends and known is not None and said != known:
        raise TextInvalid(
            f"The gateway knows this refund as {known}: name it as the evidence's "
            f"{_REFERENCE} to send it again all the same.",
            field="evidence",
        )


def _resolved(tx: Transaction, case: Case, resolution: ev.Resolution) -> ev.Resolved:
    reference = case.command.evidence.get(_REFERENCE)
    if resolution is not ev.Resolution.RESEND:
        executed = case.command.evidence.get(_EXECUTED)
        return ev.Resolved(
            resolution,
            gateway_reference=reference,
            executed_minor=None if executed is None else int(executed),
        )
    refund = case.refund
    identity = (
        tx.instance,
        refund.account,
        refund.payment_reference,
        refund.request_id,
        refund.generation + 1,
    )
    return ev.Resolved(
        resolution,
        next_idempotency_key=derive_key(*identity),
        next_merchant_reference=merchant_reference(*identity),
    )
