"""`refundwatch invoices`: import, show.

Invariant: as `refundwatch.commands` says; an invoice told twice is one invoice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.api.amounts import amount_text
from refundwatch.api.models import InvoiceBody, InvoicesBody, InvoiceView
from refundwatch.commands.cells import Cells, build, find_zone
from refundwatch.commands.columns import find_layout, read_mapping
from refundwatch.commands.command_line import Noun
from refundwatch.commands.csv_rows import CsvFile
from refundwatch.commands.flags import Field, add_column_flags, add_import_flags
from refundwatch.commands.import_command import run_import
from refundwatch.commands.importing import Plan
from refundwatch.commands.output import emit, emit_json, when_exactly

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from refundwatch.api.client import ApiClient
    from refundwatch.commands.csv_rows import Row

FIELDS: Final = (
    Field(
        "number",
        "the invoice's number",
        ("number", "invoice_no", "invoice_number", "invoice"),
        required=True,
    ),
    Field("amount", "what it asks for", ("amount", "total"), required=True),
    Field("currency", "the currency", ("currency", "currency_code")),
    Field("issued_at", "when it was issued", ("issued_at", "invoiced_at")),
)
_NAMES: Final = {
    "number": "number",
    "amount_minor": "amount",
    "currency": "currency",
    "issued_at": "issued_at",
}


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("invoices", "Invoices: import, show.")
    imports = noun.verb("import", import_file, "Store the invoices of a CSV file")
    add_import_flags(imports)
    imports.add_argument("--currency", metavar="CODE", help="where no column names it")
    imports.add_argument("--timezone", metavar="ZONE", help="of times without one")
    add_column_flags(imports, FIELDS)
    shows = noun.verb("show", show, "Show an invoice and what was refunded of it")
    shows.add_argument("number", metavar="NUMBER")
    return noun.run(argv)


async def import_file(client: ApiClient, arguments: Namespace) -> int:
    """Store the invoices of a file, all or nothing."""
    return await run_import(client, invoice_plan(arguments), arguments)


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one invoice."""
    view = await client.call(
        "invoices.show", InvoiceView, parts={"number": arguments.number}
    )
    if arguments.json:
        emit_json(view)
        return 0
    payments = [f"{it.number} ({amount_text(it.amount)})" for it in view.payments]
    for name, text in (
        ("invoice", view.number),
        ("amount", amount_text(view.amount)),
        ("issued at", when_exactly(view.issued_at)),
        ("refunded", amount_text(view.refunded)),
        ("reserved", amount_text(view.reserved)),
        ("paid by", ", ".join(payments) or "-"),
    ):
        emit(f"{name:<12} {text}")
    return 0


def invoice_plan(arguments: Namespace) -> Plan[InvoiceBody]:
    """Say how the invoices of the file that was named are read.

    Raises:
        UsageProblem: a column is missing, or a setting cannot be used.
    """
    mapping = read_mapping(arguments.mapping)
    delimiter = arguments.delimiter or mapping[1].get("delimiter", ",")
    file = CsvFile(Path(arguments.file), delimiter)
    layout = find_layout(file, FIELDS, arguments, mapping)
    layout.need_somewhere(file, "currency")
    zone = find_zone(layout.settings.get("timezone"))

    def read(row: Row) -> InvoiceBody:
        cells = Cells(row, layout)
        currency = cells.needed("currency")
        return build(
            InvoiceBody,
            cells,
            _NAMES,
            number=cells.needed("number"),
            amount_minor=cells.amount("amount", currency),
            currency=currency,
            issued_at=cells.moment("issued_at", zone),
        )

    def bulk(bodies: Sequence[InvoiceBody], dry_run: bool) -> InvoicesBody:  # noqa: FBT001 - the plan's form
        return InvoicesBody(invoices=list(bodies), dry_run=dry_run)

    return Plan(
        noun="invoices",
        route="invoices.bulk",
        file=file,
        read=read,
        bulk=bulk,
        key=lambda body: body.number,
        key_place=layout.place("number"),
        money=lambda body: (body.currency, body.amount_minor),
        place=lambda name: layout.place_of(name, _NAMES),
    )
