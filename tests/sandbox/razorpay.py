"""One Razorpay merchant in a sandbox of its own, driven by hand."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from refundwatch.gateways.contract import AccountView, Credentials, HttpResponse
from refundwatch.gateways.razorpay.adapter import Razorpay
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.razorpay.model import RazorpayModel
from refundwatch.sandbox.settings import RazorpaySettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, signer

PAYMENT_ID = "pay_RW000000000001"
USER, PASSWORD = "rzp_test_sandbox", "sandbox-secret"
PAIR = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ACCOUNT = AccountView("razorpay", "sandbox", "http://127.0.0.1:1")
CREDENTIALS = Credentials({"key_id": USER, "key_secret": PASSWORD})


class NoAnswerError(Exception):
    """What a transport reports when nothing whole came back."""


def config(
    profile: str = "none",
    seed: int = 7,
    settings: dict[str, Any] | None = None,
    time_scale: float = 1.0,
    **faults: float,
) -> SandboxConfig:
    plain = {"name": "razorpay", "webhook_url": HOOK}
    account = RazorpaySettings(**(plain | (settings or {})))
    wanted = PROFILES[profile].overridden(faults)
    return SandboxConfig(
        accounts=(account,), seed=seed, faults=wanted, time_scale=time_scale
    )


class Merchant:
    """One world and its time; each caller method is one request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.world = World(config(*args, **kwargs), signer())
        self.now = START
        self.adapter = Razorpay()
        self.add(PAYMENT_ID)

    @property
    def model(self) -> RazorpayModel:
        found = self.world.model("razorpay")
        assert isinstance(found, RazorpayModel)
        return found

    def add(self, payment_id: str, amount: int = 50_000, **facts: Any) -> Payment:
        told = {"created_at": self.now, "currency": "INR"} | facts
        payment = Payment(
            account="razorpay", reference=payment_id, amount_minor=amount, **told
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

    def refund(
        self, body: Any, *, key: str = "", payment_id: str = PAYMENT_ID
    ) -> Reply:
        headers = {"x_refund_idempotency": key} if key else {}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", f"/v1/payments/{payment_id}/refund", raw, **headers)

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

    def wait(self, seconds: float, status: int = 200) -> list[WebhookPost]:
        """Let time pass; answer every webhook."""
        posts: list[WebhookPost] = []
        end = self.now + seconds
        while (due_at := self.world.next_due()) is not None and due_at <= end:
            self.now = max(self.now, due_at)
            for post in self.model.due(self.now):
                posts.append(post)
                self.model.webhook_answered(post.post_id, status, self.now)
        self.now = end
        return posts

    def rows(self) -> list[Any]:
        self.model.advance(self.now)
        return self.world.ledger.rows("razorpay")
