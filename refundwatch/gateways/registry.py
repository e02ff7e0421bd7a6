"""The only list of adapters.

Invariant: a gateway is known here or nowhere; its name is the one its adapter
declares.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.errors import GatewayUnknown
from refundwatch.gateways.adyen.adapter import Adyen
from refundwatch.gateways.authorizenet.adapter import AuthorizeNet
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.cybersource.adapter import Cybersource
from refundwatch.gateways.klarna.adapter import Klarna
from refundwatch.gateways.mollie.adapter import Mollie
from refundwatch.gateways.paypal.adapter import PayPal
from refundwatch.gateways.razorpay.adapter import Razorpay
from refundwatch.gateways.square.adapter import Square
from refundwatch.gateways.stripe.adapter import Stripe
from refundwatch.gateways.worldpay.adapter import Worldpay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.gateways.contract import Gateway

_GATEWAYS: Final[Mapping[str, Gateway]] = MappingProxyType(
    {
        "adyen": Adyen(),
        "checkout": Checkout(),
        "cybersource": Cybersource(),
        "klarna": Klarna(),
        "braintree": Braintree(),
        "authorizenet": AuthorizeNet(),
        "mollie": Mollie(),
        "paypal": PayPal(),
        "razorpay": Razorpay(),
        "square": Square(),
        "stripe": Stripe(),
        "worldpay": Worldpay(),
    }
)

NAMES: Final = tuple(sorted(_GATEWAYS))
"""Every known gateway, by name."""


def gateway(name: str) -> Gateway:
    """Give the adapter of that name.

    Raises:
        GatewayUnknown: no adapter has it; the error names those that exist.
    """
    adapter = _GATEWAYS.get(name)
    if adapter is None:
        message = f"Gateway {name[:64]!a} is not known; known: {', '.join(NAMES)}."
        raise GatewayUnknown(message, field="gateway")
    return adapter
