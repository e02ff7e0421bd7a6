"""A running daemon takes up another configuration, whole or not at all."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp

from daemon.changes import _FIXED
from refundwatch.config import flat_settings, load_config
from refundwatch.store.contract import ListAlarms, RaiseAlarm
from tests.daemon.certifying import Authority
from tests.daemon.furnishing import SECRETS, config_text, furnish
from tests.daemon.living import Answered, gateways, living, until
from tests.daemon.test_lifecycle import events_until, process, rest_of
from tests.daemon.test_tls import TLS, knowing
from tests.daemon.test_webhook_listener import PAYMENTS, deliver, signed

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from tests.daemon.living import Living

SANDBOX_KEY = SECRETS["stripe.key"]


async def reload(daemon: Living, **body: Any) -> Answered:
    """Ask over the API; the file is what the test wrote."""
    return await daemon.call(
        "POST", "/v1/config/reload", {"dry_run": False, **body}, by="admin"
    )


def write(daemon: Living, old: str, new: str) -> None:
    """Change the configuration's file."""
    path = daemon.config.path
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def put_secret(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.touch(mode=0o600)
    file.write_text(text, "ascii")


async def alarms(daemon: Living) -> list[dict[str, Any]]:
    answer = await daemon.call("GET", "/v1/alarms", by="viewer")
    kind = "config_not_loaded"
    return [it for it in answer.body["items"] if it["kind"] == kind]


def loads(audit: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in audit if entry["kind"] == "config:loaded"]


async def changed(daemon: Living, **body: Any) -> list[tuple[str, str]]:
    answer = await reload(daemon, **body)
    assert answer.status == 200, answer
    return [(it["change"], it["key"]) for it in answer.body["changes"]]


# --- rotation -----------------------------------------------------------------------


async def test_gateway_credential_is_rotated_under_load_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    async with (
        gateways() as (box, text),
        living(tmp_path, text=text, sandbox=box) as daemon,
    ):
        count = 24
        refunds = []
        model = box.world.models["stripe-uk"]
        for number in range(count):
            reference = f"pi_rotated{number}"
            box.add_payment("stripe-uk", reference, 10_000, "GBP")
            payment = await daemon.payment(10_000, gateway_reference=reference)
            if number == count // 3:
                # The old key ends at the gateway while refunds are on their way.
                model.settings = replace(model.settings, secret_key="sk_test_anew")
            refunds.append(
                await daemon.refund(100 + number, payment=payment, request_id=reference)
            )
        paused = "SELECT paused FROM connection WHERE id = 'stripe-uk/main'"
        await until(lambda: daemon.query(paused) == [("unauthorized",)])

        put_secret(tmp_path, "stripe.key", "sk_test_anew")
        key = "accounts.stripe-uk.connections.main.credentials.api_key"
        assert await changed(daemon) == [("renewed", key)]

        # A probe with the new key opens the way again, without anybody's doing.
        await until(lambda: daemon.query(paused) == [(None,)])
        for refund in refunds:
            await daemon.becomes(refund, "succeeded", 20)
        executed = [row.amount_minor for row in box.ledger.rows()]
        assert sorted(executed) == [100 + number for number in range(count)]
        assert "sk_test" not in str(await daemon.audit())


async def test_two_webhook_secrets_stand_at_once_and_the_removed_one_is_refused(
    tmp_path: Path,
) -> None:
    async with (
        gateways() as (box, text),
        living(tmp_path, text=text, sandbox=box) as daemon,
    ):
        box.pause_webhooks()
        box.add_payment("stripe-uk", PAYMENTS["stripe-uk"], 50_000, "GBP")
        model = box.world.models["stripe-uk"]

        async def answered(secret: str) -> int:
            model.settings = replace(model.settings, webhook_secrets=(secret,))
            return (await deliver(daemon, signed(daemon, "stripe-uk")))[0]

        old = SECRETS["stripe.webhook"]
        assert (await answered(old), await answered("whsec_anew")) == (200, 401)
        put_secret(tmp_path, "stripe.webhook-new", "whsec_anew")
        one = '["file:stripe.webhook"]'
        two = '["file:stripe.webhook", "file:stripe.webhook-new"]'
        write(daemon, one, two)
        assert await changed(daemon) == [
            ("changed", "accounts.stripe-uk.webhook_secrets")
        ]
        assert (await answered(old), await answered("whsec_anew")) == (200, 200)
        write(daemon, two, '["file:stripe.webhook-new"]')
        await reload(daemon)
        assert (await answered(old), await answered("whsec_anew")) == (401, 200)


async def test_session_of_changed_credentials_is_dropped(tmp_path: Path) -> None:
    async with (
        gateways() as (box, text),
        living(tmp_path, text=text, sandbox=box) as daemon,
    ):
        held = daemon.parts.house.equipment.exchanges.sessions._held
        (path,) = daemon.parts.live.of_account("paypal-us")
        await daemon.parts.house.prober.probe(path)
        before = held["paypal-us/main"]
        await reload(daemon)
        assert held["paypal-us/main"] is before
        model = box.world.models["paypal-us"]
        model.settings = replace(model.settings, client_secret="anew")
        put_secret(tmp_path, "paypal.secret", "anew")
        await reload(daemon)
        await until(lambda: held.get("paypal-us/main", before) is not before)


async def test_certificate_of_the_api_is_renewed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("api")
    text = config_text().replace('tcp = "127.0.0.1:0"', TLS)
    async with living(tmp_path, text=text) as daemon:
        host, port = daemon.service.addresses["api_tcp"].rsplit(":", 1)

        async def shown() -> bytes | None:
            trust = knowing(authority)
            _, writer = await asyncio.open_connection(host, int(port), ssl=trust)
            line: ssl.SSLObject = writer.get_extra_info("ssl_object")
            found = line.getpeercert(binary_form=True)
            writer.close()
            return found

        before = await shown()
        authority.issue("api")
        assert await changed(daemon) == [("renewed", "api.tls_certificate")]
        assert await shown() != before
        (tmp_path / "api.key").write_text("no key")
        assert (await reload(daemon)).code == "config.not_loaded"
        assert await shown()


# --- what is refused ----------------------------------------------------------------


async def test_bad_file_or_secret_changes_nothing_and_raises_an_alarm(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        good = daemon.config.path.read_text("utf-8")
        policy, directory = daemon.hub.policy, daemon.parts.live.prepared.directory
        daemon.config.path.write_text(good.replace('"sandbox"', '"sandbox'), "utf-8")
        daemon.parts.reloader.ask()
        (opened,) = await until(lambda: alarms(daemon))
        assert opened["detail"]["file"] == str(daemon.config.path)

        daemon.config.path.write_text(good, "utf-8")
        (tmp_path / "stripe.key").unlink()
        daemon.parts.reloader.ask()
        key = "accounts.stripe-uk.connections.main.credentials.api_key"

        async def named() -> bool:
            return [it["detail"]["key"] for it in await alarms(daemon)] == [key]

        # The newer refusal is the one that stands open.
        await until(named)
        refused = daemon.log.of("config:refused")
        assert [it["key"] for it in refused] == ["-", key]
        assert (daemon.hub.policy, daemon.parts.live.prepared.directory) == (
            policy,
            directory,
        )
        assert len(loads(await daemon.audit())) == 1

        put_secret(tmp_path, "stripe.key", SANDBOX_KEY)
        daemon.parts.reloader.ask()
        await until(lambda: daemon.log.of("config:loaded"))
        assert await alarms(daemon) == []
        status = await daemon.call("GET", "/v1/status", by="viewer")
        assert (
            status.body["policy_version"]
            == loads(await daemon.audit())[-1]["data"]["config_digest"]
        )


async def test_what_takes_a_restart_is_refused_by_its_key(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        good = daemon.config.path.read_text("utf-8")
        put_secret(tmp_path, "vault.other", SECRETS["vault.key"].replace("k1", "k2"))
        # What is listened on stays as it is written, not as the system chose it.
        for old, new, key in (
            ('instance = "hub.test"', 'instance = "hub.other"', "instance"),
            ('mode = "sandbox"', 'mode = "live"', "endpoint"),
            ('path = "hub.db"', 'path = "other.db"', "store.path"),
            ('"file:vault.key"', '"file:vault.other"', "vault.key"),
            ('socket = "api.sock"', 'socket = "other.sock"', "api.socket"),
            ('tcp = "127.0.0.1:0"', "", "api.tcp"),
            ('tcp = "127.0.0.1:0"', TLS, "tls_certificate"),
            ('gateway = "stripe"', 'gateway = "mollie"', "accounts.stripe-uk"),
            ('"SandboxECOM"', '"OtherECOM"', "settings.merchant_account"),
            ('endpoint = "http://127.0.0.1:1"', "endpoint = 1", "endpoint"),
            ("127.0.0.1:1/v72", "127.0.0.1:2/v72", "connections.main.endpoint"),
        ):
            daemon.config.path.write_text(good.replace(old, new), "utf-8")
            answer = await reload(daemon)
            assert (answer.status, answer.code) == (422, "config.not_loaded"), new
            assert key in answer.body["detail"], answer.body
            assert str(daemon.config.path) in answer.body["detail"]
        daemon.config.path.write_text(good, "utf-8")
        assert await changed(daemon) == []


def test_every_key_is_loaded_anew_but_these(tmp_path: Path) -> None:
    config = load_config(furnish(tmp_path, config_text()))
    fixed = {key for key in flat_settings(config) if _FIXED.fullmatch(key)}
    assert fixed == {
        "instance",
        "mode",
        "store.path",
        "vault.key",
        "api.socket",
        "api.socket_mode",
        "api.socket_group",
        "api.tcp",
        "api.client_certificates",
        "api.requests_per_second",
        "api.burst",
        "webhooks.listen",
        "health.listen",
        "audit.checkpoint",
        "audit.key",
        "audit.seal_seconds",
        "audit.seal_entries",
        "audit.outlets",
        "accounts.adyen-eu.settings.merchant_account",
        "accounts.paypal-us.settings.webhook_ca_file",
        "accounts.paypal-us.settings.webhook_cert_origin",
        "accounts.paypal-us.settings.webhook_id",
        *(f"accounts.{it.name}.gateway" for it in config.accounts),
    }


async def test_only_an_admin_may_and_a_try_changes_nothing(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        body = {"dry_run": False}
        for by in ("operator", "both", "viewer", "machine"):
            answer = await daemon.call("POST", "/v1/config/reload", body, by=by)
            assert answer.status == 403, by
        before, policy = daemon.state(), daemon.hub.policy
        write(daemon, 'auto_below = "50.00"', 'auto_below = "200.00"')
        told = await changed(daemon, dry_run=True)
        assert told == [("changed", f"bands[{n}].auto_below") for n in (0, 1)]
        (tmp_path / "stripe.key").unlink()
        assert (await reload(daemon, dry_run=True)).status == 422
        assert (daemon.state(), daemon.hub.policy) == (before, policy)
        assert await alarms(daemon) == []


# --- what is taken up ---------------------------------------------------------------


async def test_bands_limits_and_outlet_hold_from_then_on_and_are_audited(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        assert (await daemon.refund(10_000))["state"] == "awaiting_approval"
        now = daemon.hub.clock.now()
        untold = RaiseAlarm(now, "loop_crashed", "critical", "dispatch")
        await daemon.hub.store.execute(untold)
        write(daemon, 'auto_below = "50.00"', 'auto_below = "200.00"')
        write(daemon, "lease_seconds = 20", "lease_seconds = 30\nconcurrency = 3")
        write(daemon, "interval_seconds = 3600", "interval_seconds = 1800")
        write(daemon, "timeout_seconds = 5", "timeout_seconds = 6\nconcurrency = 2")
        address = f'listen = "127.0.0.1:{daemon.config.webhooks.listen.port}"'
        limits = "body_limit_bytes = 2000\nconnections = 77"
        write(daemon, f"[webhooks]\n{address}", f"[webhooks]\n{address}\n{limits}")
        write(
            daemon,
            '[[bands]]\ncurrency = "GBP"',
            (
                '[alarms]\ncommand = ["true"]\n\n[log]\nlevel = "error"\n\n'
                '[[bands]]\ncurrency = "GBP"'
            ),
        )
        answer = await reload(daemon)
        assert answer.status == 200, answer

        fresh = await daemon.refund(10_000, request_id="r-2")
        assert fresh["state"] != "awaiting_approval"
        equipment = daemon.parts.house.equipment
        assert equipment.settings.lease_seconds == 30
        (path,) = equipment.paths.of_account("stripe-uk")
        assert (path.timeout_seconds, path.concurrency) == (6, 2)
        assert equipment.lanes.lane(path)._value <= 2
        await until(lambda: daemon.parts.house.dispatcher.jobs.most == 3)
        assert daemon.parts.house.calendar._jobs["probe"].every_seconds == 1800
        big = b"x" * 2001
        url = f"{daemon.webhooks}/webhooks/stripe-uk"
        async with daemon.tcp_http.post(url, data=big) as refused:
            assert refused.status == 413

        async def all_told() -> bool:
            return not await daemon.hub.store.read(ListAlarms(unsent_only=True))

        await until(all_told)

        (_, entry) = loads(await daemon.audit())
        assert entry["actor"] == "person:root"
        assert entry["data"]["config_digest"] == answer.body["policy_version"]
        assert "bands[0].auto_below" in entry["data"]["changed"]


async def test_accounts_and_connections_come_and_go(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        waiting = await daemon.refund(10_000)
        good = daemon.config.path.read_text("utf-8")
        more = """
[accounts.stripe-uk.connections.second]
endpoint = "http://127.0.0.1:1"
credentials = { api_key = "file:stripe.key" }
timeout_seconds = 5

[accounts.stripe-eu]
gateway = "stripe"
timezone = "Europe/Paris"

[accounts.stripe-eu.connections.main]
endpoint = "http://127.0.0.1:1"
credentials = { api_key = "file:stripe.key" }
timeout_seconds = 5
"""
        daemon.config.path.write_text(good + more, "utf-8")
        assert await changed(daemon) == [
            ("added", "accounts.stripe-eu"),
            ("added", "accounts.stripe-uk.connections.second"),
        ]
        await daemon.payment(account="stripe-eu", gateway_reference="pi_eu")
        assert len(daemon.parts.live.of_account("stripe-uk")) == 2

        daemon.config.path.write_text(good, "utf-8")
        assert await changed(daemon) == [
            ("gone", "accounts.stripe-eu"),
            ("gone", "accounts.stripe-uk.connections.second"),
        ]
        shown = await daemon.call("GET", "/v1/connections", by="viewer")
        assert [it["id"] for it in shown.body["items"]] == [
            f"{name}/main" for name in ("adyen-eu", "paypal-us", "stripe-uk")
        ]
        # Gone, and back at another address: what was built for the old one may still
        # be on its way, so that takes a restart.
        daemon.config.path.write_text(good + more.replace(":1", ":2"), "utf-8")
        assert "endpoint" in (await reload(daemon)).body["detail"]

        head, _, rest = good.partition("[accounts.stripe-uk]")
        _, _, tail = rest.partition("[accounts.adyen-eu]")
        without = head + "[accounts.adyen-eu]" + tail
        daemon.config.path.write_text(without, "utf-8")
        answer = await reload(daemon)
        assert "1 open refunds of account stripe-uk" in answer.body["detail"]
        assert (await daemon.shown(waiting))["state"] == "awaiting_approval"
        assert daemon.parts.live.of_account("stripe-uk")


async def test_job_on_its_way_to_a_connection_that_went_sends_nothing(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        exchanges = daemon.parts.house.equipment.exchanges
        (path,) = daemon.parts.live.of_account("stripe-uk")
        gone = replace(path, id="stripe-uk/gone")
        ran = await exchanges.ask(gone, lambda: gone.gateway.probe(gone.account))
        assert (ran.result.reason, ran.result.sent) == ("connection_gone", False)


async def test_hangup_loads_anew_and_the_daemon_goes_on(tmp_path: Path) -> None:
    config = furnish(tmp_path, config_text())
    async with process(config) as running:
        await events_until(running, "daemon:ready")
        running.send_signal(signal.SIGHUP)
        assert "config:loaded" in await events_until(running, "config:loaded")
        config.write_text("instance = 1", "utf-8")
        running.send_signal(signal.SIGHUP)
        await events_until(running, "config:refused")
        connector = aiohttp.UnixConnector(path=str(tmp_path / "api.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.get("http://daemon/v1/status") as response,
        ):
            assert response.status == 401
        running.send_signal(signal.SIGTERM)
        await rest_of(running)
        assert running.returncode == 0
