from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.decision import Verdict, parse_statement
from refundwatch.domain.events import Resolution, Unresolvable
from refundwatch.domain.policy import Band, Principal, Role
from refundwatch.domain.refund import Booking, Refund, RefundState, Word
from refundwatch.errors import (
    AmountExceedsRefundable,
    AmountInvalid,
    DecisionDenied,
    PaymentFrozen,
    RefundUnknown,
    RefundwatchError,
    StaleRevision,
    StateConflict,
    TextInvalid,
)
from refundwatch.store.contract import (
    ExpireApprovals,
    HoldUnsent,
    LookUpNow,
)
from refundwatch.store.sqlite import decisions
from refundwatch.store.sqlite.statements import content_sha256
from tests.making import (
    ANN,
    BEN,
    CAT,
    FREE,
    OLA,
    PIA,
    POLICY,
    SHOP,
    START,
    VIC,
    after,
    decide,
    make_payment,
    make_refund,
)
from tests.sealer import OpenSealer
from tests.store.driving import claimed, drive, in_review, unanswered, word
from tests.store.looking import (
    broken_sums,
    dump,
    entries,
    kinds,
    rows,
    size,
    value,
)

if TYPE_CHECKING:
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState


async def refused(
    store: InlineStore,
    error: type[RefundwatchError],
    refund: Refund,
    *asked: Any,
    **fields: Any,
) -> int:
    """See a decision refused and nothing stored; give where the log then begins."""
    stored, length = dump(store), size(store)
    with pytest.raises(error):
        await decide(store, refund, *asked, **fields)
    assert dump(store) == stored
    return length


# --- approvals --------------------------------------------------------------------


async def test_one_approval_sends_a_middling_refund(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)
    length = size(store)

    decided = await decide(store, refund, Verdict.APPROVE, ANN, at=after(60))

    assert (decided.refund.state, decided.waiting_for) == (S.QUEUED, 0)
    assert kinds(store, length) == ["refund:approved"]
    assert value(store, "SELECT approved_at - created_at FROM refund") == 60_000_000
    (row,) = rows(store, "SELECT * FROM decision")
    place = f"{refund.id}/1"
    stated = parse_statement(
        OpenSealer().open("decision", place, "statement", row["statement"])
    )
    assert (stated.actor, stated.decision) == ("person:ann", Verdict.APPROVE)
    assert (stated.instance, stated.gateway) == ("hub.test", "stripe")
    assert stated.request_sha256 == content_sha256(refund)
    assert stated.policy_version == "p1"
    assert (stated.proof and stated.proof.key) == row["key"]


async def test_two_persons_approve_a_large_refund(store: InlineStore) -> None:
    refund = await make_refund(store, None, 60_000)
    length = size(store)

    first = await decide(store, refund, Verdict.APPROVE, ANN)
    second = await decide(store, refund, Verdict.APPROVE, BEN)

    assert (first.refund.state, first.waiting_for) == (S.AWAITING_APPROVAL, 1)
    assert (second.refund.state, second.waiting_for) == (S.QUEUED, 0)
    assert kinds(store, length) == ["refund:approval:given", "refund:approved"]


async def test_one_person_is_never_two(store: InlineStore) -> None:
    refund = await make_refund(store, None, 60_000)
    await decide(store, refund, Verdict.APPROVE, ANN)

    length = await refused(store, DecisionDenied, refund, Verdict.APPROVE, ANN)

    (entry,) = entries(store, length)
    assert entry.kind == "refund:decision:denied"
    assert (entry.actor, entry.refund_id) == ("person:ann", refund.id)
    assert entry.data["reason"] == "already_approved"


async def test_whoever_made_it_does_not_approve_it(store: InlineStore) -> None:
    both = Principal("person:eve", frozenset({Role.OPERATOR, Role.APPROVER}))
    refund = await make_refund(store, None, 5_000, principal=both)

    length = await refused(store, DecisionDenied, refund, Verdict.APPROVE, both)

    assert entries(store, length)[0].data["reason"] == "own_refund"


async def test_whoever_edited_any_revision_does_not_approve_it(
    store: InlineStore,
) -> None:
    both = Principal("person:eve", frozenset({Role.OPERATOR, Role.APPROVER}))
    refund = await make_refund(store, None, 5_000)
    edited = await decide(store, refund, Verdict.EDIT, both, amount_minor=5_100)
    again = await decide(store, edited.refund, Verdict.EDIT, OLA, amount_minor=5_200)

    length = await refused(store, DecisionDenied, again.refund, Verdict.APPROVE, both)

    assert entries(store, length)[0].data["reason"] == "own_refund"
    assert (await decide(store, again.refund, Verdict.APPROVE, ANN)).waiting_for == 0


async def test_an_edit_voids_approvals(store: InlineStore) -> None:
    refund = await make_refund(store, None, 60_000)
    await decide(store, refund, Verdict.APPROVE, ANN)

    edited = await decide(store, refund, Verdict.EDIT, OLA, amount_minor=59_000)

    assert edited.waiting_for == 2
    once = await decide(store, edited.refund, Verdict.APPROVE, ANN)
    assert once.waiting_for == 1


async def test_a_stricter_policy_asks_for_more(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)
    strict = replace(POLICY, version="p2", bands=(Band("GBP", 0, 0),))

    decided = await decide(store, refund, Verdict.APPROVE, ANN, policy=strict)

    assert (decided.refund.state, decided.waiting_for) == (S.AWAITING_APPROVAL, 1)
    assert decided.refund.required_approvals == 2
    last = await decide(store, refund, Verdict.APPROVE, BEN, policy=strict)
    assert last.refund.state is S.QUEUED


async def test_a_milder_policy_asks_for_no_less(store: InlineStore) -> None:
    refund = await make_refund(store, None, 60_000)

    decided = await decide(store, refund, Verdict.APPROVE, ANN, policy=FREE)

    assert decided.waiting_for == 1


async def test_a_later_refund_of_the_payment_does_not_raise_what_is_needed(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, 100_000)
    first = await make_refund(store, payment, 5_000)
    await make_refund(store, payment, 90_000, at=after(5))

    decided = await decide(store, first, Verdict.APPROVE, ANN, at=after(9))

    assert decided.refund.state is S.QUEUED


async def test_an_approval_of_somebody_who_edited_counts_nothing(
    store: InlineStore,
) -> None:
    """Rows that say both were written by no unit: nobody approves any more."""
    refund = await make_refund(store, None, 60_000)
    await decide(store, refund, Verdict.APPROVE, ANN)
    store._connection.execute(
        "INSERT INTO decision SELECT refund_id, 9, 'edit', actor, at, revision, "
        "review_round, resolution, reason_code, reason_text, "
        "CAST(replace(CAST(statement AS TEXT), '/1|', '/9|') AS BLOB), "
        "statement_sha256, policy_version, NULL, NULL, NULL, NULL FROM decision"
    )

    with pytest.raises(DecisionDenied, match="edits_hidden"):
        await decide(store, refund, Verdict.APPROVE, BEN)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"revision": 2}, StaleRevision),
        ({"request_sha256": "0" * 64}, StaleRevision),
        ({"request_sha256": None}, TextInvalid),
        ({"reason_code": ""}, TextInvalid),
    ],
)
async def test_an_approval_is_of_what_was_shown(
    store: InlineStore, fields: dict[str, Any], error: type[RefundwatchError]
) -> None:
    refund = await make_refund(store, None, 5_000)

    length = await refused(store, error, refund, Verdict.APPROVE, ANN, **fields)

    # A yes to other content is written down; a request that lacks something is not.
    told = [entry.data["reason"] for entry in entries(store, length)]
    assert told == (["stale_revision"] if error is StaleRevision else [])


async def test_an_approval_of_an_edited_refund_is_stale(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)
    await decide(store, refund, Verdict.EDIT, OLA, amount_minor=9_000)

    await refused(store, StaleRevision, refund, Verdict.APPROVE, ANN)


async def test_an_unknown_refund_cannot_be_decided(store: InlineStore) -> None:
    ghost = replace(await make_refund(store), id="rf_none")

    await refused(store, RefundUnknown, ghost, Verdict.APPROVE, ANN)


@pytest.mark.parametrize(
    ("verdict", "who", "action"),
    [
        (Verdict.APPROVE, OLA, "approve"),
        (Verdict.REFUSE, OLA, "refuse"),
        (Verdict.EDIT, ANN, "edit"),
        (Verdict.CANCEL, ANN, "cancel"),
        (Verdict.HOLD, ANN, "hold"),
        (Verdict.RELEASE, ANN, "release"),
        (Verdict.RESOLVE, VIC, "resolve"),
        (Verdict.APPROVE, SHOP, "approve"),
    ],
)
async def test_whoever_may_not_decide_is_written_down(
    store: InlineStore, verdict: Verdict, who: Principal, action: str
) -> None:
    refund = await make_refund(store, None, 5_000)

    length = await refused(store, DecisionDenied, refund, verdict, who)

    (entry,) = entries(store, length)
    assert entry.kind == "refund:decision:denied"
    assert entry.data["action"] == action


# --- the other verdicts -----------------------------------------------------------


async def test_a_refusal_frees_the_amount(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)

    decided = await decide(
        store, refund, Verdict.REFUSE, ANN, reason_code="fraud", reason_text="He lied"
    )

    assert decided.refund.state is S.REFUSED
    assert value(store, "SELECT reserved_minor FROM payment") == 0
    entry = entries(store)[-1]
    assert entry.kind == "refund:refused"
    assert (entry.data["before"], entry.data["after"]) == (
        "awaiting_approval",
        "refused",
    )
    assert entry.data["reason"] == "fraud"
    assert "He lied" not in str(entry)
    assert broken_sums(store) == []


async def test_cancelled_held_and_released(store: InlineStore) -> None:
    refund = await make_refund(store, None, 1_000)

    held = await decide(store, refund, Verdict.HOLD, OLA, reason_code="ceiling")
    assert (held.refund.state, held.refund.hold_reason) == (S.HELD, "ceiling")
    released = await decide(store, held.refund, Verdict.RELEASE, OLA)
    assert released.refund.state is S.QUEUED
    cancelled = await decide(store, released.refund, Verdict.CANCEL, OLA)

    assert cancelled.refund.state is S.CANCELLED
    assert kinds(store)[-3:] == ["refund:held", "refund:released", "refund:cancelled"]
    assert broken_sums(store) == []


async def test_a_release_without_approvals_asks_for_them(store: InlineStore) -> None:
    refund = await make_refund(store, None, 1_000)
    held = await decide(store, refund, Verdict.HOLD, OLA)
    strict = replace(POLICY, version="p2", bands=(Band("GBP", 0, 0),))

    released = await decide(
        store, held.refund, Verdict.RELEASE, OLA, at=after(9), policy=strict
    )

    assert (released.refund.state, released.waiting_for) == (S.AWAITING_APPROVAL, 2)
    (row,) = rows(store, "SELECT required_approvals, approvals_expire_at FROM refund")
    assert row["required_approvals"] == 2
    assert row["approvals_expire_at"] is not None


@pytest.mark.parametrize(
    ("verdict", "who"),
    [
        (Verdict.APPROVE, ANN),
        (Verdict.REFUSE, ANN),
        (Verdict.EDIT, OLA),
        (Verdict.CANCEL, OLA),
        (Verdict.HOLD, OLA),
        (Verdict.RELEASE, OLA),
        (Verdict.RESOLVE, OLA),
    ],
)
async def test_a_decision_that_does_not_fit_the_state_stores_nothing(
    store: InlineStore, verdict: Verdict, who: Principal
) -> None:
    refund = await drive(store, await make_refund(store), claimed())

    length = await refused(
        store, StateConflict, refund, verdict, who, resolution=Resolution.SUCCEEDED
    )

    assert size(store) == length


# --- edits ------------------------------------------------------------------------


async def test_an_edit_moves_the_reservation(store: InlineStore) -> None:
    payment = await make_payment(store, 60_000)
    refund = await make_refund(store, payment, 5_000)

    up = await decide(store, refund, Verdict.EDIT, OLA, amount_minor=60_000)
    assert value(store, "SELECT reserved_minor FROM payment") == 60_000
    down = await decide(
        store,
        up.refund,
        Verdict.EDIT,
        OLA,
        amount_minor=5_500,
        refund_reason_code="damaged",
    )

    assert value(store, "SELECT reserved_minor FROM payment") == 5_500
    assert (down.refund.revision, down.refund.reason_code) == (3, "damaged")
    assert (up.waiting_for, down.waiting_for) == (2, 1)
    assert entries(store)[-1].data["decided_revision"] == 2
    assert broken_sums(store) == []


async def test_an_edit_beyond_the_payment_stores_nothing(store: InlineStore) -> None:
    payment = await make_payment(store, 10_000)
    refund = await make_refund(store, payment, 5_000)
    await make_refund(store, payment, 3_000)

    for amount, error in ((7_001, AmountExceedsRefundable), (0, AmountInvalid)):
        await refused(store, error, refund, Verdict.EDIT, OLA, amount_minor=amount)

    fits = await decide(store, refund, Verdict.EDIT, OLA, amount_minor=7_000)
    assert fits.refund.amount_minor == 7_000


async def test_an_edit_is_decided_by_the_guarded_statement(
    store: InlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await make_payment(store, 10_000)
    refund = await make_refund(store, payment, 5_000)
    monkeypatch.setattr(decisions, "check_amount", lambda *_args, **_more: None)

    await refused(
        store, AmountExceedsRefundable, refund, Verdict.EDIT, OLA, amount_minor=10_001
    )


async def test_an_edit_of_a_frozen_payment_stores_nothing(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)
    store._connection.execute("UPDATE payment SET frozen = 'dispute'")

    await refused(store, PaymentFrozen, refund, Verdict.EDIT, OLA, amount_minor=4_000)


async def test_an_edit_below_the_band_sends_at_once(store: InlineStore) -> None:
    refund = await make_refund(store, None, 5_000)
    length = size(store)

    edited = await decide(store, refund, Verdict.EDIT, OLA, amount_minor=4_000)

    assert edited.refund.state is S.QUEUED
    assert kinds(store, length) == ["refund:edited", "refund:approved"]
    assert entries(store)[-1].actor == "system"


async def test_an_edit_of_a_held_refund_asks_for_somebody_else(
    store: InlineStore,
) -> None:
    refund = await make_refund(store, None, 1_000)
    held = await decide(store, refund, Verdict.HOLD, OLA)

    edited = await decide(store, held.refund, Verdict.EDIT, OLA, amount_minor=900)

    assert (edited.refund.state, edited.waiting_for) == (S.AWAITING_APPROVAL, 1)


# --- reviews ----------------------------------------------------------------------


async def test_two_persons_end_a_review(store: InlineStore) -> None:
    refund = await in_review(store, await make_refund(store))
    length = size(store)
    said: dict[str, Any] = {
        "resolution": Resolution.SUCCEEDED,
        "evidence": {"gateway_reference": "re_7", "statement": "bank, page 2"},
    }

    first = await decide(store, refund, Verdict.RESOLVE, OLA, **said)
    second = await decide(store, refund, Verdict.RESOLVE, ANN, **said)

    assert (first.refund.state, first.waiting_for) == (S.REVIEW, 1)
    assert (second.refund.state, second.waiting_for) == (S.SUCCEEDED, 0)
    assert second.refund.gateway_reference == "re_7"
    assert kinds(store, length) == [
        "refund:resolution:proposed",
        "refund:resolved",
        "alarm:closed",
    ]
    assert value(store, "SELECT refunded_minor FROM payment") == 1_000
    sealed = value(store, "SELECT statement FROM decision WHERE number = 1")
    statement = OpenSealer().open("decision", f"{refund.id}/1", "statement", sealed)
    assert parse_statement(statement).evidence == {
        "gateway_reference": "re_7",
        "resolution": "succeeded",
        "statement": "bank, page 2",
    }
    assert broken_sums(store) == []


async def test_one_person_does_not_end_a_review_alone(store: InlineStore) -> None:
    refund = await in_review(store, await make_refund(store))
    await decide(store, refund, Verdict.RESOLVE, OLA, resolution=Resolution.DECLINED)

    length = await refused(
        store,
        DecisionDenied,
        refund,
        Verdict.RESOLVE,
        OLA,
        resolution=Resolution.DECLINED,
    )

    assert entries(store, length)[0].data["reason"] == "already_resolved"


async def test_two_persons_who_differ_wait_for_a_third(store: InlineStore) -> None:
    refund = await in_review(store, await make_refund(store))
    done, gone = Resolution.SUCCEEDED, Resolution.DECLINED

    a = await decide(store, refund, Verdict.RESOLVE, OLA, resolution=done)
    b = await decide(store, refund, Verdict.RESOLVE, ANN, resolution=gone)
    c = await decide(
        store,
        refund,
        Verdict.RESOLVE,
        BEN,
        resolution=done,
        evidence={"gateway_reference": "re_9"},
    )
    last = await decide(store, refund, Verdict.RESOLVE, PIA, resolution=gone)

    assert [each.waiting_for for each in (a, b, c, last)] == [1, 1, 1, 0]
    assert last.refund.state is S.DECLINED
    assert last.refund.booking is Booking.FREE


async def test_a_person_who_changed_their_word_no_longer_vouches(
    store: InlineStore,
) -> None:
    refund = await in_review(store, await make_refund(store))
    done, gone = Resolution.SUCCEEDED, Resolution.DECLINED
    await decide(store, refund, Verdict.RESOLVE, OLA, resolution=done)
    await decide(store, refund, Verdict.RESOLVE, OLA, resolution=gone)

    other = await decide(store, refund, Verdict.RESOLVE, ANN, resolution=done)

    assert other.waiting_for == 1


async def test_a_resend_has_the_next_key_and_an_earlier_review_does_not_count(
    store: InlineStore,
) -> None:
    made = await make_refund(store)
    refund = await in_review(store, made)
    again = Resolution.RESEND
    await decide(store, refund, Verdict.RESOLVE, CAT, resolution=Resolution.SUCCEEDED)
    await decide(store, refund, Verdict.RESOLVE, OLA, resolution=again)
    sent = await decide(store, refund, Verdict.RESOLVE, ANN, resolution=again)

    assert (sent.refund.state, sent.refund.generation) == (S.QUEUED, 1)
    keys = [
        row[0] for row in rows(store, "SELECT idempotency_key FROM refund_generation")
    ]
    assert len(set(keys)) == 2
    assert {made.idempotency_key, sent.refund.idempotency_key} == set(keys)

    second = await in_review(store, sent.refund)
    late = await decide(store, second, Verdict.RESOLVE, OLA, resolution=again)
    assert late.waiting_for == 1
    assert broken_sums(store) == []


async def test_a_resolution_says_how_it_ended(store: InlineStore) -> None:
    refund = await in_review(store, await make_refund(store))

    await refused(store, TextInvalid, refund, Verdict.RESOLVE, OLA)


async def test_a_resolution_does_not_take_anothers_reference(
    store: InlineStore,
) -> None:
    other = await make_refund(store)
    await drive(store, other, claimed(), word(Word.SUCCEEDED, gateway_reference="re_1"))
    refund = await in_review(store, await make_refund(store))

    await refused(
        store,
        TextInvalid,
        refund,
        Verdict.RESOLVE,
        OLA,
        resolution=Resolution.SUCCEEDED,
        evidence={"gateway_reference": "re_1"},
    )


async def test_a_word_with_anothers_reference_is_a_contradiction(
    store: InlineStore,
) -> None:
    other = await make_refund(store)
    await drive(store, other, claimed(), word(Word.SUCCEEDED, gateway_reference="re_1"))
    refund = await drive(store, await make_refund(store), claimed())

    after_word = await drive(
        store, refund, word(Word.SUCCEEDED, gateway_reference="re_1")
    )

    assert after_word.state is S.REVIEW
    assert after_word.review_reason == "reference_mismatch"
    frozen = "SELECT frozen FROM payment WHERE id = ?"
    assert value(store, frozen, refund.payment_id) == "reference_mismatch"
    assert value(store, frozen, other.payment_id) is None


# --- expiry, looks, holds ---------------------------------------------------------


async def test_approvals_that_do_not_come_expire(store: InlineStore) -> None:
    waiting = await make_refund(store, None, 5_000)
    held = await make_refund(store, None, 5_000)
    await decide(store, held, Verdict.HOLD, OLA)
    approved = await make_refund(store, None, 5_000)
    queued = await decide(store, approved, Verdict.APPROVE, ANN)
    await decide(store, queued.refund, Verdict.HOLD, OLA)
    await make_refund(store, None, 5_000, at=after(9))
    length, expiry = size(store), POLICY.approvals_expiry_seconds

    assert await store.execute(ExpireApprovals(after(expiry - 1))) == ()
    expired = await store.execute(ExpireApprovals(after(expiry)))

    assert set(expired) == {waiting.id, held.id}
    assert kinds(store, length) == ["refund:expired", "refund:expired"]
    assert broken_sums(store) == []


async def test_a_look_can_be_asked_for(store: InlineStore) -> None:
    refund = await drive(store, await make_refund(store), claimed(), unanswered())
    seen: list[frozenset[str]] = []
    store.subscribe(lambda committed: seen.append(committed.touched))
    length = size(store)

    await store.execute(LookUpNow(after(30), OLA, refund.id))
    await store.execute(LookUpNow(after(30), OLA, refund.id))

    assert value(store, "SELECT due_at FROM refund") == value(
        store, "SELECT created_at + 30000000 FROM refund"
    )
    assert kinds(store, length) == ["refund:lookup:requested"] * 2
    assert all("lookup" in touched for touched in seen)


async def test_a_look_is_only_for_what_is_open(store: InlineStore) -> None:
    refund = await make_refund(store)
    stored = dump(store)

    with pytest.raises(StateConflict):
        await store.execute(LookUpNow(START, OLA, refund.id))
    with pytest.raises(RefundUnknown):
        await store.execute(LookUpNow(START, OLA, "rf_none"))
    with pytest.raises(DecisionDenied):
        await store.execute(LookUpNow(START, VIC, refund.id))

    assert dump(store) == stored


async def test_policy_holds_what_is_not_sent(store: InlineStore) -> None:
    refund = await make_refund(store)
    length = size(store)

    await store.execute(HoldUnsent(START, refund.id, "declared", "refund_held"))

    assert value(store, "SELECT hold_reason FROM refund") == "declared"
    assert kinds(store, length) == ["refund:held", "alarm:opened"]
    stored = dump(store)
    await store.execute(HoldUnsent(START, refund.id, "declared", "refund_held"))
    assert dump(store) == stored


async def test_a_review_that_ends_closes_its_alarm(store: InlineStore) -> None:
    refund = await drive(store, await make_refund(store), claimed(), unanswered())
    await drive(store, refund, Unresolvable("absent_outside_window"))
    assert value(store, "SELECT count(*) FROM alarm WHERE closed_at IS NULL") == 1

    for who in (OLA, ANN):
        await decide(
            store, refund, Verdict.RESOLVE, who, resolution=Resolution.DECLINED
        )

    assert value(store, "SELECT count(*) FROM alarm WHERE closed_at IS NULL") == 0
