"""The wire: every body that daemon and clients exchange, as strict models.

Invariant: an amount is a whole number of minor units with its currency and exponent;
no model accepts a field it does not know, a float for an amount, or text for a number.
Times are UTC with an offset.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
)

from refundwatch.api.words import ResolutionName, RoleName


def _no_number(value: object) -> object:
    """Refuse a number for a time: nobody can see whether it means seconds."""
    if isinstance(value, datetime) or (isinstance(value, str) and "T" in value):
        return value
    raise ValueError("a time is ISO 8601 text with an offset")


Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,64}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
PrincipalId = Annotated[
    str,
    StringConstraints(
        pattern=r"^(person|machine):[a-z0-9]([a-z0-9._@+-]{0,126}[a-z0-9])?$"
    ),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_no_number)]
Minor = Annotated[int, Field(gt=0, lt=2**53)]
StateName = Literal[
    "awaiting_approval",
    "held",
    "queued",
    "sending",
    "unknown",
    "pending",
    "succeeded",
    "settled",
    "declined",
    "reversed",
    "review",
    "refused",
    "expired",
    "cancelled",
]
ActionName = Literal[
    "approve", "refuse", "edit", "cancel", "hold", "release", "resolve", "lookup"
]


class Body(BaseModel):
    """What a client sends: strict, closed."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,
    )


class View(BaseModel):
    """What the daemon answers."""

    # Built when it is first used: a client uses few of these, and starts often.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class AmountView(View):
    """An amount: `minor` units of `currency`, which has `exponent` decimals."""

    minor: int
    currency: str
    exponent: int


class Problem(View):
    """An RFC 9457 problem; `code` is stable, `field` names what was wrong."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    request: str | None = None


# --- payments and invoices --------------------------------------------------------


class InvoiceShareBody(Body):
    """The part of a payment that pays one invoice."""

    number: Reference
    amount_minor: Minor


class CustomerBody(Body):
    """Personal fields; sealed at rest, never searched but by exact blind index."""

    name: Text | None = None
    email: Text | None = None
    account: Text | None = None
    last_four: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")] | None = None


class PaymentBody(Body):
    """A payment that a gateway took; `captured_minor` may still be corrected by it."""

    account: Name
    gateway_reference: Reference
    captured_minor: Minor
    currency: Currency
    captured_at: Time | None = None
    order_reference: Reference | None = None
    invoices: list[InvoiceShareBody] = Field(default_factory=list, max_length=100)
    customer: CustomerBody | None = None


class PaymentsBody(Body):
    """Many payments, all or nothing."""

    payments: list[PaymentBody] = Field(min_length=1, max_length=5000)
    dry_run: bool = False


class InvoiceBody(Body):
    """An invoice."""

    number: Reference
    amount_minor: Minor
    currency: Currency
    issued_at: Time | None = None


class InvoicesBody(Body):
    """Many invoices, all or nothing."""

    invoices: list[InvoiceBody] = Field(min_length=1, max_length=5000)
    dry_run: bool = False


class RowProblemView(View):
    """Why one row of a bulk request was refused; `index` counts from 0."""

    index: int
    code: str
    message: str
    field: str | None = None


class BulkView(View):
    """What a bulk request did; with any problem nothing was stored."""

    created: int
    unchanged: int
    ids: list[str] = Field(default_factory=list)
    problems: list[RowProblemView] = Field(default_factory=list)
    dry_run: bool = False


class InvoiceShareView(View):
    """The part of a payment that pays one invoice."""

    number: str
    amount: AmountView


class CustomerView(View):
    """A payment's customer: masked, but where somebody asked on the record."""

    masked: bool
    name: str | None = None
    email: str | None = None
    account: str | None = None
    last_four: str | None = None
    erased_at: datetime | None = None


class PaymentView(View):
    """A payment with what may still be refunded; lists leave its customer out."""

    id: str
    account: str
    gateway: str
    gateway_reference: str
    captured: AmountView
    refunded: AmountView
    reserved: AmountView
    external: AmountView
    refundable: AmountView
    frozen: str | None
    frozen_at: datetime | None
    knowledge: Literal["unread", "read", "declared"]
    captured_at: datetime | None
    created_at: datetime
    order_reference: str | None
    invoices: list[InvoiceShareView]
    customer: CustomerView | None = None


class PaymentPage(View):
    """A slice of the payments."""

    items: list[PaymentView]
    next_cursor: str | None


class InvoiceView(View):
    """An invoice with what was refunded of it."""

    number: str
    amount: AmountView
    issued_at: datetime | None
    payments: list[InvoiceShareView]
    refunded: AmountView
    reserved: AmountView


# --- refunds ----------------------------------------------------------------------


class RefundBody(Body):
    """A refund request; `payment` is our payment id or, with `account`, theirs."""

    request_id: RequestId
    payment: Reference
    account: Name | None = None
    amount_minor: Minor
    currency: Currency
    reason_code: Code
    reason_text: Text | None = None
    expected_remaining_minor: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    invoice: Reference | None = None


class RefundsBody(Body):
    """Many refund requests, all or nothing."""

    refunds: list[RefundBody] = Field(min_length=1, max_length=5000)
    dry_run: bool = False


class RefundView(View):
    """A refund as lists and frames show it."""

    id: str
    request_id: str
    account: str
    gateway: str
    connection: str | None
    payment_id: str
    payment_reference: str
    amount: AmountView
    state: StateName
    state_word: str
    revision: int
    request_sha256: str
    reason_code: str
    merchant_reference: str
    gateway_reference: str | None
    required_approvals: int
    approvals: int
    approvals_expire_at: datetime | None
    hold_reason: str | None
    review_reason: str | None
    executed: AmountView | None = None
    refused_code: str | None
    requires_action: bool
    last_status: str | None
    frozen: str | None
    attempts: int
    lookups: int
    generation: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    accepted_at: datetime | None
    succeeded_at: datetime | None
    final_at: datetime | None
    due_at: datetime | None
    seq: int


class RefundPage(View):
    """A slice of the refunds; `total` is given with an offset.

    `searched_to` is null where everything was looked through. Otherwise the filter is
    rarer than a page may cost: refunds requested beyond that moment were not looked at
    yet, the page may hold fewer than asked for or none, `total` counts those found so
    far, and `next_cursor` goes on from there.
    """

    items: list[RefundView]
    next_cursor: str | None
    total: int | None = None
    searched_to: datetime | None = None


class DecisionView(View):
    """A decision; `statement` is the canonical JSON text as stored.

    `signature` is the armored one of its person; null where nobody signed.
    """

    decision: str
    actor: str
    at: datetime
    revision: int
    reason_code: str
    reason_text: str | None
    valid: bool
    statement: str
    signature: str | None = None


class RouteNoteView(View):
    """Why a connection was chosen or passed over; the reason is a code."""

    connection: str
    reason: str
    detail: str = ""


class AttemptView(View):
    """One attempt to send; `route` says why over this connection."""

    number: int
    connection: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None
    reason: str | None
    status: int | None
    duration_ms: int | None
    route: list[RouteNoteView] = []


class DeliveryView(View):
    """One webhook item."""

    id: int
    account: str
    type: str
    received_at: datetime
    state: str
    reason: str | None
    refund_id: str | None = None
    repeats: int = 0
    closed_at: datetime | None = None
    replayed_at: datetime | None = None


class DeliveryPage(View):
    """Webhook items, newest first."""

    items: list[DeliveryView]
    next_cursor: str | None


class DeliveryDetailView(View):
    """One webhook item with its meaning; its raw body stays sealed."""

    delivery: DeliveryView
    dedupe_id: str
    meaning: dict[str, JsonValue]


class EntryView(View):
    """One audit entry: what happened, and its place in the log."""

    seq: int
    at: datetime
    kind: str
    actor: str
    refund_id: str | None
    data: dict[str, JsonValue]


class ActionView(View):
    """Whether the caller may do this now, and why not."""

    action: ActionName
    allowed: bool
    reason: str | None = None


class RefundDetailView(View):
    """A refund with its whole timeline.

    `route` says of one that waits to be sent which way it would take now, and why.
    """

    refund: RefundView
    payment: PaymentView
    idempotency_key: str
    reason_text: str | None
    invoice: str | None
    decisions: list[DecisionView]
    attempts: list[AttemptView]
    deliveries: list[DeliveryView]
    timeline: list[EntryView]
    actions: list[ActionView]
    route: list[RouteNoteView] = []


class CreatedRefundView(View):
    """The refund of a request; `created` is False when it stood already."""

    created: bool
    refund: RefundView


class SignedBody(Body):
    """What a person signs: the very text of its statement, and the signature.

    `reason_salt`, 16 bytes in hex, is that of the statement's `reason_commitment`.
    """

    statement: (
        Annotated[str, StringConstraints(min_length=2, max_length=16_384)] | None
    ) = None
    signature: (
        Annotated[str, StringConstraints(min_length=1, max_length=16_384)] | None
    ) = None
    reason_salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = (
        None
    )


class DecisionBody(SignedBody):
    """A decision about exactly what the client displayed."""

    revision: Annotated[int, Field(ge=1)]
    request_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None
    reason_code: Code
    reason_text: Text | None = None


class ApproveBody(DecisionBody):
    """Say yes; `reason_code` is `approved` unless said otherwise."""

    reason_code: Code = "approved"
    request_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EditBody(DecisionBody):
    """Ask for another amount; voids every approval."""

    amount_minor: Minor
    refund_reason_code: Code | None = None


class ResolveBody(DecisionBody):
    """Say what truly became of a refund in review; a second person must agree."""

    resolution: ResolutionName
    evidence: dict[Code, Text] = Field(
        min_length=1, max_length=20, json_schema_extra={"additionalProperties": False}
    )


class DecidedView(View):
    """The refund after a decision; `waiting_for` counts people still needed."""

    refund: RefundView
    waiting_for: int


class StatesView(View):
    """How many refunds are in each state."""

    counts: dict[StateName, int]
    seq: int


# --- accounts, connections, alarms, metrics ---------------------------------------


class RhythmView(View):
    """How long an account's webhooks usually stay away while refunds wait for a word.

    `silent_since` is null while none waits; time when nobody listened is no silence.
    """

    expected_gap_seconds: int
    learned: bool
    alarm_after_seconds: int
    silent_since: datetime | None
    silent_seconds: int
    too_long: bool


class AccountView(View):
    """A merchant account; `rhythm` is null before it was listened to."""

    name: str
    gateway: str
    timezone: str
    connections: list[str]
    last_delivery_at: datetime | None
    unmatched: int
    rhythm: RhythmView | None = None


class AccountsView(View):
    """Every account."""

    items: list[AccountView]


class BackfillBody(Body):
    """Refunds not final, or final since then; `after` is how far the last call came."""

    since: Time
    after: Annotated[str, Field(max_length=64)] = ""


class BackfillView(View):
    """How far a backfill came; `after` is null at its end, `total` told at its start.

    `looked_up` are refunds without an answer whose look-up is due now, `unreadable`
    those that the gateway cannot be asked about, `failed` those that got no answer.
    """

    account: str
    gateway: str
    done: int
    read: int
    changed: int
    changed_ids: list[str]
    looked_up: int
    unreadable: int
    failed: int
    total: int | None
    after: str | None


class CircuitView(View):
    """How a connection's orders or reads stand; `until` is when reads may try it."""

    part: Literal["orders", "reads"]
    standing: Literal["closed", "open", "half_open"]
    opened_at: datetime | None = None
    until: datetime | None = None
    reason: str | None = None
    actor: str | None = None


class UptimeView(View):
    """Uptime over a window that ends now; null where nothing was observed."""

    window_seconds: int
    uptime: float | None
    observed_seconds: int
    down_seconds: int


class ConnectionView(View):
    """A connection's health as it stands; in the live feed without `uptimes`."""

    id: str
    account: str
    gateway: str
    endpoint: str
    health: Literal["up", "degraded", "down", "unknown"]
    paused: str | None
    consecutive_failures: int
    last_ok_at: datetime | None
    last_failure_at: datetime | None
    last_failure: str | None
    down_since: datetime | None
    queued: int
    sending: int
    unknown: int
    circuits: list[CircuitView] = []
    uptimes: list[UptimeView] = []


class ConnectionsView(View):
    """Every connection."""

    items: list[ConnectionView]


class OutageView(View):
    """One outage."""

    connection: str
    started_at: datetime
    ended_at: datetime | None
    cause: str
    sample: str | None


class OutagesView(View):
    """Outages, newest first."""

    items: list[OutageView]


class TimeoutsView(View):
    """How many of so many calls timed out."""

    calls: int
    timeouts: int


class VersionNoticeView(View):
    """A version that began to answer, or a status nobody documents.

    `difference` is the rate of timeouts since then less the one before it, from -1 to
    1, with the bounds of its 95 % interval; null where one side has no calls.
    """

    id: int
    version_before: str
    version: str
    unseen_status: str | None
    opened_at: datetime
    before: TimeoutsView
    after: TimeoutsView
    difference: float | None
    low: float | None
    high: float | None
    effect: Literal[
        "open", "more_timeouts", "fewer_timeouts", "no_effect", "too_few_calls"
    ]
    judged_at: datetime | None
    first_sample: str
    failing_sample: str | None
    failing_at: datetime | None


class VersionView(View):
    """What one version answered of an operation since `since`; "" where none is named.

    `stated` says that the gateway's answers name it, not only our requests.
    """

    connection: str
    operation: str
    version: str
    version_asked: str | None
    stated: bool
    current: bool
    since: datetime
    last_at: datetime
    answered: TimeoutsView
    notices: list[VersionNoticeView]


class VersionsView(View):
    """Versions by connection and operation, with their notices, newest first."""

    items: list[VersionView]


class AlarmView(View):
    """An alarm from opening to close."""

    id: int
    kind: str
    severity: Literal["info", "warning", "critical"]
    subject: str
    opened_at: datetime
    detail: dict[str, JsonValue]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None


class AlarmsView(View):
    """Alarms, newest first."""

    items: list[AlarmView]


class PercentilesView(View):
    """Seconds; null where nothing was counted."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


class NumbersView(View):
    """The three numbers of one connection, or of all (`*`)."""

    connection: str
    currency: str | None
    processing: dict[str, PercentilesView]
    requested: int
    succeeded: int
    declined: int
    bounced: int
    declined_by: dict[str, int]
    success_rate: float | None
    uptime: float | None
    observed_seconds: int
    down_seconds: int


class MetricsView(View):
    """The three numbers over a window that ends at `at`."""

    at: datetime
    window_seconds: int
    items: list[NumbersView]


# --- audit, tokens, status --------------------------------------------------------


class AuditRowView(View):
    """One row of the log: base64 of the hashed bytes, and the leaf hash in hex."""

    seq: int
    entry: str
    leaf_hash: str


class AuditPage(View):
    """Rows in order; `next` is the sequence to ask for next, null at the end."""

    items: list[AuditRowView]
    next: int | None
    size: int


class MeView(View):
    """Who the caller is."""

    principal: str
    roles: list[RoleName]
    permissions: list[str]
    scopes: list[str] = Field(default_factory=list)
    # Where a daemon says nothing of it, persons sign.
    signs: bool = Field(
        default=True, description="whether each decision of this caller is signed"
    )


class StatusView(View):
    """The daemon as it runs."""

    instance: str
    mode: Literal["live", "sandbox"]
    version: str
    policy_version: str
    started_at: datetime
    now: datetime
    draining: bool
    last_seq: int
    recovery: str | None = None


# --- the live feed ----------------------------------------------------------------


class SnapshotFrame(View):
    """The first frame: everything the overview shows, as of `seq`."""

    frame: Literal["snapshot"] = "snapshot"
    seq: int
    now: datetime
    status: StatusView
    me: MeView
    counts: dict[StateName, int]
    connections: list[ConnectionView]
    alarms: list[AlarmView]
    metrics: MetricsView


class ChangeFrame(View):
    """One audited change; `seq` numbers them without gaps that matter to a client."""

    frame: Literal["change"] = "change"
    seq: int
    at: datetime
    kind: str
    actor: str
    refund: RefundView | None
    counts: dict[StateName, int] | None = None


class HealthFrame(View):
    """The newest health; replaces every earlier one."""

    frame: Literal["health"] = "health"
    now: datetime
    counts: dict[StateName, int]
    connections: list[ConnectionView]
    alarms: list[AlarmView]
    metrics: MetricsView


class ResetFrame(View):
    """The client asked for a past that is too long: ask for a snapshot."""

    frame: Literal["reset"] = "reset"
    seq: int


Frame = Annotated[
    SnapshotFrame | ChangeFrame | HealthFrame | ResetFrame, Field(discriminator="frame")
]


def as_json(model: BaseModel) -> str:
    """Render an answer for scripts."""
    return json.dumps(model.model_dump(mode="json"), ensure_ascii=False)
