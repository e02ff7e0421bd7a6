"""One Braintree gateway account in a sandbox of its own, driven by hand."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from refundwatch.gateways.braintree import documents
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.contract import (
    AccountView,
    Credentials,
    HttpRequest,
    HttpResponse,
    RawDelivery,
    RefundInstruction,
    Verdict,
)
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.braintree.model import BraintreeModel
from refundwatch.sandbox.braintree.objects import global_id
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.settings import BraintreeSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, signer

SALE = "rwsale0001"
PAIR = "sandbox_public:sandbox_private"
BASIC = "Basic " + base64.b64encode(PAIR.encode()).decode()
ACCOUNT = AccountView("braintree", "sandbox", "http://127.0.0.1:1")
CREDENTIALS = Credentials(
    {"public_key": "sandbox_public", "private_key": "sandbox_private"}
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
        **faults: float,
    ) -> None:
        account = BraintreeSettings(
            name="braintree", webhook_url=HOOK, **(settings or {})
        )
        wanted = PROFILES[profile].overridden(faults)
        config = SandboxConfig(accounts=(account,), seed=seed, faults=wanted)
        self.world = World(config, signer())
        self.now = START
        self.adapter = Braintree()
        self.add(SALE)

    @property
    def model(self) -> BraintreeModel:
        found = self.world.model("braintree")
        assert isinstance(found, BraintreeModel)
        return found

    def add(self, reference: str, amount: int = 5_000, **facts: Any) -> Payment:
        payment = Payment(
            account="braintree",
            reference=reference,
            amount_minor=amount,
            currency=facts.pop("currency", "USD"),
            created_at=self.now,
            merchant_reference=facts.pop("merchant_reference", "shop-1"),
            **facts,
        )
        return self.world.add_payments([payment])[0]

    # Calls by hand.

    def send(self, body: bytes, **headers: str) -> Reply:
        told = {"authorization": BASIC, "braintree-version": "2019-01-01"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            method="POST", path="/graphql", headers=tuple(told.items()), body=body
        )
        return self.model.handle(request, self.now)

    def ask(self, query: str, variables: Any = None, **headers: str) -> Any:
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        reply = self.send(body, **headers)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def refund(
        self,
        amount: Any = "10.00",
        *,
        key: str = "k",
        sale: str = SALE,
        reference: str = "rw-1",
        **more: Any,
    ) -> Any:
        told: dict[str, Any] = {
            "transactionId": global_id("transaction", sale),
            "clientMutationId": reference,
            "refund": {"amount": amount, "orderId": reference} | more,
        }
        if key:
            told["apiRequestKey"] = key
        return self.ask(documents.REFUND, {"input": told})

    def reverse(self, *, key: str = "k", reference: str = "rw-1") -> Any:
        told = {
            "transactionId": global_id("transaction", SALE),
            "clientMutationId": reference,
            "apiRequestKey": key,
        }
        return self.ask(documents.REVERSE, {"input": told})

    def sale(self, reference: str = SALE) -> Any:
        wanted = {"id": global_id("transaction", reference)}
        return self.ask(documents.SALE, wanted)["data"]["node"]

    # The adapter's calls.

    def instruction(self, number: int = 1, **facts: Any) -> RefundInstruction:
        plain: dict[str, Any] = {
            "account": ACCOUNT,
            "payment_reference": SALE,
            "merchant_reference": f"rw-{number:06d}",
            "idempotency_key": f"{number:032d}",
            "amount_minor": 100,
            "currency": "USD",
            "reason_code": "returned",
        }
        return RefundInstruction(**{**plain, **facts})

    def exchange(self, request: HttpRequest) -> HttpResponse:
        now = datetime.fromtimestamp(self.now, UTC)
        sent = self.adapter.authorize(request, CREDENTIALS, now)
        told = {name.lower().replace("-", "_"): value for name, value in sent.headers}
        assert (sent.method, sent.target) == ("POST", "/graphql")
        reply = self.send(sent.body, **told)
        if reply.fate is not Fate.ANSWERED:
            raise NoAnswerError(reply.fate)
        headers = {name.lower(): value for name, value in reply.headers}
        return HttpResponse(reply.status, headers, reply.body)

    def run(self, operation: Any) -> Any:
        """Let the adapter speak to the look-alike."""
        try:
            request = next(operation)
            while True:
                request = operation.send(self.exchange(request))
        except StopIteration as stop:
            return stop.value

    def received(self, post: WebhookPost) -> Verdict:
        headers = {name.lower(): value for name, value in post.headers}
        delivery = RawDelivery(headers, post.body)
        now = datetime.fromtimestamp(self.now, UTC)
        verdict: Verdict = self.run(
            self.adapter.receive(ACCOUNT, delivery, (PAIR,), now)
        )
        return verdict

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
        return self.world.ledger.rows("braintree")

    def executed(self, reference: str) -> int:
        return sum(
            row.merchant_reference == reference and row.executed_at is not None
            for row in self.rows()
        )


def code_of(answered: Any) -> str:
    [error] = answered["errors"]
    extensions = error["extensions"]
    return str(extensions.get("legacyCode") or extensions["errorClass"])
