"""What Worldpay tells of the original payment before its first refund.

Invariant: the amount of an order is what was ordered; it counts as captured only
beside what can still be refunded, which an account must have been allowed to ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import PaymentRead, PaymentUnreadable
from refundwatch.gateways.worldpay import building, facts
from refundwatch.gateways.worldpay.inquiry import (
    OrderState,
    amount_left,
    read_order,
    tells_what_is_left,
)
from refundwatch.gateways.worldpay.replies import Refused

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, Operation


def read(
    account: AccountView, order_code: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    """Ask for the order, then for what is left of it where the account may."""
    response = yield building.order_inquiry(account, order_code, "read_payment")
    try:
        state = read_order(response, account, order_code)
    except MalformedResponse as error:
        return reading.payment_unreadable(response, error.message)
    if isinstance(state, Refused):
        return _refused(state)
    currency, ordered = state.amount.currency, state.amount.amount_minor
    if currency is None or ordered is None:
        return PaymentUnreadable(state.amount.doubt or "amount_missing")
    if state.last_event in facts.NEVER_TAKEN:
        return PaymentRead(0, currency)
    disputed = state.last_event in facts.DISPUTED
    if not disputed and not _asks_what_is_left(account, state):
        return PaymentUnreadable("captured_not_told", untold_in=currency)
    if not _asks_what_is_left(account, state):
        # A dispute freezes the payment, so it must be told, whatever else is not.
        return PaymentRead(ordered, currency, disputed=True)
    response = yield building.refundable_inquiry(account, order_code, "read_payment")
    left = amount_left(response, account, currency)
    if left is None or left > ordered:
        return PaymentUnreadable("refundable_not_told", untold_in=currency)
    return PaymentRead(ordered, currency, ordered - left, disputed=disputed)


def _asks_what_is_left(account: AccountView, state: OrderState) -> bool:
    """Tell whether to ask what is left; of what is not captured nothing is."""
    return tells_what_is_left(
        account
    ) and state.last_event not in facts.NOT_YET_CAPTURED | {None}


def _refused(error: Refused) -> PaymentUnreadable:
    return PaymentUnreadable(
        error.reason,
        missing=error.code == facts.UNKNOWN_ORDER,
        unauthorized=error.code == facts.SECURITY,
    )
