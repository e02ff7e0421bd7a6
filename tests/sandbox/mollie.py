"""A Mollie profile driven by hand, and our adapter sat opposite of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from refundwatch.gateways import contract
from refundwatch.gateways.mollie.adapter import Mollie
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.settings import MollieSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, signer

if TYPE_CHECKING:
    from collections.abc import Generator

TR = "tr_RwTest0001"
KEY = {"authorization": "Bearer test_sandbox"}
TOKEN = {"authorization": "Bearer access_sandbox"}


class NoAnswerError(Exception):
    """What a transport reports when a byte was sent and nothing whole came back."""


class Profile:
    """One profile and its time; each caller method is one request."""

    def __init__(
        self,
        profile: str = "none",
        *,
        seed: int = 7,
        settings: dict[str, Any] | None = None,
        **faults: float,
    ) -> None:
        account = MollieSettings(name="mollie", webhook_url=HOOK, **(settings or {}))
        config = SandboxConfig(
            accounts=(account,),
            seed=seed,
            profile_name=profile,
            faults=PROFILES[profile].overridden(faults),
        )
        self.world = World(config, signer())
        self.model = self.world.model("mollie")
        self.now = START
        self.add(TR)

    def add(
        self,
        reference: str,
        amount_minor: int = 5_000,
        currency: str = "EUR",
        **facts: Any,
    ) -> Payment:
        payment = Payment(
            account="mollie",
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            created_at=self.now,
            **facts,
        )
        return self.world.add_payments([payment])[0]

    def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        auth: dict[str, str] | None = None,
        **headers: str,
    ) -> Reply:
        parts = urlsplit(target)
        sent = {**(KEY if auth is None else auth), **headers}
        raw = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            raw = json.dumps(body).encode()
        request = Request(
            method=method,
            path=parts.path,
            query=tuple(parse_qsl(parts.query)),
            headers=tuple(
                (name.lower().replace("_", "-"), value) for name, value in sent.items()
            ),
            body=raw,
        )
        return self.model.handle(request, self.now)

    def refund(
        self,
        value: str = "10.00",
        *,
        key: str = "",
        reference: str = "rw-1",
        payment: str = TR,
        currency: str = "EUR",
        **more: Any,
    ) -> Reply:
        body = {
            "amount": {"currency": currency, "value": value},
            "metadata": {"rw_refund_id": reference},
            **more,
        }
        headers = {"idempotency_key": key} if key else {}
        return self.call("POST", f"/v2/payments/{payment}/refunds", body, **headers)

    def get(self, target: str, **facts: Any) -> Any:
        return said(self.call("GET", target, **facts))

    def wait(self, seconds: float) -> list[WebhookPost]:
        """Let time pass step by step; answer every webhook with 200."""
        posts: list[WebhookPost] = []
        end = self.now + seconds
        while True:
            due_at = self.world.next_due()
            if due_at is None or due_at > end:
                break
            self.now = max(self.now, due_at)
            for post in self.model.due(self.now):
                posts.append(post)
                self.model.webhook_answered(post.post_id, 200, self.now)
        self.now = end
        return posts

    def rows(self) -> list[Any]:
        self.model.advance(self.now)
        return self.world.ledger.rows("mollie")


def said(reply: Reply) -> Any:
    return json.loads(reply.body)


class Meeting(Profile):
    """Our adapter speaks to the profile; the two were written apart."""

    adapter = Mollie()
    account = contract.AccountView("mollie", "sandbox", "http://127.0.0.1:1")
    secrets = ("mollie_sandbox",)
    key = "test_sandbox"

    def instruction(self, number: int = 1, **facts: Any) -> contract.RefundInstruction:
        plain = contract.RefundInstruction(
            account=self.account,
            payment_reference=TR,
            merchant_reference=f"rw-{number:06d}",
            idempotency_key=f"{number:032d}",
            amount_minor=100,
            currency="EUR",
            reason_code="returned",
        )
        return replace(plain, **facts)

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def exchange(self, request: contract.HttpRequest) -> contract.HttpResponse:
        credentials = contract.Credentials({"api_key": self.key})
        sent = self.adapter.authorize(request, credentials, self.moment)
        parts = urlsplit(sent.target)
        reply = self.model.handle(
            Request(
                method=sent.method,
                path=parts.path,
                query=tuple(parse_qsl(parts.query)),
                headers=tuple((name.lower(), value) for name, value in sent.headers),
                body=sent.body,
            ),
            self.now,
        )
        if reply.fate is not Fate.ANSWERED:
            raise NoAnswerError(reply.fate)
        headers = {name.lower(): value for name, value in reply.headers}
        return contract.HttpResponse(reply.status, headers, reply.body)

    def run(self, operation: Generator[Any, Any, Any]) -> Any:
        try:
            request = next(operation)
            while True:
                request = operation.send(self.exchange(request))
        except StopIteration as done:
            return done.value

    def order(self, number: int = 1, **facts: Any) -> Any:
        return self.run(self.adapter.refund(self.instruction(number, **facts)))

    def stored(self, number: int = 1, **facts: Any) -> contract.HttpRequest:
        """Give the order as it is stored when it is claimed."""
        operation = self.adapter.refund(self.instruction(number, **facts))
        request = next(operation)
        while not request.moves_money:
            request = operation.send(self.exchange(request))
        operation.close()
        return request

    def resend(self, order: contract.HttpRequest, number: int = 1, **facts: Any) -> Any:
        return self.run(self.adapter.refund(self.instruction(number, **facts), order))

    def received(self, post: WebhookPost) -> contract.Verdict:
        headers: dict[str, str] = {}
        for name, value in post.headers:
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        delivery = contract.RawDelivery(headers, post.body)
        return self.run(
            self.adapter.receive(self.account, delivery, self.secrets, self.moment)
        )

    def executed(self, reference: str) -> int:
        return sum(
            row.merchant_reference == reference and row.executed_at is not None
            for row in self.rows()
        )
