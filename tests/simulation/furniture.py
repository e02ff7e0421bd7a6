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
from refundwatch.sandbox.settings import AnyAccount, StripeSettings
from refundwatch.sandbox.world import World
from refundwatch.store.contract import Policy
from refundwatch.store.sqlite.connection import open_writer
from refundwatch.store.sqlite.migrations import migrate
from tests.flow.fakes import FakePaths
from tests.simulation.gateways import BASE, CURRENCIES, HOOK, KNOWN, known_as, signer
from tests.simulation.plan import NEIGHBOUR

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

NAME = "Canary Customer 4242"
_PUBLIC = {"username", "client_id", "key_id", "public_key", "api_login_id"}
CANARIES = (
    *sorted(
        {
            value
            for known in KNOWN.values()
            for name, value in known.credentials.items()
            if name not in _PUBLIC
        }
    ),
    NAME,
)
"""What must never be seen outside: the keys, and a customer's name."""

POLICY = Policy(
    "v1",
    tuple(Band(currency, 1_000, 5_000) for currency in CURRENCIES),
    approvals_expiry_seconds=86_400,
)


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
        return Credentials(known_as(connection_id).credentials)

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        return known_as(account).webhook_secrets


def paths_of(plan: Plan) -> Paths:
    accounts = [(plan.account, plan.gateway, plan.variant, plan.paths)]
    if plan.neighbour:
        accounts.append((NEIGHBOUR, "stripe", 0, 1))
    return Paths(
        tuple(
            _path(account, gateway, variant, name)
            for account, gateway, variant, count in accounts
            for name in ("main", "second")[:count]
        )
    )


def _path(account: str, gateway: str, variant: int, name: str) -> ConnectionPath:
    known = known_as(account)
    ours = known.variants[variant].ours
    endpoint = BASE + known.path
    return ConnectionPath(
        id=f"{account}/{name}",
        account=AccountView(account, "sandbox", endpoint, {**known.settings(), **ours}),
        gateway=registry.gateway(gateway),
        endpoint=endpoint,
        timeout_seconds=20.0,
        connect_timeout_seconds=5.0,
        concurrency=2,
    )


def sandbox_of(plan: Plan) -> World:
    known = KNOWN[plan.gateway]
    told = known.variants[plan.variant].model
    accounts: list[AnyAccount] = [
        known.account(name=plan.account, webhook_url=HOOK, **told)
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
