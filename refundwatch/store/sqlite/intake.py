"""Intake: one refund, its reservation and its audit entry in one unit (P1).

Invariant: a request id names one refund for ever, and a refund stands only when the
guarded statement reserved its amount; the check before it only finds better words.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from refundwatch.domain.idempotency import request_fingerprint
from refundwatch.domain.intake import (
    IntakeRules,
    RefundRequest,
    check_amount,
    plan_refund,
)
from refundwatch.domain.money import check_minor_units
from refundwatch.domain.policy import Permission, may
from refundwatch.domain.refund import RefundState
from refundwatch.errors import (
    InvariantBroken,
    InvoiceUnknown,
    PaymentUnknown,
    PaymentUnproven,
    RequestConflict,
    TextInvalid,
)
from refundwatch.store.contract import CreatedRefund, CreateRefund, CreateRefunds
from refundwatch.store.rows import (
    balance_from_row,
    micros,
    refund_columns,
    refund_from_row,
)
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite import applying, machines, rollups
from refundwatch.store.sqlite.bulk import put_all
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.proving import (
    is_payment_proven,
    origin_proof,
    standing_proof,
)
from refundwatch.store.sqlite.registry import unit
from refundwatch.store.sqlite.sealing import open_text, seal_text

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.intake import PaymentBalance
    from refundwatch.domain.policy import Principal
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import BulkReport, NewRefund, Policy
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "intake")


@unit(CreateRefund)
def _create_refund(tx: Transaction, command: CreateRefund) -> CreatedRefund:
    _may_create(command.principal, command.at)
    return _create(tx, command, command.refund)


@unit(CreateRefunds)
def _create_refunds(tx: Transaction, command: CreateRefunds) -> BulkReport:
    _may_create(command.principal, command.at)

    def put(new: NewRefund) -> tuple[str, bool]:
        created = _create(tx, command, new)
        return created.refund.id, created.created

    return put_all(tx, command.refunds, put, dry_run=command.dry_run)


def _may_create(principal: Principal, at: datetime) -> None:
    denial = may(principal, Permission.REFUND_CREATE)
    if denial is not None:
        raise denied(denial, at, principal.id, None, "refund:create")


def _create(
    tx: Transaction, command: CreateRefund | CreateRefunds, new: NewRefund
) -> CreatedRefund:
    check_minor_units(new.amount_minor)
    if new.expected_remaining_minor is not None:
        check_minor_units(new.expected_remaining_minor, "expected_remaining_minor")
    known = tx.one(_SQL["of_request"], (new.request_id,))
    fingerprint = _fingerprint(new)
    if known is not None:
        _must_repeat(tx, new, known, fingerprint)
        return CreatedRefund(refund_from_row(known), created=False)
    if not new.request_id or not new.reason_code:
        raise TextInvalid("A request has an id and a reason code.", field="request_id")
    at, policy = command.at, command.policy
    payment = _find_payment(tx, new)
    machines.check_reach(tx, command.principal, payment.account, new.currency)
    refund = plan_refund(_request(new), payment, _rules(tx, policy), at)
    if new.invoice is not None and not tx.one(
        _SQL["has_invoice"], (payment.id, new.invoice)
    ):
        raise InvoiceUnknown(
            f"Payment {payment.id} has no invoice {new.invoice[:64]!a}.",
            field="invoice",
        )
    if not applying.reserve(tx, payment.id, refund.amount_minor):
        check_amount(tx.load_balance(payment.id), new.amount_minor, new.currency)
        raise InvariantBroken(f"{payment.id} gave no reservation for no reason.")
    machines.spend(tx, command.principal, refund.currency, refund.amount_minor, at)
    _store(tx, refund, new, command.principal.id, fingerprint, policy=policy)
    return CreatedRefund(refund, created=True)


def _request(new: NewRefund) -> RefundRequest:
    return RefundRequest(
        request_id=new.request_id,
        amount_minor=new.amount_minor,
        currency=new.currency,
        reason_code=new.reason_code,
        expected_remaining_minor=new.expected_remaining_minor,
    )


def _rules(tx: Transaction, policy: Policy) -> IntakeRules:
    return IntakeRules(tx.instance, policy.bands, policy.approvals_expiry_seconds)


def _fingerprint(new: NewRefund) -> str:
    """Digest what was asked, less its free text: a bare digest of that leaks it."""
    return request_fingerprint(
        {
            "request_id": new.request_id,
            "payment": new.payment,
            "account": new.account,
            "amount_minor": new.amount_minor,
            "currency": new.currency,
            "reason_code": new.reason_code,
            "expected_remaining_minor": new.expected_remaining_minor,
            "invoice": new.invoice,
        }
    )


def _must_repeat(tx: Transaction, new: NewRefund, known: Row, fingerprint: str) -> None:
    refund_id = known["id"]
    text = open_text(
        tx.sealer, "refund", refund_id, "reason_text", known["reason_text"]
    )
    same_text = new.reason_text == text
    if text is None and not same_text:
        # A text that was erased with its customer can be compared no more.
        same_text = tx.one(_SQL["erased"], (known["payment_id"],)) is not None
    if known["request_fingerprint"] != fingerprint or not same_text:
        raise RequestConflict(
            f"Request {new.request_id[:64]!a} already stands for refund {refund_id}, "
            "with another body.",
            field="request_id",
        )


def _find_payment(tx: Transaction, new: NewRefund) -> PaymentBalance:
    row = tx.one(_SQL["payment_by_id"], (new.payment,))
    if row is None and new.account is not None:
        row = tx.one(_SQL["payment_by_reference"], (new.account, new.payment))
    if row is None or new.account not in (None, row["account"]):
        where = f"in account {new.account[:64]!a}" if new.account else "of this id"
        raise PaymentUnknown(
            f"There is no payment {new.payment[:64]!a} {where}.", field="payment"
        )
    if not is_payment_proven(tx, row):
        raise PaymentUnproven(
            f"The row of payment {row['id']} was not written by this daemon: no refund "
            "of it is taken.",
            field="payment",
        )
    return balance_from_row(row)


def _store(
    tx: Transaction,
    refund: Refund,
    new: NewRefund,
    actor: str,
    fingerprint: str,
    *,
    policy: Policy,
) -> None:
    at = refund.created_at
    text = None
    if new.reason_text is not None:
        text = seal_text(
            tx.sealer, tx.entropy, "refund", refund.id, "reason_text", new.reason_text
        )
    data: dict[str, JsonValue] = {
        "before": None,
        "after": refund.state,
        "request_id": refund.request_id,
        "account": refund.account,
        "payment_id": refund.payment_id,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "reason": refund.reason_code,
        "reason_commitment": text.commitment if text else None,
        "required_approvals": refund.required_approvals,
        "merchant_reference": refund.merchant_reference,
        "policy_version": policy.version,
    }
    seq = tx.append(at, "refund:created", actor, refund.id, data)
    columns: dict[str, SqlValue] = {
        **refund_columns(refund),
        "request_fingerprint": fingerprint,
        "reason_text": text.sealed if text else None,
        "invoice": new.invoice,
        "created_by": actor,
        "policy_version": policy.version,
        "updated_at": micros(at),
        "seq": seq,
        "origin_proof": origin_proof(tx.sealer, refund, actor),
        "proof": standing_proof(tx.sealer, refund),
    }
    tx.change(_insert_of(tuple(columns)), tuple(columns.values()))
    applying.add_generation(tx, refund, at)
    rollups.on_created(tx, refund, at)
    if refund.state is RefundState.QUEUED:
        tx.touch("send")


@cache
def _insert_of(columns: tuple[str, ...]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO refund ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - own names
