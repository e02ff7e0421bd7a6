"""What one account of the sandbox is configured with.

Invariant: every secret here is an invented one of the sandbox; none has a repr.
"""

from dataclasses import dataclass, field

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """Hold what every account has. Port 0 lets the system pick one.

    At `second_port`, where it is not 0, the same account listens too, and no outage
    reaches it.
    """

    name: str
    port: int = 0
    webhook_url: str = ""
    second_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings(AccountSettings):
    """Hold a Stripe account. Several webhook secrets: a rotation under way."""

    secret_key: str = field(default="sk_test_sandbox", repr=False)
    webhook_secrets: tuple[str, ...] = field(default=("whsec_sandbox",), repr=False)
    api_version: str = "2026-09-30.endive"
    key_window_seconds: float = DAY_SECONDS
    events: tuple[str, ...] = (
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.refunded",
        "charge.dispute.created",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdyenSettings(AccountSettings):
    """Hold an Adyen merchant account. The first HMAC key signs."""

    merchant_account: str = "SandboxECOM"
    api_key: str = field(default="AQEsandbox", repr=False)
    username: str = "ws@Company.Sandbox"
    password: str = field(default="sandbox", repr=False)
    hmac_keys: tuple[str, ...] = field(default=("A1" * 32,), repr=False)
    webhook_user: str = ""
    webhook_password: str = field(default="", repr=False)
    key_window_seconds: float = 7 * DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class PaypalSettings(AccountSettings):
    """Hold a PayPal app.

    Every signed webhook names its certificate below ``cert_url_base``; where that is
    empty, below the address that the look-alike itself listens on.
    """

    client_id: str = "sandbox-client"
    client_secret: str = field(default="sandbox-secret", repr=False)
    webhook_id: str = "1JE4291016473214C"
    cert_url_base: str = ""
    token_seconds: int = 32_400
    key_window_seconds: float = 45 * DAY_SECONDS
    refund_limit_seconds: float = 180 * DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class KlarnaSettings(AccountSettings):
    """Hold a Klarna merchant of one region.

    Only where ``network`` names a region of the Klarna Network are there webhooks; the
    first signing key signs them. ``settlement_permission`` is 0 or 1.
    """

    username: str = "PRW0001_sandbox"
    password: str = field(default="sandbox-secret", repr=False)
    network: str = ""
    signing_keys: tuple[str, ...] = field(default=("kl_signing_sandbox",), repr=False)
    settlement_permission: int = 1
    key_window_seconds: float = DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CybersourceSettings(AccountSettings):
    """Hold a Cybersource merchant; secrets and keys are Base64.

    ``webhook_signs`` is ``payload`` (as sent), ``compact``, ``decrypted`` or ``body``:
    official sources differ. With ``encryption_certificate`` (PEM text) notifications
    are sealed for it. ``index_seconds`` is how far the search lags behind, and with
    ``bounds_refunds`` at 0 the processor gives back more than was captured.
    """

    merchant_id: str = "sandbox_merchant"
    key_id: str = "0b1c5f0e-7d0f-4a38-8f0a-5a7d0c000001"
    shared_secret: str = field(
        default="c2FuZGJveC1zaGFyZWQtc2VjcmV0LTAwMDAwMDAwMDE=", repr=False
    )
    webhook_id: str = "e339e8b1-d540-4efd-e053-8d588e0a2de5"
    webhook_key_id: str = "bdc0fe52-091e-b0d6-e053-34b8d30a0504"
    webhook_key: str = field(
        default="c2FuZGJveC13ZWJob29rLWtleS0wMDAwMDAwMDAwMDE=", repr=False
    )
    webhook_signs: str = "payload"
    encryption_certificate: str = ""
    index_seconds: float = 120.0
    refund_limit_seconds: float = 180 * DAY_SECONDS
    bounds_refunds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MollieSettings(AccountSettings):
    """Hold a Mollie profile, called by its key or by its organization's token.

    ``webhooks`` names what is sent: ``signed`` events, or ``simple`` ones without a
    snapshot, and ``classic`` forms that only name a payment. Several secrets: a
    rotation under way. Until a batch takes it, a refund can be cancelled.
    """

    api_key: str = field(default="test_sandbox", repr=False)
    access_token: str = field(default="access_sandbox", repr=False)
    webhooks: tuple[str, ...] = ("signed", "classic")
    webhook_secrets: tuple[str, ...] = field(default=("mollie_sandbox",), repr=False)
    batch_seconds: float = 2.0
    guard_seconds: float = 3_600.0
    key_window_seconds: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BraintreeSettings(AccountSettings):
    """Hold a Braintree gateway account; a key pair is written ``public:private``.

    Any pair opens the API, and every pair signs webhooks: a rotation under way. A sale
    is submitted for settlement, settles after ``sale_settles_seconds``, of which in the
    last ``hidden_seconds`` it can no longer be voided, and shows ``SETTLING`` for
    ``settling_seconds``. ``request_keys`` 0: the account may not use apiRequestKey.
    """

    key_pairs: tuple[str, ...] = field(
        default=("sandbox_public:sandbox_private",), repr=False
    )
    merchant_account_id: str = "sandbox"
    sale_settles_seconds: float = 0.0
    settling_seconds: float = 0.0
    hidden_seconds: float = 0.0
    request_keys: int = 1
    key_window_seconds: float = 30 * DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizenetSettings(AccountSettings):
    """Hold an Authorize.Net account of one currency; the first signature key signs.

    A batch closes every ``batch_seconds``, which is a day at the gateway: it settles
    the refunds before it. A sale is settled ``sale_settles_seconds`` after it was made;
    until then it can only be voided, and 0 means that it was settled long ago, in no
    batch that is listed. ``reporting`` 0: the Transaction Details API is switched off.
    """

    api_login_id: str = "sandboxLogin"
    transaction_key: str = field(default="sandboxKey000001", repr=False)
    signature_keys: tuple[str, ...] = field(default=("A1" * 64,), repr=False)
    currency: str = "USD"
    batch_seconds: float = 300.0
    sale_settles_seconds: float = 0.0
    refund_limit_seconds: float = 180 * DAY_SECONDS
    reporting: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RazorpaySettings(AccountSettings):
    """Hold a Razorpay merchant.

    Several webhook secrets: the first signs, retries keep the last, as after a change.
    ``receipt_guard`` says what a used receipt brings about: ``refuse``, ``return`` (the
    earlier refund) or ``none``. ``address_allowed`` is 0 or 1.
    """

    key_id: str = "rzp_test_sandbox"
    key_secret: str = field(default="sandbox-secret", repr=False)
    account_id: str = "acc_SANDBOX0000001"
    webhook_secrets: tuple[str, ...] = field(default=("rzp_sandbox",), repr=False)
    receipt_guard: str = "refuse"
    address_allowed: int = 1
    key_window_seconds: float = DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSettings(AccountSettings):
    """Hold a Checkout.com account: a secret key, and an access key for tokens.

    The first signature key signs. ``webhook_authorization`` is sent as it is, if set.
    """

    secret_key: str = field(default="sk_sbox_sandboxsandboxsandboxsandbo", repr=False)
    access_key_id: str = "ack_sandbox"
    access_key_secret: str = field(default="sandbox-secret", repr=False)
    signature_keys: tuple[str, ...] = field(default=("cko-sandbox-key",), repr=False)
    webhook_authorization: str = field(default="", repr=False)
    token_seconds: int = 3_600
    key_window_seconds: float = DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldpaySettings(AccountSettings):
    """Hold a Worldpay merchant code.

    ``webhook_key`` is the secret that the merchant wrote into the address of its
    notifications. ``refundable_inquiry`` (is that inquiry enabled), ``tells_refunded``
    (is there a word after SENT_FOR_REFUND) and ``echoes_reference`` are yes or no.
    Refunds are refused for ``capture_settle_seconds`` after the payment.
    """

    merchant_code: str = "RWTESTGBP"
    username: str = "RWTESTGBP"
    password: str = field(default="xml-sandbox", repr=False)
    webhook_key: str = field(default="wp-notify-sandbox", repr=False)
    refundable_inquiry: str = "yes"
    tells_refunded: str = "yes"
    echoes_reference: str = "yes"
    capture_settle_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareSettings(AccountSettings):
    """Hold a Square seller with one location.

    Webhooks are signed over ``notification_url``; where that is empty, over the address
    that they are sent to. Square does not publish how long a key lives.
    """

    access_token: str = field(default="EAAAsandbox", repr=False)
    merchant_id: str = "MLSANDBOX"
    location_id: str = "LSANDBOX1"
    signature_key: str = field(default="square_sandbox", repr=False)
    notification_url: str = ""
    api_version: str = "2025-08-20"
    key_window_seconds: float = DAY_SECONDS
    refund_limit_seconds: float = 365 * DAY_SECONDS
    most_refunds: int = 20
    payout_seconds: float = DAY_SECONDS
    events: tuple[str, ...] = (
        "refund.created",
        "refund.updated",
        "payment.updated",
        "dispute.created",
        "dispute.state.updated",
    )


AnyAccount = (
    StripeSettings
    | AdyenSettings
    | AuthorizenetSettings
    | CybersourceSettings
    | PaypalSettings
    | KlarnaSettings
    | RazorpaySettings
    | MollieSettings
    | BraintreeSettings
    | CheckoutSettings
    | WorldpaySettings
    | SquareSettings
)
