"""Refunds: request, list, show, decide, look up.

Invariant: as `daemon.routes` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon import present
from daemon.machines import check_shown, narrowed
from daemon.routes.call import Answer, Call, RouteHandler
from daemon.routes.customers import masked_customer
from daemon.routes.signed import reason_salt, signed_text
from refundwatch.api import models as m
from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.filter import parse_filter
from refundwatch.domain.refund import RefundState
from refundwatch.errors import CursorInvalid, RefundUnknown
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.domain.routing import RouteNote


async def create(call: Call) -> Answer:
    """Request one refund; the same request again answers with the same refund."""
    new = new_refund(call.model(m.RefundBody))
    made = await call.hub.intake.create(call.principal, new)
    row = await _detail(call, made.refund.id)
    view = m.CreatedRefundView(created=made.created, refund=present.refund(row.summary))
    return Answer(view, 201 if made.created else 200)


async def create_many(call: Call) -> Answer:
    """Request many refunds, all or nothing."""
    body = call.model(m.RefundsBody)
    report = await call.hub.intake.create_many(
        call.principal,
        tuple(new_refund(row) for row in body.refunds),
        dry_run=body.dry_run,
    )
    status = 422 if report.problems else 200
    return Answer(present.bulk(report, dry_run=body.dry_run), status)


async def list_all(call: Call) -> Answer:
    """List refunds by the filter language."""
    offset = call.query.get("offset")
    if offset is not None and call.text("cursor") is not None:
        message = "A page begins at a cursor or at an offset, not at both."
        raise CursorInvalid(message, field="cursor")
    page = await call.hub.store.read(
        c.ListRefunds(
            filter=narrowed(parse_filter(call.text("filter") or ""), call.principal),
            at=call.now,
            limit=call.integer("limit", 50),
            cursor=call.text("cursor"),
            offset=offset if isinstance(offset, int) else None,
            oldest_first=call.flag("oldest_first"),
        )
    )
    return Answer(
        m.RefundPage(
            items=[present.refund(row) for row in page.items],
            next_cursor=page.next_cursor,
            total=page.total,
            searched_to=page.searched_to,
        )
    )


async def states(call: Call) -> Answer:
    """Count refunds by state."""
    store = call.hub.store
    seq = await store.read(c.LastSeq())
    found = await store.read(c.CountStates())
    return Answer(m.StatesView(counts=present.counts(found), seq=seq))


async def show(call: Call) -> Answer:
    """Show one refund, whole."""
    row = await _detail(call, call.parts["refund"])
    check_shown(call.principal, row.summary)
    way: tuple[RouteNote, ...] = ()
    refund = row.summary.refund
    if refund.state is RefundState.QUEUED:
        await call.hub.lanes.see_health(call.hub.store)
        way = call.hub.lanes.explain(refund.account).notes
    shown = present.detail(row, call.principal, way)
    customer = await masked_customer(call, refund.payment_id)
    payment = shown.payment.model_copy(update={"customer": customer})
    return Answer(shown.model_copy(update={"payment": payment}))


async def look_up(call: Call) -> Answer:
    """Make an unknown or pending refund due at once."""
    row = await _detail(call, call.parts["refund"])
    refund_id = row.summary.refund.id
    await call.hub.store.execute(c.LookUpNow(call.now, call.principal, refund_id))
    return Answer(present.refund((await _detail(call, refund_id)).summary))


def deciding(verdict: Verdict, body_kind: type[m.DecisionBody]) -> RouteHandler:
    """Return the handler of one kind of decision."""

    async def decide(call: Call) -> Answer:
        body = call.model(body_kind)
        row = await _detail(call, call.parts["refund"])
        amount_minor: int | None = None
        refund_reason_code: str | None = None
        resolution: Resolution | None = None
        evidence: Mapping[str, str] = {}
        at_gateway = verdict is Verdict.CANCEL and call.hub.canceller.offers(
            row.summary.refund
        )
        if isinstance(body, m.EditBody):
            amount_minor = body.amount_minor
            refund_reason_code = body.refund_reason_code
        if isinstance(body, m.ResolveBody):
            resolution, evidence = Resolution(body.resolution), body.evidence
        decided = await call.hub.store.execute(
            c.DecideRefund(
                at=call.now,
                principal=call.principal,
                refund_id=row.summary.refund.id,
                decision=verdict,
                revision=body.revision,
                request_sha256=body.request_sha256,
                reason_code=body.reason_code,
                policy=call.hub.policy,
                reason_text=body.reason_text,
                amount_minor=amount_minor,
                refund_reason_code=refund_reason_code,
                resolution=resolution,
                evidence=evidence,
                at_gateway=at_gateway,
                signed=signed_text(body),
                reason_salt=reason_salt(body),
            )
        )
        if at_gateway:
            await call.hub.canceller.ask(decided.refund)
        after = await _detail(call, decided.refund.id)
        return Answer(
            m.DecidedView(
                refund=present.refund(after.summary), waiting_for=decided.waiting_for
            )
        )

    return decide


def new_refund(body: m.RefundBody) -> c.NewRefund:
    """Turn a refund request's model into the store's form."""
    return c.NewRefund(
        request_id=body.request_id,
        payment=body.payment,
        amount_minor=body.amount_minor,
        currency=body.currency,
        reason_code=body.reason_code,
        account=body.account,
        reason_text=body.reason_text,
        expected_remaining_minor=body.expected_remaining_minor,
        invoice=body.invoice,
    )


async def _detail(call: Call, refund_id: str) -> c.RefundDetail:
    row = await call.hub.store.read(c.GetRefund(refund_id))
    if row is None:
        raise RefundUnknown(f"There is no refund {refund_id}.", field="refund")
    return row


HANDLERS: Final[dict[str, RouteHandler]] = {
    "refunds.create": create,
    "refunds.bulk": create_many,
    "refunds.list": list_all,
    "refunds.states": states,
    "refunds.show": show,
    "refunds.lookup": look_up,
    "refunds.approve": deciding(Verdict.APPROVE, m.ApproveBody),
    "refunds.refuse": deciding(Verdict.REFUSE, m.DecisionBody),
    "refunds.edit": deciding(Verdict.EDIT, m.EditBody),
    "refunds.cancel": deciding(Verdict.CANCEL, m.DecisionBody),
    "refunds.hold": deciding(Verdict.HOLD, m.DecisionBody),
    "refunds.release": deciding(Verdict.RELEASE, m.DecisionBody),
    "refunds.resolve": deciding(Verdict.RESOLVE, m.ResolveBody),
}
