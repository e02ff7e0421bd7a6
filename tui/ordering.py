"""The way of an order from its key to the daemon's answer.

Invariant: an order is sent only after its confirmation, once, and while the line is
live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import ApiUnreachable
from tui.screens.order import CircuitForm, OrderScreen, UnfreezeForm

if TYPE_CHECKING:
    from refundwatch.api.ordering import AskedOrder
    from tui.app import Dashboard
    from tui.screens.fields import FieldsDialog


async def ask_circuit(app: Dashboard) -> None:
    """Stop a connection by hand, or let it go on."""
    known = tuple(it.id for it in app.state.connections)
    await _carry(app, "connection:control", CircuitForm(known))


async def ask_unfreeze(app: Dashboard, payment_id: str) -> None:
    """Lift the freeze of a payment, as it is now."""
    payment = await app.desk.payment(payment_id)
    if payment.frozen is None:
        app.say(f"{payment.id} is not frozen any more.", severity="warning")
        return
    await _carry(app, "refund:release", UnfreezeForm(payment))


async def _carry(
    app: Dashboard, permission: str, form: FieldsDialog[AskedOrder]
) -> None:
    obstacle = app.state.why_not(permission)
    if obstacle is not None:
        app.say(obstacle, severity="warning")
        return
    asked = await app.push_screen_wait(form)
    if asked is None:
        return
    order = await app.push_screen_wait(OrderScreen(asked, app.pen))
    if order is None:
        return
    obstacle = app.state.why_not(permission)
    if obstacle is not None:
        app.say(f"Not sent. {obstacle}", severity="warning")
        return
    try:
        app.say(await app.desk.send_order(order))
    except ApiUnreachable as error:
        sentence = f"{error.message} Look whether it was done before you try again."
        raise ApiUnreachable(sentence) from error
