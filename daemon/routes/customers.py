"""Customers: masked for everybody, whole on the record, erased when they ask.

Invariant: as `daemon.routes` says; nothing personal is shown without an entry that
says who looked and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models as m
from refundwatch.api import models_customers as mc
from refundwatch.domain.masking import mask_address, mask_whole, mask_words
from refundwatch.errors import PaymentUnknown
from refundwatch.store import contract as c
from refundwatch.store.contract.customers import (
    EraseCustomer,
    Erased,
    ReadCustomer,
    UnmaskCustomer,
)

if TYPE_CHECKING:
    from refundwatch.store.contract.customers import CustomerRow

_KEPT: Final = (
    ("amounts, references and states", "the books and the payment's balance need them"),
    (
        "the audit log",
        "it holds no personal field; what it committed to can be guessed no more",
    ),
    ("decisions", "who decided what is proof; their free text is gone"),
    (
        "stored requests",
        "sent again identically while a gateway may ask; [retention] empties them",
    ),
    (
        "raw webhooks that name no refund of ours",
        "nobody can tell whom they are about; [retention] empties them",
    ),
)


async def masked_customer(call: Call, payment_id: str) -> m.CustomerView | None:
    """Give a payment's customer as everybody may see it; None where none is known."""
    row = await call.hub.store.read(ReadCustomer(payment_id))
    return None if row is None else _masked(row)


async def unmask(call: Call) -> Answer:
    """Show a payment's customer whole; it is audited each time."""
    body = call.model(mc.UnmaskBody)
    payment = await call.hub.store.read(
        c.GetPayment(call.parts["payment"], call.text("account"))
    )
    if payment is None:
        raise PaymentUnknown("There is no such payment.", field="payment")
    row = await call.hub.store.execute(
        UnmaskCustomer(call.now, call.principal, payment.id, body.reason_code)
    )
    return Answer(
        m.CustomerView(
            masked=False,
            name=row.name,
            email=row.email,
            account=row.account,
            last_four=row.last_four,
            erased_at=row.erased_at,
        )
    )


async def erase(call: Call) -> Answer:
    """Erase a customer, some payments at a time."""
    body = call.model(mc.EraseBody)
    command = EraseCustomer(
        at=call.now,
        principal=call.principal,
        name=body.name,
        email=body.email,
        account=body.account,
        reason_code=body.reason_code,
        dry_run=body.dry_run,
    )
    erased = total = await call.hub.store.execute(command)
    while erased.more and not body.dry_run:
        erased = await call.hub.store.execute(command)
        total = Erased(
            total.payments + erased.payments,
            total.fields + erased.fields,
            total.texts + erased.texts,
            total.deliveries + erased.deliveries,
        )
    kept = [mc.KeptView(what=what, why=why) for what, why in _KEPT]
    return Answer(
        mc.ErasedView(
            payments=total.payments,
            fields=total.fields,
            texts=total.texts,
            deliveries=total.deliveries,
            kept=kept if total.payments else [],
            dry_run=body.dry_run,
        )
    )


def _masked(row: CustomerRow) -> m.CustomerView | None:
    if row.erased_at is None and not (
        row.name or row.email or row.account or row.last_four
    ):
        return None
    return m.CustomerView(
        masked=True,
        name=None if row.name is None else mask_words(row.name),
        email=None if row.email is None else mask_address(row.email),
        account=None if row.account is None else mask_whole(row.account),
        last_four=None if row.last_four is None else mask_whole(row.last_four),
        erased_at=row.erased_at,
    )


HANDLERS: Final[dict[str, RouteHandler]] = {
    "customers.unmask": unmask,
    "customers.erase": erase,
}
