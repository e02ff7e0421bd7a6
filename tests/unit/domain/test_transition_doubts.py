from __future__ import annotations

import pytest

from refundwatch.domain.refund import Booking, RefundState, Word
from refundwatch.domain.transition import apply
from tests.unit.domain.test_transition import LATER, a_refund, path, refusal, say

S = RefundState


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.PENDING])
def test_acceptance_that_its_own_failure_overtook_is_an_older_word(
    state: RefundState,
) -> None:
    failed = say(a_refund(state), Word.FAILED).after
    assert failed.state is S.DECLINED

    late = say(failed, Word.PENDING)

    assert not late.changed
    assert late.freeze is None
    assert late.ignored == "repeat_or_older"


def test_acceptance_after_a_mere_refusal_is_a_refund_nobody_knew_of() -> None:
    refused = apply(a_refund(S.SENDING), refusal(), LATER).after

    late = say(refused, Word.PENDING)

    assert late.after.booking is Booking.RESERVED
    assert late.freeze == "executed_after_end"


def test_echo_is_doubted_where_an_earlier_generation_was_sent() -> None:
    again = a_refund(S.SENDING, generation=1, ambiguous=False)

    applied = apply(again, refusal(echo=True, authoritative=True), LATER)

    assert applied.after.state is S.UNKNOWN
    assert applied.after.booking is Booking.RESERVED
    assert applied.after.refused_code == "expired_card"


def test_plain_refusal_of_a_later_generation_is_final() -> None:
    again = a_refund(S.SENDING, generation=1, ambiguous=False)

    applied = apply(again, refusal(echo=False, authoritative=False), LATER)

    assert applied.after.state is S.DECLINED


@pytest.mark.parametrize("state", [S.AWAITING_APPROVAL, S.HELD, S.QUEUED])
def test_unseen_status_of_a_refund_that_stands_as_unsent_becomes_review(
    state: RefundState,
) -> None:
    applied = say(a_refund(state), Word.UNSEEN, raw_status="on_holiday")

    assert applied.after.state is S.REVIEW
    assert path(applied)[-2:] == [S.SENDING, S.REVIEW]
    assert applied.after.review_reason == "unseen_status:on_holiday"
    assert applied.after.gateway_reference == "re_1"
    assert applied.after.booking is Booking.RESERVED
    assert applied.alarm == "refund_unseen_status"


def test_unreadable_item_without_a_refund_in_it_moves_nothing_unsent() -> None:
    applied = say(
        a_refund(S.QUEUED),
        Word.UNSEEN,
        raw_status="unreadable:missing_id",
        gateway_reference=None,
    )

    assert applied.after.state is S.QUEUED
    assert applied.alarm == "refund_unseen_status"
