"""Drives the models by hand: a world, a time that only moves when told, and callers."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any
from urllib.parse import urlencode

from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.model import Reply, Request, WebhookPost
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.settings import (
    AdyenSettings,
    AnyAccount,
    PaypalSettings,
    StripeSettings,
)
from refundwatch.sandbox.world import World

START = 1_795_500_000.0
PI = "pi_3RwTest0001"
PSP = "993617894903480A"
CAPTURE = "2GG279541U471931P"
HOOK = "http://127.0.0.1:9/hook"


@functools.lru_cache(maxsize=1)
def signer() -> WebhookSigner:
    return WebhookSigner.made(START)


def accounts(hook: str = HOOK) -> tuple[AnyAccount, ...]:
    return (
        StripeSettings(name="stripe", webhook_url=hook),
        AdyenSettings(name="adyen", webhook_url=hook),
        PaypalSettings(name="paypal", webhook_url=hook),
    )


def config(
    profile: str = "none", *, seed: int = 7, time_scale: float = 1.0, **faults: float
) -> SandboxConfig:
    return SandboxConfig(
        accounts=accounts(),
        seed=seed,
        time_scale=time_scale,
        profile_name=profile,
        faults=PROFILES[profile].overridden(faults),
    )


class Hands:
    """One world and its time; each caller method is one request."""

    def __init__(self, profile: str = "none", seed: int = 7, **faults: float) -> None:
        self.world = World(config(profile, seed=seed, **faults), signer())
        self.now = START
        self.token = ""
        self.add("stripe", PI)
        self.add("adyen", PSP)
        self.add("paypal", CAPTURE)

    def add(
        self,
        account: str,
        reference: str,
        amount_minor: int = 5_000,
        currency: str = "EUR",
        **facts: Any,
    ) -> Payment:
        payment = Payment(
            account=account,
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            created_at=self.now,
            **facts,
        )
        return self.world.add_payments([payment])[0]

    def send(
        self,
        account: str,
        method: str,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        query: tuple[tuple[str, str], ...] = (),
    ) -> Reply:
        request = Request(
            method=method,
            path=target,
            query=query,
            headers=tuple((k.lower(), v) for k, v in (headers or {}).items()),
            body=body,
        )
        return self.world.model(account).handle(request, self.now)

    def stripe(
        self,
        method: str,
        target: str,
        params: dict[str, Any] | None = None,
        *,
        key: str = "",
        **headers: str,
    ) -> Reply:
        sent = {"Authorization": "Bearer sk_test_sandbox", **headers}
        if key:
            sent["Idempotency-Key"] = key
        if method == "GET":
            query = tuple((name, str(value)) for name, value in (params or {}).items())
            return self.send("stripe", method, target, headers=sent, query=query)
        sent["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(params or {}).encode()
        return self.send("stripe", method, target, headers=sent, body=body)

    def stripe_refund(
        self, amount: int = 1_000, *, key: str = "", rw_id: str = "rw-1", pi: str = PI
    ) -> Reply:
        params = {"payment_intent": pi, "amount": amount, "metadata[rw_id]": rw_id}
        return self.stripe("POST", "/v1/refunds", params, key=key)

    def adyen(self, target: str, body: Any, *, key: str = "", **headers: str) -> Reply:
        sent = {"X-API-Key": "AQEsandbox", "Content-Type": "application/json"}
        sent.update(headers)
        if key:
            sent["Idempotency-Key"] = key
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("adyen", "POST", target, headers=sent, body=raw)

    def adyen_refund(
        self,
        value: int = 1_000,
        *,
        key: str = "",
        reference: str = "rw-1",
        psp: str = PSP,
        currency: str = "EUR",
    ) -> Reply:
        body = {
            "merchantAccount": "SandboxECOM",
            "amount": {"currency": currency, "value": value},
            "reference": reference,
        }
        return self.adyen(f"/v72/payments/{psp}/refunds", body, key=key)

    def paypal(
        self, method: str, target: str, body: Any = None, **headers: str
    ) -> Reply:
        while not self.token:
            reply = self.paypal_token()
            if reply.status == 200:
                self.token = body_of(reply)["access_token"]
        sent = {"Authorization": f"Bearer {self.token}"}
        sent["Content-Type"] = "application/json"
        sent.update(headers)
        raw = b"" if body is None else json.dumps(body).encode()
        path, _, query_text = target.partition("?")
        query = tuple(
            (name, value)
            for name, _, value in (
                part.partition("=") for part in query_text.split("&")
            )
            if name
        )
        return self.send("paypal", method, path, headers=sent, body=raw, query=query)

    def paypal_token(self, secret: str = "sandbox-secret") -> Reply:
        pair = base64.b64encode(f"sandbox-client:{secret}".encode()).decode()
        headers = {
            "Authorization": f"Basic {pair}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = b"grant_type=client_credentials"
        return self.send(
            "paypal", "POST", "/v1/oauth2/token", headers=headers, body=body
        )

    def paypal_refund(
        self,
        value: str = "10.00",
        *,
        key: str = "",
        reference: str = "rw-1",
        capture: str = CAPTURE,
        currency: str = "EUR",
    ) -> Reply:
        body = {
            "amount": {"value": value, "currency_code": currency},
            "invoice_id": reference,
            "custom_id": reference,
        }
        headers = {"Prefer": "return=representation"}
        if key:
            headers["PayPal-Request-Id"] = key
        target = f"/v2/payments/captures/{capture}/refund"
        return self.paypal("POST", target, body, **headers)

    def refund(self, account: str, **facts: Any) -> Reply:
        send = {
            "stripe": self.stripe_refund,
            "adyen": self.adyen_refund,
            "paypal": self.paypal_refund,
        }[account]
        return send(**facts)

    def wait(self, seconds: float) -> list[WebhookPost]:
        """Let time pass step by step; answer every webhook with 200."""
        posts: list[WebhookPost] = []
        end = self.now + seconds
        while True:
            due_at = self.world.next_due()
            if due_at is None or due_at > end:
                break
            self.now = max(self.now, due_at)
            for model in self.world.models.values():
                for post in model.due(self.now):
                    posts.append(post)
                    model.webhook_answered(post.post_id, 200, self.now)
        self.now = end
        return posts

    def rows(self, account: str) -> list[Any]:
        for model in self.world.models.values():
            model.advance(self.now)
        return self.world.ledger.rows(account)


def body_of(reply: Reply) -> Any:
    return json.loads(reply.body)


def events_of(posts: list[WebhookPost]) -> list[str]:
    return [post.event for post in posts]
