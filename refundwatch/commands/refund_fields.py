"""What a row of a file of refund requests can state.

Invariant: nothing heavy is imported here: `--help` names the fields too.
"""

from __future__ import annotations

from typing import Final

from refundwatch.commands.flags import Field

REFUND_FIELDS: Final = (
    Field("request_id", "the request's own id", ("request_id",)),
    Field("credit_note", "the credit note", ("credit_note_no", "credit_note")),
    Field(
        "payment",
        "the payment",
        (
            "payment",
            "payment_id",
            "gateway_reference",
            "payment_reference",
            "reference",
            "invoice_no",
        ),
        required=True,
    ),
    Field("amount", "the amount to refund", ("amount", "total"), required=True),
    Field("currency", "the currency", ("currency", "currency_code")),
    Field("account", "the account of a row", ("account",)),
    Field("invoice", "the invoice", ("invoice_no", "invoice_number", "invoice")),
    Field("reason_code", "the reason's code", ("reason_code",)),
    Field("reason", "the reason's text", ("reason_text", "reason")),
)
DEFAULT_REASON: Final = "goods_returned"
