"""Our adapters speak to the look-alikes; the two were written apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways import contract, registry
from refundwatch.sandbox.model import Fate, Request
from tests.sandbox.hands import CAPTURE, PI, PSP, START, Hands, signer

if TYPE_CHECKING:
    from collections.abc import Generator

    from refundwatch.sandbox.model import WebhookPost

GATEWAYS = ("stripe", "adyen", "paypal")
PAYMENTS = {"stripe": PI, "adyen": PSP, "paypal": CAPTURE}
BASES = {
    "stripe": "http://127.0.0.1:1",
    "adyen": "http://127.0.0.1:1/v72",
    "paypal": "http://127.0.0.1:1",
}
SECRETS = {
    "stripe": {"api_key": "sk_test_sandbox"},
    "adyen": {"api_key": "AQEsandbox"},
    "paypal": {"client_id": "sandbox-client", "client_secret": "sandbox-secret"},
}
WEBHOOK_SECRETS = {"stripe": ("whsec_sandbox",), "adyen": ("A1" * 32,), "paypal": ()}


class NoAnswerError(Exception):
    """What a transport reports when a byte was sent and nothing whole came back."""


@dataclass
class Meeting:
    hands: Hands
    gateway: str
    session: contract.Session | None = None
    adapter: Any = field(init=False)
    account: contract.AccountView = field(init=False)

    def __post_init__(self) -> None:
        settings = {
            "stripe": {},
            "adyen": {"merchant_account": "SandboxECOM"},
            "paypal": {
                "webhook_id": "1JE4291016473214C",
                "webhook_ca_pem": signer().ca_pem,
            },
        }[self.gateway]
        self.adapter = registry.gateway(self.gateway)
        self.account = contract.AccountView(
            self.gateway, "sandbox", BASES[self.gateway], settings
        )

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.hands.now, UTC)

    def instruction(self, number: int = 1, **facts: Any) -> contract.RefundInstruction:
        plain: dict[str, Any] = {
            "account": self.account,
            "payment_reference": PAYMENTS[self.gateway],
            "merchant_reference": f"rw-{number:06d}",
            "idempotency_key": f"{number:032d}",
            "amount_minor": 100,
            "currency": "EUR",
            "reason_code": "returned",
        }
        return contract.RefundInstruction(**{**plain, **facts})

    def exchange(self, request: contract.HttpRequest) -> contract.HttpResponse:
        needed = self.gateway == "paypal" and request.operation != "session"
        if needed and self.session is None:
            self.log_in()
        credentials = contract.Credentials(SECRETS[self.gateway], self.session)
        sent = self.adapter.authorize(request, credentials, self.now)
        whole = sent.target
        if whole.startswith("/"):
            whole = self.account.endpoint + whole
        parts = urlsplit(whole)
        reply = self.hands.world.model(self.gateway).handle(
            Request(
                method=sent.method,
                path=parts.path,
                query=tuple(parse_qsl(parts.query)),
                headers=tuple((name.lower(), value) for name, value in sent.headers),
                body=sent.body,
            ),
            self.hands.now,
        )
        if reply.fate is not Fate.ANSWERED:
            raise NoAnswerError(reply.fate)
        headers = {name.lower(): value for name, value in reply.headers}
        return contract.HttpResponse(reply.status, headers, reply.body)

    def log_in(self) -> None:
        credentials = contract.Credentials(SECRETS["paypal"])
        for _ in range(50):
            try:
                found = self.run(
                    self.adapter.open_session(self.account, credentials, self.now)
                )
            except NoAnswerError:
                continue
            if isinstance(found, contract.Session):
                self.session = found
                return
        pytest.fail("no session")

    def run(self, operation: Generator[Any, Any, Any]) -> Any:
        try:
            request = next(operation)
            while True:
                request = operation.send(self.exchange(request))
        except StopIteration as done:
            return done.value

    def received(self, post: WebhookPost) -> contract.Verdict:
        headers = {name.lower(): value for name, value in post.headers}
        delivery = contract.RawDelivery(headers, post.body)
        secrets = WEBHOOK_SECRETS[self.gateway]
        return self.run(self.adapter.receive(self.account, delivery, secrets, self.now))

    def executed(self, reference: str) -> int:
        return sum(
            row.merchant_reference == reference and row.executed_at is not None
            for row in self.hands.rows(self.gateway)
        )


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_refund_is_heard_and_its_webhook_believed(gateway: str) -> None:
    meeting = Meeting(Hands(), gateway)
    heard = meeting.run(meeting.adapter.refund(meeting.instruction()))
    assert isinstance(heard, contract.Heard)
    assert heard.word is (Word.PENDING if gateway == "adyen" else Word.SUCCEEDED)
    assert heard.evidence.amount_minor == 100
    told = []
    for post in meeting.hands.wait(60):
        verdict = meeting.received(post)
        assert isinstance(verdict, contract.Received)
        told += [event for event in verdict.events if event.word]
    assert {event.word for event in told} <= {Word.SUCCEEDED, Word.PENDING}
    assert meeting.executed("rw-000001") == 1


@pytest.mark.parametrize("gateway", ["stripe", "paypal"])
def test_a_look_up_finds_what_was_executed_and_nothing_else(gateway: str) -> None:
    meeting = Meeting(Hands(dropped_after=1.0), gateway)
    if gateway == "paypal":
        meeting.log_in()
    with pytest.raises(NoAnswerError):
        meeting.run(meeting.adapter.refund(meeting.instruction()))
    found = meeting.run(meeting.adapter.look_up(meeting.instruction()))
    assert isinstance(found, contract.Found)
    assert found.matches[0].word is Word.SUCCEEDED
    other = meeting.run(meeting.adapter.look_up(meeting.instruction(2)))
    assert isinstance(other, contract.Absent)


@pytest.mark.parametrize("gateway", ["stripe", "paypal"])
def test_the_payment_is_read(gateway: str) -> None:
    meeting = Meeting(Hands(), gateway)
    meeting.run(meeting.adapter.refund(meeting.instruction()))
    read = meeting.run(
        meeting.adapter.read_payment(meeting.account, PAYMENTS[gateway], "EUR")
    )
    assert isinstance(read, contract.PaymentRead)
    assert (read.captured_minor, read.refunded_minor) == (5_000, 100)


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_the_probe_is_content(gateway: str) -> None:
    meeting = Meeting(Hands(), gateway)
    assert meeting.run(meeting.adapter.probe(meeting.account)).failure is None


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("seed", range(3))
def test_in_a_storm_no_answer_is_read_against_the_truth(
    gateway: str, seed: int
) -> None:
    meeting = Meeting(Hands("hostile", seed=seed, wrong_amount=0.05), gateway)
    meeting.hands.add(gateway, "Z" * 16, 100_000_000)
    posts = []
    for number in range(250):
        instruction = meeting.instruction(number, payment_reference="Z" * 16)
        reference = instruction.merchant_reference
        try:
            outcome = meeting.run(meeting.adapter.refund(instruction))
        except NoAnswerError:
            outcome = None
        if isinstance(outcome, contract.Unauthorized):
            meeting.session = None
        match outcome:
            case contract.RefusedByGateway() | contract.NotProcessed():
                assert meeting.executed(reference) == 0
            case contract.Unauthorized():
                assert meeting.executed(reference) == 0
            case contract.Heard() if outcome.word is Word.SUCCEEDED:
                assert meeting.executed(reference) == 1
            case _:
                pass
        for post in meeting.hands.wait(2):
            posts.append(post)
            verdict = meeting.received(post)
            wanted = contract.Forged if post.forged else contract.Received
            assert isinstance(verdict, wanted)
    assert any(post.forged for post in posts)
    assert meeting.hands.now > START
    assert meeting.hands.world.ledger.doubles() == []


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize(
    ("amount", "currency"),
    [(7, "ISK"), (1_200, "IDR"), (500, "JPY"), (1_000, "HUF"), (1_230, "KWD")],
)
def test_every_amount_means_the_same_on_both_sides(
    gateway: str, amount: int, currency: str
) -> None:
    if gateway == "paypal" and currency not in ("JPY", "HUF"):
        return
    meeting = Meeting(Hands(), gateway)
    meeting.hands.add(gateway, "Y" * 16, amount * 10, currency)
    instruction = meeting.instruction(
        payment_reference="Y" * 16, amount_minor=amount, currency=currency
    )
    heard = meeting.run(meeting.adapter.refund(instruction))
    assert isinstance(heard, contract.Heard)
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (amount, currency)
    meeting.hands.wait(60)
    [row] = meeting.hands.rows(gateway)
    assert (row.net_minor, row.currency) == (amount, currency)
