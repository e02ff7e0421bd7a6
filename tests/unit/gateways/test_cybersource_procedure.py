"""What the hub does with what Cybersource declares: ask, wait, then call people."""

from __future__ import annotations

from datetime import timedelta

from refundwatch.domain.events import LookedUpAbsent, Unresolvable
from refundwatch.domain.refund import RefundState
from refundwatch.domain.resolve import ResolveRules, after_absence, may_resend
from refundwatch.gateways.contract import Lookup
from tests.unit.domain.test_transition import T0, a_refund
from tests.unit.gateways.cybersource_making import GATEWAY

DECLARED = GATEWAY.capabilities
RULES = ResolveRules(
    has_lookup=DECLARED.lookup is not Lookup.NONE,
    key_window_seconds=DECLARED.key_window_seconds,
    complete_listing=DECLARED.complete_listing,
    backoff_seconds=(5, 30, 120, 600),
    settle_delay_seconds=DECLARED.lookup_delay_seconds,
    in_flight_seconds=120,
)
MINUTE = 60


def test_an_order_without_an_answer_is_never_sent_again() -> None:
    unknown = a_refund(RefundState.UNKNOWN, last_sent_at=T0)
    for seconds in (0, 1, 60, 3_600, 10**8):
        assert not may_resend(unknown, RULES, seconds)


def test_absence_is_believed_by_people_alone_and_not_within_half_an_hour() -> None:
    unknown = a_refund(RefundState.UNKNOWN, last_sent_at=T0)
    for minutes in (0, 2, 5, 15, 30):
        seconds = minutes * MINUTE
        at = T0 + timedelta(seconds=seconds)
        assert isinstance(after_absence(unknown, RULES, seconds, at), LookedUpAbsent)
    looked = a_refund(
        RefundState.UNKNOWN,
        last_sent_at=T0,
        negative_lookup_at=T0 + timedelta(minutes=2),
    )
    for minutes in (3, 15, 31):
        at = T0 + timedelta(minutes=minutes)
        following = after_absence(looked, RULES, minutes * MINUTE, at)
        assert isinstance(following, LookedUpAbsent)
    at = T0 + timedelta(minutes=32)
    following = after_absence(looked, RULES, 32 * MINUTE, at)
    assert following == Unresolvable("absent_outside_window")
