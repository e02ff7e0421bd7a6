from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from refundwatch.api import models as m
from tests.unit.commands.hub import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import Answer, Call, FakeHub

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def filled(**changes: Any) -> m.BackfillView:
    values: dict[str, Any] = {
        "account": "stripe-uk",
        "gateway": "Stripe",
        "done": 2,
        "read": 2,
        "changed": 0,
        "changed_ids": [],
        "looked_up": 0,
        "unreadable": 0,
        "failed": 0,
        "total": None,
        "after": None,
    }
    return m.BackfillView(**{**values, **changes})


def test_backfill_goes_on_until_the_end_and_sums_up(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    def answer(call: Call) -> Answer:
        if call.body["after"] == "":
            return filled(total=4, after="rf_b", changed=1, changed_ids=["rf_a"])
        assert call.body["after"] == "rf_b"
        return filled()

    hub.handlers["accounts.backfill"] = answer
    ran = run("backfill", "--account", "stripe-uk", "--since", "2026-11-01T00:00+00:00")
    assert ran.code == 0
    assert ran.out == "stripe-uk: 4 refunds, 4 read, 1 changed\n"
    since = {call.body["since"] for call in hub.named("accounts.backfill")}
    assert {datetime.fromisoformat(text) for text in since} == {
        datetime(2026, 11, 1, tzinfo=UTC)
    }


def test_window_counts_back_from_the_daemons_now(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    hub.answer(
        "status",
        m.StatusView(
            instance="i",
            mode="sandbox",
            version="1",
            policy_version="p",
            started_at=NOW,
            now=NOW,
            draining=False,
            last_seq=0,
        ),
    )
    hub.answer("accounts.backfill", filled(total=2))
    assert run("backfill", "--account", "stripe-uk", "--since", "24h").code == 0
    (call,) = hub.named("accounts.backfill")
    since = datetime.fromisoformat(call.body["since"])
    assert since == NOW - timedelta(hours=24)


def test_what_cannot_be_read_is_said(hub: FakeHub, run: Callable[..., Ran]) -> None:
    answer = filled(gateway="Adyen", read=0, unreadable=2, failed=0, total=2)
    hub.answer("accounts.backfill", answer)
    since = ("--since", "2026-11-01T00:00+00:00")
    ran = run("backfill", "--account", "adyen-eu", *since)
    assert ran.code == 1
    assert "2 cannot be read: Adyen" in ran.err


def test_no_answer_is_said(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("accounts.backfill", filled(read=1, failed=1, looked_up=1, total=3))
    since = ("--since", "2026-11-01T00:00+00:00")
    ran = run("backfill", "--account", "stripe-uk", *since)
    assert ran.code == 1
    assert "1 got no answer now; run it again." in ran.err
    assert "1 without an answer are looked up now." in ran.err


def test_time_that_is_none_is_refused(hub: FakeHub, run: Callable[..., Ran]) -> None:
    ran = run("backfill", "--account", "stripe-uk", "--since", "yesterday")
    assert ran.code == 2
    assert "neither a time" in ran.err
    assert hub.calls == []


def test_unknown_account_is_the_daemons_word(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    told = problem(422, "account.unknown", "There is no account 'x'.", "account")
    hub.answer("accounts.backfill", told)
    ran = run("backfill", "--account", "x", "--since", "2026-11-01T00:00+00:00")
    assert ran.code != 0
    assert "There is no account" in ran.err
