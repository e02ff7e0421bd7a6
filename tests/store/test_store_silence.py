"""Listening in the store: what is learned, and what a silence does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from refundwatch.domain.refund import Word
from refundwatch.store.contract import (
    DuePolls,
    ListAlarms,
    ListenForWebhooks,
    Postpone,
)
from tests.making import after
from tests.store.looking import kinds, value, verified
from tests.store.sending import deliver, happen, heard, item, sending

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import AlarmRow
    from refundwatch.store.sqlite.store import InlineStore

ACCOUNT = "stripe-uk"
FIVE_MINUTES = 300
FAR = after(10**6)
READABLE = frozenset({ACCOUNT})


async def accepted(store: InlineStore) -> Refund:
    refund = await sending(store)
    word = heard(Word.PENDING, gateway_reference=f"re_{refund.id}")
    applied = await happen(store, refund, word)
    return applied.after


async def look(
    store: InlineStore, begin: int, end: int, readable: frozenset[str] = READABLE
) -> int | None:
    """Look every half minute; give when the account was first too silent."""
    for at in range(begin, end + 1, 30):
        silent = await store.execute(ListenForWebhooks(after(at), readable))
        if silent:
            assert silent == (ACCOUNT,)
            return at
    return None


async def learn(store: InlineStore, times: int = 12) -> int:
    """Hear a delivery every five minutes; give when the last one came."""
    for number in range(times):
        at = (number + 1) * FIVE_MINUTES
        assert await look(store, at - FIVE_MINUTES + 30, at - 30) is None
        await deliver(store, item(f"evt_{number}"), at=after(at))
        assert await look(store, at, at) is None
    return times * FIVE_MINUTES


async def alarm(store: InlineStore) -> AlarmRow | None:
    found = await store.read(ListAlarms())
    return next((row for row in found if row.kind == "webhook_silence"), None)


async def test_silence_opens_one_alarm_and_polls_at_once(store: InlineStore) -> None:
    refund = await accepted(store)
    last = await learn(store)
    await store.execute(Postpone(after(last), refund.id, FAR))
    assert await store.read(DuePolls(after(last), 9)) == ()
    at = await look(store, last + 30, last + 3600)
    assert at is not None
    assert at - last <= 2 * FIVE_MINUTES
    opened = await alarm(store)
    assert opened is not None
    assert (opened.subject, opened.severity) == (ACCOUNT, "warning")
    assert opened.detail["silent_seconds"] == at - last
    assert 270 <= int(opened.detail["expected_seconds"]) <= 330
    due = await store.read(DuePolls(after(at), 9))
    assert [work.refund.id for work in due] == [refund.id]
    assert await look(store, at + 30, at + 30) is not None
    assert kinds(store).count("alarm:opened") == 1
    assert verified(store)


async def test_silent_account_is_polled_again_and_again(store: InlineStore) -> None:
    refund = await accepted(store)
    last = await learn(store)
    at = await look(store, last + 30, last + 3600)
    assert at is not None
    await store.execute(Postpone(after(last), refund.id, FAR))
    for later in range(at + 30, at + 301, 30):
        await store.execute(ListenForWebhooks(after(later), READABLE))
        due = await store.read(DuePolls(after(later), 9))
        assert bool(due) is (later >= at + 300)


async def test_next_delivery_closes_the_alarm_in_its_own_commit(
    store: InlineStore,
) -> None:
    await accepted(store)
    last = await learn(store)
    at = await look(store, last + 30, last + 3600)
    assert at is not None
    await deliver(store, item("evt_0"), at=after(at + 10))
    assert await alarm(store) is None
    assert kinds(store)[-1] == "alarm:closed"
    assert await look(store, at + 30, at + 60) is None


async def test_gateway_that_reads_nothing_is_said_and_not_polled(
    store: InlineStore,
) -> None:
    refund = await accepted(store)
    last = await learn(store)
    await store.execute(Postpone(after(last), refund.id, FAR))
    assert await look(store, last + 30, last + 3600, frozenset()) is not None
    opened = await alarm(store)
    assert opened is not None
    assert opened.detail["polls"] == "none: the gateway reads nothing"
    assert await store.read(DuePolls(after(last + 3600), 9)) == ()


async def test_nothing_that_waits_is_no_silence(store: InlineStore) -> None:
    refund = await accepted(store)
    last = await learn(store)
    await happen(store, refund, heard(Word.SUCCEEDED), at=after(last))
    assert await look(store, last + 30, last + 4 * 3600) is None


async def test_what_is_learned_outlives_the_process(store: InlineStore) -> None:
    await accepted(store)
    await learn(store)
    learned = value(
        store, "SELECT learned FROM webhook_rhythm WHERE account = ?", ACCOUNT
    )
    assert json.loads(learned)["work/09"]["gaps"] == 12
