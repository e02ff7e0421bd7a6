"""One Square account driven by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.settings import SquareSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, Hands, signer

if TYPE_CHECKING:
    from refundwatch.sandbox.model import Reply

PAYMENT = "PAY8RWEXAMPLE0001"
TOKEN = "EAAAsandbox"
KEY = "square_sandbox"


def square_config(
    profile: str = "none", *, seed: int = 7, **faults: float
) -> SandboxConfig:
    return SandboxConfig(
        accounts=(SquareSettings(name="square", webhook_url=HOOK),),
        seed=seed,
        profile_name=profile,
        faults=PROFILES[profile].overridden(faults),
    )


class SquareHands(Hands):
    """A world with one payment of 50.00 EUR at one Square account."""

    def __init__(self, profile: str = "none", seed: int = 7, **faults: float) -> None:
        self.world = World(square_config(profile, seed=seed, **faults), signer())
        self.now = START
        self.add("square", PAYMENT)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: tuple[tuple[str, str], ...] = (),
        **headers: str,
    ) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Authorization": f"Bearer {TOKEN}", **named}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = b"" if body is None else raw
        return self.send(
            "square", method, path, headers=sent, body=content, query=query
        )

    def order(self, amount: object = 1_000, **changes: Any) -> Reply:
        """Order a refund; `key` is its idempotency key."""
        body = {
            "idempotency_key": changes.pop("key", "k1"),
            "payment_id": PAYMENT,
            "amount_money": {"amount": amount, "currency": "EUR"},
            "reason": "rw-000001",
        }
        sent = {**body, **changes}
        return self.call("POST", "/v2/refunds", sent)

    def read(self, path: str, **query: str) -> Any:
        reply = self.call("GET", path, query=tuple(query.items()))
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def payment(self) -> Any:
        return self.read(f"/v2/payments/{PAYMENT}")["payment"]


def refund_of(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["refund"]


def code_of(reply: Reply) -> str:
    [error] = json.loads(reply.body)["errors"]
    code: str = error["code"]
    return code
