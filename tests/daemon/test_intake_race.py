"""The same request twice is one refund; two requests never pass a payment together."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from tests.daemon.living import refund_body

if TYPE_CHECKING:
    from tests.daemon.living import Answered, Living

REFUNDS = "/v1/refunds"


async def ask(daemon: Living, payment: str, amount: int, **fields: str) -> Answered:
    body = refund_body(payment, amount, **fields)
    return await daemon.call("POST", REFUNDS, body, by="requester")


async def refundable(daemon: Living, payment: str) -> int:
    answer = await daemon.call("GET", f"/v1/payments/{payment}")
    return int(answer.body["refundable"]["minor"])


async def test_same_request_twice_is_one_refund(daemon: Living) -> None:
    payment = await daemon.payment(100_000)
    first = await ask(daemon, payment, 10_000)
    again = await ask(daemon, payment, 10_000)
    assert (first.status, again.status) == (201, 200)
    assert (first.body["created"], again.body["created"]) == (True, False)
    assert first.body["refund"]["id"] == again.body["refund"]["id"]
    assert await refundable(daemon, payment) == 90_000


async def test_same_request_id_with_another_body_is_a_conflict(daemon: Living) -> None:
    payment, other = await daemon.payment(100_000), await daemon.payment(100_000)
    await ask(daemon, payment, 10_000)
    before = daemon.state()
    for answer in (
        await ask(daemon, payment, 10_001),
        await ask(daemon, payment, 10_000, reason_code="damaged"),
        await ask(daemon, payment, 10_000, reason_text="other words"),
        await ask(daemon, other, 10_000),
    ):
        assert (answer.status, answer.code) == (409, "refund.request_conflict")
        assert answer.body["field"] == "request_id"
    assert daemon.state() == before


async def test_two_hundred_parallel_refunds_of_most_of_a_payment_give_one(
    daemon: Living,
) -> None:
    payment = await daemon.payment(10_000)
    answers = await asyncio.gather(
        *(ask(daemon, payment, 6_000, request_id=f"r-{n}") for n in range(200))
    )
    assert Counter((it.status, it.body.get("code")) for it in answers) == {
        (201, None): 1,
        (422, "refund.amount_exceeds_refundable"): 199,
    }
    assert await refundable(daemon, payment) == 4_000
    assert daemon.query("SELECT amount_minor FROM refund") == [(6_000,)]


async def test_fifty_parallel_copies_of_one_request_are_one_refund(
    daemon: Living,
) -> None:
    payment = await daemon.payment(100_000)
    answers = await asyncio.gather(*(ask(daemon, payment, 1_000) for _ in range(50)))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 49}
    assert len({answer.body["refund"]["id"] for answer in answers}) == 1
    assert await refundable(daemon, payment) == 99_000


async def test_right_expectation_is_accepted_once(daemon: Living) -> None:
    payment = await daemon.payment(10_000)
    answers = await asyncio.gather(
        *(
            daemon.call(
                "POST",
                REFUNDS,
                refund_body(
                    payment, 100, request_id=f"r-{n}", expected_remaining_minor=10_000
                ),
            )
            for n in range(10)
        )
    )
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 9}


async def test_bulk_twice_adds_nothing(daemon: Living) -> None:
    payment = await daemon.payment(100_000)
    rows = [refund_body(payment, 100, request_id=f"r-{n}") for n in range(10)]
    path, body = "/v1/refunds/bulk", {"refunds": rows}
    dry = await daemon.call("POST", path, {**body, "dry_run": True})
    assert (dry.body["created"], await refundable(daemon, payment)) == (10, 100_000)
    first = await daemon.call("POST", path, body)
    again = await daemon.call("POST", path, body)
    assert (first.body["created"], again.body["unchanged"]) == (10, 10)
    assert await refundable(daemon, payment) == 99_000
