"""One Klarna merchant in a sandbox of its own, driven by hand."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from refundwatch.gateways.contract import AccountView, Credentials, HttpResponse
from refundwatch.gateways.klarna.adapter import Klarna
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.klarna.model import KlarnaModel
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.settings import KlarnaSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, signer

ORDER_ID = "f3392f8b-6116-4073-ab96-e330819e0001"
ORDERS = "/ordermanagement/v1/orders"
USER, PASSWORD = "PRW0001_sandbox", "sandbox-secret"
PAIR = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ACCOUNT = AccountView("klarna", "sandbox", "http://127.0.0.1:1")
CREDENTIALS = Credentials({"username": USER, "password": PASSWORD})


class NoAnswerError(Exception):
    """What a transport reports when nothing whole came back."""


class Merchant:
    """One world and its time; each caller method is one request."""

    def __init__(
        self,
        profile: str = "none",
        seed: int = 7,
        settings: dict[str, Any] | None = None,
        **faults: float,
    ) -> None:
        account = KlarnaSettings(name="klarna", webhook_url=HOOK, **(settings or {}))
        wanted = PROFILES[profile].overridden(faults)
        config = SandboxConfig(accounts=(account,), seed=seed, faults=wanted)
        self.world = World(config, signer())
        self.now = START
        self.adapter = Klarna()
        self.add(ORDER_ID)

    @property
    def model(self) -> KlarnaModel:
        found = self.world.model("klarna")
        assert isinstance(found, KlarnaModel)
        return found

    def add(self, order_id: str, amount: int = 5_000, **facts: Any) -> Payment:
        payment = Payment(
            account="klarna",
            reference=order_id,
            amount_minor=amount,
            currency=facts.pop("currency", "SEK"),
            created_at=self.now,
            **facts,
        )
        return self.world.add_payments([payment])[0]

    def send(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> Reply:
        parts = urlsplit(target)
        told = {"authorization": f"Basic {PAIR}"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            method=method,
            path=parts.path,
            query=tuple(parse_qsl(parts.query)),
            headers=tuple(told.items()),
            body=body,
        )
        return self.model.handle(request, self.now)

    def get(self, target: str) -> Any:
        reply = self.send("GET", target)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def order(self, order_id: str = ORDER_ID) -> Any:
        return self.get(f"{ORDERS}/{order_id}")

    def refund(
        self,
        amount: Any = 1_000,
        *,
        key: str = "",
        order_id: str = ORDER_ID,
        **more: Any,
    ) -> Reply:
        body = {"refunded_amount": amount, "reference": "rw-1"} | more
        headers = {"klarna_idempotency_key": key} if key else {}
        target = f"{ORDERS}/{order_id}/refunds"
        return self.send("POST", target, json.dumps(body).encode(), **headers)

    def run(self, operation: Any) -> Any:
        """Let the adapter speak to the look-alike."""
        try:
            request = next(operation)
            while True:
                now = datetime.fromtimestamp(self.now, UTC)
                sent = self.adapter.authorize(request, CREDENTIALS, now)
                told = {name.replace("-", "_"): value for name, value in sent.headers}
                told = {name.lower(): value for name, value in told.items()}
                reply = self.send(sent.method, sent.target, sent.body, **told)
                if reply.fate is not Fate.ANSWERED:
                    raise NoAnswerError(reply.fate)
                headers = {name.lower(): value for name, value in reply.headers}
                request = operation.send(
                    HttpResponse(reply.status, headers, reply.body)
                )
        except StopIteration as stop:
            return stop.value

    def wait(self, seconds: float) -> list[WebhookPost]:
        """Let time pass; answer every webhook with 200."""
        posts: list[WebhookPost] = []
        end = self.now + seconds
        while (due_at := self.world.next_due()) is not None and due_at <= end:
            self.now = max(self.now, due_at)
            for post in self.model.due(self.now):
                posts.append(post)
                self.model.webhook_answered(post.post_id, 200, self.now)
        self.now = end
        return posts

    def rows(self) -> list[Any]:
        self.model.advance(self.now)
        return self.world.ledger.rows("klarna")
