"""The throwaway data folder: configurations, keys and secrets of one run.

Invariant: every secret in it was drawn for this run and opens nothing else.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from refundwatch.demo.accounts import EVERY, GUARD_SECONDS, SECOND
from refundwatch.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from refundwatch.demo.accounts import DemoAccount
    from refundwatch.demo.settings import DemoSettings

LONGEST_DELAY_SECONDS: Final = 30
"""Some gateways want half an hour or a day before people decide; a run drains for two
minutes."""

ROOT_FILE: Final = "root_operators"
BANDS: Final = {
    "GBP": ("80.00", "400.00"),
    "EUR": ("80.00", "400.00"),
    "USD": ("80.00", "400.00"),
    "SEK": ("800.00", "4000.00"),
    "INR": ("6000.00", "30000.00"),
    "JPY": ("12000", "60000"),
}
"""Below the first nobody is asked, below the second one person."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports that were free a moment ago.

    `gateways` are by account, `second` those of accounts with a second connection.
    """

    admin: int
    webhooks: int
    health: int
    gateways: Mapping[str, int]
    second: Mapping[str, int]

    def of(self, account: str, connection: str) -> int:
        """Give the port that a connection of an account leads to."""
        ways = self.second if connection == SECOND else self.gateways
        return ways[account]


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything of a run stands."""

    path: Path
    ports: Ports

    @property
    def server(self) -> str:
        """Name the daemon for a client."""
        return f"unix:{self.path / 'daemon.sock'}"

    @property
    def token_file(self) -> Path:
        """Name the file of the token of whoever watches."""
        return self.path / "you.token"

    @property
    def agent_socket(self) -> Path:
        """Name the socket of the agent with the key of whoever watches."""
        return self.path / "agent.sock"

    @property
    def admin_url(self) -> str:
        """Name the sandbox's admin API."""
        return f"http://127.0.0.1:{self.ports.admin}"


def prepare(path: Path, settings: DemoSettings, roots: str | None = None) -> Folder:
    """Write both configurations and every secret into an empty folder.

    `roots` is the root file: people sign where there is one.
    """
    accounts = [EVERY[name] for name in settings.accounts]
    with_two = [account.name for account in accounts if SECOND in account.connections]
    free = free_ports(3 + len(accounts) + len(with_two))
    admin, webhooks, health, *rest = free
    gateways = dict(zip(settings.accounts, rest, strict=False))
    second = dict(zip(with_two, rest[len(accounts) :], strict=True))
    ports = Ports(admin, webhooks, health, gateways, second)
    private = {
        "vault.key": f"demo {base64.b64encode(secrets.token_bytes(32)).decode()}\n"
    }
    for account in accounts:
        private |= {name: draw() for name, draw in account.drawn.items()}
        for name, parts in account.joined.items():
            private[name] = ":".join(private[part] for part in parts)
    for name, text in private.items():
        file = path / name
        file.touch(mode=0o600)
        file.write_text(text, "ascii")
    sandbox = _sandbox(ports, accounts, private, settings)
    (path / "sandbox.toml").write_text(sandbox, encoding="utf-8")
    daemon = _daemon(ports, settings) + "".join(
        _account(account, ports, settings) for account in accounts
    )
    if roots is not None:
        (path / ROOT_FILE).touch(mode=0o644)
        (path / ROOT_FILE).write_text(roots, encoding="utf-8")
        daemon += f'\n[operators]\nroots = "{ROOT_FILE}"\n'
    (path / "config.toml").write_text(daemon, encoding="utf-8")
    return Folder(path, ports)


def _sandbox(
    ports: Ports,
    accounts: Sequence[DemoAccount],
    private: Mapping[str, str],
    settings: DemoSettings,
) -> str:
    text = f"""\
[server]
seed = {settings.seed}
time_scale = {settings.time_scale}
ca_file = "paypal-ca.pem"

[admin]
port = {ports.admin}

[faults]
profile = "{settings.faults}"
"""
    hook = _hook(ports)
    for account in accounts:
        text += f"""
[accounts.{account.name}]
gateway = "{account.gateway}"
port = {ports.gateways[account.name]}
second_port = {ports.second.get(account.name, 0)}
webhook_url = "{hook}/{account.name}"
"""
        text += "".join(
            f"{key} = {_filled(value, private)}\n"
            for key, value in account.sandbox.items()
        )
    return text


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of their names in braces."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _timeout(settings: DemoSettings) -> float:
    return max(25 * settings.time_scale, 0.5)


def _account(account: DemoAccount, ports: Ports, settings: DemoSettings) -> str:
    timeout = _timeout(settings)
    places = {
        "port": str(ports.gateways[account.name]),
        "hook": _hook(ports),
        "guard": str(ceil(GUARD_SECONDS * settings.time_scale) + 1),
    }
    told = {name: _filled(value, places) for name, value in account.settings.items()}
    text = f"""
[accounts.{account.name}]
gateway = "{account.gateway}"
timezone = "{account.timezone}"
webhook_secrets = {_files(account.webhook_secrets)}
settings = {{ {", ".join(f'{name} = "{value}"' for name, value in told.items())} }}
"""
    credentials = ", ".join(
        f'{name} = "file:{file}"' for name, file in account.credentials.items()
    )
    for connection in account.connections:
        places["port"] = str(ports.of(account.name, connection))
        text += f"""
[accounts.{account.name}.connections.{connection}]
endpoint = "{_filled(account.endpoint, places)}"
credentials = {{ {credentials} }}
timeout_seconds = {timeout}
connect_timeout_seconds = {timeout / 2}
"""
    return text


def _hook(ports: Ports) -> str:
    return f"http://127.0.0.1:{ports.webhooks}/webhooks"


def _files(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"file:{name}"' for name in names) + "]"


def _daemon(ports: Ports, settings: DemoSettings) -> str:
    def scaled(seconds: float, least: int = 1) -> int:
        return max(round(seconds * settings.time_scale), least)

    timeout = _timeout(settings)
    bands = "".join(
        f'\n[[bands]]\ncurrency = "{currency}"\nauto_below = "{auto}"\n'
        f'one_approval_below = "{one}"\n'
        for currency, (auto, one) in BANDS.items()
    )
    backoff = sorted(scaled(step) for step in (5, 10, 30, 60, 100))
    return f"""\
instance = "demo.refundwatch.example"
mode = "sandbox"

[store]
path = "refundwatch.db"

[vault]
key = "file:vault.key"

[api]
socket = "daemon.sock"

[webhooks]
listen = "127.0.0.1:{ports.webhooks}"

[health]
listen = "127.0.0.1:{ports.health}"

[log]
format = "json"

[dispatch]
lease_seconds = {max(round(timeout * 2) + 2, 4)}
shutdown_seconds = {max(round(timeout) + 2, 5)}

[resolve]
backoff_seconds = {backoff}
settle_delay_seconds = {scaled(60, 2)}
in_flight_seconds = {scaled(90, 3)}
poll_first_seconds = {scaled(30)}
poll_repeat_seconds = {scaled(60)}
alarm_seconds = [{scaled(900)}, {scaled(3600, 2)}]
unmatched_keep_seconds = {scaled(600, 30)}
delay_scale = {min(settings.time_scale, 1.0)}
longest_delay_seconds = {LONGEST_DELAY_SECONDS}

[approvals]
expiry_seconds = 3600

[probe]
interval_seconds = 2
timeout_seconds = {max(round(timeout), 1)}
{bands}"""
