"""From the store's rows to the wire's models.

Invariant: every amount leaves with its currency and exponent; what the caller may do
is computed by the same rules that decide when it tries.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

from daemon.present_rhythm import rhythm
from refundwatch.api import models as m
from refundwatch.domain.cards import mask_cards
from refundwatch.domain.decision import Verdict, request_sha256
from refundwatch.domain.money import exponent
from refundwatch.domain.policy import Denial, Permission, may, may_approve, may_resolve
from refundwatch.domain.refund import OPERATOR_WORDS, UNSENT, RefundState
from refundwatch.gateways.registry import NAMES, gateway

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from refundwatch.domain.policy import Principal
    from refundwatch.domain.routing import RouteNote
    from refundwatch.store import contract as c

S = RefundState
_ENTRY_FIELDS: Final = ("seq", "at", "kind", "actor", "refund_id", "data")


def amount(minor: int, currency: str) -> m.AmountView:
    """Present an amount in minor units."""
    return m.AmountView(minor=minor, currency=currency, exponent=exponent(currency))


def payment(row: c.PaymentRow) -> m.PaymentView:
    """Present a payment's balance."""

    def of(minor: int) -> m.AmountView:
        return amount(minor, row.currency)

    return m.PaymentView.model_validate(
        {
            "id": row.id,
            "account": row.account,
            "gateway": row.gateway,
            "gateway_reference": row.gateway_reference,
            "captured": of(row.captured_minor),
            "refunded": of(row.refunded_minor),
            "reserved": of(row.reserved_minor),
            "external": of(row.external_minor),
            "refundable": of(row.refundable_minor),
            "frozen": row.frozen,
            "frozen_at": row.frozen_at,
            "knowledge": row.knowledge,
            "captured_at": row.captured_at,
            "created_at": row.created_at,
            "order_reference": row.order_reference,
            "invoices": [
                m.InvoiceShareView(number=share.number, amount=of(share.amount_minor))
                for share in row.invoices
            ],
        }
    )


def invoice(row: c.InvoiceRow) -> m.InvoiceView:
    """Present an invoice with what its payments covered."""
    return m.InvoiceView(
        number=row.number,
        amount=amount(row.amount_minor, row.currency),
        issued_at=row.issued_at,
        payments=[
            m.InvoiceShareView(number=name, amount=amount(minor, row.currency))
            for name, minor in row.payments
        ],
        refunded=amount(row.refunded_minor, row.currency),
        reserved=amount(row.reserved_minor, row.currency),
    )


def content_sha256(row: c.RefundSummary) -> str:
    """Pin the exact content of the refund's current revision."""
    refund = row.refund
    return request_sha256(
        refund_id=refund.id,
        revision=refund.revision,
        account=refund.account,
        payment_id=refund.payment_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        exponent=exponent(refund.currency),
        reason_code=refund.reason_code,
    )


def refund(row: c.RefundSummary) -> m.RefundView:
    """Present a refund as lists and frames show it."""
    it = row.refund
    return m.RefundView(
        id=it.id,
        request_id=it.request_id,
        account=it.account,
        gateway=row.gateway,
        connection=it.connection,
        payment_id=it.payment_id,
        payment_reference=it.payment_reference,
        amount=amount(it.amount_minor, it.currency),
        state=it.state.value,
        state_word=OPERATOR_WORDS[it.state],
        revision=it.revision,
        request_sha256=content_sha256(row),
        reason_code=it.reason_code,
        merchant_reference=it.merchant_reference,
        gateway_reference=it.gateway_reference,
        required_approvals=it.required_approvals,
        approvals=row.approvals,
        approvals_expire_at=it.approvals_expire_at,
        hold_reason=it.hold_reason,
        review_reason=it.review_reason,
        executed=None
        if it.executed_minor is None
        else amount(it.executed_minor, it.currency),
        refused_code=it.refused_code,
        requires_action=it.requires_action,
        last_status=it.last_status,
        frozen=row.frozen,
        attempts=it.attempts,
        lookups=it.lookups,
        generation=it.generation,
        created_at=it.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        first_sent_at=it.first_sent_at,
        last_sent_at=it.last_sent_at,
        accepted_at=it.accepted_at,
        succeeded_at=it.succeeded_at,
        final_at=it.final_at,
        due_at=it.due_at,
        seq=row.seq,
    )


def detail(
    row: c.RefundDetail, principal: Principal, way: Iterable[RouteNote] = ()
) -> m.RefundDetailView:
    """Present a refund with everything known, for this caller.

    `way` is which connection it would take now, and why.
    """
    return m.RefundDetailView(
        refund=refund(row.summary),
        payment=payment(row.payment),
        idempotency_key=row.summary.refund.idempotency_key,
        reason_text=row.reason_text,
        invoice=row.invoice,
        decisions=[
            m.DecisionView(
                decision=it.kind.value,
                actor=it.actor,
                at=it.at,
                revision=it.revision,
                reason_code=it.reason_code,
                reason_text=it.reason_text,
                valid=it.valid,
                statement=it.statement.decode("utf-8"),
                signature=it.signature,
            )
            for it in row.decisions
        ],
        attempts=[
            m.AttemptView(
                number=it.number,
                connection=it.connection,
                opened_at=it.opened_at,
                closed_at=it.closed_at,
                outcome=it.outcome,
                reason=it.reason,
                status=it.status,
                duration_ms=it.duration_ms,
                route=route(it.route),
            )
            for it in row.attempts
        ],
        deliveries=[delivery(it) for it in row.deliveries],
        timeline=[entry(it) for it in row.entries],
        actions=actions(row, principal),
        route=route(way),
    )


def entry(row: c.AuditRow) -> m.EntryView:
    """Present one audit entry by its own stored bytes."""
    stated = json.loads(row.entry)
    return m.EntryView.model_validate({key: stated[key] for key in _ENTRY_FIELDS})


def audit_row(row: c.AuditRow) -> m.AuditRowView:
    """Present one row of the log for a reader that verifies it."""
    return m.AuditRowView(
        seq=row.seq,
        entry=base64.b64encode(row.entry).decode("ascii"),
        leaf_hash=row.leaf_hash.hex(),
    )


# --- what the caller may do --------------------------------------------------------

_ACTIONS: Final[tuple[tuple[m.ActionName, Permission, frozenset[RefundState]], ...]] = (
    ("approve", Permission.REFUND_APPROVE, frozenset({S.AWAITING_APPROVAL})),
    ("refuse", Permission.REFUND_REFUSE, frozenset({S.AWAITING_APPROVAL})),
    ("edit", Permission.REFUND_EDIT, frozenset({S.AWAITING_APPROVAL, S.HELD})),
    ("cancel", Permission.REFUND_CANCEL, UNSENT),
    ("hold", Permission.REFUND_HOLD, frozenset({S.AWAITING_APPROVAL, S.QUEUED})),
    ("release", Permission.REFUND_RELEASE, frozenset({S.HELD})),
    ("resolve", Permission.REFUND_RESOLVE, frozenset({S.REVIEW})),
    ("lookup", Permission.REFUND_LOOKUP, frozenset({S.UNKNOWN, S.PENDING})),
)


def actions(row: c.RefundDetail, principal: Principal) -> list[m.ActionView]:
    """Say for each action whether the daemon would accept it now, and why not."""
    views = []
    for action, permission, states in _ACTIONS:
        reason = _denial(row, principal, action, permission, states)
        views.append(m.ActionView(action=action, allowed=reason is None, reason=reason))
    return views


def _denial(
    row: c.RefundDetail,
    principal: Principal,
    action: m.ActionName,
    permission: Permission,
    states: frozenset[RefundState],
) -> str | None:
    it = row.summary.refund
    if action == "cancel" and it.state is S.PENDING and _is_taken_back(row):
        states = states | {S.PENDING}
    if it.state not in states:
        return f"It is: {OPERATOR_WORDS[it.state]}."
    if action == "edit" and it.attempts:
        return "The refund was sent once; its content is fixed."
    if action == "cancel" and it.ambiguous:
        return "The refund may have been executed."
    denied: Denial | None
    if action == "approve":
        denied = may_approve(principal, row.editors, _said(row, Verdict.APPROVE))
    elif action == "resolve":
        denied = may_resolve(principal, frozenset())
    else:
        denied = may(principal, permission)
    return None if denied is None else denied.sentence


def _is_taken_back(row: c.RefundDetail) -> bool:
    """Tell whether the gateway can be asked to cancel what it accepted."""
    name = row.summary.gateway
    named = row.summary.refund.gateway_reference is not None
    return named and name in NAMES and gateway(name).capabilities.cancels_refund


def _said(row: c.RefundDetail, verdict: Verdict) -> frozenset[str]:
    revision = row.summary.refund.revision
    return frozenset(
        it.actor
        for it in row.decisions
        if it.kind is verdict and it.revision == revision and it.valid
    )


# --- accounts, connections, alarms, metrics, tokens --------------------------------


def account(row: c.AccountRow, now: datetime) -> m.AccountView:
    """Present an account as it is now."""
    return m.AccountView(
        name=row.name,
        gateway=row.gateway,
        timezone=row.timezone,
        connections=list(row.connections),
        last_delivery_at=row.last_delivery_at,
        unmatched=row.unmatched,
        rhythm=None if row.rhythm is None else rhythm(row.rhythm, row.timezone, now),
    )


def connection(
    row: c.ConnectionRow, now: datetime, uptimes: Iterable[c.UptimeRow] = ()
) -> m.ConnectionView:
    """Present a connection's health; a circuit that is closed says nothing."""
    stated = {
        name: getattr(row, name)
        for name in m.ConnectionView.model_fields
        if name != "uptimes"
    }
    circuits = [
        m.CircuitView(
            part=part.value,
            standing=it.standing(now).value,
            opened_at=it.opened_at,
            until=it.until,
            reason=it.reason,
            actor=it.actor,
        )
        for part, it in row.circuits.items()
        if it.opened_at is not None
    ]
    shown = [_uptime(it) for it in uptimes]
    return m.ConnectionView.model_validate(
        {**stated, "circuits": circuits, "uptimes": shown}
    )


def _uptime(row: c.UptimeRow) -> m.UptimeView:
    up = row.observed_ms - row.down_ms
    return m.UptimeView(
        window_seconds=row.window_seconds,
        uptime=up / row.observed_ms if row.observed_ms else None,
        observed_seconds=row.observed_ms // 1000,
        down_seconds=row.down_ms // 1000,
    )


def route(notes: Iterable[RouteNote]) -> list[m.RouteNoteView]:
    """Present why connections were taken or passed over."""
    return [
        m.RouteNoteView(connection=it.connection, reason=it.reason, detail=it.detail)
        for it in notes
    ]


def outage(row: c.OutageRow) -> m.OutageView:
    """Present an outage."""
    return m.OutageView(
        connection=row.connection,
        started_at=row.started_at,
        ended_at=row.ended_at,
        cause=row.cause,
        sample=row.sample,
    )


def alarm(row: c.AlarmRow) -> m.AlarmView:
    """Present an alarm."""
    return m.AlarmView.model_validate(
        {
            name: dict(row.detail) if name == "detail" else getattr(row, name)
            for name in m.AlarmView.model_fields
        }
    )


def numbers(row: c.ThreeNumbers) -> m.NumbersView:
    """Present the three numbers of one connection."""
    return m.NumbersView(
        connection=row.connection,
        currency=row.currency,
        processing={
            stage: m.PercentilesView(count=p.count, p50=p.p50, p95=p.p95, p99=p.p99)
            for stage, p in row.processing.items()
        },
        requested=row.requested,
        succeeded=row.succeeded,
        declined=row.declined,
        bounced=row.bounced,
        declined_by=dict(row.declined_by),
        success_rate=row.success_rate,
        uptime=row.uptime,
        observed_seconds=row.observed_seconds,
        down_seconds=row.down_seconds,
    )


def delivery(row: c.DeliveryRow) -> m.DeliveryView:
    """Present a stored webhook item."""
    stated = {name: getattr(row, name) for name in m.DeliveryView.model_fields}
    return m.DeliveryView.model_validate(stated)


def delivery_detail(row: c.DeliveryRow) -> m.DeliveryDetailView:
    """Present a stored webhook item with what it means."""
    item = row.item
    told = item.evidence if item is not None else None
    meaning: dict[str, str | int | None] = {}
    if item is not None:
        meaning = {
            "kind": item.kind,
            "occurred_at": item.occurred_at,
            "word": item.word,
            "read_again": int(item.hint),
            "payment_reference": item.payment_reference,
        }
    if told is not None:
        meaning |= {
            "gateway_reference": told.gateway_reference,
            "merchant_reference": told.merchant_reference,
            "amount_minor": told.amount_minor,
            "currency": told.currency,
            "raw_status": told.raw_status,
        }
    shown = {
        name: mask_cards(it) if isinstance(it, str) else it
        for name, it in meaning.items()
    }
    return m.DeliveryDetailView.model_validate(
        {
            "delivery": delivery(row),
            "dedupe_id": mask_cards(row.dedupe_id),
            "meaning": shown,
        }
    )


def bulk(report: c.BulkReport, *, dry_run: bool) -> m.BulkView:
    """Present what a bulk request did."""
    return m.BulkView(
        created=report.created,
        unchanged=report.unchanged,
        ids=list(report.ids),
        problems=[
            m.RowProblemView(
                index=it.index, code=it.code, message=it.message, field=it.field
            )
            for it in report.problems
        ],
        dry_run=dry_run,
    )


def counts(states: Mapping[RefundState, int]) -> dict[m.StateName, int]:
    """Present refunds by state; states without any are zero."""
    return {state.value: states.get(state, 0) for state in RefundState}
