from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from refundwatch.domain.policy import Band, Principal, Role
from refundwatch.store.contract import (
    AccountSpec,
    ConnectionSpec,
    CreateRefund,
    DecideRefund,
    GetRefund,
    NewPayment,
    NewRefund,
    OpenHouse,
    Policy,
    PutPayments,
)
from refundwatch.store.sqlite.statements import content_sha256
from refundwatch.store.sqlite.store import (
    InlineStore,
    SqliteStore,
    open_sqlite_store,
)
from tests.sealer import OpenSealer
from tests.signing import introduce, signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from refundwatch.domain.decision import Verdict
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Decided, Store

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
INSTANCE = "hub.test"
EVERYBODY = frozenset(Role) - {Role.ADMIN}

SHOP = Principal("machine:shop", frozenset({Role.REQUESTER, Role.OPERATOR}))
ANN = Principal("person:ann", frozenset({Role.APPROVER}))
BEN = Principal("person:ben", frozenset({Role.APPROVER}))
CAT = Principal("person:cat", frozenset({Role.APPROVER}))
OLA = Principal("person:ola", frozenset({Role.OPERATOR}))
PIA = Principal("person:pia", frozenset({Role.OPERATOR}))
VIC = Principal("person:vic", frozenset({Role.VIEWER}))
ROOT = Principal("person:root", frozenset({Role.ADMIN}))
PEOPLE = (ANN, BEN, CAT, OLA, PIA, VIC, ROOT)

# Below 50.00 nobody, below 500.00 one person, from there two.
POLICY = Policy(
    version="p1",
    bands=(Band("GBP", 5_000, 50_000), Band("EUR", 5_000, 50_000)),
    approvals_expiry_seconds=72 * 3600,
)
FREE = Policy(
    version="free",
    bands=(Band("GBP", 10**12, 10**12), Band("EUR", 10**12, 10**12)),
    approvals_expiry_seconds=72 * 3600,
)

HOUSE = OpenHouse(
    at=START,
    instance=INSTANCE,
    mode="sandbox",
    config_digest="d" * 64,
    version="0.1.0",
    accounts=(
        AccountSpec("stripe-uk", "stripe", "Europe/London"),
        AccountSpec("adyen-eu", "adyen", "Europe/Amsterdam"),
        AccountSpec("paypal-us", "paypal", "America/New_York"),
    ),
    connections=(
        ConnectionSpec("stripe-uk", "main", "http://127.0.0.1:1/stripe"),
        ConnectionSpec("stripe-uk", "second", "http://127.0.0.1:2/stripe"),
        ConnectionSpec("adyen-eu", "main", "http://127.0.0.1:1/adyen"),
        ConnectionSpec("paypal-us", "main", "http://127.0.0.1:1/paypal"),
    ),
)

_numbers = count(1)


def after(seconds: float) -> datetime:
    """A moment that many seconds after the start."""
    return START + timedelta(seconds=seconds)


def zeros(size: int) -> bytes:
    """Entropy of a test: the same every time."""
    return bytes(size)


async def open_house(
    path: Path | None = None, hook: Callable[[str], None] | None = None
) -> InlineStore:
    """A store without threads whose house is open; in memory without a path."""
    store = await open_sqlite_store(
        path, OpenSealer(), inline=True, hook=hook, entropy=zeros
    )
    assert isinstance(store, InlineStore)
    await store.execute(HOUSE)
    introduce(store, PEOPLE, INSTANCE)
    return store


async def make_payment(
    store: Store,
    captured_minor: int = 10_000,
    *,
    account: str = "stripe-uk",
    currency: str = "GBP",
    reference: str | None = None,
    at: datetime = START,
    **fields: Any,
) -> str:
    """Store a payment; give its id."""
    payment = NewPayment(
        account=account,
        gateway_reference=reference or f"pi_{next(_numbers)}",
        captured_minor=captured_minor,
        currency=currency,
        **fields,
    )
    report = await store.execute(PutPayments(at, "machine:shop", (payment,)))
    assert not report.problems, report.problems
    return report.ids[0]


def new_refund(payment: str, amount_minor: int = 1_000, **fields: Any) -> NewRefund:
    """A request for a refund."""
    fields.setdefault("request_id", f"req-{next(_numbers)}")
    fields.setdefault("currency", "GBP")
    fields.setdefault("reason_code", "returned")
    return NewRefund(payment=payment, amount_minor=amount_minor, **fields)


async def make_refund(
    store: Store,
    payment: str | None = None,
    amount_minor: int = 1_000,
    *,
    at: datetime = START,
    principal: Principal = SHOP,
    policy: Policy = POLICY,
    **fields: Any,
) -> Refund:
    """Create a refund, with a payment of its own if none is given."""
    if payment is None:
        payment = await make_payment(store, max(amount_minor, 10_000), at=at)
    new = new_refund(payment, amount_minor, **fields)
    created = await store.execute(CreateRefund(at, principal, new, policy))
    return created.refund


async def decide(
    store: Store,
    refund: Refund,
    decision: Verdict,
    principal: Principal,
    *,
    at: datetime = START,
    policy: Policy = POLICY,
    **fields: Any,
) -> Decided:
    """Decide about the refund as it was shown."""
    fields.setdefault("revision", refund.revision)
    fields.setdefault("request_sha256", content_sha256(refund))
    fields.setdefault("reason_code", "seen")
    command = DecideRefund(
        at=at,
        principal=principal,
        refund_id=refund.id,
        decision=decision,
        policy=policy,
        **fields,
    )
    if principal.is_person and isinstance(store, SqliteStore):
        introduce(store, (principal,), INSTANCE)
    gateway = next(it.gateway for it in HOUSE.accounts if it.name == refund.account)
    shown = await store.read(GetRefund(refund.id))
    now = refund if shown is None else shown.summary.refund
    return await store.execute(signed(command, now, instance=INSTANCE, gateway=gateway))
