"""Who the operators are: replayed from signed statements on top of the root file.

Invariant: a roster is what the root file and the statements say, in their order, and
nothing else; a key belongs to one person for ever, since two persons with one key would
be one pair of eyes.

A statement names the head of the history that its signers saw. It holds as long as
nothing about the same person came into force since: so two persons can be enrolled at
the same time, and none comes into force twice, because the first time is a change about
its own person. Each head commits to every statement before it and to their order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from refundwatch.domain.enrolment import FIRST_PREVIOUS, Act, Enrolment
from refundwatch.domain.policy import Principal, Role
from refundwatch.errors import EnrolmentRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

MOST_NEEDED: Final = 2
"""How many root operators sign, where the file names as many."""


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key as it was enrolled; times are UTC, None is open."""

    fingerprint: str
    line: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked_at: datetime | None = None
    root: bool = False

    def counts(self, at: datetime) -> bool:
        """Tell whether what it signs at that moment counts."""
        if self.revoked_at is not None:
            return False
        begun = self.valid_from is None or self.valid_from <= at
        return begun and (self.valid_until is None or at < self.valid_until)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person: its keys by fingerprint, its roles, and when these last changed.

    `changes` counts what ended sessions: other roles, a key less.
    """

    person: str
    roles: frozenset[Role] = frozenset()
    keys: Mapping[str, OperatorKey] = field(default_factory=dict)
    root: bool = False
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Roster:
    """Every operator by person, and where the history of statements stands.

    `heads` gives for each head that there was the number of statements under it,
    `changed` for each person the number of the last statement about it.
    """

    instance: str
    operators: Mapping[str, Operator] = field(default_factory=dict)
    head: str = FIRST_PREVIOUS
    number: int = 0
    heads: Mapping[str, int] = field(default_factory=lambda: {FIRST_PREVIOUS: 0})
    changed: Mapping[str, int] = field(default_factory=dict)

    @property
    def roots(self) -> tuple[Operator, ...]:
        """Give the root operators."""
        return tuple(it for it in self.operators.values() if it.root)

    def needed(self, at: datetime) -> int:
        """Say how many root operators must sign a statement of that moment."""
        counting = sum(
            any(key.root and key.counts(at) for key in it.keys.values())
            for it in self.roots
        )
        return max(1, min(counting, MOST_NEEDED))

    def key(self, person: str, fingerprint: str) -> OperatorKey | None:
        """Find a person's key, revoked or not."""
        operator = self.operators.get(person)
        return None if operator is None else operator.keys.get(fingerprint)

    def principal(self, person: str) -> Principal:
        """Give a person with the roles that it has now; a stranger has none."""
        operator = self.operators.get(person)
        return Principal(person, frozenset() if operator is None else operator.roles)

    def after(self, said: Enrolment) -> Roster:
        """Give the roster once a statement is in force.

        Raises:
            EnrolmentRefused: it does not fit what holds now.
        """
        if said.instance != self.instance:
            raise EnrolmentRefused("The statement is for another instance.")
        self._must_fit(said)
        match said.act:
            case Act.ENROL:
                changed = self._enrol(said)
            case Act.ROLE:
                changed = self._set_roles(said)
            case Act.REVOKE:
                changed = self._revoke(said)
        number, head = self.number + 1, self._next_head(said)
        return replace(
            self,
            operators={**self.operators, said.person: changed},
            head=head,
            number=number,
            heads={**self.heads, head: number},
            changed={**self.changed, said.person: number},
        )

    def _must_fit(self, said: Enrolment) -> None:
        seen = self.heads.get(said.previous)
        if seen is None:
            raise EnrolmentRefused(
                "The statement was made after a history that this is not.",
                field="previous",
            )
        if self.changed.get(said.person, 0) > seen:
            raise EnrolmentRefused(
                f"Another statement about {said.person} came between: propose it "
                "again.",
                field="previous",
            )

    def _next_head(self, said: Enrolment) -> str:
        """Name the history with this statement at its end.

        Where the statement itself names the head before it, its own digest says all.
        """
        if said.previous == self.head:
            return said.digest
        return sha256(f"{self.head} {said.digest}".encode("ascii")).hexdigest()

    def _enrol(self, said: Enrolment) -> Operator:
        known = self.operators.get(said.person, Operator(said.person))
        if said.key is None or said.public_key is None:
            raise EnrolmentRefused("An enrolment names a key.", field="key")
        for other in self.operators.values():
            if said.key in other.keys:
                raise EnrolmentRefused(
                    f"This key is or was {other.person}'s: enrol a new one.",
                    field="key",
                )
        if said.roles is None and not known.roles:
            raise EnrolmentRefused(
                f"{said.person} has no roles yet: say which.", field="roles"
            )
        key = OperatorKey(said.key, said.public_key, said.valid_from, said.valid_until)
        roles = known.roles if said.roles is None else said.roles
        return replace(
            known,
            roles=roles,
            keys={**known.keys, said.key: key},
            changes=known.changes + (roles != known.roles),
        )

    def _known(self, person: str) -> Operator:
        known = self.operators.get(person)
        if known is None:
            raise EnrolmentRefused(f"{person} is no operator.", field="person")
        return known

    def _set_roles(self, said: Enrolment) -> Operator:
        known = self._known(said.person)
        return replace(
            known, roles=said.roles or frozenset(), changes=known.changes + 1
        )

    def _revoke(self, said: Enrolment) -> Operator:
        known = self._known(said.person)
        ending = list(known.keys) if said.key is None else [said.key]
        keys = dict(known.keys)
        for fingerprint in ending:
            key = keys.get(fingerprint)
            if key is None:
                raise EnrolmentRefused(
                    f"{said.person} has no key {fingerprint}.", field="key"
                )
            if key.root:
                raise EnrolmentRefused(
                    "A root operator's key stands in the root file: take it out "
                    "there, and start the daemon anew.",
                    field="key",
                )
            if key.revoked_at is None:
                keys[fingerprint] = replace(key, revoked_at=said.issued_at)
        roles = frozenset[Role]() if said.key is None else known.roles
        return replace(known, keys=keys, roles=roles, changes=known.changes + 1)


@dataclass(frozen=True, slots=True)
class RootLine:
    """One line of the root file: a person, its key, and the roles it begins with."""

    person: str
    fingerprint: str
    line: str
    roles: frozenset[Role]
    valid_until: datetime | None = None


def founded(instance: str, lines: Iterable[RootLine]) -> Roster:
    """Give the roster that the root file alone makes."""
    operators: dict[str, Operator] = {}
    for it in lines:
        known = operators.get(it.person, Operator(it.person, root=True))
        key = OperatorKey(
            it.fingerprint, it.line, valid_until=it.valid_until, root=True
        )
        operators[it.person] = replace(
            known,
            roles=known.roles | it.roles,
            keys={**known.keys, it.fingerprint: key},
        )
    return Roster(instance, operators)
