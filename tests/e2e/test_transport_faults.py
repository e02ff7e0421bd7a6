"""Gateways that cannot be reached: nothing is sent, or nobody knows; then paid once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from refundwatch.api import models as m
from tests.alone import KEY, Alone, alone, write_config
from tests.authority import Authority
from tests.lying import CAPTURED_MINOR, Asked, Gateway, head
from tests.staging import free_of_errors

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from tests.faults import FaultTable

pytestmark = pytest.mark.xdist_group("heavy")

AMOUNT_MINOR = 700
EACH = 3
NOT_SENT = frozenset({"queued", "sending"})
NOBODY_KNOWS = frozenset({"unknown", "sending"})


@dataclass(slots=True)
class Fault:
    """One account whose gateway fails in its own way, and how that is called."""

    what: str
    reasons: frozenset[str]
    states: frozenset[str] = NOT_SENT
    gateway: Gateway | None = None

    @property
    def account(self) -> str:
        return self.what.replace(" ", "-")

    @property
    def there(self) -> Gateway:
        assert self.gateway is not None
        return self.gateway

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.there.port}"

    @property
    def payments(self) -> dict[str, str]:
        return {f"pi_{self.account}_{number}": self.account for number in range(EACH)}


def faults_of_the_wire() -> list[Fault]:
    tls = frozenset({"tls_failed"})
    return [
        Fault("dns failure", frozenset({"dns_failed"})),
        Fault("refused", frozenset({"connect_failed"})),
        Fault("tls expired", tls),
        Fault("tls wrong host", tls),
        Fault("tls unknown authority", tls),
        Fault("tls plain text", tls | {"connect_failed", "connection_lost"}),
        Fault("tls hangs", frozenset({"timeout", "connect_timeout"})),
        Fault("redirect by 301", frozenset({"http_301"}), NOBODY_KNOWS),
        Fault("redirect by 307", frozenset({"http_307"}), NOBODY_KNOWS),
        Fault("proxy says 502", frozenset({"http_502"}), NOBODY_KNOWS),
    ]


def redirecting(status: int, trap: Gateway) -> Gateway:
    """Return a gateway that points to another, which must never be asked."""

    async def lie(asked: Asked) -> None:
        place = f"https://127.0.0.1:{trap.port}{asked.target}".encode()
        await asked.write(head(0, b"Location: " + place, status=status))

    return Gateway(instead=lie)


async def _proxy(asked: Asked) -> None:
    await asked.answer(b"<h1>502 Bad Gateway</h1>", status=502)


async def break_all(faults: list[Fault], authority: Authority, trap: Gateway) -> None:
    """Let each fault begin; the one of the names is in the configuration."""
    stranger = Authority(authority.root.parent, "stranger")
    bad: dict[str, ssl.SSLContext] = {
        "tls expired": authority.server(expired=True),
        "tls wrong host": authority.server("another.example"),
        "tls unknown authority": stranger.server(),
    }
    for fault in faults:
        match fault.what:
            case "refused":
                await fault.there.close()
            case "tls hangs":
                await fault.there.listen(None, b"")
            case "tls plain text":
                await fault.there.listen(None, b"HTTP/1.1 400 No\r\n\r\n")
            case "redirect by 301" | "redirect by 307":
                fault.there.instead = redirecting(int(fault.what[-3:]), trap).instead
            case "proxy says 502":
                fault.there.instead = _proxy
            case what if what in bad:
                await fault.there.listen(bad[what])


async def mend_all(faults: list[Fault], good: ssl.SSLContext) -> None:
    for fault in faults:
        fault.there.instead = None
        await fault.there.listen(good)


async def test_unreachable_gateways_are_paid_once_when_they_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: FaultTable
) -> None:
    authority = Authority(tmp_path)
    good = authority.server()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    trap, wire = Gateway(), faults_of_the_wire()
    await trap.listen(good)
    for fault in wire:
        fault.gateway = Gateway()
        await fault.there.listen(good)
    endpoints = {fault.account: fault.endpoint for fault in wire}
    try:
        async with alone(tmp_path, endpoints) as system:
            await _pay_first(system, wire)
            lost_name = {**endpoints, "dns-failure": "https://gateway.invalid"}
            await _restart(system, lost_name)
            await break_all(wire, authority, trap)
            refunds = await _ask_and_wait(system, wire)
            await _is_seen(system, wire)
            await mend_all(wire, good)
            await _restart(system, endpoints)
            await _paid_once(system, wire, refunds, faults)
    finally:
        for gateway in (trap, *(fault.there for fault in wire)):
            await gateway.close()
    assert trap.connections == 0
    assert KEY not in (tmp_path / "daemon.log").read_text("utf-8")


async def _restart(system: Alone, endpoints: dict[str, str]) -> None:
    await system.stop()
    write_config(system.folder, system.api_port, endpoints, "")
    await system.start()


def _all(wire: list[Fault]) -> dict[str, str]:
    return {name: it for fault in wire for name, it in fault.payments.items()}


async def _pay_first(system: Alone, wire: list[Fault]) -> None:
    """Refund a part of each payment while all is well: so the payments are known."""
    await system.take(_all(wire), CAPTURED_MINOR)
    ids = await system.ask(_all(wire), AMOUNT_MINOR)
    await system.until(
        lambda: set(system.states(ids.values()).values()) == {"succeeded"}, 20, "paid"
    )


async def _ask_and_wait(system: Alone, wire: list[Fault]) -> dict[str, str]:
    """Ask for the second refunds, and wait until each was tried and failed."""
    ids = await system.ask(_all(wire), AMOUNT_MINOR)

    def tried() -> bool:
        rows = system.select(
            "SELECT refund_id FROM gateway_call WHERE operation = 'refund'"
        )
        return {row[0] for row in rows} >= set(ids.values())

    await system.until(tried, 30, "tried")
    for fault in wire:
        mine = [ids[name] for name in fault.payments]
        await system.until(
            lambda mine=mine, fault=fault: (  # type: ignore[misc]
                set(system.states(mine).values()) <= fault.states
            ),
            10,
            f"{fault.what}: as it should be",
        )
        for refund in mine:
            await _says_why(system, fault, refund)
        assert len(fault.there.truth.executed) == EACH
    return ids


async def _says_why(system: Alone, fault: Fault, refund_id: str) -> None:
    detail = await system.show(refund_id)
    said = {it.reason for it in detail.attempts if it.closed_at is not None}
    assert said, fault.what
    assert said <= fault.reasons, (fault.what, said)


async def _is_seen(system: Alone, wire: list[Fault]) -> None:
    """Wait until every connection is shown as down, each with its reason."""
    down = "SELECT account FROM connection WHERE down_since IS NOT NULL"
    wanted = {(fault.account,) for fault in wire}
    await system.until(lambda: set(system.select(down)) == wanted, 15, "down")
    async with system.client() as client:
        shown = await client.call("connections.list", m.ConnectionsView)
        alarms = await client.call("alarms.list", m.AlarmsView)
    assert {it.health for it in shown.items} == {"down"}
    assert all(it.last_failure for it in shown.items)
    subjects = {it.subject for it in alarms.items if it.kind == "connection_down"}
    assert subjects == {it.id for it in shown.items}


async def _paid_once(
    system: Alone, wire: list[Fault], refunds: dict[str, str], faults: FaultTable
) -> None:
    await system.until(
        lambda: set(system.states(refunds.values()).values()) == {"succeeded"},
        90,  # a circuit that opened again and again looks rarer
        "paid",
    )
    tries = dict(
        system.select(
            "SELECT refund_id, count(*) FROM gateway_call"
            " WHERE operation = 'refund' GROUP BY refund_id"
        )
    )
    for fault in wire:
        truth, payments = fault.there.truth, fault.payments
        owed = 2 * EACH - len(truth.executed)
        faults.add(
            "F11",
            fault.what,
            sum(tries[refunds[name]] - 1 for name in payments),
            lost=max(owed, 0),
            paid_twice=truth.paid_twice(payments, 2),
        )
        assert truth.altered == 0
        for name in payments:
            detail = await system.show(refunds[name])
            assert detail.idempotency_key in {it.key for it in truth.of(name)}
    assert free_of_errors(system.folder) == []
