"""What the simulation knows of each gateway, as data: a further one is one entry.

Invariant: what a gateway cannot be asked or told is said here, with the reason, and
nowhere else; everything not said here is played at every gateway alike.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from refundwatch.domain.idempotency import key_as_uuid
from refundwatch.gateways import registry
from refundwatch.gateways.contract import Lookup
from refundwatch.sandbox.mollie.objects import refund_object as mollie_refund
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.paypal.objects import refund_object as paypal_refund
from refundwatch.sandbox.razorpay.objects import refund_object as razorpay_refund
from refundwatch.sandbox.settings import (
    AdyenSettings,
    AuthorizenetSettings,
    BraintreeSettings,
    CheckoutSettings,
    CybersourceSettings,
    KlarnaSettings,
    MollieSettings,
    PaypalSettings,
    RazorpaySettings,
    SquareSettings,
    StripeSettings,
    WorldpaySettings,
)
from refundwatch.sandbox.square.model import SquareModel
from refundwatch.sandbox.square.objects import refund_object as square_refund
from refundwatch.sandbox.stripe.objects import refund_object as stripe_refund
from tests.flow.simloop import START

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from refundwatch.gateways.contract import HttpRequest
    from refundwatch.sandbox.books import Refund
    from refundwatch.sandbox.gateway import GatewayModel
    from refundwatch.sandbox.model import WebhookPost
    from refundwatch.sandbox.settings import AnyAccount

BASE: Final = "http://127.0.0.1:1"
HOOK: Final = "http://127.0.0.1:9/hook"


@cache
def signer() -> WebhookSigner:
    return WebhookSigner.made(START.timestamp() - 86_400)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run an account: what the look-alike and what we are told of it."""

    model: Mapping[str, Any] = field(default_factory=dict)
    ours: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """Where the answer to an order states what, so that it can be falsified.

    A path leads through the members of the answer; `entity` states a refund as the
    gateway does, so that another's can stand in an answer's place.
    """

    currency: tuple[str, ...] = ()
    payment: tuple[str, ...] = ()
    stranger: str = ""
    entity: Callable[[dict[str, Any], Refund, GatewayModel], Any] | None = None


def _event_id(post: WebhookPost) -> str | None:
    told = json.loads(post.body)
    return str(told["id"]) if "id" in told else None


@dataclass(frozen=True, slots=True)
class Known:
    """One gateway.

    `weight` is how many of so many seeds play it. `reference` makes the reference of a
    payment from the seed and a number. `key_header` bears the key of an order, or
    `key_member` of its body; where there is neither, an order is known by our reference
    alone. `written` is how a key of ours is written there. `identity` is what marks a
    delivery as the same as another, None where nothing does. `signed` is False where
    other bytes can pass under the same signature. `senseless` are faults that cannot
    happen there or that nothing can tell of before settlement does. `tells_strangers`:
    refunds that others make are told by a webhook that is repeated for hours.
    `dates_deliveries` is False where no proven time stands in a delivery, and
    `tells_amounts` where a look-up says nothing of an amount: a message does later.
    `undone` are the statuses by which it documents that an order was not performed.
    """

    account: type[AnyAccount]
    reference: Callable[[int, int], str]
    credentials: Mapping[str, str]
    rotated: Mapping[str, Any]
    webhook_secrets: tuple[str, ...] = ()
    weight: int = 1
    currency: str = "EUR"
    path: str = ""
    settings: Callable[[], Mapping[str, str]] = dict
    variants: tuple[Variant, ...] = (Variant(),)
    key_header: str = ""
    key_member: str = ""
    written: Callable[[str], str] = str
    second_key: Callable[[str], str] = "{}-at-second".format
    answers: Answers = Answers()
    identity: Callable[[WebhookPost], str | None] = _event_id
    signed: bool = True
    senseless: frozenset[str] = frozenset()
    tells_strangers: bool = True
    dates_deliveries: bool = True
    tells_amounts: bool = True
    pages: tuple[tuple[str, str], tuple[str, str]] | None = None
    undone: frozenset[int] = frozenset()

    def key_of(self, request: HttpRequest) -> str:
        """Give the key that an order bears, or the empty string."""
        if self.key_header:
            headers = {name.lower(): value for name, value in request.headers}
            return headers[self.key_header]
        if not self.key_member:
            return ""
        found: Any = json.loads(request.body)
        for name in ("variables", "input"):
            found = found.get(name, found)
        return str(found.get(self.key_member, ""))


# --- payments ---------------------------------------------------------------------


def _text(form: str) -> Callable[[int, int], str]:
    return lambda seed, number: form.format(f"{seed}x{number}")


def _padded(prefix: str, length: int) -> Callable[[int, int], str]:
    return lambda seed, number: prefix + f"{seed}x{number}".rjust(length, "a")


def _digits(start: int) -> Callable[[int, int], str]:
    return lambda seed, number: str(start + seed * 10 + number)


def _uuid(seed: int, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}x{number}"))


# --- deliveries -------------------------------------------------------------------


def _adyen_item(post: WebhookPost) -> str:
    item = json.loads(post.body)["notificationItems"][0]["NotificationRequestItem"]
    return str(item["pspReference"])


def _braintree_document(post: WebhookPost) -> str:
    payload = parse_qs(post.body.decode())["bt_payload"][0]
    return sha256(b64decode(payload)).hexdigest()


def _mollie_event(post: WebhookPost) -> str | None:
    # The unsigned form names a payment, and is read anew each time.
    return _event_id(post) if post.body.startswith(b"{") else None


def _header(name: str) -> Callable[[WebhookPost], str | None]:
    return lambda post: dict(post.headers).get(name)


def _unmarked(post: WebhookPost) -> None:
    del post


# --- answers ----------------------------------------------------------------------


def _adyen_entity(told: dict[str, Any], other: Refund, _: GatewayModel) -> Any:
    names = {"pspReference": other.id, "reference": other.merchant_reference}
    return {**told, **names}


def _square_entity(_: dict[str, Any], other: Refund, model: GatewayModel) -> Any:
    if not isinstance(model, SquareModel):
        return None
    return {"refund": dict(square_refund(other, model.settings))}


_VANISHING: Final = frozenset({"bounces"})
"""Money that comes back without a word is found by settlement, which is not played."""

_NO_KEYS: Final = frozenset({"stored_error", "held_in_flight", "key_store_down"})
"""What can only happen under a key."""


KNOWN: Final[Mapping[str, Known]] = {
    "stripe": Known(
        account=StripeSettings,
        weight=3,
        reference=_text("pi_{}"),
        credentials={"api_key": "sk_test_sandbox"},
        webhook_secrets=("whsec_sandbox",),
        rotated={"secret_key": "sk_test_rotated"},
        key_header="idempotency-key",
        answers=Answers(
            currency=("currency",),
            payment=("payment_intent",),
            stranger="pi_of_somebody_else",
            entity=lambda _, other, __: dict(stripe_refund(other)),
        ),
        pages=(("limit", "100"), ("limit", "1")),
    ),
    "paypal": Known(
        account=PaypalSettings,
        reference=_text("CAP{}"),
        credentials={
            "client_id": "sandbox-client",
            "client_secret": "sandbox-secret",
        },
        rotated={"client_secret": "rotated"},
        settings=lambda: {
            "webhook_id": "1JE4291016473214C",
            "webhook_ca_pem": signer().ca_pem,
            "webhook_cert_origin": BASE,
        },
        key_header="paypal-request-id",
        answers=Answers(
            currency=("amount", "currency_code"),
            entity=lambda _, other, model: dict(paypal_refund(other, model.books)),
        ),
    ),
    "adyen": Known(
        account=AdyenSettings,
        reference=_text("PSP{}"),
        credentials={"api_key": "AQEsandbox"},
        webhook_secrets=("A1" * 32,),
        rotated={"api_key": "AQErotated"},
        path="/v72",
        settings=lambda: {"merchant_account": "SandboxECOM"},
        key_header="idempotency-key",
        answers=Answers(
            currency=("amount", "currency"),
            payment=("paymentPspReference",),
            stranger="PSPOFSOMEBODYELS",
            entity=_adyen_entity,
        ),
        identity=_adyen_item,
        # It signs the fields of an item, not its bytes.
        signed=False,
    ),
    "braintree": Known(
        account=BraintreeSettings,
        reference=_padded("", 12),
        currency="USD",
        credentials={"public_key": "sandbox_public", "private_key": "sandbox_private"},
        webhook_secrets=("sandbox_public:sandbox_private",),
        rotated={"key_pairs": ("sandbox_public:rotated",)},
        key_member="apiRequestKey",
        identity=_braintree_document,
        # A refund of a card settles without a word, whoever made it.
        tells_strangers=False,
    ),
    "checkout": Known(
        account=CheckoutSettings,
        reference=_padded("pay_", 26),
        credentials={"secret_key": "sk_sbox_sandboxsandboxsandboxsandbo"},
        webhook_secrets=("cko-sandbox-key",),
        rotated={"secret_key": "sk_sbox_rotatedrotatedrotatedrotate"},
        key_header="cko-idempotency-key",
    ),
    "authorizenet": Known(
        account=AuthorizenetSettings,
        reference=_digits(60_000_000_000),
        currency="USD",
        credentials={
            "api_login_id": "sandboxLogin",
            "transaction_key": "sandboxKey000001",
        },
        webhook_secrets=("A1" * 64,),
        rotated={"transaction_key": "rotatedKey000001"},
        settings=lambda: {"currency": "USD"},
        identity=lambda post: str(json.loads(post.body)["notificationId"]),
        senseless=_NO_KEYS | _VANISHING,
    ),
    "mollie": Known(
        account=MollieSettings,
        reference=_padded("tr_", 12),
        credentials={"api_key": "test_sandbox"},
        webhook_secrets=("mollie_sandbox",),
        rotated={"api_key": "test_rotated"},
        key_header="idempotency-key",
        answers=Answers(
            currency=("amount", "currency"),
            payment=("paymentId",),
            stranger="tr_somebodyelse",
            entity=lambda _, other, __: dict(mollie_refund(other)),
        ),
        identity=_mollie_event,
        # Its guard against equal amounts, and "refunds in parallel, not performed".
        undone=frozenset({409, 503}),
    ),
    "klarna": Known(
        account=KlarnaSettings,
        reference=_uuid,
        currency="SEK",
        credentials={"username": "PRW0001_sandbox", "password": "sandbox-secret"},
        webhook_secrets=("kl_signing_sandbox",),
        rotated={"password": "rotated"},
        variants=(Variant(model={"network": "eu1"}), Variant()),
        key_header="klarna-idempotency-key",
        written=key_as_uuid,
        second_key=lambda key: str(uuid.uuid5(uuid.NAMESPACE_OID, key)),
        identity=lambda post: str(json.loads(post.body)["metadata"]["event_id"]),
        # Its events tell that something was refunded, and not what.
        tells_strangers=False,
    ),
    "razorpay": Known(
        account=RazorpaySettings,
        reference=_padded("pay_", 14),
        currency="INR",
        credentials={"key_id": "rzp_test_sandbox", "key_secret": "sandbox-secret"},
        webhook_secrets=("rzp_sandbox",),
        rotated={"key_secret": "rotated"},
        variants=tuple(
            Variant(model={"receipt_guard": guard})
            for guard in ("refuse", "return", "none")
        ),
        key_header="x-refund-idempotency",
        answers=Answers(
            currency=("currency",),
            payment=("payment_id",),
            stranger="pay_ofsomebodyels",
            entity=lambda _, other, __: dict(razorpay_refund(other)),
        ),
        identity=_header("X-Razorpay-Event-Id"),
    ),
    "cybersource": Known(
        account=CybersourceSettings,
        reference=_digits(7_398_201_234_567_890_000_000),
        currency="USD",
        credentials={
            "key_id": "0b1c5f0e-7d0f-4a38-8f0a-5a7d0c000001",
            "shared_secret": "c2FuZGJveC1zaGFyZWQtc2VjcmV0LTAwMDAwMDAwMDE=",
        },
        webhook_secrets=("c2FuZGJveC13ZWJob29rLWtleS0wMDAwMDAwMDAwMDE=",),
        rotated={"shared_secret": "cm90YXRlZC1zaGFyZWQtc2VjcmV0LTAwMDAwMDAwMDE="},
        settings=lambda: {"merchant_id": "sandbox_merchant"},
        answers=Answers(currency=("refundAmountDetails", "currency")),
        # Each attempt is written anew, and it is the refund that counts.
        identity=_unmarked,
        # Some deliveries sign their payload alone.
        signed=False,
        senseless=_NO_KEYS | _VANISHING,
        # It repeats a delivery three times within minutes.
        tells_strangers=False,
        # Of a payload that is signed alone, nothing proves when it was written.
        dates_deliveries=False,
    ),
    "square": Known(
        account=SquareSettings,
        reference=_padded("", 24),
        currency="USD",
        credentials={"access_token": "EAAAsandbox"},
        webhook_secrets=("square_sandbox",),
        rotated={"access_token": "EAAArotated"},
        settings=lambda: {"notification_url": HOOK},
        key_member="idempotency_key",
        answers=Answers(
            currency=("refund", "amount_money", "currency"),
            payment=("refund", "payment_id"),
            stranger="ofsomebodyelse",
            entity=_square_entity,
        ),
        identity=lambda post: str(json.loads(post.body)["event_id"]),
    ),
    "worldpay": Known(
        account=WorldpaySettings,
        reference=_text("order-{}"),
        currency="GBP",
        credentials={"username": "RWTESTGBP", "password": "xml-sandbox"},
        webhook_secrets=("wp-notify-sandbox",),
        rotated={"password": "rotated"},
        settings=lambda: {"merchant_code": "RWTESTGBP"},
        variants=(
            Variant(ours={"refundable_amount_inquiry": "yes"}),
            Variant(),
        ),
        # A notification says which refund changed, and has no id of its own.
        identity=_unmarked,
        # What proves a notification is the secret in the address.
        signed=False,
        senseless=_NO_KEYS,
        # A day of booking has no time.
        dates_deliveries=False,
        tells_amounts=False,
    ),
}

CURRENCIES: Final = tuple(sorted({known.currency for known in KNOWN.values()}))


def known_as(account: str) -> Known:
    """Give the gateway of an account, whose name begins with it."""
    return KNOWN[account.partition("-")[0]]


def has_look_up(gateway: str) -> bool:
    """Tell whether an unknown can be asked for; else it may wait for its message."""
    return registry.gateway(gateway).capabilities.lookup is not Lookup.NONE


def looks_before_resend(gateway: str) -> bool:
    """Tell whether an unknown is sent again only after looks that found nothing."""
    return registry.gateway(gateway).capabilities.resend_wait_seconds > 0
