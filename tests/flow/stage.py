"""The house before three look-alike gateways, all in virtual time."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from refundwatch.flow.loops import Bell, first_of
from refundwatch.flow.ports import ConnectionPath, NeverSentError, NoAnswerError
from refundwatch.gateways import registry
from refundwatch.gateways.contract import (
    AccountView,
    Credentials,
    HttpResponse,
    RawDelivery,
)
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Request
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.settings import AdyenSettings, PaypalSettings, StripeSettings
from refundwatch.sandbox.world import World as Sandbox
from tests.flow.simloop import START, SimLoop

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest
    from refundwatch.sandbox.gateway import GatewayModel
    from refundwatch.sandbox.model import Reply, WebhookPost
    from tests.flow.world import World

HOOK = "http://127.0.0.1:9/hook"
PREFIXES = {"stripe": "pi_3RwTest", "adyen": "9936178949034", "paypal": "2GG279541U47"}
SECRETS = {
    "stripe": {"api_key": "sk_test_sandbox"},
    "adyen": {"api_key": "AQEsandbox"},
    "paypal": {"client_id": "sandbox-client", "client_secret": "sandbox-secret"},
}


@functools.lru_cache(maxsize=1)
def signer() -> WebhookSigner:
    return WebhookSigner.made(START.timestamp())


def a_sandbox(profile: str, seed: int, **faults: float) -> Sandbox:
    config = SandboxConfig(
        accounts=(
            StripeSettings(name="stripe", webhook_url=HOOK),
            AdyenSettings(name="adyen", webhook_url=HOOK),
            PaypalSettings(name="paypal", webhook_url=HOOK),
        ),
        seed=seed,
        time_scale=1.0,
        profile_name=profile,
        faults=PROFILES[profile].overridden(faults),
    )
    return Sandbox(config, signer())


def stage_paths() -> tuple[ConnectionPath, ...]:
    settings = {
        "stripe": {},
        "adyen": {"merchant_account": "SandboxECOM"},
        "paypal": {
            "webhook_id": "1JE4291016473214C",
            "webhook_ca_pem": signer().ca_pem,
        },
    }
    return tuple(
        ConnectionPath(
            id=f"{name}/main",
            account=AccountView(name, "sandbox", "http://127.0.0.1:1", settings[name]),
            gateway=registry.gateway(name),
            endpoint="http://127.0.0.1:1" + ("/v72" if name == "adyen" else ""),
            timeout_seconds=20.0,
            connect_timeout_seconds=5.0,
            concurrency=8,
        )
        for name in ("stripe", "adyen", "paypal")
    )


@dataclass
class StagePaths:
    """The configuration of the stage."""

    paths: tuple[ConnectionPath, ...] = field(default_factory=stage_paths)

    def of_account(self, account: str) -> tuple[ConnectionPath, ...]:
        return tuple(path for path in self.paths if path.account.name == account)

    def all(self) -> tuple[ConnectionPath, ...]:
        return self.paths

    def credentials(self, connection_id: str) -> Credentials:
        return Credentials(SECRETS[connection_id.split("/", maxsplit=1)[0]])

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        secrets = {"stripe": ("whsec_sandbox",), "adyen": ("A1" * 32,)}
        return secrets.get(account, ())


@dataclass
class Wire:
    """The transport to the look-alikes, and the postman of their webhooks."""

    loop: SimLoop
    sandbox: Sandbox
    world: World | None = None
    bell: Bell = field(default_factory=Bell)

    @property
    def now(self) -> float:
        return START.timestamp() + self.loop.time()

    async def exchange(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        reply = self._handled(path, request)
        self.bell.ring()
        if reply.fate is Fate.REFUSED:
            raise NeverSentError("refused_connection")
        if reply.latency_seconds > timeout_seconds:
            await asyncio.sleep(timeout_seconds)
            raise NoAnswerError("timeout")
        await asyncio.sleep(reply.latency_seconds)
        if reply.fate is not Fate.ANSWERED:
            raise NoAnswerError(reply.fate)
        headers = {name.lower(): value for name, value in reply.headers}
        return HttpResponse(reply.status, headers, reply.body)

    def _handled(self, path: ConnectionPath, request: HttpRequest) -> Reply:
        whole = request.target
        if whole.startswith("/"):
            whole = path.endpoint + whole
        parts = urlsplit(whole)
        return self.sandbox.model(path.account.name).handle(
            Request(
                method=request.method,
                path=parts.path,
                query=tuple(parse_qsl(parts.query)),
                headers=tuple((name.lower(), text) for name, text in request.headers),
                body=request.body,
            ),
            self.now,
        )

    async def post(self) -> None:
        """Deliver webhooks when they are due, for ever."""
        while True:
            self.bell.silence()
            for model in self.sandbox.models.values():
                for one in model.due(self.now):
                    status = await self._delivered(one)
                    model.webhook_answered(one.post_id, status, self.now)
            due = self.sandbox.next_due()
            if due is None:
                await self.bell.heard()
                continue
            wait = max(due - self.now, 0.001)
            await first_of(asyncio.sleep(wait), self.bell.heard())

    async def _delivered(self, post: WebhookPost) -> int | None:
        world = self.world
        assert world is not None
        life = world.life
        headers = {name.lower(): value for name, value in post.headers}
        raw = RawDelivery(headers, post.body)
        try:
            return (await world.house.receptionist.receive(post.account, raw)).status
        except asyncio.CancelledError:
            if life["alive"]:
                raise
            return None


def add_payment(sandbox: Sandbox, account: str, number: int, amount: int) -> str:
    """Let a gateway take a payment; give its reference."""
    reference = (
        PREFIXES[account] + f"{number:04d}" + ("A" if account == "adyen" else "")
    )
    payment = Payment(
        account=account,
        reference=reference,
        amount_minor=amount,
        currency="EUR",
        created_at=START.timestamp() - 86_400,
    )
    sandbox.add_payments([payment])
    return reference


def counted(model: GatewayModel) -> dict[str, int]:
    """Give which faults fired, and how often."""
    return dict(model.dice.counts)


def rows_of(sandbox: Sandbox) -> dict[tuple[str, str], Any]:
    """Give what was truly accepted, by account and our reference."""
    return {
        (row.account, row.merchant_reference): row
        for row in sandbox.ledger.rows()
        if row.merchant_reference
    }
