"""Our adapter speaks to the look-alike; the two were written apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways import contract
from refundwatch.gateways.settlement import LineKind
from refundwatch.gateways.square.adapter import Square
from refundwatch.sandbox.model import Fate, Request
from refundwatch.sandbox.settings import DAY_SECONDS
from refundwatch.sandbox.square.signing import signature
from tests.sandbox.hands import HOOK
from tests.sandbox.square import KEY, PAYMENT, TOKEN, SquareHands
from tests.unit.gateways.driving import VECTORS

if TYPE_CHECKING:
    from collections.abc import Generator

    from refundwatch.sandbox.model import WebhookPost

GATEWAY = Square()
ACCOUNT = contract.AccountView(
    "square",
    "sandbox",
    "http://127.0.0.1:1",
    {"notification_url": HOOK, "merchant_id": "MLSANDBOX"},
)
SIGNED = json.loads((VECTORS / "webhooks_square.json").read_text("utf-8"))["vectors"]


class NoAnswerError(Exception):
    """What a transport reports when a byte was sent and nothing whole came back."""


def instruction(number: int = 1, **facts: Any) -> contract.RefundInstruction:
    plain: dict[str, Any] = {
        "account": ACCOUNT,
        "payment_reference": PAYMENT,
        "merchant_reference": f"rw-{number:06d}",
        "idempotency_key": f"{number:032d}",
        "amount_minor": 100,
        "currency": "EUR",
        "reason_code": "returned",
    }
    return contract.RefundInstruction(**{**plain, **facts})


class Meeting:
    def __init__(self, hands: SquareHands) -> None:
        self.hands = hands

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.hands.now, UTC)

    def exchange(self, request: contract.HttpRequest) -> contract.HttpResponse:
        credentials = contract.Credentials({"access_token": TOKEN})
        sent = GATEWAY.authorize(request, credentials, self.now)
        parts = urlsplit(sent.target)
        reply = self.hands.world.model("square").handle(
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

    def run(self, operation: Generator[Any, Any, Any]) -> Any:
        try:
            request = next(operation)
            while True:
                request = operation.send(self.exchange(request))
        except StopIteration as done:
            return done.value

    def refund(self, number: int = 1, **facts: Any) -> Any:
        return self.run(GATEWAY.refund(instruction(number, **facts)))

    def look_up(self, number: int = 1, **facts: Any) -> Any:
        return self.run(GATEWAY.look_up(instruction(number, **facts)))

    def received(self, post: WebhookPost) -> contract.Verdict:
        headers = {name.lower(): value for name, value in post.headers}
        delivery = contract.RawDelivery(headers, post.body)
        verdict: contract.Verdict = self.run(
            GATEWAY.receive(ACCOUNT, delivery, (KEY,), self.now)
        )
        return verdict

    def executed(self, reference: str) -> int:
        return sum(
            row.merchant_reference == reference and row.executed_at is not None
            for row in self.hands.rows("square")
        )


def test_a_refund_is_heard_as_pending_and_its_webhooks_are_believed() -> None:
    meeting = Meeting(SquareHands())
    heard = meeting.refund()
    assert isinstance(heard, contract.Heard)
    assert (heard.word, heard.evidence.amount_minor) == (Word.PENDING, 100)
    told = []
    for post in meeting.hands.wait(60):
        verdict = meeting.received(post)
        assert isinstance(verdict, contract.Received)
        told += [event for event in verdict.events if event.word]
    assert {event.word for event in told} == {Word.SUCCEEDED, Word.PENDING}
    assert {event.evidence.merchant_reference for event in told if event.evidence} == {
        "rw-000001"
    }
    assert meeting.executed("rw-000001") == 1
    known = instruction(gateway_reference=heard.evidence.gateway_reference)
    found = meeting.run(GATEWAY.read_refund(known))
    assert found.matches[0].word is Word.SUCCEEDED


def test_a_look_up_finds_what_was_executed_and_nothing_else() -> None:
    meeting = Meeting(SquareHands(dropped_after=1.0))
    assert isinstance(meeting.look_up(), contract.Absent)
    with pytest.raises(NoAnswerError):
        meeting.refund()
    found = meeting.look_up()
    assert isinstance(found, contract.Found)
    assert found.matches[0].word is Word.PENDING
    assert isinstance(meeting.look_up(2), contract.Absent)


def test_a_repeat_is_heard_as_it_was_and_a_read_as_it_is() -> None:
    meeting = Meeting(SquareHands())
    first = meeting.refund()
    meeting.hands.wait(60)
    assert meeting.refund() == first
    assert meeting.look_up().matches[0].word is Word.SUCCEEDED


def test_what_was_returned_before_us_hides_no_absence() -> None:
    meeting = Meeting(SquareHands())
    meeting.hands.add("square", "PAYOLD", already_refunded_minor=1_200)
    found = meeting.look_up(payment_reference="PAYOLD")
    assert isinstance(found, contract.Absent)
    read = meeting.run(GATEWAY.read_payment(ACCOUNT, "PAYOLD", "EUR"))
    assert read == contract.PaymentRead(5_000, "EUR", 1_200)


def test_behind_a_pending_refund_another_waits_and_then_goes() -> None:
    meeting = Meeting(SquareHands())
    meeting.refund()
    waits = meeting.refund(2)
    assert waits == contract.NotProcessed("another_refund_pending", alone=True)
    meeting.hands.wait(60)
    assert isinstance(meeting.refund(2), contract.Heard)


def test_a_key_of_another_order_is_never_a_refusal() -> None:
    meeting = Meeting(SquareHands())
    meeting.refund()
    clash = meeting.refund(1, amount_minor=200)
    assert clash == contract.Unsure("idempotency_key_conflict", replayed=True)


def test_a_failed_refund_is_heard_and_closes_its_payment() -> None:
    meeting = Meeting(SquareHands())
    refund_id = meeting.refund().evidence.gateway_reference
    meeting.hands.wait(60)
    meeting.hands.world.model("square").bounce(refund_id, meeting.hands.now)
    [failed] = meeting.look_up().matches
    assert failed.word is Word.FAILED
    assert failed.evidence.failure_code == "failed_payment_blocked"
    refused = meeting.refund(2)
    assert refused == contract.RefusedByGateway("PAYMENT_NOT_REFUNDABLE", True)


def test_the_probe_is_content_with_and_without_refunds() -> None:
    meeting = Meeting(SquareHands())
    assert meeting.run(GATEWAY.probe(ACCOUNT)) == contract.ProbeResult()
    meeting.refund()
    assert meeting.run(GATEWAY.probe(ACCOUNT)) == contract.ProbeResult()


@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_no_answer_is_read_against_the_truth(seed: int) -> None:
    meeting = Meeting(SquareHands("hostile", seed=seed, wrong_amount=0.05))
    posts, seen = [], set()
    for number in range(250):
        payment = f"PAYS{number // 3}"
        if number % 3 == 0:
            meeting.hands.add("square", payment)
        try:
            outcome = meeting.refund(number, payment_reference=payment)
        except NoAnswerError:
            outcome = None
        reference = f"rw-{number:06d}"
        seen.add(type(outcome))
        match outcome:
            case contract.RefusedByGateway() | contract.NotProcessed():
                assert meeting.executed(reference) == 0
            case contract.Heard() if outcome.word is Word.FAILED:
                assert meeting.executed(reference) == 0
            case contract.Unauthorized():
                pytest.fail("the token is good")
            case _:
                pass
        for post in meeting.hands.wait(5):
            posts.append(post)
            verdict = meeting.received(post)
            wanted = contract.Forged if post.forged else contract.Received
            assert isinstance(verdict, wanted)
    assert any(post.forged for post in posts)
    assert {contract.Heard, contract.Unsure, contract.NotProcessed} <= seen
    assert meeting.hands.world.ledger.doubles() == []


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(7, "ISK"), (1_200, "IDR"), (500, "JPY"), (1_000, "HUF"), (1_234, "KWD")],
)
def test_every_amount_means_the_same_on_both_sides(amount: int, currency: str) -> None:
    meeting = Meeting(SquareHands())
    meeting.hands.add("square", "PAYY", amount * 10, currency)
    heard = meeting.refund(
        payment_reference="PAYY", amount_minor=amount, currency=currency
    )
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (amount, currency)
    meeting.hands.wait(60)
    [row] = meeting.hands.rows("square")
    assert (row.net_minor, row.currency) == (amount, currency)


def test_payouts_say_what_the_ledger_says() -> None:
    hands = SquareHands()
    meeting = Meeting(hands)
    bounced = meeting.refund(1).evidence.gateway_reference
    hands.wait(60)
    meeting.refund(2, amount_minor=250)
    hands.wait(60)
    hands.world.model("square").bounce(bounced, hands.now)
    assert hands.read("/v2/payouts") == {}
    hands.wait(2 * DAY_SECONDS)
    [payout] = hands.read("/v2/payouts", location_id="LSANDBOX1")["payouts"]
    assert hands.read("/v2/payouts", location_id="ELSEWHERE") == {}
    pages, cursor = [], "0"
    while cursor:
        path = f"/v2/payouts/{payout['id']}/payout-entries"
        page = hands.read(path, limit="2", cursor=cursor)
        pages.append(json.dumps(page).encode() + b"\n")
        cursor = page.get("cursor", "")
    lines: list[Any] = list(GATEWAY.read_settlement(ACCOUNT, payout["id"], pages))
    assert [one.number for one in lines] == [1, 2, 3, 4]
    refunds = [one for one in lines if one.kind is LineKind.REFUND]
    assert [(one.amount_minor, one.fee_minor) for one in refunds] == [
        (-100, -3),
        (-250, -7),
    ]
    assert refunds[0].gateway_reference == bounced
    paid = sum(one.amount_minor - (one.fee_minor or 0) for one in lines)
    assert payout["amount_money"] == {"amount": paid, "currency": "EUR"}
    net = sum(row.net_minor for row in hands.rows("square"))
    assert sum(one.amount_minor for one in lines) == 5_000 - net


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: v["name"])
def test_the_vectors_come_out_of_the_look_alikes_signing(
    vector: dict[str, Any],
) -> None:
    made = signature(
        vector["signature_key"],
        vector["notification_url"],
        vector["body_utf8"].encode(),
    )
    assert made == vector["signature"]
