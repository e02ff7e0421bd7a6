"""How a row of a file becomes a payment.

Invariant: an invoice number that is also the gateway's reference pays the whole
payment; nothing about a customer is kept but what the API seals.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.api.models import (
    CustomerBody,
    InvoiceShareBody,
    PaymentBody,
    PaymentsBody,
)
from refundwatch.commands.cells import Cells, build, find_zone
from refundwatch.commands.columns import find_layout, read_mapping
from refundwatch.commands.csv_rows import CsvFile
from refundwatch.commands.flags import Field
from refundwatch.commands.importing import Plan

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from refundwatch.commands.csv_rows import Row

PAYMENT_FIELDS: Final = (
    Field(
        "reference",
        "the gateway's reference",
        ("gateway_reference", "payment_reference", "reference", "invoice_no"),
        required=True,
    ),
    Field(
        "amount", "the captured amount", ("captured", "amount", "total"), required=True
    ),
    Field("currency", "the currency", ("currency", "currency_code")),
    Field("account", "the account of a row", ("account",)),
    Field(
        "captured_at",
        "when it was captured",
        ("captured_at", "paid_at", "invoiced_at", "created_at"),
    ),
    Field(
        "invoice", "the invoice it pays", ("invoice_no", "invoice_number", "invoice")
    ),
    Field(
        "order", "the shop's own reference", ("order_reference", "order_no", "order")
    ),
    Field("customer", "the customer's number", ("customer_id", "customer_no")),
    Field("name", "the customer's name", ("customer_name",)),
    Field("email", "the customer's address", ("customer_email", "email")),
    Field("last_four", "the card's last digits", ("last_four", "last4")),
)

_NAMES: Final = {
    "account": "account",
    "gateway_reference": "reference",
    "captured_minor": "amount",
    "currency": "currency",
    "captured_at": "captured_at",
    "order_reference": "order",
    "invoices": "invoice",
    "number": "invoice",
    "amount_minor": "amount",
    "customer": "customer",
}
_CUSTOMER: Final = {
    "account": "customer",
    "name": "name",
    "email": "email",
    "last_four": "last_four",
}


def payment_plan(arguments: Namespace) -> Plan[PaymentBody]:
    """Say how the payments of the file that was named are read.

    Raises:
        UsageProblem: a column is missing, or a setting cannot be used.
    """
    mapping = read_mapping(arguments.mapping)
    delimiter = arguments.delimiter or mapping[1].get("delimiter", ",")
    file = CsvFile(Path(arguments.file), delimiter)
    layout = find_layout(file, PAYMENT_FIELDS, arguments, mapping)
    layout.need_somewhere(file, "account", "currency")
    zone = find_zone(layout.settings.get("timezone"))

    def read(row: Row) -> PaymentBody:
        cells = Cells(row, layout)
        currency = cells.needed("currency")
        minor = cells.amount("amount", currency)
        return build(
            PaymentBody,
            cells,
            _NAMES,
            account=cells.needed("account"),
            gateway_reference=cells.needed("reference"),
            captured_minor=minor,
            currency=currency,
            captured_at=cells.moment("captured_at", zone),
            order_reference=cells.optional("order"),
            invoices=_shares(cells, minor),
            customer=_customer(cells),
        )

    def bulk(bodies: Sequence[PaymentBody], dry_run: bool) -> PaymentsBody:  # noqa: FBT001 - the plan's form
        return PaymentsBody(payments=list(bodies), dry_run=dry_run)

    return Plan(
        noun="payments",
        route="payments.bulk",
        file=file,
        read=read,
        bulk=bulk,
        key=lambda body: f"{body.account}/{body.gateway_reference}",
        key_place=layout.place("reference"),
        money=lambda body: (body.currency, body.captured_minor),
        place=lambda name: layout.place_of(name, _NAMES),
    )


def _shares(cells: Cells, minor: int) -> list[InvoiceShareBody]:
    number = cells.optional("invoice")
    if number is None:
        return []
    return [build(InvoiceShareBody, cells, _NAMES, number=number, amount_minor=minor)]


def _customer(cells: Cells) -> CustomerBody | None:
    known = {
        part: text
        for part, field in _CUSTOMER.items()
        if (text := cells.optional(field)) is not None
    }
    return build(CustomerBody, cells, _CUSTOMER, **known) if known else None
