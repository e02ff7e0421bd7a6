"""One Cybersource merchant in a sandbox of its own, driven by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from refundwatch.gateways.contract import (
    AccountView,
    Credentials,
    HttpRequest,
    HttpResponse,
    RawDelivery,
)
from refundwatch.gateways.cybersource.adapter import Cybersource
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.cybersource.model import CybersourceModel
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.settings import CybersourceSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, signer

CAPTURE = "7398201234567890123456"
SALE = "7398201234567890123457"
CHECK = "7398201234567890123458"
PLAIN = CybersourceSettings(name="cybersource", webhook_url=HOOK)
ACCOUNT = AccountView(
    "cybersource",
    "sandbox",
    "http://127.0.0.1:1",
    {"merchant_id": PLAIN.merchant_id},
)
SIGNING = replace(
    ACCOUNT, settings={**ACCOUNT.settings, "authentication": "http_signature"}
)
CREDENTIALS = Credentials(
    {"key_id": PLAIN.key_id, "shared_secret": PLAIN.shared_secret}
)


class NoAnswerError(Exception):
    """What a transport reports when nothing whole came back."""


class Merchant:
    """One world and its time; each caller method is one request."""

    def __init__(
        self,
        profile: str = "none",
        seed: int = 7,
        settings: dict[str, Any] | None = None,
        account: AccountView = ACCOUNT,
        **faults: float,
    ) -> None:
        chosen = replace(PLAIN, **(settings or {}))
        wanted = PROFILES[profile].overridden(faults)
        config = SandboxConfig(accounts=(chosen,), seed=seed, faults=wanted)
        self.world = World(config, signer())
        self.now = START
        self.adapter = Cybersource()
        self.account = account
        self.secrets: tuple[str, ...] = (chosen.webhook_key,)
        self.add(CAPTURE)
        self.add(SALE, method="sale")
        self.add(CHECK, method="check")

    @property
    def model(self) -> CybersourceModel:
        found = self.world.model("cybersource")
        assert isinstance(found, CybersourceModel)
        return found

    def add(self, reference: str, amount: int = 5_000, **facts: Any) -> Payment:
        payment = Payment(
            account="cybersource",
            reference=reference,
            amount_minor=amount,
            currency=facts.pop("currency", "USD"),
            created_at=self.now,
            **facts,
        )
        return self.world.add_payments([payment])[0]

    def deliver(self, request: HttpRequest) -> Reply:
        """Give a request, authorised already, to the look-alike."""
        parts = urlsplit(request.target)
        return self.model.handle(
            Request(
                method=request.method,
                path=parts.path,
                query=tuple(parse_qsl(parts.query)),
                headers=tuple((k.lower(), v) for k, v in request.headers),
                body=request.body,
            ),
            self.now,
        )

    def authorized(
        self, method: str, target: str, body: Any = None, at: float | None = None
    ) -> HttpRequest:
        headers = [("Host", "127.0.0.1:1"), ("v-c-merchant-id", PLAIN.merchant_id)]
        if "authentication" not in self.account.settings:
            headers.append(("Authorization", "Bearer"))
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = HttpRequest(
            "x", method, target, tuple(headers), b"" if body is None else raw
        )
        moment = datetime.fromtimestamp(self.now if at is None else at, UTC)
        return self.adapter.authorize(request, CREDENTIALS, moment)

    def send(self, method: str, target: str, body: Any = None) -> Reply:
        return self.deliver(self.authorized(method, target, body))

    def refund(
        self,
        amount: Any = "10.00",
        *,
        code: Any = "rw-1",
        payment: str = CAPTURE,
        kind: str = "captures",
        currency: Any = "USD",
        **more: Any,
    ) -> Reply:
        body = {
            "clientReferenceInformation": {"code": code, "transactionId": f"T{code}"},
            "orderInformation": {
                "amountDetails": {"totalAmount": amount, "currency": currency}
            },
        } | more
        return self.send("POST", f"/pts/v2/{kind}/{payment}/refunds", body)

    def transaction(self, transaction_id: str) -> Any:
        reply = self.send("GET", f"/tss/v2/transactions/{transaction_id}")
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def search(self, query: str, **more: Any) -> Any:
        body = {"query": query, "limit": 20, "offset": 0} | more
        reply = self.send("POST", "/tss/v2/searches", body)
        assert reply.status == 201, reply
        return json.loads(reply.body)

    def run(self, operation: Any) -> Any:
        """Let the adapter speak to the look-alike."""
        try:
            request = next(operation)
            while True:
                now = datetime.fromtimestamp(self.now, UTC)
                sent = self.adapter.authorize(request, CREDENTIALS, now)
                reply = self.deliver(sent)
                if reply.fate is not Fate.ANSWERED:
                    raise NoAnswerError(reply.fate)
                headers = {name.lower(): value for name, value in reply.headers}
                answered = HttpResponse(reply.status, headers, reply.body)
                request = operation.send(answered)
        except StopIteration as stop:
            return stop.value

    def received(self, post: WebhookPost) -> Any:
        headers = {name.lower(): value for name, value in post.headers}
        delivery = RawDelivery(headers, post.body)
        now = datetime.fromtimestamp(self.now, UTC)
        return self.run(self.adapter.receive(self.account, delivery, self.secrets, now))

    def wait(self, seconds: float, status: int | None = 200) -> list[WebhookPost]:
        """Let time pass; answer every webhook alike."""
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
        return self.world.ledger.rows("cybersource")


def body_of(reply: Reply) -> Any:
    return json.loads(reply.body)
