from __future__ import annotations

from refundwatch.sandbox.adyen.life import AdyenLife
from refundwatch.sandbox.outbox import Entry, Outbox, RetryPlan
from refundwatch.sandbox.paypal.life import PaypalLife
from refundwatch.sandbox.stripe.life import StripeLife

SIMPLE = RetryPlan((10.0, 100.0))
QUEUE = RetryPlan((1.0, 10.0, 100.0), queue=True, immediate=1)


def box(plan: RetryPlan = SIMPLE, time_scale: float = 1.0) -> Outbox:
    return Outbox(plan, time_scale)


def names(entries: list[Entry]) -> list[str]:
    return [entry.event_id for entry in entries]


def fill(outbox: Outbox, *due: float) -> None:
    for number, at in enumerate(due):
        outbox.add(at, "event", f"e{number}", b"")


def test_entries_go_out_when_due_and_once() -> None:
    outbox = box()
    fill(outbox, 5.0, 1.0)
    assert outbox.next_due() == 1.0
    assert names(outbox.take(1.0)) == ["e1"]
    assert outbox.take(1.0) == []
    assert outbox.next_due() == 5.0


def test_an_accepted_entry_is_gone() -> None:
    outbox = box()
    fill(outbox, 0.0)
    [entry] = outbox.take(0.0)
    outbox.answered(entry.id, 204, 0.0)
    assert (len(outbox), outbox.delivered, outbox.delivered_ids) == (0, 1, {"e0"})


def test_a_refused_entry_comes_back_by_the_plan_and_then_ends() -> None:
    outbox = box()
    fill(outbox, 0.0)
    times = []
    now = 0.0
    while len(outbox):
        now = outbox.next_due() or 0.0
        [entry] = outbox.take(now)
        times.append(now)
        outbox.answered(entry.id, 500, now)
    assert times == [0.0, 10.0, 110.0]
    assert outbox.exhausted == 1


def test_no_answer_is_a_refusal() -> None:
    outbox = box()
    fill(outbox, 0.0)
    [entry] = outbox.take(0.0)
    outbox.answered(entry.id, None, 3.0)
    assert outbox.next_due() == 13.0


def test_retries_follow_the_time_scale() -> None:
    outbox = box(time_scale=0.1)
    fill(outbox, 0.0)
    [entry] = outbox.take(0.0)
    outbox.answered(entry.id, 500, 0.0)
    assert outbox.next_due() == 1.0


def test_a_stuck_head_blocks_everything_newer_until_it_is_taken() -> None:
    outbox = box(QUEUE)
    fill(outbox, 0.0)
    [head] = outbox.take(0.0)
    outbox.answered(head.id, 500, 0.0)
    [head] = outbox.take(1.0)
    outbox.answered(head.id, 500, 1.0)
    outbox.add(2.0, "event", "later", b"")
    assert outbox.take(2.0) == []
    assert outbox.next_due() == 11.0
    [head] = outbox.take(11.0)
    assert head.event_id == "e0"
    outbox.answered(head.id, 200, 11.0)
    assert names(outbox.take(11.0)) == ["later"]


def test_the_queue_is_worked_from_its_oldest() -> None:
    outbox = box(QUEUE)
    fill(outbox, 0.0, 0.0, 0.0)
    for now in (0.0, 1.0):
        for entry in outbox.take(now):
            outbox.answered(entry.id, None, now)
    order = []
    now = 11.0
    while len(outbox):
        [entry] = outbox.take(now)
        order.append(entry.event_id)
        outbox.answered(entry.id, 200, now)
    assert order == ["e0", "e1", "e2"]


def test_a_pause_holds_and_a_resume_goes_on() -> None:
    outbox = box()
    fill(outbox, 0.0)
    outbox.paused = True
    assert (outbox.take(9.0), outbox.next_due()) == ([], None)
    outbox.paused = False
    assert names(outbox.take(9.0)) == ["e0"]


def test_dropping_loses_what_waits_and_not_what_is_under_way() -> None:
    outbox = box(QUEUE)
    fill(outbox, 0.0, 5.0)
    [entry] = outbox.take(0.0)
    assert outbox.drop() == 1
    outbox.answered(entry.id, 200, 0.0)
    assert (len(outbox), outbox.dropped, outbox.delivered) == (0, 1, 1)
    assert outbox.take(100.0) == []


def test_flushing_makes_all_of_it_due() -> None:
    outbox = box()
    fill(outbox, 50.0, 60.0)
    assert outbox.flush(1.0) == 2
    assert len(outbox.take(1.0)) == 2
    assert outbox.take(60.0) == []


def test_a_snapshot_forgets_that_something_was_under_way() -> None:
    outbox = box(QUEUE)
    fill(outbox, 0.0, 0.0)
    for now in (0.0, 1.0):
        for entry in outbox.take(now):
            outbox.answered(entry.id, None, now)
    outbox.take(11.0)
    fresh = box(QUEUE)
    fresh.load(outbox.dump())
    assert names(fresh.take(11.0)) == ["e0"]
    assert len(fresh) == 2


def test_the_gateways_plans_last_as_long_as_documented() -> None:
    assert len(StripeLife.plan.delays) == 3
    assert len(PaypalLife.plan.delays) == 25
    assert sum(PaypalLife.plan.delays) <= 3 * 86_400
    assert AdyenLife.plan.queue
    assert AdyenLife.plan.delays[3:11] == (120, 300, 600, 900, 1800, 3600, 7200, 14400)
    assert set(AdyenLife.plan.delays[11:]) == {28_800}
    assert 29 * 86_400 < sum(AdyenLife.plan.delays) <= 30 * 86_400 + 7_200
    assert 204 not in AdyenLife.plan.accepted
