"""The original payment: what was taken, what was given back, and what may be asked.

Invariant: an amount that is not stated exactly is never guessed; an authorization
counts as taken only as long as it can be given up as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import stated_units
from refundwatch.gateways.checkout import facts
from refundwatch.gateways.contract import PaymentRead, PaymentUnreadable

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpResponse
    from refundwatch.gateways.reading import Json

OK: Final = 200


@dataclass(frozen=True, slots=True)
class Balances:
    """The balances of a payment, in the gateway's own smallest unit."""

    authorized: int
    voided: int
    voidable: int
    captured: int
    refunded: int
    refundable: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it was read; without `balances` nobody said what was taken."""

    status: str
    currency: str
    amount: int | None
    balances: Balances | None
    links: frozenset[str]

    def is_voided_for(self, units: int) -> bool:
        """Tell whether giving back so much means giving up the authorization."""
        balances = self.balances
        return (
            balances is not None
            and self.status == facts.AUTHORIZED
            and balances.captured == balances.voided == 0
            and balances.authorized == balances.voidable == units
        )

    @property
    def waits_for_capture(self) -> bool:
        """Tell whether nothing was captured that still may be."""
        captured = self.balances.captured if self.balances else 0
        return not captured and self.status in {facts.AUTHORIZED, *facts.NOT_YET}

    def allows(self, operation: str, units: int) -> bool:
        """Tell whether the payment says that an order of so much is possible now."""
        if operation not in self.links or self.balances is None:
            return False
        left = self.balances.voidable
        if operation == "refund":
            left = self.balances.refundable
        return left >= units


def read_payment_object(body: bytes, payment_id: str) -> Payment:
    """Read the payment that was asked for.

    Raises:
        MalformedResponse: it is another one, or no payment.
    """
    found = reading.parse_object(body)
    if reading.required_text(found, "id") != payment_id:
        raise MalformedResponse("another_payment")
    return Payment(
        status=reading.required_text(found, "status"),
        currency=reading.required_text(found, "currency"),
        amount=reading.whole(found, "amount"),
        balances=_balances(found.get("balances")),
        links=frozenset(reading.member(found, "_links") or ()),
    )


def _balances(source: Json) -> Balances | None:
    """Read all balances; where one is missing or strange, nothing follows from any."""
    names = (
        "total_authorized",
        "total_voided",
        "available_to_void",
        "total_captured",
        "total_refunded",
        "available_to_refund",
    )
    stated = [reading.whole(source, name) for name in names]
    known = [units for units in stated if units is not None and units >= 0]
    return Balances(*known) if len(known) == len(names) else None


def payment_of(
    response: HttpResponse, payment_id: str
) -> PaymentRead | PaymentUnreadable:
    """Say what was taken and given back; an authorization that waits is taken too.

    It is given back by giving it up, which is what its refund will be.
    """
    if response.status != OK:
        return reading.payment_unreadable(response)
    try:
        payment = read_payment_object(response.body, payment_id)
    except MalformedResponse as error:
        return PaymentUnreadable(error.message)
    balances = payment.balances
    if balances is None:
        return _without_balances(payment)
    if balances.captured:
        return _read(payment, balances.captured, balances.refunded)
    if payment.status == facts.AUTHORIZED or balances.voided:
        return _read(payment, balances.authorized, balances.voided)
    if payment.status in facts.NEVER:
        return _read(payment, 0, 0)
    # Also a pending payment: the money is on its way, and none of it is here.
    return PaymentUnreadable(f"payment_status:{reading.shown(payment.status, 32)}")


def _without_balances(payment: Payment) -> PaymentRead | PaymentUnreadable:
    """Balances are no duty; captured as a whole and nothing back says the status."""
    if payment.status == facts.CAPTURED and payment.amount is not None:
        return _read(payment, payment.amount, 0)
    return PaymentUnreadable("no_balances")


def _read(payment: Payment, taken: int, back: int) -> PaymentRead | PaymentUnreadable:
    captured = stated_units(facts.CAPABILITIES, taken, payment.currency)
    refunded = stated_units(facts.CAPABILITIES, back, payment.currency)
    if captured.amount_minor is None or refunded.amount_minor is None:
        return PaymentUnreadable(captured.doubt or refunded.doubt or "no_amount")
    return PaymentRead(
        captured_minor=captured.amount_minor,
        currency=payment.currency,
        refunded_minor=refunded.amount_minor,
    )
