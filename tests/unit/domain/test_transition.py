"""`apply` over every row of the table, every word, and random histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refundwatch.domain import events as ev
from refundwatch.domain.refund import (
    FINAL,
    TRANSITIONS,
    UNSENT,
    Booking,
    Evidence,
    Refund,
    RefundState,
    Word,
)
from refundwatch.domain.transition import Applied, apply
from refundwatch.errors import InvariantBroken, StateConflict

S = RefundState
T0 = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
LATER = T0 + timedelta(seconds=30)


def a_refund(state: RefundState = S.QUEUED, **changes: object) -> Refund:
    sent = state not in UNSENT
    booking = Booking.RESERVED
    if state in {S.SUCCEEDED, S.SETTLED}:
        booking = Booking.REFUNDED
    if state in FINAL:
        booking = Booking.FREE
    base = Refund(
        id="rf_1",
        request_id="r-1",
        account="stripe-uk",
        payment_id="pay_1",
        payment_reference="pi_1",
        amount_minor=1050,
        currency="GBP",
        reason_code="returned",
        merchant_reference="rwabc",
        idempotency_key="k" * 32,
        created_at=T0,
        state=state,
        booking=booking,
        fence=1 if sent else 0,
        attempts=1 if sent else 0,
        first_sent_at=T0 if sent else None,
        ambiguous=state is S.UNKNOWN,
    )
    return replace(base, **changes)  # type: ignore[arg-type] - a test's shorthand


def evidence(**changes: object) -> Evidence:
    base = Evidence(
        source="answer",
        raw_status="succeeded",
        gateway_reference="re_1",
        merchant_reference="rwabc",
        payment_reference="pi_1",
        amount_minor=1050,
        currency="GBP",
    )
    return replace(base, **changes)  # type: ignore[arg-type] - a test's shorthand


def say(refund: Refund, word: Word, **changes: object) -> Applied:
    return apply(refund, ev.GatewayWord(word, evidence(**changes)), LATER)


def path(applied: Applied) -> list[RefundState]:
    return [move.after for move in applied.moves]


@pytest.mark.parametrize(
    ("state", "word", "steps", "booking"),
    [
        (S.SENDING, Word.PENDING, [S.PENDING], Booking.RESERVED),
        (S.SENDING, Word.SUCCEEDED, [S.SUCCEEDED], Booking.REFUNDED),
        (S.SENDING, Word.FAILED, [S.DECLINED], Booking.FREE),
        (S.SENDING, Word.REVERSED, [S.SUCCEEDED, S.REVERSED], Booking.FREE),
        (S.SENDING, Word.SETTLED, [S.SUCCEEDED, S.SETTLED], Booking.REFUNDED),
        (S.SENDING, Word.UNSEEN, [S.REVIEW], Booking.RESERVED),
        (S.UNKNOWN, Word.PENDING, [S.PENDING], Booking.RESERVED),
        (S.UNKNOWN, Word.SUCCEEDED, [S.SUCCEEDED], Booking.REFUNDED),
        (S.UNKNOWN, Word.FAILED, [S.DECLINED], Booking.FREE),
        (S.PENDING, Word.PENDING, [], Booking.RESERVED),
        (S.PENDING, Word.SUCCEEDED, [S.SUCCEEDED], Booking.REFUNDED),
        (S.PENDING, Word.FAILED, [S.DECLINED], Booking.FREE),
        (S.PENDING, Word.REVERSED, [S.SUCCEEDED, S.REVERSED], Booking.FREE),
        (S.PENDING, Word.SETTLED, [S.SUCCEEDED, S.SETTLED], Booking.REFUNDED),
        (S.SUCCEEDED, Word.PENDING, [], Booking.REFUNDED),
        (S.SUCCEEDED, Word.SUCCEEDED, [], Booking.REFUNDED),
        (S.SUCCEEDED, Word.FAILED, [S.REVERSED], Booking.FREE),
        (S.SUCCEEDED, Word.REVERSED, [S.REVERSED], Booking.FREE),
        (S.SUCCEEDED, Word.SETTLED, [S.SETTLED], Booking.REFUNDED),
        (S.SUCCEEDED, Word.UNSEEN, [S.REVIEW], Booking.REFUNDED),
        (S.SETTLED, Word.SETTLED, [], Booking.REFUNDED),
        (S.SETTLED, Word.SUCCEEDED, [], Booking.REFUNDED),
        (S.SETTLED, Word.FAILED, [S.REVERSED], Booking.FREE),
        (S.SETTLED, Word.UNSEEN, [S.REVIEW], Booking.REFUNDED),
        (S.REVERSED, Word.SUCCEEDED, [], Booking.FREE),
        (S.REVERSED, Word.FAILED, [], Booking.FREE),
        (S.DECLINED, Word.FAILED, [], Booking.FREE),
        (S.REVIEW, Word.SUCCEEDED, [], Booking.RESERVED),
    ],
)
def test_word_of_the_gateway_moves_along_the_table(
    state: RefundState, word: Word, steps: list[RefundState], booking: Booking
) -> None:
    applied = say(a_refund(state), word)

    assert path(applied) == steps
    assert applied.after.booking is booking


def test_success_moves_the_amount_from_reserved_to_refunded() -> None:
    applied = say(a_refund(S.PENDING), Word.SUCCEEDED)

    assert applied.reserved_delta_minor == -1050
    assert applied.refunded_delta_minor == 1050


@pytest.mark.parametrize(
    ("field", "value", "difference"),
    [
        ("amount_minor", 1051, "amount_mismatch"),
        ("currency", "EUR", "currency_mismatch"),
        ("payment_reference", "pi_2", "payment_mismatch"),
        ("merchant_reference", "rwother", "reference_mismatch"),
    ],
)
@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.PENDING, S.SUCCEEDED])
def test_acceptance_of_something_else_becomes_review_and_freezes(
    state: RefundState, field: str, value: object, difference: str
) -> None:
    applied = say(a_refund(state), Word.SUCCEEDED, **{field: value})

    assert applied.after.state is S.REVIEW
    assert applied.freeze == difference
    assert applied.alarm == "refund_contradiction"
    assert applied.after.booking is a_refund(state).booking


def test_second_gateway_reference_for_one_refund_is_a_contradiction() -> None:
    refund = a_refund(S.SUCCEEDED, gateway_reference="re_1")

    applied = say(refund, Word.SUCCEEDED, gateway_reference="re_2")

    assert applied.after.state is S.REVIEW
    assert applied.freeze == "gateway_reference_mismatch"


def test_reference_that_is_our_own_name_contradicts_no_reference_people_gave() -> None:
    """Where a gateway names refunds by our name alone, people may be shown another."""
    refund = a_refund(S.SUCCEEDED, gateway_reference="order-1#4")

    applied = say(refund, Word.SUCCEEDED, gateway_reference=refund.merchant_reference)

    assert applied.after.state is S.SUCCEEDED
    assert applied.freeze is None
    assert not applied.changed


def test_missing_echo_is_no_contradiction() -> None:
    applied = say(a_refund(S.SENDING), Word.SUCCEEDED, amount_minor=None, currency=None)

    assert applied.after.state is S.SUCCEEDED


@pytest.mark.parametrize("state", [S.DECLINED, S.REFUSED, S.EXPIRED, S.CANCELLED])
def test_proof_of_execution_after_the_end_is_booked_and_freezes(
    state: RefundState,
) -> None:
    applied = say(a_refund(state), Word.SUCCEEDED)

    assert applied.after.state is state
    assert applied.after.booking is Booking.REFUNDED
    assert applied.refunded_delta_minor == 1050
    assert applied.freeze == "executed_after_end"
    assert not say(applied.after, Word.SUCCEEDED).changed


@pytest.mark.parametrize("state", [S.AWAITING_APPROVAL, S.HELD, S.QUEUED])
def test_execution_without_a_send_becomes_review(state: RefundState) -> None:
    applied = say(a_refund(state), Word.SUCCEEDED)

    assert applied.after.state is S.REVIEW
    assert applied.freeze == "executed_without_being_sent"


def test_webhook_overtaking_a_harmless_looking_attempt_is_believed() -> None:
    applied = say(a_refund(S.QUEUED, attempts=1), Word.SUCCEEDED)

    assert path(applied) == [S.SENDING, S.SUCCEEDED]


def test_requires_action_is_a_flag_on_pending() -> None:
    applied = say(a_refund(S.SENDING), Word.PENDING, requires_action=True)

    assert applied.after.state is S.PENDING
    assert applied.after.requires_action


def test_unseen_status_becomes_review_with_the_raw_value() -> None:
    applied = say(a_refund(S.PENDING), Word.UNSEEN, raw_status="on_holiday")

    assert applied.after.review_reason == "unseen_status:on_holiday"
    assert applied.alarm == "refund_unseen_status"


def test_claim_raises_the_fence_and_keeps_the_first_send_time() -> None:
    refund = a_refund(S.UNKNOWN, first_sent_at=T0, fence=3)

    after = apply(refund, ev.Claimed("stripe-uk/main"), LATER).after

    assert (after.fence, after.first_sent_at, after.last_sent_at) == (4, T0, LATER)


def test_not_sent_goes_back_to_the_queue_with_the_reservation() -> None:
    event = ev.NotExecuted(1, "refused_connection", LATER)

    after = apply(a_refund(S.SENDING), event, LATER).after

    assert after.state is S.QUEUED
    assert after.booking is Booking.RESERVED
    assert after.first_sent_at is None


def test_not_sent_after_an_ambiguous_attempt_stays_unknown() -> None:
    event = ev.NotExecuted(1, "refused_connection", LATER)

    after = apply(a_refund(S.SENDING, ambiguous=True), event, LATER).after

    assert after.state is S.UNKNOWN
    assert after.first_sent_at == T0


def test_unanswered_becomes_unknown_and_keeps_the_reservation() -> None:
    after = apply(a_refund(S.SENDING), ev.Unanswered(1, "timeout", LATER), LATER).after

    assert after.state is S.UNKNOWN
    assert after.ambiguous
    assert after.booking is Booking.RESERVED


def refusal(*, echo: bool = False, authoritative: bool = False) -> ev.Refusal:
    return ev.Refusal(1, "expired_card", echo, authoritative, LATER)


def test_first_refusal_is_final_and_frees_the_amount() -> None:
    applied = apply(a_refund(S.SENDING), refusal(echo=True), LATER)

    assert applied.after.state is S.DECLINED
    assert applied.reserved_delta_minor == -1050


@pytest.mark.parametrize(
    ("echo", "authoritative", "state"),
    [
        (False, False, S.UNKNOWN),
        (True, True, S.UNKNOWN),
        (True, False, S.UNKNOWN),
        (False, True, S.DECLINED),
    ],
)
def test_refusal_after_an_ambiguous_attempt_is_doubted(
    *, echo: bool, authoritative: bool, state: RefundState
) -> None:
    event = refusal(echo=echo, authoritative=authoritative)

    applied = apply(a_refund(S.SENDING, ambiguous=True), event, LATER)

    assert applied.after.state is state


@pytest.mark.parametrize(
    "event",
    [
        ev.NotExecuted(1, "x", LATER),
        ev.Unanswered(1, "x", LATER),
        ev.Refusal(1, "x", may_be_echo=False, authoritative=True, due_at=LATER),
    ],
)
def test_negative_conclusion_under_an_old_fence_changes_nothing(
    event: ev.RefundEvent,
) -> None:
    applied = apply(a_refund(S.SENDING, fence=2), event, LATER)

    assert not applied.changed
    assert applied.ignored == "stale_fence"


def test_positive_word_counts_whatever_the_fence() -> None:
    assert say(a_refund(S.SENDING, fence=9), Word.SUCCEEDED).changed


def test_edit_raises_the_revision_and_adjusts_the_reservation() -> None:
    event = ev.Edited(2000, "returned", 1, LATER)

    applied = apply(a_refund(S.AWAITING_APPROVAL), event, LATER)

    assert applied.after.revision == 2
    assert applied.reserved_delta_minor == 950
    assert path(applied) == [S.AWAITING_APPROVAL]


def test_edit_of_a_refund_once_sent_is_refused() -> None:
    event = ev.Edited(2000, "returned", 1, LATER)

    with pytest.raises(StateConflict, match="once sent"):
        apply(a_refund(S.HELD, attempts=1), event, LATER)


def test_cancel_of_a_refund_that_may_have_run_is_refused() -> None:
    with pytest.raises(StateConflict, match="may have been executed"):
        apply(a_refund(S.QUEUED, ambiguous=True), ev.Cancelled(), LATER)


_DECISIONS: list[tuple[ev.RefundEvent, frozenset[RefundState]]] = [
    (ev.Edited(1, "x", 1, LATER), frozenset({S.AWAITING_APPROVAL, S.HELD})),
    (ev.ApprovalsComplete(), frozenset({S.AWAITING_APPROVAL})),
    (ev.ApprovalsInvalid(1, LATER), frozenset({S.QUEUED})),
    (ev.Refused("x"), frozenset({S.AWAITING_APPROVAL})),
    (ev.Expired(), frozenset({S.AWAITING_APPROVAL, S.HELD})),
    (ev.Cancelled(), UNSENT),
    (ev.Held("x"), frozenset({S.AWAITING_APPROVAL, S.QUEUED})),
    (ev.Released(approvals_complete=True, approvals_expire_at=None), {S.HELD}),
    (ev.Claimed("c"), frozenset({S.QUEUED, S.UNKNOWN})),
    (ev.Resolved(ev.Resolution.SUCCEEDED), frozenset({S.REVIEW})),
]


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize(("event", "allowed"), _DECISIONS)
def test_decision_fits_only_its_states(
    state: RefundState, event: ev.RefundEvent, allowed: frozenset[RefundState]
) -> None:
    if state in allowed:
        assert apply(a_refund(state), event, LATER).changed
    else:
        with pytest.raises(StateConflict):
            apply(a_refund(state), event, LATER)


@pytest.mark.parametrize("state", [S.REFUSED, S.EXPIRED, S.CANCELLED])
def test_ends_before_a_send_free_the_amount(state: RefundState) -> None:
    event: dict[RefundState, ev.RefundEvent] = {
        S.REFUSED: ev.Refused("no"),
        S.EXPIRED: ev.Expired(),
        S.CANCELLED: ev.Cancelled(),
    }

    applied = apply(a_refund(S.AWAITING_APPROVAL), event[state], LATER)

    assert applied.after.state is state
    assert applied.reserved_delta_minor == -1050


def test_resend_after_review_takes_the_next_generation_of_keys() -> None:
    event = ev.Resolved(
        ev.Resolution.RESEND,
        next_idempotency_key="n" * 32,
        next_merchant_reference="rwnext",
    )

    after = apply(a_refund(S.REVIEW, gateway_reference="re_1"), event, LATER).after

    assert (after.state, after.generation) == (S.QUEUED, 1)
    assert after.idempotency_key == "n" * 32
    assert after.gateway_reference is None


def test_resend_without_a_new_key_is_a_broken_invariant() -> None:
    with pytest.raises(InvariantBroken):
        apply(a_refund(S.REVIEW), ev.Resolved(ev.Resolution.RESEND), LATER)


# --- random histories --------------------------------------------------------------

RANK = {
    S.SENDING: 0,
    S.UNKNOWN: 1,
    S.PENDING: 2,
    S.DECLINED: 3,
    S.SUCCEEDED: 4,
    S.SETTLED: 5,
    S.REVERSED: 6,
}
_words = st.builds(
    lambda word, amount, reference: ev.GatewayWord(
        word,
        evidence(
            raw_status=word.value, amount_minor=amount, gateway_reference=reference
        ),
        LATER,
    ),
    st.sampled_from(Word),
    st.sampled_from([1050, 1050, 1050, None, 1]),
    st.sampled_from(["re_1", "re_1", None, "re_2"]),
)
_fences = st.integers(0, 4)
_attempt_ends = st.one_of(
    st.builds(ev.NotExecuted, _fences, st.just("x"), st.just(LATER)),
    st.builds(ev.Unanswered, _fences, st.just("x"), st.just(LATER), st.booleans()),
    st.builds(
        ev.Refusal, _fences, st.just("x"), st.booleans(), st.booleans(), st.just(LATER)
    ),
)
_others = st.sampled_from(
    [
        ev.ApprovalsComplete(),
        ev.ApprovalsInvalid(1, LATER),
        ev.Refused("x"),
        ev.Expired(),
        ev.Cancelled(),
        ev.Held("x"),
        ev.Released(approvals_complete=True, approvals_expire_at=None),
        ev.Released(approvals_complete=False, approvals_expire_at=LATER),
        ev.Claimed("c"),
        ev.ProcessDied(LATER),
        ev.LookedUpAbsent(LATER, counts=True),
        ev.ProvenAbsent("x", LATER),
        ev.RefusalConfirmed(),
        ev.Unresolvable("x"),
        ev.Edited(900, "x", 1, LATER),
        ev.Resolved(ev.Resolution.SUCCEEDED),
        ev.Resolved(ev.Resolution.DECLINED),
        ev.Resolved(ev.Resolution.REVERSED),
        ev.Resolved(
            ev.Resolution.RESEND,
            next_idempotency_key="n" * 32,
            next_merchant_reference="rwabc",
        ),
    ]
)
_histories = st.lists(st.one_of(_words, _attempt_ends, _others), max_size=30)


@settings(max_examples=400, deadline=None)
@given(_histories, st.sampled_from([S.AWAITING_APPROVAL, S.QUEUED, S.HELD, S.SENDING]))
def test_any_history_is_a_path_of_the_table_with_the_amount_in_one_place(
    history: list[ev.RefundEvent], first: RefundState
) -> None:
    refund = a_refund(first)
    reserved, refunded = refund.amount_minor, 0
    for event in history:
        try:
            applied = apply(refund, event, LATER)
        except StateConflict:
            continue
        state = refund.state
        for move in applied.moves:
            assert move.before is state
            assert move.after in TRANSITIONS[state]
            state = move.after
        assert state is applied.after.state
        reserved += applied.reserved_delta_minor
        refunded += applied.refunded_delta_minor
        assert reserved >= 0
        assert refunded >= 0
        assert reserved + refunded in {0, applied.after.amount_minor}
        if not applied.changed:
            assert applied.after == refund
        if isinstance(event, ev.GatewayWord) and applied.after.state is not S.REVIEW:
            before = RANK.get(refund.state, -1)
            assert RANK.get(applied.after.state, -1) >= before
        refund = applied.after


@settings(max_examples=300, deadline=None)
@given(_histories, _words)
def test_the_same_word_twice_changes_nothing_the_second_time(
    history: list[ev.RefundEvent], word: ev.GatewayWord
) -> None:
    refund = a_refund(S.SENDING)
    for event in [*history, word]:
        try:
            refund = apply(refund, event, LATER).after
        except StateConflict:
            continue

    assert not apply(refund, word, LATER).changed


@settings(max_examples=300, deadline=None)
@given(st.permutations([Word.PENDING, Word.SUCCEEDED, Word.REVERSED]))
def test_words_end_the_same_in_any_order(words: list[Word]) -> None:
    refund = a_refund(S.SENDING)
    for word in words:
        refund = say(refund, word).after

    assert (refund.state, refund.booking) == (S.REVERSED, Booking.FREE)


@settings(max_examples=300, deadline=None)
@given(_histories)
def test_an_ambiguous_refund_never_frees_its_amount_by_our_own_reasoning(
    history: list[ev.RefundEvent],
) -> None:
    refund = a_refund(S.UNKNOWN)
    for event in history:
        if isinstance(event, ev.GatewayWord | ev.Resolved | ev.RefusalConfirmed):
            continue
        if isinstance(event, ev.Refusal) and event.authoritative:
            continue
        if isinstance(event, ev.ProvenAbsent):
            continue
        try:
            refund = apply(refund, event, LATER).after
        except StateConflict:
            continue
        assert refund.booking is Booking.RESERVED
