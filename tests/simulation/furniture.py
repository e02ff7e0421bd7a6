"""The furniture of one run: accounts, paths, secrets, gateways, an empty database."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from refundwatch.domain.policy import Band
from refundwatch.flow.ports import ConnectionPath
from refundwatch.gateways import registry
from refundwatch.gateways.contract import AccountView, Credentials
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.settings import (
    AdyenSettings,
    AnyAccount,
    PaypalSettings,
    StripeSettings,
)
from refundwatch.sandbox.world import World
from refundwatch.store.contract import Policy
from refundwatch.store.sqlite.connection import open_writer
from refundwatch.store.sqlite.migrations import migrate
from tests.flow.fakes import FakePaths
from tests.flow.simloop import START
from tests.simulation.plan import NEIGHBOUR

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

HOOK = "http://127.0.0.1:9/hook"
BASE = "http://127.0.0.1:1"
CANARIES = ("sk_test_sandbox", "AQEsandbox", "sandbox-secret", "Canary Customer 4242")
"""What must never be seen outside: the keys, and a customer's name."""

POLICY = Policy(
    "v1",
    (Band("EUR", 1_000, 5_000),),
    approvals_expiry_seconds=86_400,
)

_SECRETS = {
    "stripe": {"api_key": "sk_test_sandbox"},
    "adyen": {"api_key": "AQEsandbox"},
    "paypal": {"client_id": "sandbox-client", "client_secret": "sandbox-secret"},
}
_HOOK_SECRETS: dict[str, tuple[str, ...]] = {
    "stripe": ("whsec_sandbox",),
    "adyen": ("A1" * 32,),
    "paypal": (),
}


@cache
def signer() -> WebhookSigner:
    return WebhookSigner.made(START.timestamp() - 86_400)


@cache
def empty_database() -> bytes:
    """Give a migrated database, made once a process."""
    connection = open_writer(None)
    migrate(connection)
    image = connection.serialize()
    connection.close()
    return image


class Paths(FakePaths):
    def credentials(self, connection_id: str) -> Credentials:
        gateway = connection_id.partition("-")[0]
        return Credentials(_SECRETS[gateway])

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        return _HOOK_SECRETS[account.partition("-")[0]]


def paths_of(plan: Plan) -> Paths:
    accounts = [(plan.account, plan.gateway, plan.paths)]
    if plan.neighbour:
        accounts.append((NEIGHBOUR, "stripe", 1))
    return Paths(
        tuple(
            _path(account, gateway, name)
            for account, gateway, count in accounts
            for name in ("main", "second")[:count]
        )
    )


def _path(account: str, gateway: str, name: str) -> ConnectionPath:
    chosen: dict[str, dict[str, str]] = {
        "stripe": {},
        "adyen": {"merchant_account": "SandboxECOM"},
        "paypal": {
            "webhook_id": "1JE4291016473214C",
            "webhook_ca_pem": signer().ca_pem,
            "webhook_cert_origin": BASE,
        },
    }
    endpoint = BASE + ("/v72" if gateway == "adyen" else "")
    return ConnectionPath(
        id=f"{account}/{name}",
        account=AccountView(account, "sandbox", endpoint, chosen[gateway]),
        gateway=registry.gateway(gateway),
        endpoint=endpoint,
        timeout_seconds=20.0,
        connect_timeout_seconds=5.0,
        concurrency=2,
    )


def sandbox_of(plan: Plan) -> World:
    kinds: dict[str, type[AnyAccount]] = {
        "stripe": StripeSettings,
        "adyen": AdyenSettings,
        "paypal": PaypalSettings,
    }
    accounts: list[AnyAccount] = [
        kinds[plan.gateway](name=plan.account, webhook_url=HOOK)
    ]
    if plan.neighbour:
        accounts.append(StripeSettings(name=NEIGHBOUR, webhook_url=HOOK))
    config = SandboxConfig(
        accounts=tuple(accounts), seed=plan.seed, faults=plan.profile
    )
    world = World(config, signer())
    for model in world.models.values():
        model.base_url = BASE
    if plan.neighbour:
        world.model(NEIGHBOUR).dice.profile = PROFILES["none"].overridden(
            {"latency_seconds": 0.1}
        )
    return world
