from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain import events as ev
from refundwatch.domain.health import Span
from refundwatch.domain.histogram import bucket_of
from refundwatch.domain.numbers import (
    KEEP_MINUTES,
    Grain,
    Measure,
    Tally,
    floor,
    pieces,
    split,
    tallies,
)
from refundwatch.domain.refund import Evidence, Refund, RefundState, Word
from refundwatch.domain.transition import apply

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
S = RefundState


def refund(state: RefundState = S.QUEUED) -> Refund:
    return Refund(
        id="rf_1",
        request_id="r-1",
        account="shop",
        payment_id="pay_1",
        payment_reference="pi_1",
        amount_minor=500,
        currency="EUR",
        reason_code="returned",
        merchant_reference="rw1",
        idempotency_key="k",
        created_at=T0,
        state=state,
    )


def at(seconds: int) -> datetime:
    return T0 + timedelta(seconds=seconds)


def word(which: Word, code: str | None = None) -> ev.GatewayWord:
    evidence = Evidence(
        source="webhook", raw_status=which, gateway_reference="re_1", failure_code=code
    )
    return ev.GatewayWord(which, evidence)


def run(start: Refund, *events: tuple[int, ev.RefundEvent]) -> list[list[Tally]]:
    found = []
    for seconds, event in events:
        applied = apply(start, event, at(seconds))
        found.append(list(tallies(applied, at(seconds))))
        start = applied.after
    return found


def took(measure: Measure, seconds: int) -> Tally:
    return Tally(measure, bucket=bucket_of(seconds * 1000))


CLAIM = ev.Claimed("shop/main")


def not_executed(fence: int) -> ev.NotExecuted:
    return ev.NotExecuted(fence, "refused", at(0))


def unanswered(fence: int) -> ev.Unanswered:
    return ev.Unanswered(fence, "timeout", at(0))


def test_a_straight_way_counts_each_stage_once() -> None:
    found = run(
        refund(S.AWAITING_APPROVAL),
        (60, ev.ApprovalsComplete()),
        (70, CLAIM),
        (71, word(Word.PENDING)),
        (90, word(Word.SUCCEEDED)),
        (95, word(Word.SUCCEEDED)),
    )
    assert found == [
        [took(Measure.APPROVAL, 60)],
        [],
        [took(Measure.SENT, 70), took(Measure.ACCEPTED, 71)],
        [Tally(Measure.SUCCEEDED), took(Measure.PAID_OUT, 90)],
        [],
    ]


def test_success_in_the_answer_counts_acceptance_too() -> None:
    found = run(refund(), (1, CLAIM), (2, word(Word.SUCCEEDED)))
    assert found[1] == [
        Tally(Measure.SUCCEEDED),
        took(Measure.SENT, 1),
        took(Measure.ACCEPTED, 2),
        took(Measure.PAID_OUT, 2),
    ]


def test_an_attempt_that_did_nothing_is_not_the_first_send() -> None:
    found = run(
        refund(), (1, CLAIM), (2, not_executed(1)), (9, CLAIM), (10, unanswered(2))
    )
    assert [tally for step in found for tally in step] == [took(Measure.SENT, 9)]


def test_resends_of_an_unanswered_attempt_count_no_second_send() -> None:
    found = run(
        refund(),
        (1, CLAIM),
        (2, unanswered(1)),
        (30, CLAIM),
        (31, unanswered(2)),
        (40, ev.ProvenAbsent("listed", at(40))),
        (50, CLAIM),
        (51, unanswered(3)),
    )
    assert [tally for step in found for tally in step] == [took(Measure.SENT, 1)]


def test_a_resend_at_the_same_moment_counts_no_second_send() -> None:
    found = run(
        refund(), (1, CLAIM), (1, unanswered(1)), (1, CLAIM), (1, unanswered(2))
    )
    assert [tally for step in found for tally in step] == [took(Measure.SENT, 1)]


def test_a_decline_counts_once_with_its_code() -> None:
    found = run(
        refund(),
        (1, CLAIM),
        (
            2,
            ev.Refusal(
                1,
                "charge_disputed",
                may_be_echo=False,
                authoritative=True,
                due_at=at(2),
            ),
        ),
        (5, word(Word.SUCCEEDED)),
    )
    assert Tally(Measure.DECLINED, code="charge_disputed") in found[1]
    assert found[2] == []


def test_a_decline_without_code_is_unnamed_and_long_codes_are_cut() -> None:
    found = run(refund(), (1, CLAIM), (2, word(Word.FAILED)))
    assert Tally(Measure.DECLINED, code="unnamed") in found[1]
    found = run(refund(), (1, CLAIM), (2, word(Word.FAILED, "x" * 99)))
    assert Tally(Measure.DECLINED, code="x" * 64) in found[1]


def test_a_bounce_leaves_the_success_standing() -> None:
    found = run(refund(), (1, CLAIM), (2, word(Word.SUCCEEDED)), (9, word(Word.FAILED)))
    assert found[2] == [Tally(Measure.BOUNCED)]


def test_a_bounce_heard_first_counts_the_success_it_implies() -> None:
    found = run(refund(), (1, CLAIM), (2, word(Word.REVERSED)))
    assert found[1][:2] == [Tally(Measure.SUCCEEDED), Tally(Measure.BOUNCED)]


def test_people_settling_a_review_give_the_first_word_once() -> None:
    found = run(
        refund(),
        (1, CLAIM),
        (2, word(Word.UNSEEN)),
        (9, ev.Resolved(ev.Resolution.SUCCEEDED)),
    )
    assert Tally(Measure.SUCCEEDED) in found[2]
    paid = replace(refund(S.REVIEW), final_at=at(3), succeeded_at=at(3))
    assert run(paid, (9, ev.Resolved(ev.Resolution.DECLINED))) == [[]]


@pytest.mark.parametrize(
    "event", [ev.Refused("no"), ev.Expired(), ev.Cancelled(), ev.Held("person")]
)
def test_what_was_never_sent_has_no_final_word(event: ev.RefundEvent) -> None:
    assert run(refund(S.AWAITING_APPROVAL), (9, event)) == [[]]


moments = st.datetimes(
    T0.replace(year=2020, tzinfo=None),
    T0.replace(year=2030, tzinfo=None),
    timezones=st.just(UTC),
)
STEP = {
    Grain.MINUTE: timedelta(minutes=1),
    Grain.HOUR: timedelta(hours=1),
    Grain.DAY: timedelta(days=1),
}


@given(moments, st.integers(1, 40 * 86400))
def test_pieces_join_without_gap_or_overlap(now: datetime, seconds: int) -> None:
    window = timedelta(seconds=seconds)
    found = pieces(now, window)
    for one, two in pairwise(found):
        assert one.end == two.start
    for piece in found:
        assert piece.start == floor(piece.start, piece.grain)
    edge = Grain.MINUTE if window <= timedelta(hours=24) else Grain.HOUR
    assert found[0].start == floor(now - window, edge)
    assert found[-1].end > now
    inner = found[:-1]
    assert all(piece.end == floor(piece.end, piece.grain) for piece in inner)


@given(moments, st.integers(1, 40 * 86400))
def test_a_window_reads_few_sums_and_only_minutes_that_are_kept(
    now: datetime, seconds: int
) -> None:
    found = pieces(now, timedelta(seconds=seconds))
    sums = sum(-(-(piece.end - piece.start) // STEP[piece.grain]) for piece in found)
    assert sums <= 60 + 24 + 41
    for piece in found:
        if piece.grain is Grain.MINUTE:
            assert piece.start >= now - KEEP_MINUTES


@given(moments, st.integers(1, 3 * 86_400_000_000), st.sampled_from(Grain))
def test_split_gives_each_sum_its_part(
    start: datetime, microseconds: int, grain: Grain
) -> None:
    end = start + timedelta(microseconds=microseconds)
    parts = split(Span(start, end), grain)
    assert sum(amount for _, amount in parts) == microseconds // 1000
    assert all(
        0 < amount <= STEP[grain] // timedelta(milliseconds=1) + 1
        for _, amount in parts
    )
    assert all(floor(begin, grain) == begin for begin, _ in parts)
