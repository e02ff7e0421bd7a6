"""What a gateway adapter offers: pure operations, and data about what it can do.

Invariant: an adapter never touches the world. An operation is a generator that yields
`HttpRequest`, receives `HttpResponse` and returns its result; at most one request it
yields moves money. What is stored and resent identically is a request's method,
target, key header and body; `authorize` adds authentication at the moment of sending
and its result is never stored.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

# Everything beside the adapters knows this module alone, so it gives these on.
from refundwatch.gateways.capabilities import (  # noqa: TC001
    Capabilities as Capabilities,  # noqa: PLC0414
)
from refundwatch.gateways.capabilities import (
    Lookup as Lookup,  # noqa: PLC0414
)

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Evidence, Word
    from refundwatch.gateways.settlement import BadLine, SettlementLine

T = TypeVar("T")

Operation = Generator["HttpRequest", "HttpResponse", T]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; `target` is a path with query below the connection's endpoint.

    An absolute target is allowed only where the adapter checked it against its own
    list (PayPal's certificates); it is `https`, or a sandbox's loopback. `headers`
    hold no credential until `authorize`, and neither they nor the body are ever shown.
    `reusable` marks an answer that may be kept by target (certificates).
    """

    operation: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    moves_money: bool = False
    reusable: bool = False


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One whole answer; header names are lower case, and only the status is shown."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


# --- what an adapter is told ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountView:
    """The merchant account as its adapter sees it; `settings` come from the file.

    `mode` is `live` or `sandbox`; `endpoint` is the base URL of the connection.
    """

    name: str
    mode: str
    endpoint: str
    settings: Mapping[str, str] = field(default_factory=dict)
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class RefundInstruction:
    """Everything a refund request is made of; amounts in ISO 4217 minor units.

    `accepted_at` is when the gateway took it; `asked_at` is the moment of a poll, and
    None in every other question: only there may time alone say something. Before
    `created_at` the gateway cannot have heard of the refund; `last_status` is what it
    last said of it.
    """

    account: AccountView
    payment_reference: str
    merchant_reference: str
    idempotency_key: str
    amount_minor: int
    currency: str
    reason_code: str
    gateway_reference: str | None = None
    payment_captured_minor: int | None = None
    accepted_at: datetime | None = None
    asked_at: datetime | None = None
    created_at: datetime | None = None
    last_status: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A short-lived credential (an OAuth token); its secret is never shown."""

    secret: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """The resolved secrets of one connection; never shown, never stored."""

    values: Mapping[str, str] = field(repr=False)
    session: Session | None = field(default=None, repr=False)


# --- what an adapter answers ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heard:
    """The gateway stated where the refund stands."""

    word: Word
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class RefusedByGateway:
    """A documented business refusal; `may_be_echo` also fits our own success."""

    code: str
    may_be_echo: bool = False
    insufficient_funds: bool = False


@dataclass(frozen=True, slots=True)
class Unsure:
    """An answer that proves nothing; `replayed` says the key repeats it for ever."""

    reason: str
    retry_after_seconds: int | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class NotProcessed:
    """The gateway documents that this answer means: nothing was executed.

    `alone` says that the wait is this refund's: the others of its connection go on.
    """

    reason: str
    retry_after_seconds: int | None = None
    alone: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """Credentials or permissions were refused; nothing was executed."""

    reason: str
    session_expired: bool = False


Outcome = Heard | RefusedByGateway | Unsure | NotProcessed | Unauthorized


@dataclass(frozen=True, slots=True)
class NotOffered:
    """The gateway has no such operation; nothing was asked."""


CancelResult = Outcome | NotOffered
"""What became of a cancellation: a `Heard` says where the refund stands now."""


@dataclass(frozen=True, slots=True)
class Found:
    """Every refund at the gateway that carries our reference."""

    matches: tuple[Heard, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """The gateway's list does not hold our reference, as of now."""


@dataclass(frozen=True, slots=True)
class NotShown:
    """The gateway answered, and what it shows says nothing of this refund.

    It shows the latest event of a payment alone, and that is another refund's: the
    refund may be there or not.
    """


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """The question was not answered; it says nothing about the refund.

    `unknown_there` says that the gateway answered well, and knows of no such refund
    where it would have to: it may lag, and nothing is wrong with the connection.
    """

    reason: str
    retry_after_seconds: int | None = None
    unauthorized: bool = False
    unknown_there: bool = False


LookupResult = Found | Absent | NotShown | LookupFailed


@dataclass(frozen=True, slots=True)
class PaymentRead:
    """What the gateway says of the original payment; None where it cannot tell."""

    captured_minor: int
    currency: str
    refunded_minor: int | None = None
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class PaymentUnreadable:
    """The payment could not be read; `missing` means the gateway does not know it.

    `untold_in` is the currency of a payment that it knows, where it says nothing of
    what was captured; an order may name no currency, so it must be compared.
    """

    reason: str
    missing: bool = False
    unauthorized: bool = False
    untold_in: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One health probe; `failure` is None when the gateway answered well."""

    failure: str | None = None
    unauthorized: bool = False


class EventKind(StrEnum):
    """What a delivery speaks of."""

    REFUND = "refund"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_CLOSED = "dispute_closed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """The meaning of one webhook item.

    `dedupe_id` is unique within the account. `hint` says that the refund should be
    read again at the gateway before the word counts. `payment_reference` and
    `payment_aliases` are all the names the item gives to the original payment: ours
    is one of them, and which one is for the store to find.
    """

    kind: EventKind
    dedupe_id: str
    type: str
    occurred_at: str | None = None
    word: Word | None = None
    evidence: Evidence | None = None
    payment_reference: str | None = None
    hint: bool = False
    payment_aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawDelivery:
    """A webhook as it arrived; header names lower case, the body untouched.

    `query` is what stands behind the path: a gateway that signs nothing can be told
    an address that holds a secret.
    """

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery whose signature holds."""

    events: tuple[GatewayEvent, ...]


@dataclass(frozen=True, slots=True)
class Forged:
    """A delivery that must change nothing; `reason` is for the log only."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unverifiable:
    """The signature could not be checked now (certificate host down): answer 503."""

    reason: str


Verdict = Received | Forged | Unverifiable


# --- what an adapter offers -------------------------------------------------------


class Gateway(Protocol):
    """One adapter. Every reader is total: it returns a result for any bytes."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what this gateway can do."""
        ...

    def suited(self, settings: Mapping[str, str]) -> Gateway:
        """Give the adapter as it serves an account with these settings."""
        ...

    def origins(self, account: AccountView) -> tuple[str, ...]:
        """Give the origins beside the endpoint (`https://host`) that are asked, too.

        Never for money: that goes to the endpoint alone.
        """
        ...

    def authorize(
        self, request: HttpRequest, credentials: Credentials, now: datetime
    ) -> HttpRequest:
        """Return the request with its authentication; the result is never stored."""
        ...

    def open_session(
        self, account: AccountView, credentials: Credentials, now: datetime
    ) -> Operation[Session | Unauthorized | Unsure]:
        """Fetch a session where `needs_session`; its request is already authorized."""
        ...

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund; with `stored`, yield exactly that and read its answer.

        Without `stored` it may first yield reads, which are made before the refund is
        claimed, and return without ordering: `NotProcessed` waits (a sale that is
        not settled yet), `RefusedByGateway` is held for people under its code.
        Where the gateway demands a void before settlement, the one order is a void
        (operation `void`) of the whole amount, never for a part of it.

        Raises:
            NotExpressible: on the call itself, before anything is yielded: the
                gateway cannot state this amount, payment or reference.
        """
        ...

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Find the refund by our own reference."""
        ...

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by the gateway's reference, where it is known."""
        ...

    def read_payment(
        self, account: AccountView, payment_reference: str, currency: str
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read captured and refunded amounts of the original payment."""
        ...

    def cancel(self, instruction: RefundInstruction) -> Operation[CancelResult]:
        """Ask the gateway to take an accepted refund back, where it can."""
        ...

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,
    ) -> Operation[Verdict]:
        """Verify the raw bytes, then say what the delivery means."""
        ...

    def greet(
        self, account: AccountView, query: Mapping[str, str], secrets: tuple[str, ...]
    ) -> bytes | None:
        """Answer a GET on the webhook's address; None where there is no answer."""
        ...

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Ask the cheapest read the gateway has."""
        ...

    def read_settlement(
        self, account: AccountView, name: str, content: Iterable[bytes]
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a settlement report piece by piece; `name` is the file's, for people.

        Raises:
            SettlementUnreadable: it is no report that the gateway documents.
        """
        ...
