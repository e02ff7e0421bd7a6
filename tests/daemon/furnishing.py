"""What a daemon under test is configured with, and the secrets that this names."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOWHERE = "http://127.0.0.1:1"

SECRETS = {
    "vault.key": f"k1 {base64.b64encode(bytes(range(32))).decode()}\n",
    "stripe.key": "sk_test_sandbox",
    "stripe.webhook": "whsec_sandbox",
    "adyen.key": "AQEsandbox",
    "adyen.hmac": "A1" * 32,
    "paypal.id": "sandbox-client",
    "paypal.secret": "sandbox-secret",
}


def config_text(
    *,
    stripe: str = NOWHERE,
    adyen: str = NOWHERE,
    paypal: str = NOWHERE,
    webhook_port: int = 0,
    more: str = "",
    webhooks: str = "",
    shutdown_seconds: int = 5,
    expiry_seconds: int = 3600,
) -> str:
    return f"""\
instance = "hub.test"
mode = "sandbox"

[store]
path = "hub.db"

[vault]
key = "file:vault.key"

[api]
socket = "api.sock"
tcp = "127.0.0.1:0"

[webhooks]
listen = "127.0.0.1:{webhook_port}"
{webhooks}

[health]
listen = "127.0.0.1:0"

[dispatch]
lease_seconds = 20
shutdown_seconds = {shutdown_seconds}

[resolve]
backoff_seconds = [1, 1, 2]

[approvals]
expiry_seconds = {expiry_seconds}

[probe]
interval_seconds = 3600
timeout_seconds = 2

[[bands]]
currency = "GBP"
auto_below = "50.00"
one_approval_below = "500.00"

[[bands]]
currency = "EUR"
auto_below = "50.00"
one_approval_below = "500.00"

[accounts.stripe-uk]
gateway = "stripe"
timezone = "Europe/London"
webhook_secrets = ["file:stripe.webhook"]

[accounts.stripe-uk.connections.main]
endpoint = "{stripe}"
credentials = {{ api_key = "file:stripe.key" }}
timeout_seconds = 5

[accounts.adyen-eu]
gateway = "adyen"
timezone = "Europe/Amsterdam"
webhook_secrets = ["file:adyen.hmac"]
settings = {{ merchant_account = "SandboxECOM" }}

[accounts.adyen-eu.connections.main]
endpoint = "{adyen}/v72"
credentials = {{ api_key = "file:adyen.key" }}
timeout_seconds = 5

[accounts.paypal-us]
gateway = "paypal"
timezone = "America/Los_Angeles"
settings = {{ webhook_id = "1JE4291016473214C", webhook_ca_file = "paypal-ca.pem", \
webhook_cert_origin = "{paypal}" }}

[accounts.paypal-us.connections.main]
endpoint = "{paypal}"
credentials = {{ client_id = "file:paypal.id", client_secret = "file:paypal.secret" }}
timeout_seconds = 5
{more}
"""


def furnish(
    folder: Path,
    text: str,
    secrets: Mapping[str, str] | None = None,
    ca_pem: str = "none",
) -> Path:
    """Write a configuration and its secrets; give the configuration's path."""
    for name, content in {**SECRETS, **(secrets or {})}.items():
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(content, "ascii")
    (folder / "paypal-ca.pem").write_text(ca_pem, "ascii")
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path
