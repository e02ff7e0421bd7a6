"""The throwaway data folder: configurations, keys and secrets of one run.

Invariant: every secret in it was drawn for this run and opens nothing else.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.demo.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.demo.settings import DemoSettings

ACCOUNTS: Final = {
    "stripe-uk": ("GBP", "EUR", "JPY"),
    "adyen-eu": ("EUR", "PLN"),
    "paypal-us": ("USD", "JPY"),
}
SMALLEST: Final = {"JPY": 1}
"""Minor units in one unit of a currency; 100 where not named."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports that were free a moment ago."""

    admin: int
    stripe: int
    adyen: int
    paypal: int
    webhooks: int
    health: int


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
    def admin_url(self) -> str:
        """Name the sandbox's admin API."""
        return f"http://127.0.0.1:{self.ports.admin}"


def prepare(path: Path, settings: DemoSettings) -> Folder:
    """Write both configurations and every secret into an empty folder."""
    ports = Ports(*free_ports(6))
    private = {
        "vault.key": f"demo {base64.b64encode(secrets.token_bytes(32)).decode()}\n",
        "stripe.key": f"sk_test_{secrets.token_hex(12)}",
        "stripe.webhook": f"whsec_{secrets.token_hex(16)}",
        "adyen.key": f"AQE{secrets.token_hex(16)}",
        "adyen.hmac": secrets.token_hex(32).upper(),
        "paypal.id": f"client-{secrets.token_hex(8)}",
        "paypal.secret": secrets.token_hex(16),
    }
    for name, text in private.items():
        file = path / name
        file.touch(mode=0o600)
        file.write_text(text, "ascii")
    (path / "sandbox.toml").write_text(
        _sandbox(ports, private, settings), encoding="utf-8"
    )
    (path / "config.toml").write_text(_daemon(ports, settings), encoding="utf-8")
    return Folder(path, ports)


def _sandbox(ports: Ports, private: dict[str, str], settings: DemoSettings) -> str:
    hook = f"http://127.0.0.1:{ports.webhooks}/webhooks"
    return f"""\
[server]
seed = {settings.seed}
time_scale = {settings.time_scale}
ca_file = "paypal-ca.pem"

[admin]
port = {ports.admin}

[faults]
profile = "{settings.faults}"

[accounts.stripe-uk]
gateway = "stripe"
port = {ports.stripe}
webhook_url = "{hook}/stripe-uk"
secret_key = "{private["stripe.key"]}"
webhook_secrets = ["{private["stripe.webhook"]}"]

[accounts.adyen-eu]
gateway = "adyen"
port = {ports.adyen}
webhook_url = "{hook}/adyen-eu"
merchant_account = "DemoECOM"
api_key = "{private["adyen.key"]}"
hmac_keys = ["{private["adyen.hmac"]}"]

[accounts.paypal-us]
gateway = "paypal"
port = {ports.paypal}
webhook_url = "{hook}/paypal-us"
client_id = "{private["paypal.id"]}"
client_secret = "{private["paypal.secret"]}"
webhook_id = "1JE4291016473214C"
"""


def _daemon(ports: Ports, settings: DemoSettings) -> str:
    def scaled(seconds: float, least: int = 1) -> int:
        return max(round(seconds * settings.time_scale), least)

    timeout = max(25 * settings.time_scale, 0.5)
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
concurrency = 64
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

[approvals]
expiry_seconds = 3600

[probe]
interval_seconds = 2
timeout_seconds = {max(round(timeout), 1)}

[[bands]]
currency = "GBP"
auto_below = "80.00"
one_approval_below = "400.00"

[[bands]]
currency = "EUR"
auto_below = "80.00"
one_approval_below = "400.00"

[[bands]]
currency = "USD"
auto_below = "80.00"
one_approval_below = "400.00"

[[bands]]
currency = "JPY"
auto_below = "12000"
one_approval_below = "60000"

[accounts.stripe-uk]
gateway = "stripe"
timezone = "Europe/London"
webhook_secrets = ["file:stripe.webhook"]

[accounts.stripe-uk.connections.main]
endpoint = "http://127.0.0.1:{ports.stripe}"
credentials = {{ api_key = "file:stripe.key" }}
timeout_seconds = {timeout}
connect_timeout_seconds = {timeout / 2}

[accounts.adyen-eu]
gateway = "adyen"
timezone = "Europe/Amsterdam"
webhook_secrets = ["file:adyen.hmac"]
settings = {{ merchant_account = "DemoECOM" }}

[accounts.adyen-eu.connections.main]
endpoint = "http://127.0.0.1:{ports.adyen}/v72"
credentials = {{ api_key = "file:adyen.key" }}
timeout_seconds = {timeout}
connect_timeout_seconds = {timeout / 2}

[accounts.paypal-us]
gateway = "paypal"
timezone = "America/Los_Angeles"
settings = {{ webhook_id = "1JE4291016473214C", webhook_ca_file = "paypal-ca.pem", \
webhook_cert_origin = "http://127.0.0.1:{ports.paypal}" }}

[accounts.paypal-us.connections.main]
endpoint = "http://127.0.0.1:{ports.paypal}"
credentials = {{ client_id = "file:paypal.id", client_secret = "file:paypal.secret" }}
timeout_seconds = {timeout}
connect_timeout_seconds = {timeout / 2}
"""
