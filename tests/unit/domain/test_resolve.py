"""What follows from not finding a refund (P7), branch by branch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.events import (
    LookedUpAbsent,
    ProvenAbsent,
    RefusalConfirmed,
    Unresolvable,
)
from refundwatch.domain.refund import RefundState
from refundwatch.domain.resolve import (
    ResendSameKey,
    ResolveRules,
    after_absence,
    backoff,
    safe_window_seconds,
)
from refundwatch.domain.transition import apply
from tests.unit.domain.test_transition import T0, a_refund

DAY = 86_400
RULES = ResolveRules(
    has_lookup=True,
    key_window_seconds=DAY,
    complete_listing=False,
    backoff_seconds=(5, 30, 120),
    settle_delay_seconds=300,
    in_flight_seconds=120,
)
UNKNOWN = a_refund(RefundState.UNKNOWN, last_sent_at=T0)


def at(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("retention", "window"),
    [(0, 0), (1800, 0), (DAY, DAY - 4320), (45 * DAY, 45 * DAY * 95 // 100)],
)
def test_safe_window_is_retention_less_an_hour_or_five_percent(
    retention: int, window: int
) -> None:
    assert safe_window_seconds(retention) == window


def test_absent_inside_the_window_is_sent_again_under_the_same_key() -> None:
    assert after_absence(UNKNOWN, RULES, 10, T0 + at(10)) == ResendSameKey()


HOUR = replace(RULES, key_window_seconds=3600)


def test_a_gateways_own_rule_may_leave_more_of_a_short_window() -> None:
    ruled = replace(HOUR, resend_within_seconds=1800)
    assert after_absence(UNKNOWN, ruled, 1799, T0 + at(1799)) == ResendSameKey()
    assert after_absence(UNKNOWN, ruled, 1800, T0 + at(1800)) != ResendSameKey()
    assert after_absence(UNKNOWN, HOUR, 10, T0 + at(10)) != ResendSameKey()


def test_a_gateways_own_rule_never_shortens_the_window() -> None:
    ruled = replace(RULES, resend_within_seconds=1800)
    assert after_absence(UNKNOWN, ruled, 3600, T0 + at(3600)) == ResendSameKey()


@pytest.mark.parametrize(
    "refund", [replace(UNKNOWN, key_stuck=True), replace(UNKNOWN, refused_code="x")]
)
def test_stuck_key_or_refusal_in_doubt_is_never_sent_again(refund: object) -> None:
    result = after_absence(refund, RULES, 10, T0 + at(10))  # type: ignore[arg-type] - one of two refunds

    assert isinstance(result, LookedUpAbsent)
    assert not result.counts
    assert result.due_at >= T0 + at(120)


def test_first_absence_outside_the_window_waits_a_settle_delay() -> None:
    now = T0 + at(DAY)

    result = after_absence(UNKNOWN, RULES, DAY, now)

    assert result == LookedUpAbsent(due_at=now + at(300), counts=True)


def test_second_absence_outside_the_window_calls_two_people() -> None:
    refund = replace(UNKNOWN, negative_lookup_at=T0 + at(DAY))

    result = after_absence(refund, RULES, DAY + 300, T0 + at(DAY + 300))

    assert result == Unresolvable("absent_outside_window")


def test_second_absence_too_soon_does_not_count_as_two() -> None:
    refund = replace(UNKNOWN, negative_lookup_at=T0 + at(DAY))

    result = after_absence(refund, RULES, DAY + 299, T0 + at(DAY + 299))

    assert isinstance(result, LookedUpAbsent)


def test_complete_listing_proves_absence() -> None:
    rules = replace(RULES, complete_listing=True)
    refund = replace(UNKNOWN, negative_lookup_at=T0 + at(DAY))

    result = after_absence(refund, rules, DAY + 300, T0 + at(DAY + 300))

    assert isinstance(result, ProvenAbsent)


def test_refusal_in_doubt_is_confirmed_by_a_look_after_the_flight_time() -> None:
    refund = replace(UNKNOWN, refused_code="expired_card")

    assert after_absence(refund, RULES, 121, T0 + at(121)) == RefusalConfirmed()


def test_refusal_that_may_be_an_echo_needs_people() -> None:
    refund = replace(
        UNKNOWN,
        refused_code="charge_already_refunded",
        refusal_may_be_echo=True,
        negative_lookup_at=T0 + at(121),
    )

    result = after_absence(refund, RULES, 421, T0 + at(421))

    assert result == Unresolvable("refused_in_doubt")


def test_gateway_without_look_up_waits_for_its_webhook_while_the_key_lives() -> None:
    rules = replace(RULES, has_lookup=False, key_window_seconds=7 * DAY)
    late = safe_window_seconds(7 * DAY)

    assert after_absence(UNKNOWN, rules, 10, T0 + at(10)) == ResendSameKey()
    waiting = after_absence(UNKNOWN, rules, late, T0 + at(late))
    assert isinstance(waiting, LookedUpAbsent)
    over = after_absence(UNKNOWN, rules, 7 * DAY, T0 + at(7 * DAY))
    assert over == Unresolvable("no_lookup_outside_window")


EVIDENT = replace(RULES, key_window_seconds=0, evidence_seconds=DAY)


@pytest.mark.parametrize("shown", [True, False])
def test_nothing_follows_from_absence_while_a_message_may_come(shown: bool) -> None:
    rules = replace(EVIDENT, has_lookup=shown, complete_listing=True)
    tired = replace(UNKNOWN, lookups=9, negative_lookup_at=T0 + at(200))

    early = after_absence(UNKNOWN, rules, 10, T0 + at(10))
    assert early == LookedUpAbsent(T0 + at(40), counts=False)
    later = after_absence(UNKNOWN, rules, 200, T0 + at(200))
    assert later == LookedUpAbsent(T0 + at(230), counts=shown)
    late = after_absence(tired, rules, DAY - 60, T0 + at(DAY - 60))
    assert late == LookedUpAbsent(T0 + at(DAY), counts=shown)


def test_after_its_time_absence_means_what_it_means_elsewhere() -> None:
    tired = replace(UNKNOWN, lookups=9, negative_lookup_at=T0 + at(200))

    def over(**changes: bool) -> object:
        rules = replace(EVIDENT, **changes)  # type: ignore[arg-type]
        return after_absence(tired, rules, DAY, T0 + at(DAY))

    assert over(has_lookup=False) == Unresolvable("no_lookup_outside_window")
    assert over(complete_listing=False) == Unresolvable("absent_outside_window")
    proven = over(complete_listing=True)
    assert proven == ProvenAbsent("absent_from_complete_listing", T0 + at(DAY))


def test_its_time_counts_from_the_last_send() -> None:
    again = replace(
        UNKNOWN,
        last_sent_at=T0 + at(DAY),
        negative_lookup_at=T0 + at(DAY + 200),
        lookups=9,
    )
    rules = replace(EVIDENT, complete_listing=True)

    soon = after_absence(again, rules, DAY + 900, T0 + at(DAY + 900))
    assert isinstance(soon, LookedUpAbsent)
    later = after_absence(again, rules, 2 * DAY, T0 + at(2 * DAY))
    assert isinstance(later, ProvenAbsent)


def test_a_send_that_lies_ahead_is_waited_for_no_longer_than_elsewhere() -> None:
    sent = T0 + at(10 * DAY)
    ahead = replace(UNKNOWN, first_sent_at=sent, last_sent_at=sent)
    first = after_absence(ahead, EVIDENT, 0, T0)
    assert isinstance(first, LookedUpAbsent)
    assert first.counts
    looked = replace(ahead, negative_lookup_at=T0)
    assert isinstance(after_absence(looked, EVIDENT, 0, T0 + at(301)), Unresolvable)


def test_backoff_repeats_its_last_step_for_ever() -> None:
    assert [backoff((5, 30), tries).seconds for tries in range(4)] == [5, 30, 30, 30]


@given(
    st.integers(0, 100 * DAY),
    st.integers(0, 50 * DAY),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1000),
)
def test_a_resend_never_leaves_the_window(
    elapsed: int,
    window: int,
    has_lookup: bool,
    stuck: bool,
    refused: bool,
    back: int,
) -> None:
    rules = replace(RULES, key_window_seconds=window, has_lookup=has_lookup)
    refund = replace(
        UNKNOWN,
        key_stuck=stuck,
        refused_code="x" if refused else None,
        negative_lookup_at=T0 + at(back),
    )

    result = after_absence(refund, rules, elapsed, T0 + at(elapsed))

    if isinstance(result, ResendSameKey):
        assert elapsed < safe_window_seconds(window)
        assert not stuck
        assert not refused


# --- a send that the wall clock puts into the future ---------------------------------

AHEAD = replace(UNKNOWN, first_sent_at=T0 + at(DAY), last_sent_at=T0 + at(DAY))
LATE = RULES.key_window_seconds


def test_two_looks_end_with_people_though_the_send_lies_in_the_future() -> None:
    first = after_absence(AHEAD, RULES, LATE, T0)
    assert isinstance(first, LookedUpAbsent)
    assert first.counts
    assert first.due_at <= T0 + at(300)

    looked = replace(AHEAD, negative_lookup_at=T0, lookups=1)
    assert after_absence(looked, RULES, LATE, T0 + at(300)) == Unresolvable(
        "absent_outside_window"
    )


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("code", [None, "expired_card"])
def test_nothing_is_freed_or_sent_where_the_send_lies_in_the_future(
    code: str | None, *, complete: bool
) -> None:
    rules = replace(RULES, complete_listing=complete)
    looked = replace(AHEAD, negative_lookup_at=T0, lookups=1, refused_code=code)

    assert isinstance(after_absence(looked, rules, LATE, T0 + at(300)), Unresolvable)


def test_look_of_a_clock_that_was_ahead_is_no_look_of_the_past() -> None:
    stamped = replace(UNKNOWN, negative_lookup_at=T0 + at(10 * DAY))
    now = T0 + at(2 * DAY)

    event = after_absence(stamped, RULES, LATE, now)

    assert isinstance(event, LookedUpAbsent)
    assert event.due_at <= now + at(300)
    assert apply(stamped, event, now).after.negative_lookup_at == now


CAREFUL = replace(RULES, resend_wait_seconds=90)


def test_where_a_failure_frees_the_key_a_resend_waits_for_two_looks() -> None:
    early = after_absence(UNKNOWN, CAREFUL, 10, T0 + at(10))
    assert early == LookedUpAbsent(due_at=T0 + at(90), counts=False)

    first = after_absence(UNKNOWN, CAREFUL, 90, T0 + at(90))
    assert first == LookedUpAbsent(due_at=T0 + at(180), counts=True)

    looked = replace(UNKNOWN, negative_lookup_at=T0 + at(90))
    soon = after_absence(looked, CAREFUL, 170, T0 + at(170))
    assert soon == LookedUpAbsent(due_at=T0 + at(180), counts=True)
    assert after_absence(looked, CAREFUL, 180, T0 + at(180)) == ResendSameKey()


def test_the_looks_before_a_resend_come_soon_however_many_came_before() -> None:
    weary = replace(UNKNOWN, lookups=9)

    first = after_absence(weary, CAREFUL, 90, T0 + at(90))

    assert first == LookedUpAbsent(due_at=T0 + at(180), counts=True)


def test_a_look_before_a_resend_that_lies_in_the_future_does_not_count() -> None:
    looked = replace(UNKNOWN, negative_lookup_at=T0 + at(500))

    result = after_absence(looked, CAREFUL, 200, T0 + at(200))

    assert result == LookedUpAbsent(due_at=T0 + at(290), counts=True)


def test_a_send_stamped_far_ahead_delays_no_look_before_a_resend() -> None:
    ahead = replace(UNKNOWN, last_sent_at=T0 + at(DAY))

    assert after_absence(ahead, CAREFUL, 10, T0).due_at == T0 + at(90)  # type: ignore[union-attr] - a look


def test_outside_the_window_two_looks_before_a_resend_change_nothing() -> None:
    looked = replace(UNKNOWN, negative_lookup_at=T0 + at(DAY))

    result = after_absence(looked, CAREFUL, DAY + 300, T0 + at(DAY + 300))

    assert result == Unresolvable("absent_outside_window")
