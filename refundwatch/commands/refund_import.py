"""How a row of a file becomes a refund request.

Invariant: a request id is made from the row's own cells, so that the same row is the
same request whenever it is imported.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.api.models import RefundBody, RefundsBody
from refundwatch.commands.cells import Cells, build
from refundwatch.commands.columns import find_layout, read_mapping
from refundwatch.commands.csv_rows import CsvFile
from refundwatch.commands.importing import Plan
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.refund_fields import DEFAULT_REASON, REFUND_FIELDS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from refundwatch.commands.columns import Layout
    from refundwatch.commands.csv_rows import Row

OUR_IDS: Final = "pay_"

_NAMES: Final = {
    "request_id": "request_id",
    "payment": "payment",
    "account": "account",
    "amount_minor": "amount",
    "currency": "currency",
    "reason_code": "reason_code",
    "reason_text": "reason",
    "invoice": "invoice",
}
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def refund_plan(arguments: Namespace) -> Plan[RefundBody]:
    """Say how the refund requests of the file that was named are read.

    Raises:
        UsageProblem: a column is missing, or a setting cannot be used.
    """
    mapping = read_mapping(arguments.mapping)
    delimiter = arguments.delimiter or mapping[1].get("delimiter", ",")
    file = CsvFile(Path(arguments.file), delimiter)
    layout = find_layout(file, REFUND_FIELDS, arguments, mapping)
    layout.need_somewhere(file, "currency")
    request_id, id_place = _request_ids(file, layout)

    def read(row: Row) -> RefundBody:
        cells = Cells(row, layout)
        currency = cells.needed("currency")
        payment, account = cells.needed("payment"), cells.optional("account")
        if account is None and not payment.startswith(OUR_IDS):
            raise UsageProblem(
                f"line {row.line}: {payment[:40]!a} is no payment's id of ours; with "
                "the gateway's references, name their account with --account."
            )
        return build(
            RefundBody,
            cells,
            _NAMES,
            request_id=request_id(cells),
            payment=payment,
            account=account,
            amount_minor=cells.amount("amount", currency),
            currency=currency,
            reason_code=cells.optional("reason_code") or DEFAULT_REASON,
            reason_text=cells.optional("reason"),
            invoice=cells.optional("invoice"),
        )

    def bulk(bodies: Sequence[RefundBody], dry_run: bool) -> RefundsBody:  # noqa: FBT001 - the plan's form
        return RefundsBody(refunds=list(bodies), dry_run=dry_run)

    def place(name: str | None) -> str | None:
        return id_place if name == "request_id" else layout.place_of(name, _NAMES)

    return Plan(
        noun="refunds",
        route="refunds.bulk",
        file=file,
        read=read,
        bulk=bulk,
        key=lambda body: body.request_id,
        key_place=id_place,
        money=lambda body: (body.currency, body.amount_minor),
        place=place,
    )


def _request_ids(file: CsvFile, layout: Layout) -> tuple[Callable[[Cells], str], str]:
    """Say how a row's request id is made, and where it stands for messages."""
    columns = layout.columns
    template = layout.settings.get("request_id_template")
    if template is None and "request_id" in columns:
        return lambda cells: cells.needed("request_id"), columns["request_id"]
    if template is None and "credit_note" not in columns:
        raise UsageProblem(
            f"{file.path} has no column for the request's own id: name one with "
            "--request-id-column, or make it with --request-id-template, such as "
            "'{credit_note_no}/{invoice_no}'."
        )
    if template is None:
        # One credit note touches several invoices, so it alone is no request's id.
        template = f"{{{columns['credit_note']}}}/{{{columns['payment']}}}"
    return _filled(file, template)


def _filled(file: CsvFile, template: str) -> tuple[Callable[[Cells], str], str]:
    names = _PLACEHOLDER.findall(template)
    unknown = [name for name in names if name not in file.header]
    if unknown or not names:
        what = f"no column {unknown[0]!a}" if unknown else "no {column} in it"
        raise UsageProblem(
            f"--request-id-template {template!a}: there is {what}. The header of "
            f"{file.path} is: {', '.join(file.header)}."
        )

    def fill(cells: Cells) -> str:
        for name in names:
            if not cells.row.cells[name]:
                raise cells.bad_in(name, "cell.empty", "is empty")
        return _PLACEHOLDER.sub(lambda match: cells.row.cells[match[1]], template)

    return fill, template
