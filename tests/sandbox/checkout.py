"""One Checkout.com account in a sandbox of its own, driven by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.contract import (
    AccountView,
    Credentials,
    HttpResponse,
    RawDelivery,
    RefundInstruction,
    Session,
)
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.checkout.model import CheckoutModel
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.settings import CheckoutSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, signer

PAY = "pay_rwaaaaaaaaaaaaaaaaaaaaaaaa"
SECRETS = ("cko-sandbox-key",)
ACCOUNT = AccountView("checkout", "sandbox", "http://127.0.0.1:1")
BY_KEY = Credentials({"secret_key": "sk_sbox_sandboxsandboxsandboxsandbo"})
BY_TOKEN = Credentials(
    {"access_key_id": "ack_sandbox", "access_key_secret": "sandbox-secret"}
)


class NoAnswerError(Exception):
    """What a transport reports when nothing whole came back."""


class Shop:
    """One world and its time; each caller method is one request."""

    def __init__(
        self,
        profile: str = "none",
        seed: int = 7,
        credentials: Credentials = BY_KEY,
        settings: dict[str, Any] | None = None,
        **faults: float,
    ) -> None:
        account = CheckoutSettings(
            name="checkout", webhook_url=HOOK, **(settings or {})
        )
        wanted = PROFILES[profile].overridden(faults)
        self.config = SandboxConfig(accounts=(account,), seed=seed, faults=wanted)
        self.world = World(self.config, signer())
        self.now = START
        self.adapter = Checkout()
        self.credentials = credentials
        self.session: Session | None = None
        self.add(PAY)

    @property
    def model(self) -> CheckoutModel:
        found = self.world.model("checkout")
        assert isinstance(found, CheckoutModel)
        return found

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def add(self, reference: str, amount: int = 5_000, **facts: Any) -> Payment:
        payment = Payment(
            account="checkout",
            reference=reference,
            amount_minor=amount,
            currency=facts.pop("currency", "EUR"),
            created_at=self.now,
            **facts,
        )
        return self.world.add_payments([payment])[0]

    def faults(self, **values: float) -> None:
        self.world.set_faults("none", values)

    def send(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        parts = urlsplit(target)
        told = {"authorization": "Bearer sk_sbox_sandboxsandboxsandboxsandbo"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        if not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body).encode()
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

    def payment(self, reference: str = PAY) -> Any:
        return self.get(f"/payments/{reference}")

    def actions(self, reference: str = PAY) -> Any:
        return self.get(f"/payments/{reference}/actions")

    def refund(
        self,
        amount: Any = 1_000,
        *,
        key: str = "",
        reference: str = "rw-1",
        payment: str = PAY,
        what: str = "refunds",
        **more: Any,
    ) -> Reply:
        body = {"reference": reference} | more
        if amount is not None:
            body["amount"] = amount
        headers = {"cko_idempotency_key": key} if key else {}
        return self.send("POST", f"/payments/{payment}/{what}", body, **headers)

    # The adapter.

    def instruction(self, number: int = 1, **facts: Any) -> RefundInstruction:
        plain: dict[str, Any] = {
            "account": ACCOUNT,
            "payment_reference": PAY,
            "merchant_reference": f"rw-{number:06d}",
            "idempotency_key": f"{number:032d}",
            "amount_minor": 100,
            "currency": "EUR",
            "reason_code": "returned",
        }
        return RefundInstruction(**{**plain, **facts})

    def run(self, operation: Any) -> Any:
        """Let the adapter speak to the look-alike, and open a session before."""
        if self.session is None:
            self.session = self._driven(
                self.adapter.open_session(ACCOUNT, self.credentials, self.moment)
            )
        return self._driven(operation)

    def _driven(self, operation: Any) -> Any:
        try:
            request = next(operation)
            while True:
                request = operation.send(self._exchange(request))
        except StopIteration as stop:
            return stop.value

    def _exchange(self, request: Any) -> HttpResponse:
        held = Credentials(self.credentials.values, self.session)
        sent = self.adapter.authorize(request, held, self.moment)
        told = {name.replace("-", "_").lower(): value for name, value in sent.headers}
        reply = self.send(sent.method, sent.target, sent.body, **told)
        if reply.fate is not Fate.ANSWERED:
            raise NoAnswerError(reply.fate)
        headers = {name.lower(): value for name, value in reply.headers}
        return HttpResponse(reply.status, headers, reply.body)

    def received(self, post: WebhookPost, *secrets: str) -> Any:
        headers = {name.lower(): value for name, value in post.headers}
        arrived = RawDelivery(headers, post.body)
        return self._driven(
            self.adapter.receive(ACCOUNT, arrived, secrets or SECRETS, self.moment)
        )

    # Time and truth.

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
        return self.world.ledger.rows("checkout")

    def executed(self, reference: str) -> int:
        return sum(
            row.merchant_reference == reference and row.executed_at is not None
            for row in self.rows()
        )


def told(post: WebhookPost) -> Any:
    return json.loads(post.body)


def code_of(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["error_codes"][0]
