"""Accounts, connections, outages, alarms, the three numbers, the daemon itself.

Invariant: as `daemon.routes` says.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from daemon import present, present_versions
from daemon.problems import NotThere
from daemon.routes.call import Answer, Call, RouteHandler
from daemon.routes.signed import signing_of
from refundwatch.api import models as m
from refundwatch.api.models_orders import CircuitBody
from refundwatch.domain.circuit import Part
from refundwatch.errors import AlarmUnknown, TextInvalid
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAY_SECONDS: Final = 86_400
UPTIME_WINDOWS: Final = (3600, DAY_SECONDS, 30 * DAY_SECONDS)


async def status(call: Call) -> Answer:
    """Show the daemon as it runs."""
    return Answer(await present_status(call))


async def present_status(call: Call) -> m.StatusView:
    """Say what runs, for how long, and how far the log is."""
    hub = call.hub
    return m.StatusView.model_validate(
        {
            "instance": hub.instance,
            "mode": hub.mode,
            "version": hub.version,
            "policy_version": hub.policy.version,
            "started_at": hub.started_at,
            "now": call.now,
            "draining": hub.draining,
            "recovery": hub.recovery,
            "last_seq": await hub.store.read(c.LastSeq()),
        }
    )


async def list_accounts(call: Call) -> Answer:
    """List accounts."""
    rows = await call.hub.store.read(c.ListAccounts())
    return Answer(
        m.AccountsView(items=[present.account(row, call.now) for row in rows])
    )


async def show_account(call: Call) -> Answer:
    """Show one account."""
    name = call.parts["account"]
    for row in await call.hub.store.read(c.ListAccounts()):
        if row.name == name:
            return Answer(present.account(row, call.now))
    raise NotThere(f"There is no account {name}.", field="account")


async def list_connections(call: Call) -> Answer:
    """List connections with their health."""
    rows = await call.hub.store.read(c.ListConnections())
    uptimes = await _uptimes(call)
    items = [present.connection(row, call.now, uptimes.get(row.id, ())) for row in rows]
    return Answer(m.ConnectionsView(items=items))


async def show_connection(call: Call) -> Answer:
    """Show one connection."""
    return Answer(await _connection(call))


async def set_circuit(call: Call) -> Answer:
    """Open or close a circuit by hand."""
    body = call.model(CircuitBody)
    known = await _connection(call)
    opens = body.standing == "open"
    if body.seconds is not None and not opens:
        raise TextInvalid("A circuit is closed without an end.", field="seconds")
    command = c.SetCircuit(
        at=call.now,
        principal=call.principal,
        connection=known.id,
        part=Part(body.part),
        opens=opens,
        lasts=None if body.seconds is None else timedelta(seconds=body.seconds),
        reason_code=body.reason_code,
        reason_text=body.reason_text,
        signing=signing_of(call, body),
    )
    await call.hub.store.execute(command)
    return Answer(await _connection(call))


async def _connection(call: Call) -> m.ConnectionView:
    name = f"{call.parts['account']}/{call.parts['connection']}"
    for row in await call.hub.store.read(c.ListConnections()):
        if row.id == name:
            uptimes = await _uptimes(call)
            return present.connection(row, call.now, uptimes.get(name, ()))
    raise NotThere(f"There is no connection {name}.", field="connection")


async def _uptimes(call: Call) -> Mapping[str, Sequence[c.UptimeRow]]:
    found: defaultdict[str, list[c.UptimeRow]] = defaultdict(list)
    query = c.GetUptime(call.now, UPTIME_WINDOWS)
    for row in await call.hub.store.read(query):
        found[row.connection].append(row)
    return found


async def list_versions(call: Call) -> Answer:
    """List the versions that answer, and what a change of them did."""
    rows = await call.hub.store.read(c.ListVersions(past=call.flag("past")))
    return Answer(m.VersionsView(items=[present_versions.version(row) for row in rows]))


async def list_outages(call: Call) -> Answer:
    """List outages, newest first."""
    since = call.now - timedelta(seconds=call.integer("window", DAY_SECONDS))
    rows = await call.hub.store.read(c.ListOutages(since))
    return Answer(m.OutagesView(items=[present.outage(row) for row in rows]))


async def list_alarms(call: Call) -> Answer:
    """List alarms, newest first."""
    rows = await call.hub.store.read(c.ListAlarms(include_closed=call.flag("closed")))
    return Answer(m.AlarmsView(items=[present.alarm(row) for row in rows]))


async def acknowledge(call: Call) -> Answer:
    """Note that somebody has seen an alarm."""
    text = call.parts["alarm"]
    if not text.isascii() or not text.isdigit() or len(text) > 15:  # noqa: PLR2004 - 2^53
        raise AlarmUnknown(f"There is no alarm {text}.", field="alarm")
    row = await call.hub.store.execute(
        c.AcknowledgeAlarm(call.now, call.principal, int(text))
    )
    return Answer(present.alarm(row))


async def metrics(call: Call) -> Answer:
    """Show the three numbers by connection."""
    window = call.integer("window", DAY_SECONDS)
    rows = await call.hub.store.read(
        c.GetNumbers(call.now, window, by_currency=call.flag("by_currency"))
    )
    return Answer(
        m.MetricsView(
            at=call.now,
            window_seconds=window,
            items=[present.numbers(row) for row in rows],
        )
    )


HANDLERS: Final[dict[str, RouteHandler]] = {
    "status": status,
    "accounts.list": list_accounts,
    "accounts.show": show_account,
    "connections.list": list_connections,
    "connections.show": show_connection,
    "connections.circuit": set_circuit,
    "outages.list": list_outages,
    "gateways.versions": list_versions,
    "alarms.list": list_alarms,
    "alarms.acknowledge": acknowledge,
    "metrics": metrics,
}
