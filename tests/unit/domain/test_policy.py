from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.money import MAX_MINOR_UNITS
from refundwatch.domain.policy import (
    PERMISSIONS,
    SYSTEM,
    Band,
    Denial,
    Permission,
    Principal,
    Role,
    may,
    may_approve,
    may_grant,
    may_resolve,
    required_approvals,
)
from refundwatch.errors import AmountInvalid, CurrencyUnknown, TextInvalid

NOBODY = frozenset[str]()
EVERY_ROLE = frozenset(Role)
MONEY_DECISIONS = [
    Permission.REFUND_APPROVE,
    Permission.REFUND_REFUSE,
    Permission.REFUND_RESOLVE,
]
EUR = Band("EUR", auto_below_minor=5_000, one_approval_below_minor=100_000)

role_sets = st.frozensets(st.sampled_from(Role))


def person(name: str, *roles: Role) -> Principal:
    return Principal(f"person:{name}", frozenset(roles))


def code(denial: Denial | None) -> str | None:
    if denial is None:
        return None
    assert denial.sentence.endswith(".")
    return denial.code


# --- roles ------------------------------------------------------------------------


def test_the_table_of_roles_is_the_documented_one() -> None:
    reads = {
        "account:read",
        "alarm:read",
        "event:read",
        "metric:read",
        "payment:read",
        "refund:read",
    }
    requests = {"refund:create", "refund:edit", "refund:cancel"}
    watches = reads | {"audit:read"}
    assert {
        "viewer": watches,
        "requester": reads | requests,
        "operator": watches
        | requests
        | {
            "refund:hold",
            "refund:release",
            "refund:lookup",
            "refund:resolve",
            "connection:control",
            "delivery:replay",
            "alarm:acknowledge",
            "payment:create",
            "customer:unmask",
        },
        "approver": watches
        | {"refund:approve", "refund:refuse", "refund:resolve", "customer:unmask"},
        "admin": watches
        | {
            "account:manage",
            "connection:control",
            "alarm:acknowledge",
            "config:read",
            "config:reload",
            "log:recover",
            "operator:manage",
            "token:manage",
            "key:manage",
            "customer:erase",
        },
    } == PERMISSIONS


@pytest.mark.parametrize("permission", MONEY_DECISIONS)
def test_admin_alone_decides_nothing_about_money(permission: Permission) -> None:
    assert code(may(person("ann", Role.ADMIN), permission)) == "role_missing"
    both = person("ann", Role.ADMIN, Role.APPROVER)
    assert may(both, permission) is None


@given(role_sets)
def test_a_principal_may_what_one_of_its_roles_may(roles: frozenset[Role]) -> None:
    someone = Principal("person:ann", roles)
    for permission in Permission:
        granted = any(permission in PERMISSIONS[role] for role in roles)
        assert (may(someone, permission) is None) is granted


@pytest.mark.parametrize("who", ["machine:shop", "system"])
@pytest.mark.parametrize("permission", [*MONEY_DECISIONS, Permission.TOKEN_MANAGE])
def test_no_machine_decides_whatever_its_roles(
    who: str, permission: Permission
) -> None:
    assert code(may(Principal(who, EVERY_ROLE), permission)) == "people_only"


def test_machine_may_request() -> None:
    shop = Principal("machine:shop", frozenset({Role.REQUESTER}))
    assert may(shop, Permission.REFUND_CREATE) is None
    assert code(may(shop, Permission.REFUND_HOLD)) == "role_missing"


def test_system_has_no_roles_of_its_own() -> None:
    assert SYSTEM.permissions == frozenset()


@pytest.mark.parametrize(
    "principal_id",
    [
        "person:ann",
        "person:ann.lee+ops@example.org",
        "machine:shop-1",
        "person:a",
        "system",
        "person:" + "a" * 128,
    ],
)
def test_principal_ids(principal_id: str) -> None:
    assert Principal(principal_id).id == principal_id


@pytest.mark.parametrize(
    "principal_id",
    [
        "",
        "ann",
        "person:",
        "person:Ann",
        "person:ann ",
        "person:ann\n",
        "person:ann.",
        "person: ann",
        "Person:ann",
        "robot:x",
        "system:x",
        "person:a:b",
        "person:\u0430nn",
        "person:" + "a" * 129,
    ],
)
def test_an_id_that_could_name_two_is_refused(principal_id: str) -> None:
    with pytest.raises(TextInvalid):
        Principal(principal_id)


# --- granting ---------------------------------------------------------------------


def test_admin_grants_roles_to_others() -> None:
    admin = person("ann", Role.ADMIN)
    assert may_grant(admin, "person:bob", EVERY_ROLE) is None
    assert may_grant(admin, "machine:shop", frozenset({Role.REQUESTER})) is None
    assert may_grant(admin, "person:ann", frozenset({Role.ADMIN, Role.VIEWER})) is None


def test_who_manages_no_tokens_grants_nothing() -> None:
    operator = person("ann", Role.OPERATOR, Role.APPROVER)
    denial = may_grant(operator, "person:bob", frozenset({Role.VIEWER}))
    assert code(denial) == "role_missing"


@pytest.mark.parametrize("role", [Role.APPROVER, Role.ADMIN])
def test_machine_is_never_given_a_role_of_persons(role: Role) -> None:
    admin = person("ann", Role.ADMIN)
    denial = may_grant(admin, "machine:shop", frozenset({role}))
    assert code(denial) == "people_only"


def test_admin_cannot_become_approver_by_itself() -> None:
    roles = frozenset({Role.APPROVER})
    assert code(may_grant(person("ann", Role.ADMIN), "person:ann", roles)) == (
        "own_promotion"
    )
    both = person("ann", Role.ADMIN, Role.APPROVER)
    assert may_grant(both, "person:ann", roles) is None


def test_system_holds_no_token() -> None:
    admin = person("ann", Role.ADMIN)
    denial = may_grant(admin, "system", frozenset({Role.VIEWER}))
    assert code(denial) == "system_has_no_token"


# --- bands ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount_minor", "approvals"),
    [(1, 0), (4_999, 0), (5_000, 1), (99_999, 1), (100_000, 2), (MAX_MINOR_UNITS, 2)],
)
def test_band_limits_are_exclusive(amount_minor: int, approvals: int) -> None:
    assert required_approvals([EUR], "EUR", amount_minor) == approvals


def test_currency_without_a_band_needs_two() -> None:
    assert required_approvals([EUR], "USD", 1) == 2
    assert required_approvals([], "EUR", 1) == 2


def test_strictest_of_several_bands_counts() -> None:
    lax = Band("EUR", 1_000_000, 1_000_000)
    assert required_approvals([lax, EUR], "EUR", 5_000) == 1
    assert required_approvals([EUR, lax], "EUR", 5_000) == 1


@pytest.mark.parametrize("amount_minor", [0, -1, MAX_MINOR_UNITS + 1])
def test_sum_that_is_no_amount_is_refused(amount_minor: int) -> None:
    with pytest.raises(AmountInvalid):
        required_approvals([EUR], "EUR", amount_minor)


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
)
def test_splitting_never_needs_fewer_approvals(
    auto: int, more: int, parts: list[int]
) -> None:
    bands = [Band("EUR", auto, auto + more)]
    needed, total = [], 0
    for part in parts:
        total += part
        needed.append(required_approvals(bands, "EUR", total))
    assert max(needed) == required_approvals(bands, "EUR", sum(parts))
    assert needed == sorted(needed)


@pytest.mark.parametrize(("auto", "one"), [(-1, 5), (6, 5), (0, MAX_MINOR_UNITS + 1)])
def test_contradicting_band_is_refused(auto: int, one: int) -> None:
    with pytest.raises(AmountInvalid):
        Band("EUR", auto, one)


def test_band_of_no_currency_is_refused() -> None:
    with pytest.raises(CurrencyUnknown):
        Band("XXX", 0, 0)


# --- four eyes --------------------------------------------------------------------


def test_somebody_else_may_approve() -> None:
    bob = person("bob", Role.APPROVER)
    assert may_approve(bob, frozenset({"person:ann", "machine:shop"}), NOBODY) is None
    assert may_approve(bob, NOBODY, frozenset({"person:cleo"})) is None


def test_creator_or_editor_may_not_approve() -> None:
    bob = person("bob", Role.APPROVER, Role.REQUESTER)
    touched = frozenset({"machine:shop", "person:bob"})
    assert code(may_approve(bob, touched, NOBODY)) == "own_refund"


def test_nobody_approves_twice() -> None:
    bob = person("bob", Role.APPROVER)
    denial = may_approve(bob, NOBODY, frozenset({"person:bob"}))
    assert code(denial) == "already_approved"


def test_other_roles_of_the_same_person_are_the_same_eyes() -> None:
    for roles in ((Role.APPROVER,), (Role.APPROVER, Role.ADMIN), tuple(Role)):
        bob = person("bob", *roles)
        assert code(may_approve(bob, frozenset({"person:bob"}), NOBODY)) == (
            "own_refund"
        )


def test_machine_never_approves() -> None:
    shop = Principal("machine:shop", EVERY_ROLE)
    assert code(may_approve(shop, NOBODY, NOBODY)) == "people_only"


@given(
    role_sets,
    st.sampled_from(["person:ann", "person:bob", "machine:shop"]),
    st.frozensets(st.sampled_from(["person:ann", "person:bob", "machine:shop"])),
    st.frozensets(st.sampled_from(["person:ann", "person:bob"])),
)
def test_approval_counts_only_from_an_uninvolved_person(
    roles: frozenset[Role], who: str, touched: frozenset[str], earlier: frozenset[str]
) -> None:
    allowed = may_approve(Principal(who, roles), touched, earlier) is None
    assert allowed is (
        who.startswith("person:")
        and Role.APPROVER in roles
        and who not in touched | earlier
    )


def test_resolution_needs_a_second_person() -> None:
    ann, bob = person("ann", Role.OPERATOR), person("bob", Role.APPROVER)
    assert may_resolve(ann, NOBODY) is None
    assert may_resolve(bob, frozenset({"person:ann"})) is None
    assert code(may_resolve(ann, frozenset({"person:ann"}))) == "already_resolved"
    assert code(may_resolve(person("cleo", Role.ADMIN), NOBODY)) == "role_missing"
