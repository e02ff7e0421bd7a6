"""One Authorize.Net account in a sandbox of its own, driven by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from refundwatch.gateways.authorizenet.adapter import AuthorizeNet
from refundwatch.gateways.contract import (
    AccountView,
    Credentials,
    HttpRequest,
    HttpResponse,
    RawDelivery,
    RefundInstruction,
    Verdict,
)
from refundwatch.sandbox.authorizenet.model import AuthorizenetModel
from refundwatch.sandbox.authorizenet.objects import last_four
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.settings import AuthorizenetSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import HOOK, START, signer

if TYPE_CHECKING:
    from collections.abc import Generator

SALE = "60190000100"
KEY = "A1" * 64
PATH = "/xml/v1/request.api"
LOGIN = {"name": "sandboxLogin", "transactionKey": "sandboxKey000001"}
ACCOUNT = AccountView(
    "authorizenet", "sandbox", "http://127.0.0.1:1", {"currency": "USD"}
)
CREDENTIALS = Credentials(
    {"api_login_id": "sandboxLogin", "transaction_key": "sandboxKey000001"}
)


class NoAnswerError(Exception):
    """What a transport reports when nothing whole came back."""


def reference(number: int) -> str:
    """Give a reference of the form that the hub gives: `rw` and 18 of `a-z2-7`."""
    digits = "".join("234567abcd"[int(digit)] for digit in f"{number:06d}")
    return f"rwaaaaaaaaaaaa{digits}"


class Merchant:
    """One world and its time; each caller method is one request."""

    def __init__(
        self,
        profile: str = "none",
        seed: int = 7,
        settings: dict[str, Any] | None = None,
        **faults: float,
    ) -> None:
        account = AuthorizenetSettings(
            name="authorizenet", webhook_url=HOOK, **(settings or {})
        )
        wanted = PROFILES[profile].overridden(faults)
        config = SandboxConfig(accounts=(account,), seed=seed, faults=wanted)
        self.world = World(config, signer())
        self.now = START
        self.adapter = AuthorizeNet()
        self.add(SALE)

    @property
    def model(self) -> AuthorizenetModel:
        found = self.world.model("authorizenet")
        assert isinstance(found, AuthorizenetModel)
        return found

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def add(self, sale_id: str, amount: int = 5_000, **facts: Any) -> Payment:
        payment = Payment(
            account="authorizenet",
            reference=sale_id,
            amount_minor=amount,
            currency=facts.pop("currency", "USD"),
            created_at=facts.pop("created_at", self.now),
            **facts,
        )
        return self.world.add_payments([payment])[0]

    # What another client sends.

    def post(self, body: Any) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = (("content-type", "application/json"),)
        request = Request(method="POST", path=PATH, headers=headers, body=raw)
        return self.model.handle(request, self.now)

    def call(self, name: str, **content: Any) -> Any:
        """Make a call whose answer arrives whole."""
        reply = self.post({name: {"merchantAuthentication": LOGIN, **content}})
        assert reply.fate is Fate.ANSWERED
        assert reply.status == 200
        return read(reply)

    def order(self, **changes: Any) -> dict[str, Any]:
        """Give a refund as another client would write it; None leaves one out."""
        digits = last_four(self.model.payment(changes.get("refTransId") or SALE))
        card = {"cardNumber": f"XXXX{digits}", "expirationDate": "XXXX"}
        plain = {
            "transactionType": "refundTransaction",
            "amount": "12.50",
            "currencyCode": "USD",
            "payment": {"creditCard": card},
            "refTransId": SALE,
            "order": {"invoiceNumber": "rw-1"},
        } | changes
        return {name: value for name, value in plain.items() if value is not None}

    def refund(self, ref_id: str = "rw-1", **changes: Any) -> Any:
        return self.call(
            "createTransactionRequest",
            refId=ref_id,
            transactionRequest=self.order(**changes),
        )

    def void(self, transaction_id: str = SALE) -> Any:
        order = {"transactionType": "voidTransaction", "refTransId": transaction_id}
        return self.call("createTransactionRequest", transactionRequest=order)

    def details(self, transaction_id: str) -> Any:
        return self.call("getTransactionDetailsRequest", transId=transaction_id)

    # What the adapter sends.

    def instruction(self, number: int = 1, **changes: Any) -> RefundInstruction:
        plain: dict[str, Any] = {
            "account": ACCOUNT,
            "payment_reference": SALE,
            "merchant_reference": reference(number),
            "idempotency_key": f"{number:032d}",
            "amount_minor": 100,
            "currency": "USD",
            "reason_code": "returned",
            "created_at": self.moment - timedelta(seconds=5),
        }
        return RefundInstruction(**(plain | changes))

    def exchange(self, request: HttpRequest) -> HttpResponse:
        sent = self.adapter.authorize(request, CREDENTIALS, self.moment)
        reply = self.model.handle(
            Request(
                method=sent.method,
                path=sent.target,
                headers=tuple((name.lower(), value) for name, value in sent.headers),
                body=sent.body,
            ),
            self.now,
        )
        if reply.fate is not Fate.ANSWERED:
            raise NoAnswerError(reply.fate)
        headers = {name.lower(): value for name, value in reply.headers}
        headers["date"] = self.moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return HttpResponse(reply.status, headers, reply.body)

    def run(self, operation: Generator[Any, Any, Any]) -> Any:
        try:
            request = next(operation)
            while True:
                request = operation.send(self.exchange(request))
        except StopIteration as done:
            return done.value

    def received(self, post: WebhookPost) -> Verdict:
        headers = {name.lower(): value for name, value in post.headers}
        delivery = RawDelivery(headers, post.body)
        found: Verdict = self.run(
            self.adapter.receive(ACCOUNT, delivery, (KEY,), self.moment)
        )
        return found

    # Time and truth.

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
        return self.world.ledger.rows("authorizenet")


def read(reply: Reply) -> Any:
    """Read an answer; it begins with a byte order mark."""
    assert reply.body.startswith(b"\xef\xbb\xbf")
    return json.loads(reply.body.decode("utf-8-sig"))


def reason(answer: Any) -> str:
    [error] = answer["transactionResponse"]["errors"]
    found: str = error["errorCode"]
    return found


def code(answer: Any) -> str:
    [message] = answer["messages"]["message"]
    found: str = message["code"]
    return found
