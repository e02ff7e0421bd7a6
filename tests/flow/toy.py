"""A small gateway: its adapter, and the bank behind it that really moves money."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import NotExpressible
from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import (
    Absent,
    AccountView,
    Capabilities,
    Credentials,
    EventKind,
    Forged,
    Found,
    GatewayEvent,
    Heard,
    HttpRequest,
    HttpResponse,
    Lookup,
    LookupFailed,
    LookupResult,
    NotProcessed,
    Operation,
    Outcome,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RawDelivery,
    Received,
    RefundInstruction,
    RefusedByGateway,
    Session,
    Unauthorized,
    Unsure,
    Unverifiable,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from refundwatch.flow.ports import ConnectionPath

DAY = 24 * 60 * 60

TOY = Capabilities(
    name="toy",
    title="Toy",
    lookup=Lookup.BY_REFERENCE,
    key_window_seconds=DAY,
    lookup_delay_seconds=60,
    reads_payment=True,
    reads_refund=True,
    needs_session=False,
    polls_pending=True,
    replay_is_authoritative=True,
    complete_listing=False,
    partial_refunds=True,
    cancels_refund=False,
    voids=False,
    reference_limit=64,
    amount_form="minor_units",
    webhook_answer=b"[accepted]",
    webhook_tolerance_seconds=None,
    settlement_source="none",
    credentials=("key",),
    settings=(),
)

_WORDS = {
    "pending": Word.PENDING,
    "succeeded": Word.SUCCEEDED,
    "settled": Word.SETTLED,
    "failed": Word.FAILED,
    "reversed": Word.REVERSED,
}


def heard_of(stated: dict[str, Any], source: str) -> Heard:
    word = _WORDS.get(stated["status"], Word.UNSEEN)
    evidence = Evidence(
        source=source,
        raw_status=stated["status"],
        gateway_reference=stated.get("id"),
        merchant_reference=stated.get("reference"),
        payment_reference=stated.get("payment"),
        amount_minor=stated.get("amount"),
        currency=stated.get("currency"),
    )
    return Heard(word, evidence)


NO_WINDOW = replace(TOY, key_window_seconds=0)
COMPLETE = replace(NO_WINDOW, complete_listing=True)
BLIND = replace(
    TOY,
    lookup=Lookup.NONE,
    reads_refund=False,
    reads_payment=False,
    polls_pending=False,
)


class Toy:
    """The adapter of the toy gateway."""

    def __init__(self, capabilities: Capabilities = TOY) -> None:
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def authorize(
        self, request: HttpRequest, credentials: Credentials, now: datetime
    ) -> HttpRequest:
        token = credentials.values["key"]
        if self.capabilities.needs_session:
            assert credentials.session is not None
            token = credentials.session.secret
        return replace(request, headers=(*request.headers, ("Authorization", token)))

    def open_session(
        self, account: AccountView, credentials: Credentials, now: datetime
    ) -> Operation[Session | Unauthorized | Unsure]:
        response = yield HttpRequest("token", "POST", "/token")
        if response.status == 401:
            return Unauthorized("bad_client")
        if response.status != 200:
            return Unsure(f"http_{response.status}")
        told = json.loads(response.body)
        life = timedelta(seconds=told["expires_in"])
        return Session(told["token"], now + life)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        if instruction.amount_minor == 666:
            raise NotExpressible("The toy gateway knows no 666.", field="amount_minor")
        body = {
            "payment": instruction.payment_reference,
            "amount": instruction.amount_minor,
            "currency": instruction.currency,
            "reference": instruction.merchant_reference,
        }
        built = HttpRequest(
            operation="refund",
            method="POST",
            target="/refunds",
            headers=(("Idempotency-Key", instruction.idempotency_key),),
            body=json.dumps(body).encode(),
            moves_money=True,
        )
        return _order(stored or built)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        response = yield HttpRequest(
            "look_up", "GET", f"/refunds?reference={instruction.merchant_reference}"
        )
        return _looked(response, "lookup")

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        response = yield HttpRequest(
            "read_refund", "GET", f"/refunds/{instruction.gateway_reference}"
        )
        return _looked(response, "poll")

    def read_payment(
        self, account: AccountView, payment_reference: str, currency: str
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        response = yield HttpRequest(
            "read_payment", "GET", f"/payments/{payment_reference}"
        )
        if response.status != 200:
            return PaymentUnreadable(
                f"http_{response.status}",
                missing=response.status == 404,
                unauthorized=response.status == 401,
            )
        told = json.loads(response.body)
        return PaymentRead(
            told["captured"], told["currency"], told["refunded"], told["disputed"]
        )

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,
    ) -> Operation[Verdict]:
        certificate = delivery.headers.get("x-cert")
        if certificate is not None:
            response = yield HttpRequest("cert", "GET", certificate, reusable=True)
            if response.status != 200:
                return Unverifiable("certificate")
        if delivery.headers.get("x-sig") not in secrets:
            return Forged("signature_mismatch")
        told = json.loads(delivery.body)
        return Received(tuple(_event(item, told) for item in told["items"]))

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        response = yield HttpRequest("probe", "GET", "/health")
        if response.status == 401:
            return ProbeResult("http_401", unauthorized=True)
        return ProbeResult(None if response.status == 200 else "bad")


def _order(request: HttpRequest) -> Operation[Outcome]:
    response = yield request
    if response.status == 401:
        expired = response.headers.get("x-expired") == "yes"
        return Unauthorized("http_401", session_expired=expired)
    if response.status == 429:
        return NotProcessed("http_429", _wait(response))
    try:
        told = json.loads(response.body)
    except ValueError:
        return Unsure("not_json")
    if response.status in {402, 422}:
        return RefusedByGateway(
            told["code"],
            may_be_echo=told.get("echo", False),
            insufficient_funds=told["code"] == "no_funds",
        )
    if response.status != 200:
        return Unsure(
            f"http_{response.status}",
            _wait(response),
            replayed=response.headers.get("x-replayed") == "yes",
        )
    return heard_of(told, "answer")


def _wait(response: HttpResponse) -> int | None:
    written = response.headers.get("retry-after")
    return int(written) if written else None


def _looked(response: HttpResponse, source: str) -> LookupResult:
    if response.status == 404:
        return Absent()
    if response.status != 200:
        return LookupFailed(
            f"http_{response.status}",
            _wait(response),
            unauthorized=response.status == 401,
        )
    told = json.loads(response.body)
    matches = tuple(heard_of(one, source) for one in told["refunds"])
    return Found(matches) if matches else Absent()


def _event(item: dict[str, Any], told: dict[str, Any]) -> GatewayEvent:
    kind = EventKind(item.get("kind", "refund"))
    said = heard_of(item, "webhook") if kind is EventKind.REFUND else None
    if said is not None and "aliases" in item:
        # As of an adapter that cannot tell which of the names is ours.
        evidence = replace(said.evidence, payment_reference=None)
        said = replace(said, evidence=evidence)
    return GatewayEvent(
        kind=kind,
        dedupe_id=item["event"],
        type=f"toy.{kind}",
        word=said.word if said and not item.get("wordless") else None,
        evidence=said.evidence if said else None,
        payment_reference=item.get("payment"),
        occurred_at=item.get("occurred_at"),
        hint=told.get("hint", False),
        payment_aliases=tuple(item.get("aliases", ())),
    )


# --- the bank ---------------------------------------------------------------------


class Act(StrEnum):
    """What the bank does with one order."""

    OK = "ok"
    PENDING = "pending"
    NEVER_SENT = "never_sent"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    LATE = "late"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    STORED_ERROR = "stored_error"
    BUSY = "busy"
    BUSY_SILENT = "busy_silent"
    UNAVAILABLE = "unavailable"
    IN_PROGRESS = "in_progress"
    GARBAGE = "garbage"
    REFUSE = "refuse"
    REFUSE_ECHO = "refuse_echo"
    NO_FUNDS = "no_funds"
    DENIED = "denied"
    EXPIRED = "expired"
    WRONG_AMOUNT = "wrong_amount"
    WRONG_CURRENCY = "wrong_currency"
    WRONG_PAYMENT = "wrong_payment"
    UNSEEN = "unseen"
    SILENT_CODE = "silent_code"


@dataclass
class Executed:
    """One refund that the bank really made."""

    id: str
    key: str
    reference: str
    payment: str
    amount: int
    currency: str
    status: str
    at: float

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "reference": self.reference,
            "payment": self.payment,
            "amount": self.amount,
            "currency": self.currency,
        }


@dataclass
class Sent:
    """One order as it arrived."""

    connection: str
    key: str
    body: bytes
    target: str
    at: float
    authorization: str


@dataclass
class Bank:
    """Transport and gateway in one; it lives on when a daemon dies."""

    acts: list[Act] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    default: Act = Act.OK
    honours_keys: bool = True
    key_life: float = DAY
    finds_after: float = 0.0
    executed: list[Executed] = field(default_factory=list)
    orders: list[Sent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    captured: dict[str, int] = field(default_factory=dict)
    missing_payments: set[str] = field(default_factory=set)
    disputed: bool = False
    tokens: int = 0
    token_life: int = 3600
    token_status: int = 200
    dead_tokens: set[str] = field(default_factory=set)
    cert_status: int = 200
    latency: float = 0.0
    slow: dict[str, float] = field(default_factory=dict)
    on_order: Callable[[Sent], None] | None = None
    answers: dict[str, tuple[bytes, HttpResponse, float]] = field(default_factory=dict)
    open_now: dict[str, int] = field(default_factory=dict)
    most_open: dict[str, int] = field(default_factory=dict)
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    async def exchange(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        self.asked.append(request.operation)
        now_open = self.open_now.get(path.id, 0) + 1
        self.open_now[path.id] = now_open
        self.most_open[path.id] = max(now_open, self.most_open.get(path.id, 0))
        try:
            wait = self.slow.get(path.id, self.latency)
            if wait > timeout_seconds:
                await asyncio.sleep(timeout_seconds)
                raise NoAnswerError("timeout")
            await asyncio.sleep(wait)
            if request.operation == "refund":
                return await self._order(path, request, timeout_seconds)
            return await self._read(request, timeout_seconds)
        finally:
            self.open_now[path.id] -= 1

    # --- orders -------------------------------------------------------------------

    async def _order(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        act = self.acts.pop(0) if self.acts else self.default
        if act is Act.NEVER_SENT:
            raise NeverSentError("refused_connection")
        headers = dict(request.headers)
        key = headers["Idempotency-Key"]
        sent = Sent(
            connection=path.id,
            key=key,
            body=request.body,
            target=request.target,
            at=asyncio.get_running_loop().time(),
            authorization=headers.get("Authorization", ""),
        )
        self.orders.append(sent)
        if self.on_order is not None:
            self.on_order(sent)
        if sent.authorization in self.dead_tokens:
            return HttpResponse(401, {"x-expired": "yes"})
        return await self._act(act, key, request.body, timeout_seconds)

    async def _act(
        self, act: Act, key: str, body: bytes, timeout_seconds: float
    ) -> HttpResponse:
        if act in _NOTHING_DONE:
            status, headers, told = _NOTHING_DONE[act]
            return HttpResponse(status, headers, told)
        if act is Act.LOST_BEFORE:
            await asyncio.sleep(timeout_seconds)
            raise NoAnswerError("timeout")
        if act is Act.LATE:
            self._later(key, body, timeout_seconds + 20)
            await asyncio.sleep(timeout_seconds)
            raise NoAnswerError("timeout")
        known = self._known(key)
        if known is not None:
            assert known[0] == body, "another body under one key"
            answer = known[1]
        else:
            answer = self._execute(act, key, body)
        if act is Act.LOST_AFTER:
            await asyncio.sleep(timeout_seconds)
            raise NoAnswerError("timeout")
        if act is Act.ERROR_AFTER:
            return HttpResponse(500, {}, b"{}")
        if act is Act.GARBAGE:
            return HttpResponse(200, {}, b"<html>")
        return answer

    def _known(self, key: str) -> tuple[bytes, HttpResponse, float] | None:
        """Remember the first answer under a key, as long as keys live here."""
        known = self.answers.get(key)
        if known is None or not self.honours_keys:
            return None
        alive = asyncio.get_running_loop().time() - known[2] <= self.key_life
        return known if alive else None

    def _later(self, key: str, body: bytes, seconds: float) -> None:
        async def late() -> None:
            await asyncio.sleep(seconds)
            if self._known(key) is None:
                self._execute(Act.OK, key, body)

        task = asyncio.ensure_future(late())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _execute(self, act: Act, key: str, body: bytes) -> HttpResponse:
        order = json.loads(body)
        now = asyncio.get_running_loop().time()
        if act in _REFUSALS:
            code, echo = _REFUSALS[act]
            told = json.dumps({"code": code, "echo": echo}).encode()
            answer = HttpResponse(422, {}, told)
            self.answers[key] = (body, answer, now)
            return answer
        if act is Act.STORED_ERROR:
            answer = HttpResponse(500, {"x-replayed": "yes"}, b"{}")
            self.answers[key] = (body, answer, now)
            return answer
        made = Executed(
            id=f"re_{len(self.executed) + 1}",
            key=key,
            reference=order["reference"],
            payment=order["payment"],
            amount=order["amount"],
            currency=order["currency"],
            status="pending" if act is Act.PENDING else "succeeded",
            at=now,
        )
        self.executed.append(made)
        answer = HttpResponse(200, {}, json.dumps(_lied(made.told(), act)).encode())
        truth = HttpResponse(200, {}, json.dumps(made.told()).encode())
        self.answers[key] = (body, answer if act not in _LIES else truth, now)
        return answer

    # --- reads --------------------------------------------------------------------

    async def _read(self, request: HttpRequest, timeout_seconds: float) -> HttpResponse:
        if request.operation not in {"token", "cert"} and self.reads:
            fault = self.reads.pop(0)
            if fault == "lost":
                await asyncio.sleep(timeout_seconds)
                raise NoAnswerError("timeout")
            if fault == "never":
                raise NeverSentError("dns")
            if fault:
                status, _, wait = fault.partition(" after ")
                headers = {"retry-after": wait} if wait else {}
                return HttpResponse(int(status), headers, b"{}")
        parts = urlsplit(request.target)
        match request.operation:
            case "token":
                return self._token()
            case "cert":
                return HttpResponse(self.cert_status, {}, b"certificate")
            case "look_up":
                return self._found(parse_qs(parts.query)["reference"][0])
            case "read_refund":
                return self._one(parts.path.rsplit("/", 1)[-1])
            case "read_payment":
                return self._payment(parts.path.rsplit("/", 1)[-1])
            case _:
                return HttpResponse(200, {}, b"{}")

    def _token(self) -> HttpResponse:
        if self.token_status != 200:
            return HttpResponse(self.token_status)
        self.tokens += 1
        told = {"token": f"token-{self.tokens}", "expires_in": self.token_life}
        return HttpResponse(200, {}, json.dumps(told).encode())

    def _found(self, reference: str) -> HttpResponse:
        now = asyncio.get_running_loop().time()
        found = [
            one.told()
            for one in self.executed
            if one.reference == reference and now - one.at >= self.finds_after
        ]
        return HttpResponse(200, {}, json.dumps({"refunds": found}).encode())

    def _one(self, identity: str) -> HttpResponse:
        found = [one.told() for one in self.executed if one.id == identity]
        if not found:
            return HttpResponse(404)
        return HttpResponse(200, {}, json.dumps({"refunds": found}).encode())

    def _payment(self, reference: str) -> HttpResponse:
        if reference in self.missing_payments:
            return HttpResponse(404)
        refunded = sum(one.amount for one in self.executed if one.payment == reference)
        told = {
            "captured": self.captured.get(reference, 10_000),
            "currency": "EUR",
            "refunded": refunded,
            "disputed": self.disputed,
        }
        return HttpResponse(200, {}, json.dumps(told).encode())

    # --- what tests ask -----------------------------------------------------------

    def webhook(self, one: Executed, event: str, **changes: Any) -> RawDelivery:
        hint = changes.pop("hint", False)
        item = {"event": event, **one.told(), **changes}
        return delivery([item], hint=hint)

    def check_once(self) -> None:
        """At most one execution for each reference; one body for each key."""
        references = [one.reference for one in self.executed]
        assert len(references) == len(set(references)), references
        bodies: dict[str, bytes] = {}
        for sent in self.orders:
            assert bodies.setdefault(sent.key, sent.body) == sent.body


def delivery(
    items: list[dict[str, Any]], *, hint: bool = False, signature: str = "whsec"
) -> RawDelivery:
    body = json.dumps({"items": items, "hint": hint}).encode()
    return RawDelivery({"x-sig": signature}, body)


_NOTHING_DONE: dict[Act, tuple[int, dict[str, str], bytes]] = {
    Act.ERROR_BEFORE: (500, {}, b"{}"),
    Act.BUSY: (429, {"retry-after": "90"}, b"{}"),
    Act.BUSY_SILENT: (429, {}, b"{}"),
    Act.UNAVAILABLE: (503, {"retry-after": "90"}, b"{}"),
    Act.IN_PROGRESS: (409, {}, b"{}"),
    Act.SILENT_CODE: (207, {}, b"{}"),
    Act.DENIED: (401, {}, b"{}"),
    Act.EXPIRED: (401, {"x-expired": "yes"}, b"{}"),
}
_REFUSALS = {
    Act.REFUSE: ("expired_card", False),
    Act.REFUSE_ECHO: ("already_refunded", True),
    Act.NO_FUNDS: ("no_funds", False),
}
_LIES = frozenset({Act.WRONG_AMOUNT, Act.WRONG_CURRENCY, Act.WRONG_PAYMENT, Act.UNSEEN})


def _lied(told: dict[str, Any], act: Act) -> dict[str, Any]:
    match act:
        case Act.WRONG_AMOUNT:
            return {**told, "amount": told["amount"] + 1}
        case Act.WRONG_CURRENCY:
            return {**told, "currency": "USD"}
        case Act.WRONG_PAYMENT:
            return {**told, "payment": "pi_other"}
        case Act.UNSEEN:
            return {**told, "status": "on_holiday"}
        case _:
            return told


__all__ = [
    "DAY",
    "TOY",
    "UTC",
    "Act",
    "Bank",
    "Executed",
    "Sent",
    "Toy",
    "delivery",
    "heard_of",
]
