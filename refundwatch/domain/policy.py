"""Who may do what, and how many approvals an amount needs.

Invariant: what is not granted here is denied. Persons are compared by their id, one
id a person, and only persons decide about money.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from refundwatch.domain.money import check_minor_units, exponent
from refundwatch.errors import AmountInvalid, TextInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from refundwatch.domain.machine import MachineGrant


class Role(StrEnum):
    """What a principal was made for; one may hold several."""

    VIEWER = "viewer"
    REQUESTER = "requester"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


class Permission(StrEnum):
    """One thing that a route or a command does, `noun:verb`."""

    REFUND_READ = "refund:read"
    REFUND_CREATE = "refund:create"
    REFUND_EDIT = "refund:edit"
    REFUND_CANCEL = "refund:cancel"
    REFUND_HOLD = "refund:hold"
    REFUND_RELEASE = "refund:release"
    REFUND_LOOKUP = "refund:lookup"
    REFUND_APPROVE = "refund:approve"
    REFUND_REFUSE = "refund:refuse"
    REFUND_RESOLVE = "refund:resolve"
    PAYMENT_READ = "payment:read"
    PAYMENT_CREATE = "payment:create"
    ACCOUNT_READ = "account:read"
    ACCOUNT_MANAGE = "account:manage"
    CONNECTION_CONTROL = "connection:control"
    DELIVERY_REPLAY = "delivery:replay"
    ALARM_READ = "alarm:read"
    ALARM_ACKNOWLEDGE = "alarm:acknowledge"
    METRIC_READ = "metric:read"
    EVENT_READ = "event:read"
    AUDIT_READ = "audit:read"
    LOG_RECOVER = "log:recover"
    CONFIG_READ = "config:read"
    CONFIG_RELOAD = "config:reload"
    OPERATOR_MANAGE = "operator:manage"
    TOKEN_MANAGE = "token:manage"  # noqa: S105 - the name of a permission
    KEY_MANAGE = "key:manage"
    CUSTOMER_UNMASK = "customer:unmask"
    CUSTOMER_ERASE = "customer:erase"


P = Permission

_READS: Final = frozenset(
    {
        P.REFUND_READ,
        P.PAYMENT_READ,
        P.ACCOUNT_READ,
        P.ALARM_READ,
        P.METRIC_READ,
        P.EVENT_READ,
    }
)
_WATCHES: Final = _READS | {P.AUDIT_READ}
_REQUESTS: Final = _READS | {P.REFUND_CREATE, P.REFUND_EDIT, P.REFUND_CANCEL}

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _WATCHES,
    Role.REQUESTER: _REQUESTS,
    Role.OPERATOR: _WATCHES
    | _REQUESTS
    | {
        P.REFUND_HOLD,
        P.REFUND_RELEASE,
        P.REFUND_LOOKUP,
        P.REFUND_RESOLVE,
        P.CONNECTION_CONTROL,
        P.DELIVERY_REPLAY,
        P.ALARM_ACKNOWLEDGE,
        P.PAYMENT_CREATE,
        P.CUSTOMER_UNMASK,
    },
    Role.APPROVER: _WATCHES
    | {P.REFUND_APPROVE, P.REFUND_REFUSE, P.REFUND_RESOLVE, P.CUSTOMER_UNMASK},
    Role.ADMIN: _WATCHES
    | {
        P.ACCOUNT_MANAGE,
        P.CONNECTION_CONTROL,
        P.ALARM_ACKNOWLEDGE,
        P.CONFIG_READ,
        P.CONFIG_RELOAD,
        P.LOG_RECOVER,
        P.OPERATOR_MANAGE,
        P.TOKEN_MANAGE,
        P.KEY_MANAGE,
        P.CUSTOMER_ERASE,
    },
}
"""The one table of roles. An admin decides about access, never about money."""

# Whoever gives out tokens could give itself an approver's, so that too is for people;
# and so is whatever changes the bands.
PEOPLE_ONLY: Final = frozenset(
    {
        P.LOG_RECOVER,
        P.REFUND_APPROVE,
        P.REFUND_REFUSE,
        P.REFUND_RESOLVE,
        P.OPERATOR_MANAGE,
        P.TOKEN_MANAGE,
        P.KEY_MANAGE,
        P.CUSTOMER_UNMASK,
        P.CUSTOMER_ERASE,
        P.CONFIG_RELOAD,
    }
)
"""What no machine may do, whatever its roles say."""

PEOPLE_ROLES: Final = frozenset({Role.APPROVER, Role.ADMIN})
"""Roles that a machine is never given."""

# Lower case only: `person:Ann` and `person:ann` would else be two pairs of eyes.
_PRINCIPAL: Final = re.compile(
    r"(?:person|machine):[a-z0-9](?:[a-z0-9._@+-]{0,126}[a-z0-9])?|system"
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that acts: `person:…`, `machine:…` or `system`.

    `machine` holds the scopes and limits of the token that a machine showed.

    Raises:
        TextInvalid: the id has another form.
    """

    id: str
    roles: frozenset[Role] = frozenset()
    machine: MachineGrant | None = None

    def __post_init__(self) -> None:
        """Refuse an id that could name nobody or two."""
        check_principal_id(self.id)

    @property
    def is_person(self) -> bool:
        """Tell whether this is a human being."""
        return self.id.startswith("person:")

    @property
    def permissions(self) -> frozenset[Permission]:
        """Give what roles or scopes grant and the kind of principal does not forbid."""
        scoped = self.machine.permissions if self.machine is not None else None
        if scoped is not None:
            return scoped - PEOPLE_ONLY
        granted = frozenset[Permission]().union(
            *(PERMISSIONS[role] for role in self.roles)
        )
        return granted if self.is_person else granted - PEOPLE_ONLY


@dataclass(frozen=True, slots=True)
class Denial:
    """Why something may not be done: a stable code and a sentence for people."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Band:
    """What amounts of one currency need, in minor units.

    Below `auto_below_minor` no approval, below `one_approval_below_minor` one, else
    two.

    Raises:
        AmountInvalid: a limit is negative, too large, or the first above the second.
        CurrencyUnknown: the currency has no amounts.
    """

    currency: str
    auto_below_minor: int
    one_approval_below_minor: int

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        exponent(self.currency)
        check_minor_units(self.auto_below_minor, "auto_below")
        check_minor_units(self.one_approval_below_minor, "one_approval_below")
        if not 0 <= self.auto_below_minor <= self.one_approval_below_minor:
            message = f"The band of {self.currency} needs 0 ≤ auto ≤ one approval."
            raise AmountInvalid(message, field="auto_below")


MOST_APPROVALS: Final = 2


def check_principal_id(principal_id: str) -> str:
    """Give the id back if it names a principal.

    Raises:
        TextInvalid: it has another form.
    """
    if not _PRINCIPAL.fullmatch(principal_id):
        message = (
            "A principal is person:NAME, machine:NAME or system; NAME is lower case "
            "letters, digits and . _ @ + -, at most 128."
        )
        raise TextInvalid(message, field="principal")
    return principal_id


SYSTEM: Final = Principal("system")
"""The daemon itself, as the actor of what it does unasked."""


def may(principal: Principal, permission: Permission) -> Denial | None:
    """Decide whether the principal may do this at all; None means yes."""
    if permission in principal.permissions:
        return None
    if permission in PEOPLE_ONLY and not principal.is_person:
        return Denial("people_only", f"Only a person may do {permission}.")
    held = "roles" if principal.roles or principal.machine is None else "scopes"
    return Denial("role_missing", f"None of your {held} allows {permission}.")


def may_grant(principal: Principal, to: str, roles: frozenset[Role]) -> Denial | None:
    """Decide whether the principal may issue a token with these roles to `to`.

    Raises:
        TextInvalid: `to` names no principal.
    """
    denial = may(principal, Permission.TOKEN_MANAGE)
    if denial is not None:
        return denial
    if not check_principal_id(to).startswith("person:") and roles & PEOPLE_ROLES:
        return Denial("people_only", "Approver and admin are roles of persons.")
    if to == "system":
        return Denial("system_has_no_token", "The daemon itself holds no token.")
    if to == principal.id and Role.APPROVER in roles - principal.roles:
        return Denial(
            "own_promotion", "Another admin must make you an approver, not yourself."
        )
    return None


def required_approvals(
    bands: Iterable[Band], currency: str, cumulative_amount_minor: int
) -> int:
    """Give how many persons must approve: 0, 1 or 2.

    `cumulative_amount_minor` is the sum of all live refunds of the payment, this one
    included: else many small refunds would avoid the band of a large one. A currency
    without a band needs two; of several bands the strictest counts.

    Raises:
        AmountInvalid: the sum is not positive, or too large.
    """
    if check_minor_units(cumulative_amount_minor) <= 0:
        message = "The amount that approvals are for is positive."
        raise AmountInvalid(message, field="amount_minor")
    return max(
        (
            _approvals_in(band, cumulative_amount_minor)
            for band in bands
            if band.currency == currency
        ),
        default=MOST_APPROVALS,
    )


def may_approve(
    principal: Principal,
    creators_and_editors: frozenset[str],
    earlier_approvers: frozenset[str],
) -> Denial | None:
    """Decide whether the principal's approval would count; None means yes.

    Both sets hold principal ids: whoever created or edited *any* revision, and whoever
    approved the current one.
    """
    denial = may(principal, Permission.REFUND_APPROVE)
    if denial is not None:
        return denial
    if principal.id in creators_and_editors:
        return Denial(
            "own_refund", "Whoever created or edited a refund may not approve it."
        )
    if principal.id in earlier_approvers:
        return Denial("already_approved", "You have already approved this revision.")
    return None


def may_resolve(
    principal: Principal, earlier_resolvers: frozenset[str]
) -> Denial | None:
    """Decide whether the principal may be one of the two who settle an open question.

    `earlier_resolvers` are the principals who already stated the same resolution.
    """
    denial = may(principal, Permission.REFUND_RESOLVE)
    if denial is not None:
        return denial
    if principal.id in earlier_resolvers:
        return Denial("already_resolved", "A second person must confirm your word.")
    return None


def _approvals_in(band: Band, amount_minor: int) -> int:
    if amount_minor < band.auto_below_minor:
        return 0
    return 1 if amount_minor < band.one_approval_below_minor else MOST_APPROVALS
