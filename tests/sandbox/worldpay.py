"""One Worldpay merchant in a sandbox of its own, driven by hand."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from refundwatch.gateways.contract import (
    AccountView,
    Credentials,
    HttpResponse,
    RawDelivery,
    RefundInstruction,
)
from refundwatch.gateways.worldpay.adapter import Worldpay
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Fate, Reply, Request, WebhookPost
from refundwatch.sandbox.settings import WorldpaySettings
from refundwatch.sandbox.world import World
from refundwatch.sandbox.worldpay.model import PATH, WorldpayModel
from tests.sandbox.hands import HOOK, START, signer
from tests.unit.gateways.worldpay_talk import DOCTYPE

ORDER = "rw-order-10042"
KEY = "wp-notify-sandbox"
USER, PASSWORD = "RWTESTGBP", "xml-sandbox"
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
        account = WorldpaySettings(
            name="worldpay", webhook_url=HOOK, **(settings or {})
        )
        wanted = PROFILES[profile].overridden(faults)
        config = SandboxConfig(accounts=(account,), seed=seed, faults=wanted)
        self.world = World(config, signer())
        self.now = START
        self.adapter = Worldpay()
        self.account = AccountView(
            "worldpay",
            "sandbox",
            "http://127.0.0.1:1",
            {"merchant_code": "RWTESTGBP", "refundable_amount_inquiry": "yes"},
        )
        self.add(ORDER)

    @property
    def model(self) -> WorldpayModel:
        found = self.world.model("worldpay")
        assert isinstance(found, WorldpayModel)
        return found

    def add(
        self, code: str, amount: int = 12_000, currency: str = "GBP", **facts: Any
    ) -> Payment:
        payment = Payment(
            account="worldpay",
            reference=code,
            amount_minor=amount,
            currency=currency,
            created_at=self.now,
            **facts,
        )
        return self.world.add_payments([payment])[0]

    # --- documents by hand ----------------------------------------------------------

    def post(self, body: bytes, *, password: str = PASSWORD, path: str = PATH) -> Reply:
        pair = base64.b64encode(f"{USER}:{password}".encode()).decode()
        headers = (("authorization", f"Basic {pair}"), ("content-type", "text/xml"))
        request = Request(method="POST", path=path, headers=headers, body=body)
        return self.model.handle(request, self.now)

    def say(self, content: str, merchant: str = "RWTESTGBP") -> str:
        """Post a document; give the answer's text."""
        root = f'<paymentService version="1.4" merchantCode="{merchant}">'
        reply = self.post(f"{DOCTYPE}{root}{content}</paymentService>".encode())
        assert reply.status == 200, reply
        return reply.body.decode()

    def modify(self, what: str, code: str = ORDER) -> str:
        inside = f'<orderModification orderCode="{code}">{what}</orderModification>'
        return self.say(f"<modify>{inside}</modify>")

    def refund(
        self,
        value: object = 595,
        *,
        reference: str | None = "rw-1",
        currency: str = "GBP",
        exponent: object = 2,
        code: str = ORDER,
    ) -> str:
        named = "" if reference is None else f' reference="{reference}"'
        stated = f'value="{value}" currencyCode="{currency}"'
        if exponent is not None:
            stated += f' exponent="{exponent}"'
        return self.modify(f"<refund{named}><amount {stated}/></refund>", code)

    def inquire(self, what: str = "orderInquiry", code: str = ORDER) -> str:
        return self.say(f'<inquiry><{what} orderCode="{code}"/></inquiry>')

    # --- through the adapter --------------------------------------------------------

    def instruction(self, number: int = 1, **facts: Any) -> RefundInstruction:
        plain: dict[str, Any] = {
            "account": self.account,
            "payment_reference": ORDER,
            "merchant_reference": f"rw-{number:06d}",
            "idempotency_key": f"{number:032d}",
            "amount_minor": 100,
            "currency": "GBP",
            "reason_code": "returned",
        }
        return RefundInstruction(**{**plain, **facts})

    def run(self, operation: Any) -> Any:
        """Let the adapter speak to the look-alike."""
        try:
            request = next(operation)
            while True:
                now = datetime.fromtimestamp(self.now, UTC)
                sent = self.adapter.authorize(request, CREDENTIALS, now)
                told = tuple((name.lower(), text) for name, text in sent.headers)
                reply = self.model.handle(
                    Request(
                        method=sent.method,
                        path=sent.target,
                        headers=told,
                        body=sent.body,
                    ),
                    self.now,
                )
                if reply.fate is not Fate.ANSWERED:
                    raise NoAnswerError(reply.fate)
                headers = {name.lower(): value for name, value in reply.headers}
                request = operation.send(
                    HttpResponse(reply.status, headers, reply.body)
                )
        except StopIteration as stop:
            return stop.value

    def received(self, post: WebhookPost, *secrets: str) -> Any:
        now = datetime.fromtimestamp(self.now, UTC)
        query = dict(parse_qsl(urlsplit(post.url).query))
        raw = RawDelivery({}, post.body, query)
        return self.run(self.adapter.receive(self.account, raw, secrets or (KEY,), now))

    # --- time -----------------------------------------------------------------------

    def wait(
        self, seconds: float, answer: bytes | None = b"[OK]", status: int | None = 200
    ) -> list[WebhookPost]:
        """Let time pass; answer every notification alike."""
        posts: list[WebhookPost] = []
        end = self.now + seconds
        while (due_at := self.world.next_due()) is not None and due_at <= end:
            self.now = max(self.now, due_at)
            for post in self.model.due(self.now):
                posts.append(post)
                self.model.webhook_answered(post.post_id, status, self.now, answer)
        self.now = end
        return posts

    def rows(self) -> list[Any]:
        self.model.advance(self.now)
        return self.world.ledger.rows("worldpay")


def event_in(answer: str) -> str:
    found = re.search(r"<lastEvent>([A-Z_]+)</lastEvent>", answer)
    return found[1] if found else ""


def error_in(answer: str) -> str:
    found = re.search(r'<error(?: code="(\d+)")?>', answer)
    return (found[1] or "none") if found else ""


def events_of(posts: list[WebhookPost]) -> list[str]:
    return [post.event for post in posts]
