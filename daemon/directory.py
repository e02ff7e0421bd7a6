"""The configured accounts and connections with their secrets, ready for the rooms.

Invariant: an account whose adapter misses a setting or a credential never starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.blame import at_fault, blaming
from refundwatch.config import resolve_secret
from refundwatch.flow.ports import ConnectionPath
from refundwatch.gateways.contract import AccountView, Credentials
from refundwatch.gateways.registry import gateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.config import AccountConfig, Config, ConnectionConfig
    from refundwatch.gateways.contract import Gateway

_FILE_SETTING: Final = "_file"
_FILE_LIMIT_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Directory:
    """What `refundwatch.flow.ports.Paths` asks for; secrets have no repr."""

    paths: tuple[ConnectionPath, ...]
    by_account: Mapping[str, tuple[ConnectionPath, ...]]
    secrets: Mapping[str, Credentials] = field(repr=False)
    webhooks: Mapping[str, tuple[str, ...]] = field(repr=False)

    def of_account(self, account: str) -> tuple[ConnectionPath, ...]:
        """Return the connections of an account in configured order."""
        return self.by_account.get(account, ())

    def all(self) -> tuple[ConnectionPath, ...]:
        """Return every connection."""
        return self.paths

    def credentials(self, connection_id: str) -> Credentials:
        """Return the resolved credentials, without a session."""
        return self.secrets[connection_id]

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        """Return every webhook secret that is valid now."""
        return self.webhooks.get(account, ())


def open_directory(config: Config) -> Directory:
    """Check every account against its adapter and fetch every secret.

    Raises:
        ConfigError: a setting, credential or secret is missing, unknown, or cannot be
            had, or no adapter has the account's gateway.
    """
    by_account: dict[str, tuple[ConnectionPath, ...]] = {}
    secrets: dict[str, Credentials] = {}
    webhooks: dict[str, tuple[str, ...]] = {}
    for account in config.accounts:
        with blaming(config, f"accounts.{account.name}.gateway"):
            adapter = gateway(account.gateway)
        _check_settings(config, account, adapter)
        settings = _settings(config, account)
        adapter = adapter.suited(settings)
        paths = []
        for connection in account.connections:
            _check_credentials(config, account, connection, adapter)
            path = _path(config, account, connection, adapter, settings)
            paths.append(path)
            secrets[path.id] = _credentials(config, account, connection)
        by_account[account.name] = tuple(paths)
        with blaming(config, f"accounts.{account.name}.webhook_secrets"):
            webhooks[account.name] = tuple(
                resolve_secret(reference).reveal()
                for reference in account.webhook_secrets
            )
    everything = tuple(path for paths in by_account.values() for path in paths)
    return Directory(everything, by_account, secrets, webhooks)


def _path(
    config: Config,
    account: AccountConfig,
    connection: ConnectionConfig,
    adapter: Gateway,
    settings: Mapping[str, str],
) -> ConnectionPath:
    return ConnectionPath(
        id=f"{account.name}/{connection.name}",
        account=AccountView(
            name=account.name,
            mode=config.mode,
            endpoint=connection.endpoint,
            settings=settings,
            api_version=connection.api_version,
        ),
        gateway=adapter,
        endpoint=connection.endpoint,
        timeout_seconds=connection.timeout_seconds,
        connect_timeout_seconds=connection.connect_timeout_seconds,
        concurrency=connection.concurrency,
        api_version=connection.api_version,
        rate_per_second=connection.rate_per_second,
        burst=connection.burst,
        fee_basis_points=connection.fee_basis_points,
    )


def _credentials(
    config: Config, account: AccountConfig, connection: ConnectionConfig
) -> Credentials:
    where = f"accounts.{account.name}.connections.{connection.name}.credentials"
    found = {}
    for name, reference in connection.credentials.items():
        with blaming(config, f"{where}.{name}"):
            found[name] = resolve_secret(reference).reveal()
    return Credentials(found)


def _check_settings(config: Config, account: AccountConfig, adapter: Gateway) -> None:
    known = adapter.capabilities.settings + adapter.capabilities.optional_settings
    given = {plain_setting(name) for name in account.settings}
    where = f"accounts.{account.name}.settings"
    for name in adapter.capabilities.settings:
        if plain_setting(name) not in given:
            raise at_fault(config, f"{where}.{name}", "is missing")
    for name in account.settings:
        if plain_setting(name) not in {plain_setting(one) for one in known}:
            message = f"is not known to {account.gateway}"
            raise at_fault(config, f"{where}.{name}", message)


def _check_credentials(
    config: Config,
    account: AccountConfig,
    connection: ConnectionConfig,
    adapter: Gateway,
) -> None:
    where = f"accounts.{account.name}.connections.{connection.name}.credentials"
    needed = _fitting(connection, adapter)
    for name in needed:
        if name not in connection.credentials:
            raise at_fault(config, f"{where}.{name}", "is missing")
    for name in connection.credentials:
        if name not in needed:
            message = f"is not known to {account.gateway}"
            raise at_fault(config, f"{where}.{name}", message)


def _fitting(connection: ConnectionConfig, adapter: Gateway) -> tuple[str, ...]:
    """Give the set of credentials that is meant: the one with the most of the given."""
    declared = adapter.capabilities
    given = connection.credentials.keys()
    choices = (declared.credentials, *declared.other_credentials)
    return max(choices, key=lambda names: len(given & set(names)))


def _settings(config: Config, account: AccountConfig) -> dict[str, str]:
    """Give the settings; one named `…_file` is read and becomes `…_pem` as text."""
    settings: dict[str, str] = {}
    for name, value in account.settings.items():
        if not name.endswith(_FILE_SETTING):
            settings[name] = value
            continue
        path = config.path.parent / Path(value).expanduser()
        try:
            with path.open("rb") as file:
                text = file.read(_FILE_LIMIT_BYTES).decode("ascii", "replace")
        except OSError as error:
            where = f"accounts.{account.name}.settings.{name}"
            raise at_fault(config, where, f"{path}: {error.strerror}") from error
        settings[plain_setting(name)] = text
    return settings


def plain_setting(name: str) -> str:
    """Name a setting by what the adapter reads: a file's content is its PEM text."""
    if name.endswith(_FILE_SETTING):
        return name.removesuffix(_FILE_SETTING) + "_pem"
    return name
