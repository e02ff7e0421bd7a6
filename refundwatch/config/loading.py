"""From a TOML file to a checked `Config`.

Invariant: what cannot be right or cannot be safe stops the start, naming where.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from refundwatch.config.audit import AuditConfig, load_audit
from refundwatch.config.model import (
    LOOPBACK,
    MIN_IN_FLIGHT_SECONDS,
    AccountConfig,
    Address,
    AlarmsConfig,
    ApiConfig,
    ApprovalsConfig,
    BandConfig,
    Config,
    ConnectionConfig,
    DispatchConfig,
    LogConfig,
    OperatorsConfig,
    ProbeConfig,
    ResolveConfig,
    RetentionConfig,
    SecretReference,
    StoreConfig,
    VaultConfig,
    WebhooksConfig,
)
from refundwatch.config.paths import service_folder
from refundwatch.config.table import Table
from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_SOCKET_BYTES: Final = 107
"""What the system's `sun_path` holds, less its end."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,40}")
_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SECRET_WORDS: Final = re.compile(r"secret|password|token|(api|private|hmac)_?key")
_INSTANCE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: names the file, the line where it can be found, and the key.
    """
    try:
        content = path.read_bytes()
        table = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    root = Table(path, content.decode("utf-8"), "", table)
    return _Loader(root, config_digest(content)).load()


def config_digest(content: bytes) -> str:
    """Return the SHA-256 of the file's bytes, in hex: the version of the policy."""
    return hashlib.sha256(content).hexdigest()


class _Loader:
    """Walks the file once, table by table."""

    def __init__(self, root: Table, digest: str) -> None:
        self.root = root
        self.digest = digest
        self.sandbox = False

    def load(self) -> Config:
        root = self.root
        instance = root.text_of("instance")
        if not _INSTANCE.fullmatch(instance):
            raise root.error("instance", "must look like a host name, in lower case")
        mode = root.one_of("mode", ("live", "sandbox"))
        self.sandbox = mode == "sandbox"
        dispatch = self._dispatch(root.table("dispatch", optional=True))
        store = self._store(root.table("store", optional=True))
        config = Config(
            path=root.path,
            digest=self.digest,
            instance=instance,
            mode=mode,
            store=store,
            vault=self._vault(root.table("vault")),
            api=self._api(root.table("api", optional=True)),
            webhooks=self._webhooks(root.table("webhooks")),
            health=self._health(root.table("health", optional=True)),
            log=self._log(root.table("log", optional=True)),
            dispatch=dispatch,
            resolve=self._resolve(root.table("resolve", optional=True)),
            approvals=self._approvals(root.table("approvals", optional=True)),
            operators=self._operators(root.table("operators", optional=True)),
            probe=self._probe(root.table("probe", optional=True)),
            retention=self._retention(root.table("retention", optional=True)),
            alarms=self._alarms(root.table("alarms", optional=True)),
            audit=self._audit(root.table("audit", optional=True), store),
            bands=tuple(self._band(table) for table in root.tables("bands")),
            accounts=self._accounts(root.table("accounts"), dispatch.lease_seconds),
        )
        root.finish()
        self._check_bands(config.bands)
        return config

    def _store(self, table: Table) -> StoreConfig:
        store = StoreConfig(_placed(table, "path", "STATE_DIRECTORY", "refundwatch.db"))
        table.finish()
        return store

    def _vault(self, table: Table) -> VaultConfig:
        vault = VaultConfig(self._secret(table, "key"))
        table.finish()
        return vault

    def _secret(self, table: Table, key: str, value: object = ...) -> SecretReference:
        reference = table.secret(key, value)
        if reference.scheme == "env" and not self.sandbox:
            raise table.error(key, "env: is readable by others; only in a sandbox")
        return reference

    def _api(self, table: Table) -> ApiConfig:
        api = ApiConfig(
            socket=_placed(table, "socket", "RUNTIME_DIRECTORY", "refundwatch.sock"),
            socket_mode=table.one_of("socket_mode", ("0600", "0660"), "0660"),
            socket_group=table.optional_text("socket_group"),
            tcp=table.address("tcp") if "tcp" in table.content else None,
            tls_certificate=table.optional_file("tls_certificate"),
            tls_key=table.optional_file("tls_key"),
            client_ca=table.optional_file("client_ca"),
            client_certificates=table.one_of(
                "client_certificates", ("optional", "required"), "optional"
            ),
            requests_per_second=table.integer("requests_per_second", 1000, 1, 10**6),
            burst=table.integer("burst", 5000, 1, 10**6),
        )
        table.seen.add("tcp")
        table.finish()
        if len(os.fsencode(api.socket)) > LONGEST_SOCKET_BYTES:
            raise table.error(
                "socket",
                f"a socket's path has at most {LONGEST_SOCKET_BYTES} bytes",
            )
        if (api.tls_certificate is None) != (api.tls_key is None):
            raise table.error("tls_key", "needs tls_certificate, and the other way")
        if api.client_ca is not None and api.tls_certificate is None:
            raise table.error("client_ca", "needs tls_certificate and tls_key")
        if api.client_ca is None and "client_certificates" in table.content:
            raise table.error("client_certificates", "needs client_ca")
        if api.tcp and not api.tcp.is_loopback and api.tls_certificate is None:
            raise table.error(
                "tcp", "beyond loopback needs tls_certificate and tls_key"
            )
        return api

    def _webhooks(self, table: Table) -> WebhooksConfig:
        webhooks = WebhooksConfig(
            listen=table.address("listen"),
            body_limit_bytes=table.integer("body_limit_bytes", 262_144, 1024, 2**24),
            header_deadline_seconds=table.seconds("header_deadline_seconds", 10.0),
            body_deadline_seconds=table.seconds("body_deadline_seconds", 5.0),
            connections=table.integer("connections", 1000, 1),
            connections_per_peer=table.integer("connections_per_peer", 100, 1),
        )
        table.finish()
        return webhooks

    def _health(self, table: Table) -> Address:
        address = table.address("listen", "127.0.0.1:8442")
        table.finish()
        if not address.is_loopback:
            raise table.error("listen", "health and metrics stay on loopback")
        return address

    def _log(self, table: Table) -> LogConfig:
        log = LogConfig(
            level=table.one_of("level", ("debug", "info", "warning", "error"), "info"),
            format=table.one_of("format", ("auto", "json", "text"), "auto"),
        )
        table.finish()
        return log

    def _dispatch(self, table: Table) -> DispatchConfig:
        dispatch = DispatchConfig(
            concurrency=table.integer("concurrency", 64, 1, 10_000)
            if "concurrency" in table.content
            else None,
            lease_seconds=table.integer("lease_seconds", 120, 2, 3600),
            shutdown_seconds=table.integer("shutdown_seconds", 60, 1, 3600),
        )
        table.seen.add("concurrency")
        table.finish()
        return dispatch

    def _resolve(self, table: Table) -> ResolveConfig:
        least = 1 if self.sandbox else MIN_IN_FLIGHT_SECONDS
        defaults = ResolveConfig()
        resolve = ResolveConfig(
            backoff_seconds=table.integers("backoff_seconds", defaults.backoff_seconds),
            settle_delay_seconds=table.integer(
                "settle_delay_seconds", defaults.settle_delay_seconds, 1
            ),
            in_flight_seconds=table.integer(
                "in_flight_seconds", defaults.in_flight_seconds, least
            ),
            poll_first_seconds=table.integer(
                "poll_first_seconds", defaults.poll_first_seconds, 1
            ),
            poll_repeat_seconds=table.integer(
                "poll_repeat_seconds", defaults.poll_repeat_seconds, 1
            ),
            alarm_seconds=table.integers("alarm_seconds", defaults.alarm_seconds),
            unmatched_keep_seconds=table.integer(
                "unmatched_keep_seconds", defaults.unmatched_keep_seconds, 1
            ),
            delay_scale=self._delay_scale(table),
            longest_delay_seconds=self._longest_delay_seconds(table),
        )
        table.finish()
        return resolve

    def _delay_scale(self, table: Table) -> float:
        """Read how much faster the look-alikes' time runs; money's own runs at 1."""
        if "delay_scale" not in table.content:
            return 1.0
        if not self.sandbox:
            raise table.error("delay_scale", "is for a sandbox alone")
        return table.number("delay_scale", 0.001, 1.0)

    def _longest_delay_seconds(self, table: Table) -> int:
        """Read the longest that a look-alike's declared delay may be."""
        longest = ResolveConfig().longest_delay_seconds
        if "longest_delay_seconds" in table.content and not self.sandbox:
            raise table.error("longest_delay_seconds", "is for a sandbox alone")
        return table.integer("longest_delay_seconds", longest, 1)

    def _approvals(self, table: Table) -> ApprovalsConfig:
        approvals = ApprovalsConfig(table.integer("expiry_seconds", 86_400, 1))
        table.finish()
        return approvals

    def _probe(self, table: Table) -> ProbeConfig:
        probe = ProbeConfig(
            interval_seconds=table.seconds("interval_seconds", 30.0, 0.1),
            timeout_seconds=table.seconds("timeout_seconds", 10.0, 0.1),
        )
        table.finish()
        return probe

    def _retention(self, table: Table) -> RetentionConfig:
        retention = RetentionConfig(
            gateway_calls_days=table.integer("gateway_calls_days", 90, 1, 36_500),
            delivery_bodies_days=table.integer("delivery_bodies_days", 90, 7, 36_500),
            request_bodies_days=table.integer("request_bodies_days", 180, 35, 36_500),
            notes_days=table.integer("notes_days", 730, 1, 36_500),
        )
        table.finish()
        return retention

    def _alarms(self, table: Table) -> AlarmsConfig:
        alarms = AlarmsConfig(table.texts("command"), table.optional_text("url"))
        table.finish()
        if alarms.command and alarms.url:
            raise table.error("url", "there is one outlet: command or url")
        if not all(alarms.command):
            raise table.error("command", "must hold no empty text")
        if alarms.url and not _is_guarded(alarms.url, plain_on_loopback=True):
            raise table.error("url", "must be https:// (http:// only on loopback)")
        return alarms

    def _audit(self, table: Table, store: StoreConfig) -> AuditConfig:
        def is_guarded(address: str) -> bool:
            return _is_guarded(address, plain_on_loopback=True)

        return load_audit(table, store.path, self._secret, is_guarded)

    def _band(self, table: Table) -> BandConfig:
        band = BandConfig(
            currency=table.text_of("currency"),
            auto_below=table.text_of("auto_below"),
            one_approval_below=table.text_of("one_approval_below"),
        )
        table.finish()
        if not _CURRENCY.fullmatch(band.currency):
            raise table.error("currency", "must be three capital letters")
        for key in ("auto_below", "one_approval_below"):
            if not _DECIMAL.fullmatch(getattr(band, key)):
                raise table.error(key, 'must be a decimal text such as "50.00"')
        if Decimal(band.auto_below) > Decimal(band.one_approval_below):
            raise table.error("auto_below", "must be at most one_approval_below")
        return band

    def _operators(self, table: Table) -> OperatorsConfig:
        operators = OperatorsConfig(roots=table.optional_file("roots"))
        table.finish()
        return operators

    def _check_bands(self, bands: tuple[BandConfig, ...]) -> None:
        seen: set[str] = set()
        for position, band in enumerate(bands):
            if band.currency in seen:
                raise self.root.error(
                    f"bands[{position}].currency", f"{band.currency} has a band already"
                )
            seen.add(band.currency)

    def _accounts(self, table: Table, lease_seconds: int) -> tuple[AccountConfig, ...]:
        accounts = []
        for name in table.content:
            if not _NAME.fullmatch(name):
                raise table.error(name, "a name is lower case letters, digits and -")
            accounts.append(self._account(name, table.table(name), lease_seconds))
        if not accounts:
            raise self.root.error("accounts", "at least one account is needed")
        return tuple(accounts)

    def _account(self, name: str, table: Table, lease_seconds: int) -> AccountConfig:
        zone = table.text_of("timezone")
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise table.error("timezone", f"{zone} is no time zone") from error
        secrets = tuple(
            self._secret(table, "webhook_secrets", text)
            for text in table.texts("webhook_secrets")
        )
        settings = table.text_table("settings")
        for key in settings:
            if _SECRET_WORDS.search(key):
                raise table.error(
                    f"settings.{key}",
                    "looks like a secret: credentials and webhook_secrets name those",
                )
        account = AccountConfig(
            name=name,
            gateway=table.text_of("gateway"),
            timezone=zone,
            connections=self._connections(table.table("connections"), lease_seconds),
            webhook_secrets=secrets,
            settings=settings,
            declared_payments=table.one_of(
                "declared_payments", ("send", "hold"), "send"
            ),
        )
        table.finish()
        return account

    def _connections(
        self, table: Table, lease_seconds: int
    ) -> tuple[ConnectionConfig, ...]:
        found = []
        for name in table.content:
            if not _NAME.fullmatch(name):
                raise table.error(name, "a name is lower case letters, digits and -")
            found.append(self._connection(name, table.table(name), lease_seconds))
        if not found:
            raise table.error("", "an account needs at least one connection")
        return tuple(found)

    def _connection(
        self, name: str, table: Table, lease_seconds: int
    ) -> ConnectionConfig:
        credentials_table = table.table("credentials", optional=True)
        rate, burst = _rate(table)
        connection = ConnectionConfig(
            name=name,
            endpoint=self._endpoint(table),
            credentials={
                key: self._secret(credentials_table, key)
                for key in credentials_table.content
            },
            timeout_seconds=table.seconds("timeout_seconds", 60.0, 0.1),
            connect_timeout_seconds=table.seconds("connect_timeout_seconds", 5.0, 0.1),
            concurrency=table.integer("concurrency", 16, 1, 1000),
            api_version=table.optional_text("api_version"),
            rate_per_second=rate,
            burst=burst,
            fee_basis_points=table.integer("fee_basis_points", 0, 0, 10_000),
        )
        table.finish()
        if connection.timeout_seconds > lease_seconds / 2:
            raise table.error(
                "timeout_seconds",
                f"must be at most half of the lease ({lease_seconds} s)",
            )
        if connection.connect_timeout_seconds > connection.timeout_seconds:
            raise table.error(
                "connect_timeout_seconds", "must be at most timeout_seconds"
            )
        return connection

    def _endpoint(self, table: Table) -> str:
        endpoint = table.text_of("endpoint").rstrip("/")
        if not _is_guarded(endpoint, plain_on_loopback=self.sandbox):
            raise table.error(
                "endpoint",
                "must be a plain https:// address without credentials or query "
                "(http:// only on loopback in a sandbox)",
            )
        return endpoint


def _rate(table: Table) -> tuple[float | None, int]:
    """Read how many calls may begin a second, and at once; None for no limit."""
    if "rate_per_second" not in table.content:
        if "burst" in table.content:
            raise table.error("burst", "needs a rate_per_second")
        return None, 1
    rate = table.number("rate_per_second", 0.01, 100_000)
    return rate, table.integer("burst", max(1, ceil(rate)), 1, 100_000)


def _placed(table: Table, key: str, variable: str, name: str) -> Path:
    """Read a path that the service manager's folder may stand in for."""
    folder = service_folder(variable, os.environ)
    if key not in table.content and folder is not None:
        table.seen.add(key)
        return folder / name
    return table.file(key)


def _is_guarded(address: str, *, plain_on_loopback: bool) -> bool:
    """Tell whether an address is HTTPS, or plain HTTP that stays on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
        crowded = parts.port == 0 or parts.username is not None
    except ValueError:
        return False
    if not host or crowded or parts.query or parts.fragment:
        return False
    plain = parts.scheme == "http" and plain_on_loopback and host in LOOPBACK
    return parts.scheme == "https" or plain
