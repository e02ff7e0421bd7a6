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
