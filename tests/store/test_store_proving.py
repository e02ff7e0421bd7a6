"""Somebody who can write to the database, and holds no key, makes nothing be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.refund import Refund, RefundState, Word
from refundwatch.errors import DecisionDenied, PaymentUnproven
from refundwatch.store.contract import Claimed, ClaimLost, ListAlarms
from refundwatch.store.rows import refund_from_row
from tests.making import (
    ANN,
    FREE,
    OLA,
    PIA,
    POLICY,
    after,
    decide,
    make_payment,
    make_refund,
)
from tests.store.looking import entries, rows
from tests.store.sending import claim, happen, heard, queued, sending

if TYPE_CHECKING:
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState


def now_is(store: InlineStore, refund: Refund) -> Refund:
    (row,) = rows(store, f"SELECT * FROM refund WHERE id = '{refund.id}'")
    return refund_from_row(row)


def forge(store: InlineStore, text: str, *values: Any) -> None:
    """Write as somebody does who has the file, and may drop what is in his way."""
    for row in rows(store, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        store._connection.execute(f"DROP TRIGGER {row['name']}")
    store._connection.execute(text, values)


async def stopped(store: InlineStore, refund: Refund) -> Refund:
    """What is claimed is set aside, with a critical alarm; give it as it stands."""
    lost = await claim(store, now_is(store, refund), at=after(5))
    assert lost == ClaimLost("row_unproven")
    opened = {
        (alarm.kind, alarm.severity, alarm.subject)
        for alarm in await store.read(ListAlarms())
    }
    assert ("refund_row_unproven", "critical", refund.id) in opened
    left = now_is(store, refund)
    assert left.state in {S.HELD, S.REVIEW}
    again = await claim(store, left, at=after(6))
    assert again == ClaimLost(f"state_{left.state}")
    return left


@pytest.mark.parametrize(
    "change",
    [
        "amount_minor = 999",
        "currency = 'EUR'",
        "account = 'adyen-eu'",
        "payment_reference = 'pi_mine'",
        "merchant_reference = 'other'",
        "idempotency_key = 'other'",
        "created_by = 'person:ann'",
        "required_approvals = 0, revision = 2",
        "proof = x'00'",
        "proof = NULL",
        "origin_proof = NULL",
        "attempts = 3",
    ],
)
async def test_a_changed_row_is_not_sent(store: InlineStore, change: str) -> None:
    refund = await queued(store)
    forge(store, f"UPDATE refund SET {change}")
    lost = await claim(
        store,
        now_is(store, refund),
        connection="adyen-eu/main" if "adyen" in change else "stripe-uk/main",
    )
    assert lost == ClaimLost("row_unproven")
    assert now_is(store, refund).state is S.HELD
    assert rows(store, "SELECT * FROM attempt") == []


async def test_a_payment_turned_to_another_card_redirects_nothing(
    store: InlineStore,
) -> None:
    refund = await queued(store)
    forge(store, "UPDATE payment SET gateway_reference = 'pi_mine'")
    await stopped(store, refund)


async def test_a_payment_turned_to_another_card_takes_no_new_refund(
    store: InlineStore,
) -> None:
    payment = await make_payment(store)
    forge(store, "UPDATE payment SET gateway_reference = 'pi_mine'")
    with pytest.raises(PaymentUnproven):
        await make_refund(store, payment, policy=FREE)


@pytest.mark.parametrize("word", [Word.SUCCEEDED, Word.FAILED])
async def test_an_ended_refund_put_back_is_not_sent_again(
    store: InlineStore, word: Word
) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(word))
    forge(
        store,
        "UPDATE refund SET state = 'queued', booking = 'reserved', attempts = 0, "
        "fence = 0, first_sent_at = NULL, final_at = NULL, due_at = 0",
    )
    store._connection.execute("DELETE FROM attempt")
    store._connection.execute("DELETE FROM stored_request")
    await stopped(store, refund)


async def test_an_older_copy_of_the_row_does_not_hide_what_was_sent(
    store: InlineStore,
) -> None:
    """The proof of that copy is good; the audit log remembers the attempt."""
    refund = await queued(store)
    (old,) = rows(store, "SELECT * FROM refund")
    await happen(store, await sending(store, refund), heard(Word.SUCCEEDED))
    names = old.keys()
    sets = ", ".join(f"{name} = ?" for name in names)
    forge(store, f"UPDATE refund SET {sets}", *tuple(old))
    store._connection.execute("DELETE FROM attempt")
    store._connection.execute("DELETE FROM stored_request")
    await stopped(store, refund)


async def test_a_forged_unknown_goes_to_review(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(Word.FAILED))
    forge(store, "UPDATE refund SET state = 'unknown', booking = 'reserved'")
    left = await stopped(store, refund)
    assert left.state is S.REVIEW
    for who in (OLA, PIA):
        with pytest.raises(DecisionDenied, match="never sent"):
            await decide(
                store,
                left,
                Verdict.RESOLVE,
                who,
                resolution=Resolution.RESEND,
                evidence={"seen": "books"},
            )


async def test_a_refund_written_by_hand_is_not_sent(store: InlineStore) -> None:
    refund = await queued(store)
    (row,) = rows(store, "SELECT * FROM refund")
    made = {
        **dict(row),
        "id": "rf_mine",
        "request_id": "mine",
        "merchant_reference": "mine",
        "idempotency_key": "mine",
    }
    await decide(store, refund, Verdict.CANCEL, OLA, policy=FREE)
    places = ", ".join("?" * len(made))
    forge(
        store,
        f"INSERT INTO refund ({', '.join(made)}) VALUES ({places})",
        *made.values(),
    )
    mine = refund_from_row(rows(store, "SELECT * FROM refund WHERE id = 'rf_mine'")[0])
    assert await claim(store, mine) == ClaimLost("row_unproven")


async def test_nobody_is_led_to_approve_or_release_what_was_changed(
    store: InlineStore,
) -> None:
    refund = await make_refund(store, None, 6_000)
    forge(store, "UPDATE refund SET created_by = 'person:vic'")
    with pytest.raises(DecisionDenied, match="origin_changed"):
        await decide(store, refund, Verdict.APPROVE, ANN)
    forge(store, "UPDATE refund SET state = 'held'")
    with pytest.raises(DecisionDenied):
        await decide(store, now_is(store, refund), Verdict.RELEASE, OLA)
    denials = [it.data for it in entries(store) if it.kind == "refund:decision:denied"]
    assert [it["reason"] for it in denials] == ["row_unproven", "row_unproven"]
    ended = await decide(store, now_is(store, refund), Verdict.CANCEL, OLA)
    assert ended.refund.state is S.CANCELLED


async def test_what_was_changed_stays_unproven_whatever_moves_it(
    store: InlineStore,
) -> None:
    refund = await queued(store)
    forge(store, "UPDATE refund SET amount_minor = 999")
    held = await decide(store, now_is(store, refund), Verdict.HOLD, OLA, policy=FREE)
    with pytest.raises(DecisionDenied):
        await decide(store, held.refund, Verdict.RELEASE, OLA, policy=FREE)


async def test_a_request_built_for_another_content_is_not_sent(
    store: InlineStore,
) -> None:
    """The row was changed while the request was built, and put back before the send."""
    refund = await queued(store)
    forge(store, "UPDATE refund SET payment_reference = 'pi_mine'")
    seen = now_is(store, refund)
    forge(store, "UPDATE refund SET payment_reference = ?", refund.payment_reference)
    assert await claim(store, seen) == ClaimLost("built_for_another")
    assert isinstance(await claim(store, refund), Claimed)


async def test_the_policy_is_kept_in_memory(store: InlineStore) -> None:
    refund = await make_refund(store, None, 60_000)
    forge(store, "UPDATE refund SET required_approvals = 0, state = 'queued'")
    assert await claim(store, now_is(store, refund), policy=POLICY) == ClaimLost(
        "row_unproven"
    )
