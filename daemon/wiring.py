"""The only place where the daemon's parts meet.

Invariant: parts are opened in the order in which they lean on each other and closed in
the reverse order, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import tomllib
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.blame import blaming
from daemon.cards import refuse_cards
from daemon.descriptors import LoopTroubles
from daemon.directory import open_directory
from daemon.hub import Hub
from daemon.keys import KeyKeeper
from daemon.live import Live
from daemon.notary import Notary
from daemon.refusals import StoreWatch
from daemon.reload import Reloader, opening
from daemon.renewal import Renewal
from daemon.roots import read_roots
from daemon.tls import fingerprint, server_context
from daemon.transport import AiohttpTransport
from refundwatch import __version__
from refundwatch.config import resolve_secret
from refundwatch.domain.checkpoint import origin_of
from refundwatch.domain.money import parse_decimal
from refundwatch.domain.policy import Band
from refundwatch.errors import CardNumberRefused, ConfigError
from refundwatch.flow.calendar import Job
from refundwatch.flow.house import build_house
from refundwatch.flow.ports import FlowSettings
from refundwatch.flow.retention import BodiesKept, dropping_calls, emptying_bodies
from refundwatch.flow.silence import listening
from refundwatch.security.authority import SshAuthority
from refundwatch.security.datakey import KeyCheck, KeyState, WrappedKey
from refundwatch.security.keyfile import parse_key_file
from refundwatch.security.notekey import NoteSigner, parse_note_keys
from refundwatch.security.vault import Vault
from refundwatch.store import contract as c
from refundwatch.store.sqlite.store import open_sqlite_store

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from datetime import datetime

    from daemon.directory import Directory
    from refundwatch.config import Config
    from refundwatch.domain.roster import RootLine
    from refundwatch.errors import StoreFailed
    from refundwatch.flow.house import House
    from refundwatch.flow.ports import Clock, Log
    from refundwatch.security.keyfile import KeyRing
    from refundwatch.store.sqlite.store import SqliteStore

ROLL_KEYS_SECONDS: Final = 86_400
LEAST_ASKING: Final = 32


@dataclass(frozen=True, slots=True)
class Wired:
    """A daemon whose parts are open, before anything runs."""

    live: Live
    hub: Hub
    house: House
    store: SqliteStore
    reloader: Reloader
    watch: StoreWatch
    troubles: LoopTroubles

    @property
    def config(self) -> Config:
        """Give the configuration in force."""
        return self.live.config


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a configuration means, with every secret it names; nothing is open.

    A running daemon is given another one whole, so whatever a configuration changes in
    it is part of this.
    """

    directory: Directory
    policy: c.Policy
    settings: FlowSettings
    ring: KeyRing
    tls: ssl.SSLContext | None
    certificate: bytes | None = None
    signer: NoteSigner | None = None
    roots: tuple[RootLine, ...] = ()


def prepare(config: Config) -> Prepared:
    """Check a configuration as far as that goes without opening anything.

    Raises:
        ConfigError: it cannot be used; the message names file and key.
    """
    _refuse_cards_in(config)
    directory = open_directory(config)
    policy = policy_of(config)
    ring = read_ring(config)
    with blaming(config, "api.tls_certificate"):
        tls = server_context(
            config.api.tls_certificate,
            config.api.tls_key,
            config.api.client_ca,
            demanded=config.api.client_certificates == "required",
        )
        certificate = fingerprint(config.api.tls_certificate)
    settings = flow_settings(config)
    with blaming(config, "operators.roots"):
        roots = _roots(config)
    signer = _signer(config)
    return Prepared(directory, policy, settings, ring, tls, certificate, signer, roots)


def _roots(config: Config) -> tuple[RootLine, ...]:
    path, live = config.operators.roots, config.mode == "live"
    if path is not None:
        return read_roots(path, live=live)
    if live:
        raise ConfigError(
            "In live mode root operators say who may decide: name their file.",
            "operators.roots",
        )
    return ()


def _refuse_cards_in(config: Config) -> None:
    """Refuse a configuration that names a card number anywhere.

    Raises:
        ConfigError: it does; the message names file and key, never the number.
    """
    try:
        refuse_cards(tomllib.loads(config.path.read_text("utf-8")))
    except CardNumberRefused as error:
        raise ConfigError(f"{config.path}: {error.message}") from None
    except OSError:
        # A file that is gone was read whole before; the running configuration is it.
        return


def read_ring(config: Config) -> KeyRing:
    """Read the key-encrypting keys from where the configuration says they are.

    Raises:
        ConfigError: they cannot be had; the message names file and key.
    """
    with blaming(config, "vault.key"):
        name = str(config.vault.key)
        return parse_key_file(resolve_secret(config.vault.key).reveal_bytes(), name)


def _signer(config: Config) -> NoteSigner | None:
    """Read the keys that sign the log; None where the configuration names none."""
    if config.audit.key is None:
        return None
    with blaming(config, "audit.key"):
        content = resolve_secret(config.audit.key).reveal_bytes()
        origin = origin_of(config.instance, 1)
        keys = parse_note_keys(content, str(config.audit.key), origin)
        return NoteSigner(config.instance, keys)


@asynccontextmanager
async def wired(config: Config, clock: Clock, log: Log) -> AsyncIterator[Wired]:
    """Open every part; close them all at the end.

    Raises:
        RefundwatchError: a part could not be opened; its message says why.
    """
    prepared = prepare(config)
    live = Live(config, prepared)
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(error: StoreFailed) -> None:
        log.problem("store:failed", code=error.code, detail=error.message)
        loop.call_soon_threadsafe(failed.set)

    troubles = LoopTroubles(log, clock.monotonic)
    async with AsyncExitStack() as stack:
        stack.callback(loop.set_exception_handler, loop.get_exception_handler())
        loop.set_exception_handler(troubles)
        store = await open_sqlite_store(config.store.path, on_failure=fail)
        stack.push_async_callback(store.close)
        vault = await _unlock(store, prepared.ring, clock.now())
        keeper = KeyKeeper(store, vault, clock, lambda: read_ring(config))
        store.attach_signatures(SshAuthority(config.instance))
        transport = AiohttpTransport(public_only=config.mode == "live")
        await transport.open()
        stack.push_async_callback(transport.close)
        renewal = Renewal(config.api, lambda: live.prepared.tls, store, log)
        live.subscribe(lambda: renewal.use(live.config.api))
        house = build_house(
            store=store,
            transport=transport,
            clock=clock,
            paths=live,
            rules=lambda: live.prepared.settings,
            policy=lambda: live.prepared.policy,
            log=log,
            probe_every_seconds=probe_seconds(config),
            more_jobs={
                "vault:roll": Job(ROLL_KEYS_SECONDS, keeper.roll),
                "tls:renew": renewal.job,
                "webhooks:listen": listening(store, live),
                "calls:drop": dropping_calls(
                    store, lambda: live.config.retention.gateway_calls_days
                ),
                "bodies:empty": emptying_bodies(store, lambda: _bodies_kept(live)),
            },
        )
        stack.callback(store.subscribe(house.wake))
        reloader = Reloader(live, house, prepare)
        stack.callback(reloader.close)
        live.subscribe(
            lambda: house.calendar.retime("probe", probe_seconds(live.config))
        )
        hub = Hub(
            instance=config.instance,
            mode=config.mode,
            version=__version__,
            live=live,
            store=store,
            reloader=reloader,
            people=store,
            intake=house.intake,
            canceller=house.canceller,
            backfiller=house.backfiller,
            lanes=house.equipment.lanes,
            keys=keeper,
            clock=clock,
            log=log,
            started_at=clock.now(),
            failed=failed,
        )
        if prepared.signer is not None:
            hub.notary = Notary(hub, config.audit, prepared.signer)
            house.calendar.add(hub.notary.jobs())
            stack.callback(store.subscribe(hub.notary.wake))
        watch = StoreWatch(hub)
        store.hear_refusals(watch.changed)
        yield Wired(live, hub, house, store, reloader, watch, troubles)


async def recover(parts: Wired) -> tuple[str, ...]:
    """Bring a store that just opened into order; return what was left sending.

    Raises:
        StoreMismatch: it belongs to another instance, mode or gateway.
    """
    hub = parts.hub
    now = hub.clock.now()
    await hub.store.execute(opening(parts.config, now))
    await parts.reloader.close_alarm()
    roots = parts.live.prepared.roots
    opened = await hub.store.execute(c.OpenRoster(now, parts.config.instance, roots))
    if opened.broken is not None:
        hub.log.problem("operators:unproven", statement=opened.broken)
    for token_id in await hub.store.execute(c.ProveTokens(now)):
        hub.log.problem("token:unproven", token_id=token_id)
    return await hub.store.execute(c.AbandonAttempts(now, now, all_open=True))


def policy_of(config: Config) -> c.Policy:
    """Turn the configured rules into the policy that commands decide by.

    Raises:
        ConfigError: a band's amount does not fit its currency.
    """
    bands = []
    for position, band in enumerate(config.bands):
        with blaming(config, f"bands[{position}]"):
            bands.append(
                Band(
                    band.currency,
                    parse_decimal(band.auto_below, band.currency),
                    parse_decimal(band.one_approval_below, band.currency),
                )
            )
    return c.Policy(
        version=config.digest,
        bands=tuple(bands),
        approvals_expiry_seconds=config.approvals.expiry_seconds,
        hold_declared=frozenset(
            account.name
            for account in config.accounts
            if account.declared_payments == "hold"
        ),
    )


def probe_seconds(config: Config) -> int:
    """Say how often the calendar probes every connection."""
    return max(round(config.probe.interval_seconds), 1)


def _bodies_kept(live: Live) -> BodiesKept:
    """Say how long bodies are kept, never less than a gateway knows a key."""
    kept = live.config.retention
    return BodiesKept(
        deliveries_days=kept.delivery_bodies_days,
        requests_days=kept.request_bodies_days,
        notes_days=kept.notes_days,
        longest_key_seconds=max(
            (path.gateway.capabilities.key_window_seconds for path in live.all()),
            default=0,
        ),
    )


def flow_settings(config: Config) -> FlowSettings:
    """Turn the configuration into what the rooms are told."""
    widths = [it.concurrency for one in config.accounts for it in one.connections]
    # A room that asks takes half of a connection at most, and can take that of each.
    asking = max(sum(max(width // 2, 1) for width in widths), LEAST_ASKING)
    return FlowSettings(
        instance=config.instance,
        dispatch_concurrency=config.dispatch.concurrency or sum(widths),
        lookup_concurrency=asking,
        inbox_concurrency=asking,
        lease_seconds=config.dispatch.lease_seconds,
        backoff_seconds=config.resolve.backoff_seconds,
        settle_delay_seconds=config.resolve.settle_delay_seconds,
        in_flight_seconds=config.resolve.in_flight_seconds,
        poll_first_seconds=config.resolve.poll_first_seconds,
        poll_repeat_seconds=config.resolve.poll_repeat_seconds,
        doubt_alarm_seconds=config.resolve.alarm_seconds,
        unmatched_keep_seconds=config.resolve.unmatched_keep_seconds,
        probe_timeout_seconds=config.probe.timeout_seconds,
        delay_scale=config.resolve.delay_scale,
        longest_delay_seconds=config.resolve.longest_delay_seconds,
        hold_declared={
            account.name: account.declared_payments == "hold"
            for account in config.accounts
        },
    )


async def _unlock(store: SqliteStore, ring: KeyRing, now: datetime) -> Vault:
    """Open the vault with the store's wrapped keys, and give it to the store."""
    stored = await store.read(c.LoadKeys())
    vault = Vault(
        ring,
        (
            WrappedKey(
                it.dek_id,
                it.kek_id,
                it.wrapped,
                it.created_at,
                it.uses,
                KeyState(it.state),
            )
            for it in stored.keys
        ),
        (KeyCheck(it.kek_id, it.sealed) for it in stored.checks),
    )
    plan = vault.plan(now)
    if plan:
        await store.execute(c.SaveKeys(now, plan.rows, plan.checks))
        vault.adopt(plan)
    store.attach_sealer(vault, vault.usage)
    return vault
