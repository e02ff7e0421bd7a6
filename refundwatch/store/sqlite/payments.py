"""Payments and invoices as their callers declare them, and lifting a freeze.

Invariant: the same payment told twice is one payment; what was declared is kept beside
what the gateway says, so that telling it again is never a contradiction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.intake import payment_id
from refundwatch.domain.money import check_minor_units, exponent
from refundwatch.domain.order import OrderAct, unfreeze_detail
from refundwatch.domain.policy import Denial, Permission, may
from refundwatch.errors import (
    AccountUnknown,
    AmountInvalid,
    InvoiceConflict,
    PaymentConflict,
    PaymentFrozen,
    PaymentUnknown,
    TextInvalid,
)
from refundwatch.store.contract import PutInvoices, PutPayments, UnfreezePayment
from refundwatch.store.rows import micros, optional_micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite import alarms
from refundwatch.store.sqlite.bulk import put_all
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.notes import Note, keep_note
from refundwatch.store.sqlite.orders import Ordered, salt_of, take_order
from refundwatch.store.sqlite.proving import payment_proof
from refundwatch.store.sqlite.registry import unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.contract import (
        BulkReport,
        InvoiceShare,
        NewInvoice,
        NewPayment,
    )
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "payments")

CUSTOMER_FIELDS: Final = ("name", "email", "account", "last_four")
INDEXED_FIELDS: Final = ("name", "email", "account")
"""Fields found again by exact value; four digits would be guessed from their index."""


@unit(PutPayments)
def _put_payments(tx: Transaction, command: PutPayments) -> BulkReport:
    def put(payment: NewPayment) -> tuple[str, bool]:
        return _put_payment(tx, payment, command.at, command.actor)

    return put_all(tx, command.payments, put, dry_run=command.dry_run)


def _put_payment(
    tx: Transaction, payment: NewPayment, at: datetime, actor: str
) -> tuple[str, bool]:
    _check_payment(payment)
    known = tx.one(_SQL["known"], (payment.account, payment.gateway_reference))
    if known is not None:
        _must_repeat(tx, payment, known)
        return str(known["id"]), False
    if tx.one(_SQL["account"], (payment.account,)) is None:
        raise AccountUnknown(
            f"There is no account {payment.account[:64]!a}.", field="account"
        )
    new_id = payment_id(tx.instance, payment.account, payment.gateway_reference)
    tx.change(_SQL["add"], _columns(tx, payment, new_id, at, actor))
    for share in payment.invoices:
        _put_share(tx, new_id, payment, share, at)
    data: dict[str, JsonValue] = {
        "payment_id": new_id,
        "account": payment.account,
        "gateway_reference": payment.gateway_reference,
        "captured_minor": payment.captured_minor,
        "currency": payment.currency,
        "invoices": [share.number for share in payment.invoices],
    }
    tx.append(at, "payment:created", actor, None, data)
    return new_id, True


def _check_payment(payment: NewPayment) -> None:
    exponent(payment.currency)
    if check_minor_units(payment.captured_minor, "captured_minor") <= 0:
        raise AmountInvalid(
            "A captured amount is more than nothing.", field="captured_minor"
        )
    if not payment.gateway_reference:
        raise TextInvalid(
            "A payment has a reference at its gateway.", field="gateway_reference"
        )
    unknown = payment.customer.keys() - set(CUSTOMER_FIELDS)
    if unknown:
        raise TextInvalid(
            f"A customer has no field {min(unknown)[:64]!a}.", field="customer"
        )
    _check_shares(payment)


def _check_shares(payment: NewPayment) -> None:
    shares = payment.invoices
    if len({share.number for share in shares}) != len(shares):
        raise TextInvalid("An invoice is named twice.", field="invoices")
    if any(check_minor_units(share.amount_minor) <= 0 for share in shares):
        raise AmountInvalid(
            "A share of an invoice is more than nothing.", field="invoices"
        )
    if sum(share.amount_minor for share in shares) > payment.captured_minor:
        raise AmountInvalid(
            "The shares of invoices exceed what was captured.", field="invoices"
        )


def _must_repeat(tx: Transaction, payment: NewPayment, known: Row) -> None:
    shares = {
        row["invoice"]: row["amount_minor"]
        for row in tx.every(_SQL["shares"], (known["id"],))
    }
    told = {share.number: share.amount_minor for share in payment.invoices}
    for name, stored, given in (
        ("captured_minor", known["declared_minor"], payment.captured_minor),
        ("currency", known["currency"], payment.currency),
        ("invoices", shares, told),
    ):
        if stored != given:
            raise PaymentConflict(
                f"Payment {known['id']} is known with another {name}.", field=name
            )


def _columns(
    tx: Transaction, payment: NewPayment, new_id: str, at: datetime, actor: str
) -> dict[str, SqlValue]:
    return {
        "id": new_id,
        "account": payment.account,
        "gateway_reference": payment.gateway_reference,
        "currency": payment.currency,
        "captured": payment.captured_minor,
        "captured_at": optional_micros(payment.captured_at),
        "at": micros(at),
        "actor": actor,
        "order_reference": payment.order_reference,
        "proof": payment_proof(
            tx.sealer,
            new_id,
            payment.account,
            payment.gateway_reference,
            payment.currency,
        ),
        **_customer_columns(tx, new_id, payment.customer),
    }


def _customer_columns(
    tx: Transaction, new_id: str, customer: Mapping[str, str]
) -> dict[str, SqlValue]:
    """Seal what is known of a customer, and index what may be asked for."""
    columns: dict[str, SqlValue] = {}
    for name in CUSTOMER_FIELDS:
        column, value = f"customer_{name}", customer.get(name)
        given = value is not None and bool(value.strip())
        columns[column] = (
            tx.sealer.seal("payment", new_id, column, value.encode("utf-8"))
            if value is not None and given
            else None
        )
        if name in INDEXED_FIELDS:
            columns[f"{column}_index"] = (
                tx.sealer.blind_index(column, value)
                if value is not None and given
                else None
            )
    return columns


# --- invoices ---------------------------------------------------------------------


def _put_share(
    tx: Transaction,
    of_payment: str,
    payment: NewPayment,
    share: InvoiceShare,
    at: datetime,
) -> None:
    known = tx.one(_SQL["invoice"], (share.number,))
    if known is None:
        values = (
            share.number,
            share.amount_minor,
            payment.currency,
            None,
            1,
            micros(at),
        )
        tx.change(_SQL["add_invoice"], values)
    elif known["currency"] != payment.currency:
        raise InvoiceConflict(
            f"Invoice {share.number[:64]!a} is in {known['currency']}.",
            field="invoices",
        )
    elif known["implied"]:
        tx.change(_SQL["grow_invoice"], (share.amount_minor, share.number))
    tx.change(_SQL["add_share"], (of_payment, share.number, share.amount_minor))


@unit(PutInvoices)
def _put_invoices(tx: Transaction, command: PutInvoices) -> BulkReport:
    def put(invoice: NewInvoice) -> tuple[str, bool]:
        return _put_invoice(tx, invoice, command.at, command.actor)

    return put_all(tx, command.invoices, put, dry_run=command.dry_run)


def _put_invoice(
    tx: Transaction, invoice: NewInvoice, at: datetime, actor: str
) -> tuple[str, bool]:
    exponent(invoice.currency)
    if check_minor_units(invoice.amount_minor) <= 0:
        raise AmountInvalid(
            "An invoice asks for more than nothing.", field="amount_minor"
        )
    if not invoice.number:
        raise TextInvalid("An invoice has a number.", field="number")
    known = tx.one(_SQL["invoice"], (invoice.number,))
    issued_at = optional_micros(invoice.issued_at)
    if known is None:
        values = (
            invoice.number,
            invoice.amount_minor,
            invoice.currency,
            issued_at,
            0,
            micros(at),
        )
        tx.change(_SQL["add_invoice"], values)
    elif known["implied"] and known["currency"] == invoice.currency:
        values_of_known = (invoice.amount_minor, issued_at, invoice.number)
        tx.change(_SQL["declare_invoice"], values_of_known)
    else:
        _must_repeat_invoice(invoice, known, issued_at)
        return invoice.number, False
    data: dict[str, JsonValue] = {
        "invoice": invoice.number,
        "amount_minor": invoice.amount_minor,
        "currency": invoice.currency,
    }
    tx.append(at, "invoice:created", actor, None, data)
    return invoice.number, True


def _must_repeat_invoice(
    invoice: NewInvoice, known: Row, issued_at: int | None
) -> None:
    for name, stored, given in (
        ("currency", known["currency"], invoice.currency),
        ("amount_minor", known["amount_minor"], invoice.amount_minor),
        ("issued_at", known["issued_at"], issued_at),
    ):
        if stored != given:
            raise InvoiceConflict(
                f"Invoice {invoice.number[:64]!a} is known with another {name}.",
                field=name,
            )


# --- freezes ----------------------------------------------------------------------


@unit(UnfreezePayment)
def _unfreeze(tx: Transaction, command: UnfreezePayment) -> None:
    principal = tx.as_it_is_now(command.principal)
    payment = command.payment_id
    denial = may(principal, Permission.REFUND_RELEASE)
    if denial is None and not principal.is_person:
        denial = Denial("people_only", "Only a person may lift a freeze.")
    if denial is not None:
        data: dict[str, str | int | None] = {"payment_id": payment[:64]}
        raise denied(
            denial, command.at, principal.id, None, "payment:unfreeze", data=data
        )
    row = tx.one(_SQL["frozen"], (payment,))
    if row is None:
        raise PaymentUnknown(f"There is no payment {payment[:64]!a}.")
    if row["frozen"] is None:
        raise PaymentConflict(f"Payment {payment} is not frozen.")
    if row["reserved_minor"] + row["refunded_minor"] > row["captured_minor"]:
        raise PaymentFrozen(
            f"Payment {payment} stays frozen: more is refunded or reserved than was "
            "captured."
        )
    signed = take_order(
        tx,
        Ordered(
            at=command.at,
            principal=principal,
            act=OrderAct.UNFREEZE,
            subject=payment,
            detail=unfreeze_detail(row["frozen"], optional_moment(row["frozen_at"])),
            reason_code=command.reason_code,
            reason_text=command.reason_text,
            signing=command.signing,
        ),
    )
    tx.change(_SQL["unfreeze"], (payment,))
    tx.append(
        command.at,
        "payment:unfrozen",
        principal.id,
        None,
        {
            "payment_id": payment,
            "was": row["frozen"],
            "reason": command.reason_code,
            "reason_commitment": keep_note(
                tx,
                Note(command.payment_id, "payment:unfrozen", principal.id, command.at),
                command.reason_text,
                salt_of(command.signing),
            ),
            **signed,
        },
    )
    alarms.close_prefixed(tx, command.at, "payment_", payment)
    tx.touch("send")
