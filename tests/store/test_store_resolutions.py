from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.refund import RefundState, Word
from refundwatch.errors import TextInvalid
from refundwatch.store.contract import CloseDelivery
from tests.making import ANN, CAT, OLA, decide, make_payment, make_refund
from tests.store.driving import claimed, drive, in_review, word
from tests.store.looking import broken_sums, rows, value
from tests.store.sending import deliver, item

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Decided
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState


async def say(
    store: InlineStore, refund: Refund, who: Any, resolution: Resolution, **said: Any
) -> Decided:
    return await decide(
        store, refund, Verdict.RESOLVE, who, resolution=resolution, **said
    )


@pytest.mark.parametrize("ending", [Resolution.RESEND, Resolution.DECLINED])
async def test_word_of_the_gateway_voids_what_was_said_before_it(
    store: InlineStore, ending: Resolution
) -> None:
    refund = await in_review(store, await make_refund(store))
    await say(store, refund, OLA, ending)
    heard = await drive(store, refund, word(Word.SUCCEEDED, gateway_reference="re_1"))
    assert heard.state is S.REVIEW

    named = {"evidence": {"gateway_reference": "re_1"}}
    second = await say(store, refund, ANN, ending, **named)

    assert second.waiting_for == 1
    assert second.refund.state is S.REVIEW
    third = await say(store, refund, CAT, ending, **named)
    assert third.waiting_for == 0


@pytest.mark.parametrize("evidence", [{}, {"gateway_reference": "re_2"}])
async def test_what_the_gateway_knows_is_sent_again_only_by_its_name(
    store: InlineStore, evidence: dict[str, str]
) -> None:
    refund = await in_review(store, await make_refund(store))
    await drive(store, refund, word(Word.SUCCEEDED, gateway_reference="re_1"))

    with pytest.raises(TextInvalid, match="re_1"):
        await say(store, refund, OLA, Resolution.RESEND, evidence=evidence)

    assert value(store, "SELECT count(*) FROM decision") == 0


async def test_repeated_word_of_the_gateway_voids_nothing(store: InlineStore) -> None:
    refund = await in_review(store, await make_refund(store))
    heard = word(Word.SUCCEEDED, gateway_reference="re_1")
    await drive(store, refund, heard)
    await say(store, refund, OLA, Resolution.SUCCEEDED)
    await drive(store, refund, heard)

    second = await say(store, refund, ANN, Resolution.SUCCEEDED)

    assert second.refund.state is S.SUCCEEDED


@pytest.mark.parametrize(
    ("ending", "standing"),
    [
        (Resolution.SUCCEEDED, (0, 3_000, 0)),
        (Resolution.REVERSED, (0, 0, 0)),
        (Resolution.DECLINED, (0, 3_000, 3_000)),
    ],
)
async def test_refund_found_to_be_what_was_booked_as_external_counts_once(
    store: InlineStore, ending: Resolution, standing: tuple[int, int, int]
) -> None:
    payment = await make_payment(store, 10_000, reference="pi_ext")
    refund = await in_review(store, await make_refund(store, payment, 3_000))
    (job,) = await deliver(
        store,
        item(
            "evt_1",
            gateway_reference="re_x",
            payment_reference="pi_ext",
            amount_minor=3_000,
            currency="GBP",
        ),
    )
    await store.execute(
        CloseDelivery(job.received_at, job.delivery_id, "unmatched", external=True)
    )
    assert value(store, "SELECT external_minor FROM payment") == 3_000

    said = {"evidence": {"gateway_reference": "re_x"}}
    await say(store, refund, OLA, ending, **said)
    await say(store, refund, ANN, ending, **said)

    (row,) = rows(
        store, "SELECT reserved_minor, refunded_minor, external_minor FROM payment"
    )
    assert tuple(row) == standing
    assert broken_sums(store) == []


async def test_another_amount_that_was_booked_as_external_counts_once_when_adopted(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, 10_000, reference="pi_ext")
    refund = await in_review(store, await make_refund(store, payment, 3_000))
    (job,) = await deliver(
        store,
        item(
            "evt_1",
            gateway_reference="re_x",
            payment_reference="pi_ext",
            amount_minor=3_500,
            currency="GBP",
        ),
    )
    await store.execute(
        CloseDelivery(job.received_at, job.delivery_id, "unmatched", external=True)
    )

    said = {"evidence": {"gateway_reference": "re_x", "executed_minor": "3500"}}
    await say(store, refund, OLA, Resolution.SUCCEEDED, **said)
    await say(store, refund, ANN, Resolution.SUCCEEDED, **said)

    (row,) = rows(
        store, "SELECT reserved_minor, refunded_minor, external_minor FROM payment"
    )
    assert tuple(row) == (0, 3_500, 0)


async def test_references_that_a_gateway_swapped_are_put_right_by_people(
    store: InlineStore,
) -> None:
    payment = await make_payment(store, 10_000, reference="pi_swap")
    one = await in_review(store, await make_refund(store, payment, 300))
    (job,) = await deliver(
        store,
        item(
            "evt_1",
            gateway_reference="re_one",
            payment_reference="pi_swap",
            amount_minor=300,
            currency="GBP",
        ),
    )
    await store.execute(
        CloseDelivery(job.received_at, job.delivery_id, "unmatched", external=True)
    )
    two = await in_review(store, await make_refund(store, payment, 200))
    await drive(store, two, word(Word.SUCCEEDED, gateway_reference="re_one"))
    await say(store, two, CAT, Resolution.SUCCEEDED)

    said = {"evidence": {"gateway_reference": "re_one"}}
    await say(store, one, OLA, Resolution.SUCCEEDED, **said)
    await say(store, one, ANN, Resolution.SUCCEEDED, **said)

    ours = "SELECT gateway_reference FROM refund WHERE id = ?"
    assert value(store, ours, one.id) == "re_one"
    assert value(store, ours, two.id) is None
    assert value(store, "SELECT external_minor FROM payment") == 0
    # What was said of it before it lost its reference was said unknowing.
    await say(store, two, ANN, Resolution.SUCCEEDED)
    assert value(store, "SELECT state FROM refund WHERE id = ?", two.id) == "review"
    await say(store, two, OLA, Resolution.SUCCEEDED)
    assert value(store, "SELECT refunded_minor FROM payment") == 500
    assert broken_sums(store) == []


@pytest.mark.parametrize("ending", [Resolution.DECLINED, Resolution.RESEND])
async def test_who_says_not_executed_takes_no_reference_from_another(
    store: InlineStore, ending: Resolution
) -> None:
    one = await in_review(store, await make_refund(store))
    two = await in_review(store, await make_refund(store))
    await drive(store, two, word(Word.SUCCEEDED, gateway_reference="re_two"))

    said = {"evidence": {"gateway_reference": "re_two"}}
    with pytest.raises(TextInvalid):
        await say(store, one, OLA, ending, **said)

    ours = "SELECT gateway_reference FROM refund WHERE id = ?"
    assert value(store, ours, two.id) == "re_two"
    assert value(store, "SELECT count(*) FROM decision") == 0


async def test_success_of_a_disputed_amount_books_what_was_paid(
    store: InlineStore,
) -> None:
    refund = await make_refund(store)
    refund = await drive(
        store,
        refund,
        claimed(),
        word(Word.SUCCEEDED, amount_minor=refund.amount_minor + 200),
    )
    assert refund.review_reason == "amount_mismatch"

    with pytest.raises(TextInvalid, match="executed_minor"):
        await say(store, refund, OLA, Resolution.SUCCEEDED)
    paid = {"executed_minor": str(refund.amount_minor + 200)}
    await say(store, refund, OLA, Resolution.SUCCEEDED, evidence=paid)
    other = {"executed_minor": str(refund.amount_minor)}
    differs = await say(store, refund, ANN, Resolution.SUCCEEDED, evidence=other)
    assert differs.waiting_for == 1
    ended = await say(store, refund, ANN, Resolution.SUCCEEDED, evidence=paid)

    assert ended.refund.state is S.SUCCEEDED
    assert ended.refund.executed_minor == refund.amount_minor + 200
    booked = "SELECT refunded_minor, reserved_minor FROM payment WHERE id = ?"
    row = rows(store, booked, refund.payment_id)[0]
    assert (row["refunded_minor"], row["reserved_minor"]) == (
        refund.amount_minor + 200,
        0,
    )
    repeated = await drive(
        store,
        ended.refund,
        word(Word.SUCCEEDED, amount_minor=ended.refund.executed_minor),
    )
    assert repeated.state is S.SUCCEEDED
    bounced = await drive(
        store, ended.refund, word(Word.FAILED, amount_minor=ended.refund.executed_minor)
    )
    assert bounced.state is S.REVERSED
    assert rows(store, booked, refund.payment_id)[0]["refunded_minor"] == 0


@pytest.mark.parametrize("text", ["7.00", "0", "-1", "1e3", " 700", "700" * 9])
async def test_executed_amount_that_is_no_amount_is_refused(
    store: InlineStore, text: str
) -> None:
    refund = await in_review(store, await make_refund(store))

    with pytest.raises(TextInvalid, match="executed_minor"):
        await say(
            store, refund, OLA, Resolution.SUCCEEDED, evidence={"executed_minor": text}
        )
