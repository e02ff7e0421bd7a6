"""Payments and invoices: store, bulk, show, list, unfreeze.

Invariant: as `daemon.routes` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon import present
from daemon.problems import RowRefused
from daemon.routes.call import Answer, Call, RouteHandler
from daemon.routes.customers import masked_customer
from daemon.routes.signed import signing_of
from refundwatch.api import models as m
from refundwatch.api.models_orders import UnfreezeBody
from refundwatch.errors import InvoiceUnknown, PaymentUnknown
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from collections.abc import Mapping


async def create(call: Call) -> Answer:
    """Store one payment."""
    body = call.model(m.PaymentBody)
    command = c.PutPayments(call.now, call.principal.id, (new_payment(body),))
    report = await call.hub.store.execute(command)
    _raise_problem(report)
    row = await _payment(call, report.ids[0], None)
    return Answer(present.payment(row), 201 if report.created else 200)


async def create_many(call: Call) -> Answer:
    """Store many payments, all or nothing."""
    body = call.model(m.PaymentsBody)
    rows = tuple(new_payment(row) for row in body.payments)
    command = c.PutPayments(call.now, call.principal.id, rows, body.dry_run)
    report = await call.hub.store.execute(command)
    return Answer(present.bulk(report, dry_run=body.dry_run), _bulk_status(report))


async def show(call: Call) -> Answer:
    """Show one payment."""
    row = await _payment(call, call.parts["payment"], call.text("account"))
    customer = await masked_customer(call, row.id)
    shown = present.payment(row).model_copy(update={"customer": customer})
    return Answer(shown)


async def list_all(call: Call) -> Answer:
    """List payments, newest first."""
    page = await call.hub.store.read(
        c.ListPayments(
            limit=call.integer("limit", 50),
            cursor=call.text("cursor"),
            account=call.text("account"),
            frozen_only=call.flag("frozen"),
            customer_email=call.text("customer_email"),
        )
    )
    items = [present.payment(row) for row in page.items]
    return Answer(m.PaymentPage(items=items, next_cursor=page.next_cursor))


async def unfreeze(call: Call) -> Answer:
    """Lift a payment's freeze."""
    body = call.model(UnfreezeBody)
    row = await _payment(call, call.parts["payment"], None)
    await call.hub.store.execute(
        c.UnfreezePayment(
            call.now,
            call.principal,
            row.id,
            body.reason_code,
            body.reason_text,
            signing_of(call, body),
        )
    )
    return Answer(present.payment(await _payment(call, row.id, None)))


async def create_invoice(call: Call) -> Answer:
    """Store one invoice."""
    body = call.model(m.InvoiceBody)
    command = c.PutInvoices(call.now, call.principal.id, (_new_invoice(body),))
    report = await call.hub.store.execute(command)
    _raise_problem(report)
    row = await _invoice(call, body.number)
    return Answer(present.invoice(row), 201 if report.created else 200)


async def create_invoices(call: Call) -> Answer:
    """Store many invoices, all or nothing."""
    body = call.model(m.InvoicesBody)
    rows = tuple(_new_invoice(row) for row in body.invoices)
    command = c.PutInvoices(call.now, call.principal.id, rows, body.dry_run)
    report = await call.hub.store.execute(command)
    return Answer(present.bulk(report, dry_run=body.dry_run), _bulk_status(report))


async def show_invoice(call: Call) -> Answer:
    """Show one invoice."""
    return Answer(present.invoice(await _invoice(call, call.parts["number"])))


def new_payment(body: m.PaymentBody) -> c.NewPayment:
    """Turn a payment's model into the store's form."""
    customer: Mapping[str, str] = {}
    if body.customer is not None:
        customer = body.customer.model_dump(exclude_none=True)
    return c.NewPayment(
        account=body.account,
        gateway_reference=body.gateway_reference,
        captured_minor=body.captured_minor,
        currency=body.currency,
        captured_at=body.captured_at,
        order_reference=body.order_reference,
        invoices=tuple(
            c.InvoiceShare(share.number, share.amount_minor) for share in body.invoices
        ),
        customer=customer,
    )


def _new_invoice(body: m.InvoiceBody) -> c.NewInvoice:
    return c.NewInvoice(body.number, body.amount_minor, body.currency, body.issued_at)


async def _payment(call: Call, payment: str, account: str | None) -> c.PaymentRow:
    row = await call.hub.store.read(c.GetPayment(payment, account))
    if row is None:
        raise PaymentUnknown(f"There is no payment {payment}.", field="payment")
    return row


async def _invoice(call: Call, number: str) -> c.InvoiceRow:
    row = await call.hub.store.read(c.GetInvoice(number))
    if row is None:
        raise InvoiceUnknown(f"There is no invoice {number}.", field="number")
    return row


def _raise_problem(report: c.BulkReport) -> None:
    if report.problems:
        problem = report.problems[0]
        raise RowRefused(problem.code, problem.message, problem.field)


def _bulk_status(report: c.BulkReport) -> int:
    return 422 if report.problems else 200


HANDLERS: Final[dict[str, RouteHandler]] = {
    "payments.create": create,
    "payments.bulk": create_many,
    "payments.list": list_all,
    "payments.show": show,
    "payments.unfreeze": unfreeze,
    "invoices.create": create_invoice,
    "invoices.bulk": create_invoices,
    "invoices.show": show_invoice,
}
