"""A machine's token does what it was made for, where, and as much as it may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.living import Answered, ShiftedClock, living, refund_body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.living import Living

DAY_SECONDS = 86_400


async def make(daemon: Living, principal: str = "machine:erp", **fields: Any) -> str:
    """Make a token as the admin does; give its secret."""
    made = await asked(daemon, principal, **fields)
    assert made.status == 201, made
    return str(made.body["secret"])


async def asked(
    daemon: Living, principal: str = "machine:erp", **fields: Any
) -> Answered:
    top = {
        key: fields.pop(key) for key in ("roles", "expires_in_days") if key in fields
    }
    body = {"principal": principal, "grant": fields or None, **top}
    return await daemon.call("POST", "/v1/tokens", body, by="admin")


async def initiate(
    daemon: Living, token: str, payment: str, amount_minor: int, name: str, **more: Any
) -> Answered:
    body = refund_body(payment, amount_minor, request_id=name, **more)
    return await daemon.call("POST", "/v1/refunds", body, token=token)


async def denials(daemon: Living) -> list[tuple[str, Any]]:
    return [
        (row["actor"], row["data"])
        for row in await daemon.audit()
        if row["kind"] == "access:denied"
    ]


def ceiling(amount_minor: int, currency: str = "GBP") -> dict[str, Any]:
    return {"currency": currency, "amount_minor": amount_minor}


async def test_scope_lets_initiate_and_nothing_else(daemon: Living) -> None:
    token = await make(daemon, scopes=["refund:initiate"])
    payment = await daemon.payment()
    assert (await initiate(daemon, token, payment, 100, "r-1")).status == 201
    me = await daemon.call("GET", "/v1/me", token=token)
    assert me.body["permissions"] == ["refund:create"]
    assert me.body["scopes"] == ["refund:initiate"]
    answer = await daemon.call("GET", "/v1/refunds", token=token)
    assert (answer.status, answer.code) == (403, "policy.role_missing")
    assert await denials(daemon) == [
        ("machine:erp", {"operation": "refunds.list", "code": "role_missing"})
    ]


async def test_no_scope_and_no_role_lets_a_machine_approve(daemon: Living) -> None:
    refund = await daemon.refund()
    for fields in (
        {"scopes": ["refund:initiate", "refund:read"]},
        {"roles": ["operator"]},
    ):
        token = await make(daemon, **fields)
        body = {
            "revision": refund["revision"],
            "request_sha256": refund["request_sha256"],
            "reason_code": "seen",
        }
        path = f"/v1/refunds/{refund['id']}/approve"
        answer = await daemon.call("POST", path, body, token=token)
        assert (answer.status, answer.code) == (403, "policy.people_only")


@pytest.mark.parametrize("bulk", [False, True])
async def test_what_is_out_of_reach_is_refused_audited_and_stores_nothing(
    daemon: Living, bulk: bool
) -> None:
    payment = await daemon.payment()
    for limits in (
        {"gateways": ["adyen"]},
        {"currencies": ["EUR"]},
        {"ceilings": [ceiling(10**9, "EUR")]},
    ):
        token = await make(daemon, scopes=["refund:initiate"], **limits)
        before, count = daemon.state(), len(await denials(daemon))
        if bulk:
            rows = {"refunds": [refund_body(payment, 100)]}
            answer = await daemon.call("POST", "/v1/refunds/bulk", rows, token=token)
            assert answer.status == 422
            assert answer.body["problems"][0]["code"] == "token.out_of_reach"
        else:
            answer = await initiate(daemon, token, payment, 100, "r-1")
            assert (answer.status, answer.code) == (403, "token.out_of_reach")
        assert daemon.state() == before
        operation = "refunds.bulk" if bulk else "refunds.create"
        assert (await denials(daemon))[count:] == [
            ("machine:erp", {"operation": operation, "code": "token.out_of_reach"})
        ]


async def test_ceiling_is_refused_with_what_is_left_and_when_it_frees(
    tmp_path: Path,
) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:
        grant = {"scopes": ["refund:initiate"], "ceilings": [ceiling(10_000)]}
        token = await make(daemon, **grant)
        payment = await daemon.payment()
        assert (await initiate(daemon, token, payment, 6_000, "r-1")).status == 201
        # The same request again is the same refund, and is not counted again.
        assert (await initiate(daemon, token, payment, 6_000, "r-1")).status == 200
        before = daemon.state()
        answer = await initiate(daemon, token, payment, 4_001, "r-2")
        assert (answer.status, answer.code) == (403, "token.ceiling_reached")
        tomorrow = (clock.now().date().toordinal() + 1, "T00:00Z")
        assert "GBP 100.00 has GBP 40.00 left" in answer.body["detail"]
        assert (
            f"{type(clock.now()).fromordinal(tomorrow[0]):%Y-%m-%d}T00:00Z"
            in (answer.body["detail"])
        )
        assert daemon.state() == before
        # A second token of the same machine has no second ceiling.
        other = await make(daemon, **grant)
        answer = await initiate(daemon, other, payment, 4_001, "r-2")
        assert answer.code == "token.ceiling_reached"
        assert (await initiate(daemon, token, payment, 4_000, "r-3")).status == 201
        clock.ahead += DAY_SECONDS
        assert (await initiate(daemon, token, payment, 10_000, "r-4")).status == 201


async def test_requests_at_once_do_not_pass_the_ceiling_together(
    daemon: Living,
) -> None:
    token = await make(daemon, scopes=["refund:initiate"], ceilings=[ceiling(1_000)])
    payment = await daemon.payment()
    answers = await asyncio.gather(
        *(initiate(daemon, token, payment, 300, f"r-{n}") for n in range(8))
    )
    assert sorted(answer.status for answer in answers) == [201] * 3 + [403] * 5
    assert daemon.query("SELECT amount_minor FROM machine_day") == [(900,)]


async def test_bulk_above_the_ceiling_counts_nothing(daemon: Living) -> None:
    token = await make(daemon, scopes=["refund:initiate"], ceilings=[ceiling(1_000)])
    payment = await daemon.payment()
    rows = [refund_body(payment, 600, request_id=f"r-{n}") for n in range(2)]
    answer = await daemon.call(
        "POST", "/v1/refunds/bulk", {"refunds": rows}, token=token
    )
    assert [it["code"] for it in answer.body["problems"]] == ["token.ceiling_reached"]
    assert daemon.rows("machine_day") == daemon.rows("refund") == []


async def test_amount_is_not_raised_past_the_ceiling_by_an_edit(
    daemon: Living,
) -> None:
    token = await make(daemon, roles=["requester"], ceilings=[ceiling(10_000)])
    payment = await daemon.payment()
    made = await initiate(daemon, token, payment, 10_000, "r-1")
    refund = made.body["refund"]
    body = {
        "revision": refund["revision"],
        "request_sha256": refund["request_sha256"],
        "reason_code": "more",
        "amount_minor": 90_000,
    }
    path = f"/v1/refunds/{refund['id']}/edit"
    answer = await daemon.call("POST", path, body, token=token)
    assert (answer.status, answer.code) == (403, "token.operation_refused")


async def test_token_counts_only_from_its_addresses(daemon: Living) -> None:
    async def over_tcp(token: str) -> Answered:
        return await daemon.call(
            "GET", "/v1/me", token=token, base=daemon.tcp, http=daemon.tcp_http
        )

    away = await make(daemon, scopes=["refund:read"], networks=["10.0.0.0/8"])
    here = await make(
        daemon, scopes=["refund:read"], networks=["10.0.0.0/8", "127.0.0.0/8"]
    )
    assert (await over_tcp(here)).status == 200
    answer = await over_tcp(away)
    assert (answer.status, answer.code) == (403, "token.address_refused")
    assert await denials(daemon) == [
        ("machine:erp", {"operation": "me", "code": "token.address_refused"})
    ]
    # At the Unix socket the file's mode decides who comes.
    assert (await daemon.call("GET", "/v1/me", token=away)).status == 200


async def test_forwarded_header_does_not_move_an_address(daemon: Living) -> None:
    token = await make(daemon, scopes=["refund:read"], networks=["10.0.0.0/8"])
    answer = await daemon.call(
        "GET",
        "/v1/me",
        token=token,
        base=daemon.tcp,
        http=daemon.tcp_http,
        headers={"X-Forwarded-For": "10.1.1.1", "Forwarded": "for=10.1.1.1"},
    )
    assert answer.code == "token.address_refused"


async def test_token_bound_to_a_certificate_does_not_count_without(
    daemon: Living,
) -> None:
    token = await make(daemon, scopes=["refund:read"], certificate_sha256="ab" * 32)
    answer = await daemon.call("GET", "/v1/me", token=token)
    assert (answer.status, answer.code) == (403, "token.certificate_refused")


async def test_limited_token_sees_what_it_reaches_and_no_more(daemon: Living) -> None:
    refund = await daemon.refund()
    there = await make(daemon, scopes=["refund:read", "event:read"], gateways=["adyen"])
    here = await make(daemon, scopes=["refund:read"], gateways=["stripe", "adyen"])

    async def seen(token: str, words: str = "") -> int:
        path = f"/v1/refunds?filter={words}"
        return len((await daemon.call("GET", path, token=token)).body["items"])

    assert (await seen(there), await seen(here)) == (0, 1)
    assert await seen(there, "gateway:stripe") == 0
    path = f"/v1/refunds/{refund['id']}"
    assert (await daemon.call("GET", path, token=here)).status == 200
    assert (await daemon.call("GET", path, token=there)).code == "refund.unknown"
    answer = await daemon.call("GET", "/v1/events", token=there)
    assert (answer.status, answer.code) == (403, "token.operation_refused")


CONTRADICTIONS: tuple[tuple[dict[str, Any], str | None], ...] = (
    ({"roles": ["requester"], "expires_in_days": 91}, "expires_in_days"),
    ({"scopes": ["refund:read"], "roles": ["viewer"]}, "roles"),
    ({"currencies": ["EUR"]}, "roles"),
    ({"scopes": ["refund:read"], "gateways": ["stripy"]}, "grant.gateways"),
    ({"scopes": ["refund:read"], "networks": ["10.0.0.1/8"]}, "networks"),
    ({"scopes": ["refund:read"], "currencies": ["EUX"]}, None),
    (
        {
            "scopes": ["refund:initiate"],
            "currencies": ["EUR"],
            "ceilings": [ceiling(1)],
        },
        "ceilings",
    ),
    (
        {"scopes": ["refund:initiate"], "ceilings": [ceiling(1), ceiling(2)]},
        "ceilings",
    ),
    (
        {"principal": "person:eve", "roles": ["viewer"], "gateways": ["stripe"]},
        "grant",
    ),
)


async def test_token_that_contradicts_itself_is_refused(daemon: Living) -> None:
    before = daemon.state()
    for fields, field in CONTRADICTIONS:
        answer = await asked(daemon, **fields)
        assert answer.status == 422, (fields, answer)
        if field is not None:
            assert answer.body["field"] == field
    assert daemon.state() == before


async def test_rotation_keeps_the_limits_and_ends_the_old_token(
    tmp_path: Path,
) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:
        old = await make(daemon, scopes=["refund:read"], gateways=["adyen"])
        old_id = old.split("_")[1]
        path = f"/v1/tokens/{old_id}/rotate"
        answer = await daemon.call("POST", path, {"overlap_hours": 2}, by="admin")
        new, shown = answer.body["secret"], answer.body["token"]
        assert (answer.status, shown["replaces"]) == (201, old_id)
        assert shown["grant"]["gateways"] == ["adyen"]
        for token in (old, new):
            assert (await daemon.call("GET", "/v1/me", token=token)).status == 200
        clock.ahead += 2 * 3600 + 1
        assert (await daemon.call("GET", "/v1/me", token=old)).status == 401
        assert (await daemon.call("GET", "/v1/me", token=new)).status == 200
        answer = await daemon.call("POST", path, {}, by="admin")
        assert (answer.status, answer.code) == (409, "token.conflict")
        path = f"/v1/tokens/{shown['id']}/rotate"
        await daemon.call("POST", path, {"overlap_hours": 0}, by="admin")
        assert (await daemon.call("GET", "/v1/me", token=new)).status == 401
        assert daemon.kinds().count("token:rotated") == 2


async def test_last_use_is_noted_at_most_once_a_minute(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:
        token = await make(daemon, scopes=["refund:read"])
        path = f"/v1/tokens/{token.split('_')[1]}"

        async def used() -> str | None:
            shown = await daemon.call("GET", path, by="admin")
            found: str | None = shown.body["last_used_at"]
            return found

        assert await used() is None
        await daemon.call("GET", "/v1/me", token=token)
        first = await used()
        assert first is not None
        await daemon.call("GET", "/v1/me", token=token)
        assert await used() == first
        clock.ahead += 61
        await daemon.call("GET", "/v1/me", token=token)
        assert (await used() or "") > first


async def test_token_whose_limits_were_spoilt_counts_for_nothing(
    daemon: Living,
) -> None:
    token = await make(daemon, scopes=["refund:read"], gateways=["adyen"])
    await daemon.tamper(
        "UPDATE token SET scopes_and_limits = '{}' WHERE principal = 'machine:erp'"
    )
    assert (await daemon.call("GET", "/v1/me", token=token)).status == 401
