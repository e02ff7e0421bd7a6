"""A second execution of one refund is money that moved, whatever the refund says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.refund import RefundState, Word
from tests.making import ANN, FREE, OLA, decide, make_payment
from tests.store.driving import in_review
from tests.store.looking import broken_sums, rows
from tests.store.sending import happen, heard, queued, sending

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState


def sums(store: InlineStore) -> tuple[Any, ...]:
    (row,) = rows(
        store,
        "SELECT reserved_minor, refunded_minor, external_minor, frozen FROM payment",
    )
    return tuple(row)


async def sent_again(store: InlineStore, captured: int = 10_000) -> tuple[Refund, str]:
    """A refund on its second key, and the reference that its first one had."""
    payment = await make_payment(store, captured)
    first = await queued(store, payment=payment)
    refund = await in_review(store, first)
    for who in (OLA, ANN):
        again = Resolution.RESEND
        done = await decide(
            store, refund, Verdict.RESOLVE, who, resolution=again, policy=FREE
        )
    return done.refund, first.merchant_reference


def told(reference: str, word: Word = Word.SUCCEEDED, **changes: Any) -> ev.GatewayWord:
    stated = {
        "gateway_reference": "re_0",
        "merchant_reference": reference,
        "amount_minor": 1_000,
        "currency": "GBP",
    }
    return heard(word, "webhook", **{**stated, **changes})


async def test_first_key_executed_after_the_second_was_declined_is_booked(
    store: InlineStore,
) -> None:
    refund, old = await sent_again(store)
    refund = await sending(store, refund)
    refusal = ev.Refusal(
        refund.fence,
        "no",
        may_be_echo=False,
        authoritative=True,
        due_at=refund.created_at,
    )
    assert (await happen(store, refund, refusal)).after.state is S.DECLINED

    for _ in range(2):
        await happen(store, refund, told(old))
    assert sums(store) == (0, 1_000, 1_000, "reference_mismatch")

    await happen(store, refund, told(old, Word.FAILED))
    assert sums(store) == (0, 0, 0, "reference_mismatch")
    assert broken_sums(store) == []


async def test_both_keys_executed_are_booked_as_two(store: InlineStore) -> None:
    refund, old = await sent_again(store, captured=1_500)
    refund = await sending(store, refund)
    await happen(store, refund, heard(Word.SUCCEEDED, gateway_reference="re_1"))

    applied = await happen(store, refund, told(old))

    assert applied.after.state is S.REVIEW
    assert sums(store) == (0, 2_000, 1_000, "reference_mismatch")
    assert broken_sums(store) == []


async def test_what_becomes_the_refunds_own_reference_is_not_booked_beside_it(
    store: InlineStore,
) -> None:
    refund, old = await sent_again(store)

    applied = await happen(store, refund, told(old))

    assert applied.after.state is S.REVIEW
    assert applied.after.gateway_reference == "re_0"
    assert sums(store) == (1_000, 0, 0, "reference_mismatch")


async def test_other_amount_by_our_own_name_is_not_booked_beside_what_people_named(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, 10_000)
    refund = await sending(store, await queued(store, payment=payment))
    await happen(store, refund, heard(Word.SUCCEEDED, gateway_reference="order-1#4"))
    ours = refund.merchant_reference

    same = await happen(store, refund, told(ours, gateway_reference=ours))
    assert not same.changed
    other = told(ours, gateway_reference=ours, amount_minor=571)
    applied = await happen(store, refund, other)

    assert applied.after.state is S.REVIEW
    assert sums(store) == (0, 1_000, 0, "amount_mismatch")


async def test_what_is_another_refunds_or_another_payments_is_not_booked(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, 10_000)
    other = await sending(store, await queued(store, payment=payment))
    await happen(store, other, heard(Word.SUCCEEDED, gateway_reference="re_0"))
    refund = await sending(store, await queued(store, payment=payment))
    await happen(store, refund, heard(Word.SUCCEEDED, gateway_reference="re_1"))

    await happen(store, refund, told(other.merchant_reference))
    mine = refund.merchant_reference
    await happen(
        store, refund, told(mine, gateway_reference="re_2", payment_reference="pi_x")
    )
    await happen(store, refund, told(mine, gateway_reference="re_3", currency="EUR"))

    assert sums(store)[:3] == (0, 2_000, 0)
    assert broken_sums(store) == []
