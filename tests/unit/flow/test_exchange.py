from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.flow.exchange import Exchanges, Silent, drive, order_of
from refundwatch.flow.ports import NeverSentError
from refundwatch.gateways.contract import (
    HttpRequest,
    HttpResponse,
    Operation,
    PaymentRead,
    RawDelivery,
    Received,
    Unverifiable,
)
from refundwatch.store.contract import RecordCall
from tests.flow.fakes import FakePaths, FakeStore, a_path
from tests.flow.simloop import START, SimClock, SimLoop, simulate
from tests.flow.toy import TOY, Act, Bank, Toy

if TYPE_CHECKING:
    from refundwatch.flow.ports import ConnectionPath

SESSIONS = Toy(replace(TOY, needs_session=True))
ORDER = HttpRequest(
    "refund", "POST", "/refunds", (("Idempotency-Key", "k"),), b"{}", moves_money=True
)
BODY = b'{"payment": "pi_1", "amount": 5, "currency": "EUR", "reference": "rw1"}'


def exchanges(
    loop: SimLoop, bank: Bank, *paths: ConnectionPath, store: FakeStore | None = None
) -> Exchanges:
    return Exchanges(bank, FakePaths(paths), SimClock(loop), store or FakeStore())


def read_payment(path: ConnectionPath) -> Any:
    return lambda: path.gateway.read_payment(path.account, "pi_1", "EUR")


def receive(path: ConnectionPath, cert: str) -> Any:
    raw = RawDelivery({"x-sig": "whsec", "x-cert": cert}, b'{"items": []}')
    return lambda: path.gateway.receive(path.account, raw, ("whsec",), START)


async def test_drive_answers_each_request_and_gives_the_result() -> None:
    def operation() -> Operation[str]:
        first = yield HttpRequest("a", "GET", "/a")
        second = yield HttpRequest("b", "GET", "/b")
        return f"{first.status} {second.status}"

    statuses = {"/a": 200, "/b": 201}

    async def send(request: HttpRequest) -> HttpResponse:
        return HttpResponse(statuses[request.target])

    assert await drive(operation(), send) == "200 201"


async def test_order_of_gives_the_order_unsent_after_its_reads() -> None:
    sent: list[str] = []

    def operation() -> Operation[None]:
        yield HttpRequest("read", "GET", "/r")
        yield ORDER

    async def send(request: HttpRequest) -> HttpResponse:
        sent.append(request.target)
        return HttpResponse(200)

    assert await order_of(operation(), send) is ORDER
    assert sent == ["/r"]


def test_read_notes_latency_status_version_and_digest() -> None:
    async def main(loop: SimLoop) -> None:
        path = a_path(api_version="v7")
        ran = await exchanges(loop, Bank(latency=0.25), path).ask(
            path, read_payment(path)
        )

        assert isinstance(ran.result, PaymentRead)
        call = ran.last_call
        assert call is not None
        assert (call.outcome, call.status, call.duration_ms) == ("ok", 200, 250)
        assert (call.version_asked, call.sent) == ("v7", True)
        assert len(call.response_sha256 or "") == 64

    simulate(main)


@pytest.mark.parametrize(
    ("fault", "sent", "outcome"),
    [("lost", True, "timeout"), ("never", False, "transport")],
)
def test_read_without_an_answer_is_silent_and_noted(
    fault: str, sent: bool, outcome: str
) -> None:
    async def main(loop: SimLoop) -> None:
        path = a_path()
        ran = await exchanges(loop, Bank(reads=[fault]), path).ask(
            path, read_payment(path)
        )

        assert isinstance(ran.result, Silent)
        assert ran.result.sent is sent
        assert ran.calls[0].outcome == outcome
        assert ran.calls[0].sent is sent

    simulate(main)


def test_read_never_sends_an_order() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(), a_path()

        def wicked() -> Operation[None]:
            yield replace(ORDER, body=BODY)

        ran = await exchanges(loop, bank, path).ask(path, wicked)

        assert ran.result == Silent("read_would_move_money", sent=False)
        assert bank.asked == []

    simulate(main)


@pytest.mark.parametrize("target", ["https://certs.test/c1", "http://127.0.0.1:9/c1"])
def test_credentials_go_to_the_configured_host_alone(target: str) -> None:
    class Eager(Toy):
        def authorize(self, *args: Any) -> HttpRequest:
            raise AssertionError("credentials for a foreign host")

    async def main(loop: SimLoop) -> None:
        bank, path = Bank(), a_path(gateway=Eager())
        ran = await exchanges(loop, bank, path).ask(path, receive(path, target))

        assert isinstance(ran.result, Received)

    simulate(main)


# --- kept answers -------------------------------------------------------------------


def test_reusable_answer_is_fetched_once_and_kept_for_a_day() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(), a_path()
        wire = exchanges(loop, bank, path)
        for _ in range(3):
            await wire.ask(path, receive(path, "https://certs.test/c1"))
        assert bank.asked == ["cert"]

        await asyncio.sleep(25 * 3600)
        await wire.ask(path, receive(path, "https://certs.test/c1"))
        assert bank.asked == ["cert", "cert"]

    simulate(main)


def test_bad_answer_is_not_kept() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(cert_status=503), a_path()
        wire = exchanges(loop, bank, path)
        first = await wire.ask(path, receive(path, "https://certs.test/c1"))
        bank.cert_status = 200
        second = await wire.ask(path, receive(path, "https://certs.test/c1"))

        assert isinstance(first.result, Unverifiable)
        assert isinstance(second.result, Received)

    simulate(main)


def test_kept_answers_are_bounded() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(), a_path()
        wire = exchanges(loop, bank, path)
        for number in range(200):
            await wire.ask(path, receive(path, f"https://certs.test/{number}"))

        assert len(wire._kept) == 64

    simulate(main)


# --- sessions -----------------------------------------------------------------------


def test_many_readers_share_one_session() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(latency=1.0), a_path(gateway=SESSIONS)
        wire = exchanges(loop, bank, path)
        await asyncio.gather(*(wire.ask(path, read_payment(path)) for _ in range(20)))

        assert bank.tokens == 1

    simulate(main)


def test_session_is_replaced_before_it_expires() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(token_life=1000), a_path(gateway=SESSIONS)
        wire = exchanges(loop, bank, path)
        await wire.ask(path, read_payment(path))
        await asyncio.sleep(890)
        await wire.ask(path, read_payment(path))
        assert bank.tokens == 1
        await asyncio.sleep(20)
        await wire.ask(path, read_payment(path))
        assert bank.tokens == 2

    simulate(main)


def test_session_of_changed_credentials_is_not_used_again() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(latency=1.0), a_path(gateway=SESSIONS)
        wire = exchanges(loop, bank, path)
        await wire.ask(path, read_payment(path))
        wire.sessions.forget(path.id)
        # This one is asked for with the old credentials when they change once more.
        reading = asyncio.ensure_future(wire.ask(path, read_payment(path)))
        await asyncio.sleep(0.5)
        wire.sessions.forget(path.id)
        await reading
        assert bank.tokens == 2
        await wire.ask(path, read_payment(path))
        await wire.ask(path, read_payment(path))
        assert bank.tokens == 3

    simulate(main)


def test_jump_of_the_wall_clock_keeps_a_good_session() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(), a_path(gateway=SESSIONS)
        clock = SimClock(loop)
        wire = Exchanges(bank, FakePaths((path,)), clock, FakeStore())
        await wire.ask(path, read_payment(path))
        clock.jump = clock.jump.__class__(days=3650)
        await wire.ask(path, read_payment(path))

        assert bank.tokens == 1

    simulate(main)


def test_read_refused_for_an_old_session_is_asked_again_with_a_new_one() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(), a_path(gateway=SESSIONS)
        wire = exchanges(loop, bank, path)
        await wire.ask(path, read_payment(path))
        bank.reads = ["401"]
        ran = await wire.ask(path, read_payment(path))

        assert isinstance(ran.result, PaymentRead)
        assert bank.tokens == 2
        assert [call.outcome for call in ran.calls] == ["refused", "ok", "ok"]

    simulate(main)


def test_fresh_session_that_is_refused_is_a_matter_of_credentials() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(reads=["401", "401"]), a_path(gateway=SESSIONS)
        ran = await exchanges(loop, bank, path).ask(path, read_payment(path))

        assert ran.calls[-1].outcome == "unauthorized"
        assert bank.tokens == 1

    simulate(main)


def test_session_that_cannot_be_opened_sends_nothing_else() -> None:
    async def main(loop: SimLoop) -> None:
        bank, path = Bank(token_status=401), a_path(gateway=SESSIONS)
        ran = await exchanges(loop, bank, path).ask(path, read_payment(path))

        assert ran.result == Silent("session:bad_client", sent=False)
        assert [call.outcome for call in ran.calls] == ["unauthorized"]
        assert bank.asked == ["token"]

    simulate(main)


def test_those_who_wait_share_the_failure_of_a_session() -> None:
    async def main(loop: SimLoop) -> None:
        bank = Bank(token_status=503, latency=2.0)
        path = a_path(gateway=SESSIONS)
        wire = exchanges(loop, bank, path)
        await asyncio.gather(*(wire.ask(path, read_payment(path)) for _ in range(20)))
        assert bank.asked == ["token"]

        bank.token_status = 200
        ran = await wire.ask(path, read_payment(path))
        assert isinstance(ran.result, PaymentRead)

    simulate(main)


# --- records ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("429", "throttled"),
        ("500", "server_error"),
        ("503", "server_error"),
        ("408", "server_error"),
        ("301", "malformed"),
        ("307", "malformed"),
        ("101", "malformed"),
        ("400", "refused"),
        ("401", "unauthorized"),
        ("204", "malformed"),
    ],
)
def test_class_of_a_call_follows_its_answer(fault: str, outcome: str) -> None:
    async def main(loop: SimLoop) -> None:
        path = a_path()
        ran = await exchanges(loop, Bank(reads=[fault]), path).ask(
            path, read_payment(path)
        )

        assert ran.calls[-1].outcome == outcome

    simulate(main)


def test_noted_calls_become_records() -> None:
    async def main(loop: SimLoop) -> None:
        store, path = FakeStore(), a_path()
        wire = exchanges(loop, Bank(), path, store=store)
        ran = await wire.ask(path, read_payment(path))
        await wire.note(ran.calls)

        assert [one.call for one in store.of(RecordCall)] == list(ran.calls)

    simulate(main)


def test_version_is_read_from_the_header_that_pins_it() -> None:
    class Echo:
        async def exchange(self, *args: Any) -> HttpResponse:
            return HttpResponse(200, {"toy-version": "2026-11"}, b"{}")

    def versioned() -> Operation[int]:
        response = yield HttpRequest("x", "GET", "/x", (("Toy-Version", "2026-09"),))
        return response.status

    async def main(loop: SimLoop) -> None:
        path = a_path()
        wire = Exchanges(Echo(), FakePaths((path,)), SimClock(loop), FakeStore())
        ran = await wire.ask(path, versioned)

        call = ran.calls[0]
        assert (call.version_asked, call.version_answered) == ("2026-09", "2026-11")

    simulate(main)


def test_before_is_called_last_and_can_still_stop_the_request() -> None:
    def refuse() -> None:
        raise NeverSentError("lease_too_short")

    async def main(loop: SimLoop) -> None:
        bank, path = Bank(acts=[Act.OK]), a_path(gateway=SESSIONS)
        line = exchanges(loop, bank, path).line(path)
        with pytest.raises(NeverSentError, match="lease_too_short"):
            await line.send(replace(ORDER, body=BODY), 5, refuse)

        assert bank.asked == ["token"]
        assert bank.executed == []

    simulate(main)
