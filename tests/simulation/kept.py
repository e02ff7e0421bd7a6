"""Seeds that are played for ever: those that once broke an invariant, and why."""

from __future__ import annotations

from typing import Final

FIRST_GATEWAYS: Final = ("stripe", "stripe", "stripe", "paypal", "adyen")
"""Among these were the seeds of `KEPT` drawn, and are played among them."""

KEPT: Final[dict[int, str]] = {
    6: "as 46, over two refunds that others made",
    46: "a stranger's refund was booked by a read, and again by its webhook",
    189: "a doubt of a frozen payment waited for its key to die, up to 45 days",
    3279: "a clock that was ahead put the poll of an acceptance years ahead",
    14539: "another amount, booked as a stranger's, stood twice once it was adopted",
    18697: "two refunds with each other's references could not be put right by people",
}

KEPT_AT: Final[dict[str, int]] = {
    "stripe": 2,
    "paypal": 14,
    "adyen": 5,
    "braintree": 5,
    "checkout": 14,
    "authorizenet": 5,
    "mollie": 5,
    "klarna": 5,
    "razorpay": 14,
    "cybersource": 6,
    "square": 14,
    "worldpay": 14,
}
"""A seed for each gateway, played at it alone: an early one with many faults."""

KEPT_AT_ALL: Final[dict[int, str]] = {
    846: "people sent a refund anew when the calm was nearly over",
    954: "the reads of unsigned deliveries passed what a connection declares",
    1482: "what Mollie's guard refused was taken for sent under an old key",
    1499: "as 1482, with Mollie's word that nothing was performed",
    7485: "a doubt was sent again while a delivery that spoke of it waited",
    7681: "a clock was set back after a send, and the machine slept for a day",
}
"""Those that once broke one among all twelve gateways."""

KEPT_ALONE: Final[dict[tuple[str, int], str]] = {
    ("authorizenet", 189): "a refund that no read showed yet was never read again",
    ("cybersource", 123): "a wrong clock refused what told of a stranger's refund",
    ("worldpay", 19): "an order that was documented as not done needs no two looks",
    ("worldpay", 136): "a word by our own name for a refund stood for another one",
}
"""Those that once broke one at a gateway alone."""
