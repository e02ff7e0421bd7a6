"""Statements about operators: at the same time for two persons, never twice for one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from refundwatch.domain.enrolment import FIRST_PREVIOUS, Act, Enrolment
from refundwatch.domain.policy import Role
from refundwatch.domain.roster import RootLine, Roster, founded
from refundwatch.errors import EnrolmentRefused

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROOTS = founded(
    "hub.test",
    [RootLine("person:root", f"SHA256:{'r' * 43}", "key r", frozenset({Role.ADMIN}))],
)


def enrolment(
    person: str, letter: str, previous: str = FIRST_PREVIOUS, nonce: str = "n"
) -> Enrolment:
    return Enrolment(
        instance="hub.test",
        act=Act.ENROL,
        person=f"person:{person}",
        key=f"SHA256:{letter * 43}",
        public_key=f"key {letter}",
        roles=frozenset({Role.APPROVER}),
        reason="staff",
        previous=previous,
        nonce=nonce * 22,
        issued_at=START,
        expires_at=START + timedelta(hours=1),
    )


def revocation(person: str, previous: str) -> Enrolment:
    return replace(
        enrolment(person, "x", previous),
        act=Act.REVOKE,
        key=None,
        public_key=None,
        roles=None,
    )


ANN, BEN, CAT = enrolment("ann", "a"), enrolment("ben", "b"), enrolment("cat", "c")


def test_enrolments_of_two_persons_at_once_do_not_void_each_other() -> None:
    for order in permutations((ANN, BEN, CAT)):
        roster = ROOTS
        for said in order:
            roster = roster.after(said)
        assert roster.number == 3
        assert {"person:ann", "person:ben", "person:cat"} < set(roster.operators)


def test_each_head_names_the_whole_history_and_its_order() -> None:
    heads = set()
    for order in permutations((ANN, BEN, CAT)):
        roster = ROOTS
        for said in order:
            roster = roster.after(said)
        heads.add(roster.head)
        heads.add(ROOTS.after(order[0]).after(order[2]).head)
    assert len(heads) == 12


def test_statement_that_names_the_head_before_it_is_the_next_head() -> None:
    roster = ROOTS.after(ANN)
    assert roster.head == ANN.digest
    later = enrolment("ben", "b", roster.head)
    assert roster.after(later).head == later.digest
    # After one that came beside another the next names both.
    both = roster.after(BEN)
    assert both.head not in {ANN.digest, BEN.digest}
    third = enrolment("cat", "c", both.head)
    assert both.after(third).head == third.digest


@pytest.mark.parametrize("between", [(), (BEN,), (BEN, CAT)])
def test_no_statement_comes_into_force_twice(between: tuple[Enrolment, ...]) -> None:
    roster = ROOTS.after(ANN)
    for said in between:
        roster = roster.after(said)
    with pytest.raises(EnrolmentRefused, match="about person:ann came between"):
        roster.after(ANN)


def test_revocation_is_not_undone_by_what_was_signed_before_it() -> None:
    """Roles that were proposed first and signed last would give them back."""
    roster = ROOTS.after(ANN)
    roles = replace(
        revocation("ann", roster.head), act=Act.ROLE, roles=frozenset({Role.ADMIN})
    )
    revoked = roster.after(revocation("ann", roster.head))
    with pytest.raises(EnrolmentRefused, match="came between"):
        revoked.after(roles)
    assert revoked.operators["person:ann"].roles == frozenset()


def test_one_key_is_never_two_persons_however_it_is_timed() -> None:
    roster = ROOTS.after(ANN)
    with pytest.raises(EnrolmentRefused, match="is or was person:ann"):
        roster.after(enrolment("ben", "a"))


def test_statement_after_another_history_is_refused() -> None:
    for previous in ("f" * 64, BEN.digest):
        with pytest.raises(EnrolmentRefused, match="history that this is not"):
            ROOTS.after(ANN).after(enrolment("cat", "c", previous))


def test_statement_that_is_left_out_changes_every_later_head() -> None:
    def history(*said: Enrolment) -> Roster:
        roster = ROOTS
        for one in said:
            roster = roster.after(one)
        return roster

    whole = history(ANN, BEN, CAT)
    assert whole.head != history(ANN, CAT).head
    late = enrolment("dan", "d", whole.head)
    with pytest.raises(EnrolmentRefused):
        history(ANN, CAT).after(late)
