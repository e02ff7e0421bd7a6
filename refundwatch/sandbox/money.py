"""Amounts in each gateway's own form, from ISO 4217 minor units and back.

Invariant: integers and decimal text only; a conversion is exact or refused. The ledger
and the admin API speak ISO 4217 minor units, the look-alikes speak the gateway's form.
Written apart from the product's own money code, so that both cannot share a mistake.
"""

import re
from dataclasses import dataclass

_ISO_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}

_STRIPE_ZERO = [
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "JPY",
    "KMF",
    "KRW",
    "MGA",
    "PYG",
    "RWF",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
]
_STRIPE_THREE = ["BHD", "JOD", "KWD", "OMR", "TND"]

# Source: gateways/stripe.md section 7 (Stripe "Supported currencies", read 2026-11).
_STRIPE_DIGITS = {
    **dict.fromkeys(_STRIPE_ZERO, 0),
    **dict.fromkeys(_STRIPE_THREE, 3),
}
_STRIPE_STEP = {
    **dict.fromkeys(("ISK", "UGX"), 100),
    **dict.fromkeys(_STRIPE_THREE, 10),
}

# Source: gateways/adyen.md section 7 (Adyen "Currency codes", read 2026-11).
_ADYEN_DIGITS = {
    **dict.fromkeys(
        [
            "CVE",
            "DJF",
            "GNF",
            "IDR",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(("CLP", "ISK"), 2),
}

# Source: gateways/paypal.md section 7 (PayPal "Currency codes", read 2026-11).
PAYPAL_CURRENCIES = frozenset(
    [
        "AUD",
        "BRL",
        "CAD",
        "CHF",
        "CNY",
        "CZK",
        "DKK",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "ILS",
        "JPY",
        "MXN",
        "MYR",
        "NOK",
        "NZD",
        "PHP",
        "PLN",
        "SEK",
        "SGD",
        "THB",
        "TWD",
        "USD",
    ]
)
_PAYPAL_DIGITS = dict.fromkeys(("HUF", "JPY", "TWD"), 0)

# Source: gateways/klarna.md section 7: two decimals in every market of Klarna's.
_KLARNA_DIGITS: dict[str, int] = {}

# Source: gateways/razorpay.md section 7: ISO's decimals, the third of them zero.
_RAZORPAY_DIGITS = dict(_ISO_DIGITS)
_RAZORPAY_STEP = {code: 10 for code, digits in _ISO_DIGITS.items() if digits == 3}  # noqa: PLR2004
_CHECKOUT_THREE = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]

# Source: gateways/checkout.md section 7 (Checkout.com "Format the amount value", read
# 2026-11).
_CHECKOUT_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(_CHECKOUT_THREE, 3),
}
# Source: gateways/worldpay.md section 7 (lists of integrators, read 2026-11).
_WORLDPAY_DIGITS = {**_ISO_DIGITS, **dict.fromkeys(("HUF", "IDR"), 0)}

_DECIMAL = re.compile(r"^(-?)(\d*)(?:\.(\d+))?$", re.ASCII)


class AmountRefusedError(ValueError):
    """Say that an amount has no exact form on the other side."""


@dataclass(frozen=True, slots=True)
class AmountForm:
    """Hold the digits a gateway writes and the step its integers must keep."""

    digits: dict[str, int]
    steps: dict[str, int]

    def digits_of(self, currency: str) -> int:
        """Return how many decimals the gateway gives a currency."""
        return self.digits.get(currency.upper(), 2)

    def to_gateway(self, amount_minor: int, currency: str) -> int:
        """Turn ISO minor units into the gateway's integer.

        Raises: AmountRefusedError when the gateway cannot write the amount.
        """
        have, want = iso_digits(currency), self.digits_of(currency)
        value = _rescale(amount_minor, have, want)
        if value % self.steps.get(currency.upper(), 1):
            message = f"{amount_minor} {currency} is not a multiple the gateway takes"
            raise AmountRefusedError(message)
        return value

    def from_gateway(self, value: int, currency: str) -> int:
        """Turn the gateway's integer into ISO minor units.

        Raises: AmountRefusedError when ISO minor units cannot hold the amount.
        """
        if value % self.steps.get(currency.upper(), 1):
            message = f"{value} {currency} breaks the gateway's step"
            raise AmountRefusedError(message)
        return _rescale(value, self.digits_of(currency), iso_digits(currency))


# Source: gateways/braintree.md section 7: none, two or three decimals, as ISO has.
_BRAINTREE_DIGITS = {code: n for code, n in _ISO_DIGITS.items() if n in (0, 3)}

STRIPE = AmountForm(_STRIPE_DIGITS, _STRIPE_STEP)
ADYEN = AmountForm(_ADYEN_DIGITS, {})
# Source: Square "Working with monetary amounts": minor units by ISO 4217 (2026-11).
SQUARE = AmountForm(_ISO_DIGITS, {})
PAYPAL = AmountForm(_PAYPAL_DIGITS, {})
# Source: gateways/mollie.md section 7: the decimals of ISO 4217, without exception.
MOLLIE = AmountForm(_ISO_DIGITS, {})
BRAINTREE = AmountForm(_BRAINTREE_DIGITS, {})
# Source: gateways/authorizenet.md section 7: two decimals are always written.
AUTHORIZENET = AmountForm({}, {})
KLARNA = AmountForm(_KLARNA_DIGITS, {})
RAZORPAY = AmountForm(_RAZORPAY_DIGITS, _RAZORPAY_STEP)
WORLDPAY = AmountForm(_WORLDPAY_DIGITS, {})
# Source: gateways/cybersource.md section 7: decimals by ISO 4217 (read 2026-11).
CYBERSOURCE = AmountForm(_ISO_DIGITS, {})
CHECKOUT = AmountForm(_CHECKOUT_DIGITS, dict.fromkeys(_CHECKOUT_THREE, 10))


def iso_digits(currency: str) -> int:
    """Return the ISO 4217 exponent of a currency code."""
    return _ISO_DIGITS.get(currency.upper(), 2)


def _rescale(value: int, have: int, want: int) -> int:
    if want >= have:
        factor: int = 10 ** (want - have)
        return value * factor
    unit: int = 10 ** (have - want)
    if value % unit:
        message = f"{value} with {have} decimals has no form with {want}"
        raise AmountRefusedError(message)
    return value // unit


def decimal_text(amount_minor: int, currency: str, form: AmountForm = PAYPAL) -> str:
    """Write ISO minor units as the gateway's decimal text."""
    value = form.to_gateway(amount_minor, currency)
    digits = form.digits_of(currency)
    if not digits:
        return str(value)
    sign, magnitude = ("-", -value) if value < 0 else ("", value)
    whole, part = divmod(magnitude, 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}"


def decimal_places(text: str) -> int:
    """Return how many decimals a text writes.

    Raises: AmountRefusedError when the text is not a decimal number.
    """
    return len(_parts(text)[2])


def decimal_minor(text: str, currency: str, form: AmountForm = PAYPAL) -> int:
    """Read the gateway's decimal text as ISO minor units.

    Raises: AmountRefusedError when it is no number or needs more decimals.
    """
    sign, whole, part = _parts(text)
    digits = form.digits_of(currency)
    if len(part) > digits:
        message = f"{text} has more than {digits} decimals"
        raise AmountRefusedError(message)
    value = int((whole or "0") + part.ljust(digits, "0"))
    return form.from_gateway(-value if sign else value, currency)


def _parts(text: str) -> tuple[str, str, str]:
    found = _DECIMAL.match(text)
    if found is None or not (found[2] or found[3]):
        message = f"{text!r} is not a decimal number"
        raise AmountRefusedError(message)
    return found[1], found[2], found[3] or ""
