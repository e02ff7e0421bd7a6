"""The demo's merchant accounts: one at every gateway, some with two ways to it.

Invariant: every secret named here is drawn for one run and opens nothing else.
"""

from __future__ import annotations

import secrets
import uuid
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Draw = Callable[[], str]

MAIN: Final = ("main",)
SECOND: Final = "second"
TWO: Final = (*MAIN, SECOND)
GUARD_SECONDS: Final = 100
"""How long the look-alike of Mollie refuses an equal amount, before the time scale."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One account, on both sides.

    `drawn` are its secrets by file name, `joined` files of several, with colons
    between. The look-alike is told `sandbox` as TOML, in which the name of a secret in
    braces stands for it; the daemon gets `credentials` and `webhook_secrets` as file
    names. In `endpoint` and `settings` `{port}` is the look-alike's port, `{hook}`
    where the hub takes webhooks, and `{guard}` how many seconds Mollie's guard lasts.
    `reference` makes a payment's reference of sixteen letters and digits, the last
    eight of which count up.
    """

    name: str
    gateway: str
    timezone: str
    currencies: tuple[str, ...]
    drawn: Mapping[str, Draw]
    sandbox: Mapping[str, str]
    credentials: Mapping[str, str]
    webhook_secrets: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = "http://127.0.0.1:{port}"
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    connections: tuple[str, ...] = MAIN
    reference: Callable[[str], str] = str


def _hex(length: int, prefix: str = "") -> Draw:
    return lambda: prefix + secrets.token_hex(length)


def _base64(length: int) -> Draw:
    return lambda: b64encode(secrets.token_bytes(length)).decode()


def _prefixed(prefix: str, length: int = 16) -> Callable[[str], str]:
    return lambda text: prefix + text.rjust(length, "A")


def _digits(start: int) -> Callable[[str], str]:
    return lambda text: str(start + int(text[-8:]))


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


EVERY: Final[Mapping[str, DemoAccount]] = {
    it.name: it
    for it in (
        DemoAccount(
            name="stripe-uk",
            gateway="stripe",
            timezone="Europe/London",
            currencies=("GBP", "EUR", "JPY"),
            drawn={
                "stripe.key": _hex(12, "sk_test_"),
                "stripe.webhook": _hex(16, "whsec_"),
            },
            sandbox={
                "secret_key": '"{stripe.key}"',
                "webhook_secrets": '["{stripe.webhook}"]',
            },
            credentials={"api_key": "stripe.key"},
            webhook_secrets=("stripe.webhook",),
            connections=TWO,
            reference=_prefixed("pi_"),
        ),
        DemoAccount(
            name="adyen-eu",
            gateway="adyen",
            timezone="Europe/Amsterdam",
            currencies=("EUR", "PLN"),
            drawn={
                "adyen.key": _hex(16, "AQE"),
                "adyen.hmac": lambda: secrets.token_hex(32).upper(),
            },
            sandbox={
                "merchant_account": '"DemoECOM"',
                "api_key": '"{adyen.key}"',
                "hmac_keys": '["{adyen.hmac}"]',
            },
            credentials={"api_key": "adyen.key"},
            webhook_secrets=("adyen.hmac",),
            settings={"merchant_account": "DemoECOM"},
            endpoint="http://127.0.0.1:{port}/v72",
        ),
        DemoAccount(
            name="paypal-us",
            gateway="paypal",
            timezone="America/Los_Angeles",
            currencies=("USD", "JPY"),
            drawn={
                "paypal.id": _hex(8, "client-"),
                "paypal.secret": _hex(16),
            },
            sandbox={
                "client_id": '"{paypal.id}"',
                "client_secret": '"{paypal.secret}"',
                "webhook_id": '"1JE4291016473214C"',
            },
            credentials={"client_id": "paypal.id", "client_secret": "paypal.secret"},
            settings={
                "webhook_id": "1JE4291016473214C",
                "webhook_ca_file": "paypal-ca.pem",
                "webhook_cert_origin": "http://127.0.0.1:{port}",
            },
            connections=TWO,
        ),
        DemoAccount(
            name="square-us",
            gateway="square",
            timezone="America/Los_Angeles",
            currencies=("USD", "JPY"),
            drawn={
                "square.token": _hex(16, "EAAA"),
                "square.signature": _hex(16),
            },
            sandbox={
                "access_token": '"{square.token}"',
                "signature_key": '"{square.signature}"',
                "merchant_id": '"MLDEMO"',
            },
            credentials={"access_token": "square.token"},
            webhook_secrets=("square.signature",),
            settings={
                "notification_url": "{hook}/square-us",
                "merchant_id": "MLDEMO",
            },
        ),
        DemoAccount(
            name="braintree-us",
            gateway="braintree",
            timezone="America/Chicago",
            currencies=("USD",),
            drawn={
                "braintree.public": _hex(8),
                "braintree.private": _hex(16),
            },
            joined={"braintree.pair": ("braintree.public", "braintree.private")},
            sandbox={"key_pairs": '["{braintree.public}:{braintree.private}"]'},
            credentials={
                "public_key": "braintree.public",
                "private_key": "braintree.private",
            },
            webhook_secrets=("braintree.pair",),
        ),
        DemoAccount(
            name="checkout-eu",
            gateway="checkout",
            timezone="Europe/Paris",
            currencies=("EUR", "GBP"),
            drawn={
                "checkout.key": lambda: f"sk_sbox_{secrets.token_hex(14)}",
                "checkout.signature": _hex(16),
            },
            sandbox={
                "secret_key": '"{checkout.key}"',
                "signature_keys": '["{checkout.signature}"]',
            },
            credentials={"secret_key": "checkout.key"},
            webhook_secrets=("checkout.signature",),
            reference=lambda text: "pay_" + text.lower().rjust(26, "a"),
        ),
        DemoAccount(
            name="authorizenet-us",
            gateway="authorizenet",
            timezone="America/Denver",
            currencies=("USD",),
            drawn={
                "authorizenet.login": _hex(6, "demo"),
                "authorizenet.key": _hex(8),
                "authorizenet.signature": lambda: secrets.token_hex(64).upper(),
            },
            sandbox={
                "api_login_id": '"{authorizenet.login}"',
                "transaction_key": '"{authorizenet.key}"',
                "signature_keys": '["{authorizenet.signature}"]',
                "batch_seconds": "60.0",
            },
            credentials={
                "api_login_id": "authorizenet.login",
                "transaction_key": "authorizenet.key",
            },
            webhook_secrets=("authorizenet.signature",),
            settings={"currency": "USD"},
            reference=_digits(60_000_000_000),
        ),
        DemoAccount(
            name="mollie-nl",
            gateway="mollie",
            timezone="Europe/Amsterdam",
            currencies=("EUR", "PLN"),
            drawn={
                "mollie.key": _hex(15, "test_"),
                "mollie.webhook": _hex(16, "mollie_"),
            },
            sandbox={
                "api_key": '"{mollie.key}"',
                "webhook_secrets": '["{mollie.webhook}"]',
                "guard_seconds": f"{GUARD_SECONDS}.0",
            },
            credentials={"api_key": "mollie.key"},
            webhook_secrets=("mollie.webhook",),
            settings={"duplicate_guard_seconds": "{guard}"},
            connections=TWO,
            reference=_prefixed("tr_"),
        ),
        DemoAccount(
            name="klarna-eu",
            gateway="klarna",
            timezone="Europe/Stockholm",
            currencies=("SEK", "EUR"),
            drawn={
                "klarna.user": _hex(4, "PRW0001_"),
                "klarna.password": _hex(16),
            },
            sandbox={
                "username": '"{klarna.user}"',
                "password": '"{klarna.password}"',
            },
            credentials={"username": "klarna.user", "password": "klarna.password"},
            reference=_uuid,
        ),
        DemoAccount(
            name="razorpay-in",
            gateway="razorpay",
            timezone="Asia/Kolkata",
            currencies=("INR",),
            drawn={
                "razorpay.id": _hex(7, "rzp_test_"),
                "razorpay.secret": _hex(12),
                "razorpay.webhook": _hex(16),
            },
            sandbox={
                "key_id": '"{razorpay.id}"',
                "key_secret": '"{razorpay.secret}"',
                "webhook_secrets": '["{razorpay.webhook}"]',
            },
            credentials={"key_id": "razorpay.id", "key_secret": "razorpay.secret"},
            webhook_secrets=("razorpay.webhook",),
            reference=lambda text: f"pay_{text[:6]}{text[-8:]}",
        ),
        DemoAccount(
            name="cybersource-us",
            gateway="cybersource",
            timezone="America/New_York",
            currencies=("USD",),
            drawn={
                "cybersource.id": lambda: str(uuid.uuid4()),
                "cybersource.secret": _base64(32),
                "cybersource.webhook": _base64(32),
            },
            sandbox={
                "merchant_id": '"demo_merchant"',
                "key_id": '"{cybersource.id}"',
                "shared_secret": '"{cybersource.secret}"',
                "webhook_key": '"{cybersource.webhook}"',
            },
            credentials={
                "key_id": "cybersource.id",
                "shared_secret": "cybersource.secret",
            },
            webhook_secrets=("cybersource.webhook",),
            settings={"merchant_id": "demo_merchant"},
            reference=_digits(7_398_201_234_567_890_000_000),
        ),
        DemoAccount(
            name="worldpay-uk",
            gateway="worldpay",
            timezone="Europe/London",
            currencies=("GBP", "EUR"),
            drawn={
                "worldpay.user": _hex(4, "DEMO"),
                "worldpay.password": _hex(16),
                "worldpay.address": _hex(16),
            },
            sandbox={
                "merchant_code": '"DEMOGBP"',
                "username": '"{worldpay.user}"',
                "password": '"{worldpay.password}"',
                "webhook_key": '"{worldpay.address}"',
            },
            credentials={"username": "worldpay.user", "password": "worldpay.password"},
            webhook_secrets=("worldpay.address",),
            settings={"merchant_code": "DEMOGBP"},
        ),
    )
}
"""Every account of the demo, by name."""
