"""The permission matrix, made from the route table and the one policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from daemon.app import _UNROUTED
from daemon.routes import HANDLERS
from refundwatch.api.paths import PREFIX, ROUTES, Route
from refundwatch.domain.policy import Permission, Principal, may
from tests.daemon.living import PEOPLE

if TYPE_CHECKING:
    from tests.daemon.living import Living

PUBLIC = {"status", "me", "openapi", "logout", "login.challenge", "login.answer"}
NOT_OFFERED_YET = {Permission.ACCOUNT_MANAGE, Permission.CONFIG_READ}


def test_every_route_has_one_handler() -> None:
    assert set(HANDLERS) | _UNROUTED == {route.name for route in ROUTES}
    assert not set(HANDLERS) & _UNROUTED


def test_every_route_has_a_rule() -> None:
    assert {route.name for route in ROUTES if route.permission is None} == PUBLIC


def test_every_permission_guards_a_route() -> None:
    used = {route.permission for route in ROUTES} - {None}
    assert set(Permission) - used == NOT_OFFERED_YET


def test_only_the_first_token_needs_none() -> None:
    assert [route.name for route in ROUTES if route.bootstrap] == ["tokens.create"]


async def admitted(daemon: Living, route: Route, by: str) -> bool:
    """Tell whether the caller came past the door; the request itself is empty."""
    path = PREFIX + re.sub(r"{\w+}", "nothing", route.path)
    body: dict[str, object] | None = None if route.body is None else {}
    answer = await daemon.call(route.method, path, body, by=by)
    if answer.status == 403:
        assert answer.code in {"policy.role_missing", "policy.people_only"}
        return False
    assert answer.status in {200, 400, 404, 422, 426}, (route.name, answer)
    return True


@pytest.mark.parametrize("by", PEOPLE)
async def test_role_reaches_exactly_what_the_policy_grants(
    daemon: Living, by: str
) -> None:
    before = daemon.state()
    principal = Principal(*PEOPLE[by])
    for route in ROUTES:
        expected = route.permission is None or may(principal, route.permission) is None
        assert await admitted(daemon, route, by) is expected, (by, route.name)
    assert daemon.state() == before


async def test_nobody_reaches_anything_without_a_token(daemon: Living) -> None:
    for route in ROUTES:
        if route.public:
            continue
        path = PREFIX + re.sub(r"{\w+}", "nothing", route.path)
        answer = await daemon.call(
            route.method,
            path,
            None if route.body is None else {},
            by=None,
            base=daemon.tcp,
            http=daemon.tcp_http,
        )
        assert (answer.status, answer.code) == (401, "auth.required"), route.name


async def test_viewer_changes_nothing_and_admin_no_money(daemon: Living) -> None:
    for route in ROUTES:
        if route.method != "GET" and route.permission is not None:
            assert not await admitted(daemon, route, "viewer"), route.name
            if route.path.startswith(("/refunds", "/payments", "/invoices")):
                assert not await admitted(daemon, route, "admin"), route.name


async def test_denials_are_audited_with_who_and_what(daemon: Living) -> None:
    await daemon.call("GET", "/v1/tokens", by="viewer")
    rows = await daemon.audit()
    denied = [row for row in rows if row["kind"] == "access:denied"]
    assert [(row["actor"], row["data"]) for row in denied] == [
        ("person:vic", {"operation": "tokens.list", "code": "role_missing"})
    ]


async def test_role_that_was_taken_away_ends_at_the_next_request(
    daemon: Living,
) -> None:
    assert (await daemon.call("GET", "/v1/refunds", by="viewer")).status == 200
    token_id = daemon.secrets["viewer"].split("_")[1]
    await daemon.call("DELETE", f"/v1/tokens/{token_id}", by="admin")
    answer = await daemon.call("GET", "/v1/refunds", by="viewer")
    assert answer.code == "auth.required"
