"""What is printed: the API's model as JSON, or text that fits and steers nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from refundwatch.api import models as m
from refundwatch.api import models_tokens as mt
from refundwatch.commands.output import Column, printable, table_lines
from refundwatch.commands.refund_text import LIST_COLUMNS, list_row
from refundwatch.commands.windows import duration, window_seconds
from tests.unit.commands.hub import problem
from tests.unit.commands.views import AT, detail, gbp, numbers, payment, refund

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import Answer, Call, FakeHub

ID = "rf_zyu2ea5dtys6qgtmgc"
EVIL = "a\x1b]0;x\x07b\x9bc\u202ed\n[red]e"
ACCOUNT = m.AccountView(
    name="stripe-uk",
    gateway="stripe",
    timezone="Europe/London",
    connections=["stripe-uk/main"],
    last_delivery_at=AT,
    unmatched=2,
    rhythm=m.RhythmView(
        expected_gap_seconds=300,
        learned=True,
        alarm_after_seconds=450,
        silent_since=AT,
        silent_seconds=500,
        too_long=True,
    ),
)
CONNECTION = m.ConnectionView(
    id="stripe-uk/main",
    account="stripe-uk",
    gateway="stripe",
    endpoint="https://api.stripe.example",
    health="down",
    paused=None,
    consecutive_failures=3,
    last_ok_at=AT,
    last_failure_at=AT,
    last_failure=EVIL,
    down_since=AT,
    queued=4,
    sending=5,
    unknown=6,
)
OUTAGE = m.OutageView(
    connection="stripe-uk/main", started_at=AT, ended_at=None, cause=EVIL, sample=None
)
UPTIMES = [
    m.UptimeView(
        window_seconds=seconds, uptime=0.75, observed_seconds=3600, down_seconds=900
    )
    for seconds in (3600, 86_400, 30 * 86_400)
]
NOTICE = m.VersionNoticeView(
    id=3,
    version_before="2026-09",
    version=EVIL,
    unseen_status=None,
    opened_at=AT,
    before=m.TimeoutsView(calls=200, timeouts=4),
    after=m.TimeoutsView(calls=40, timeouts=17),
    difference=0.405,
    low=0.26,
    high=0.555,
    effect="more_timeouts",
    judged_at=AT,
    first_sample="refund HTTP 200 ok",
    failing_sample=EVIL,
    failing_at=AT,
)
VERSION = m.VersionView(
    connection="stripe-uk/main",
    operation="refund",
    version=EVIL,
    version_asked="2026-09",
    stated=True,
    current=True,
    since=AT,
    last_at=AT,
    answered=m.TimeoutsView(calls=40, timeouts=17),
    notices=[
        NOTICE,
        NOTICE.model_copy(update={"effect": "no_effect", "unseen_status": "half"}),
    ],
)
ALARM = m.AlarmView(
    id=9,
    kind="connection_down",
    severity="critical",
    subject=EVIL,
    opened_at=AT,
    detail={"why": EVIL},
    acknowledged_at=AT,
    acknowledged_by="person:ann",
    closed_at=None,
)
TOKEN = mt.TokenView(
    id="tok1",
    principal="person:ann",
    roles=["approver"],
    created_at=AT,
    created_by="person:root",
    expires_at=AT,
    revoked_at=None,
)
INVOICE = m.InvoiceView(
    number="536365",
    amount=gbp(13912),
    issued_at=AT,
    payments=[m.InvoiceShareView(number="pay_1", amount=gbp(13912))],
    refunded=gbp(0),
    reserved=gbp(1250),
)
PAGE = m.RefundPage(items=[refund(), refund(account=EVIL)], next_cursor="next", total=2)
METRICS = m.MetricsView(
    at=AT, window_seconds=86_400, items=[numbers(), numbers(connection="*")]
)

READS: list[tuple[tuple[str, ...], str, BaseModel, str]] = [
    (("payments", "show", "pay_1"), "payments.show", payment(), "GBP 126.62"),
    (("invoices", "show", "536365"), "invoices.show", INVOICE, "GBP 12.50"),
    (("refunds", "list"), "refunds.list", PAGE, "needs approval"),
    (("refunds", "show", ID), "refunds.show", detail(), "attempt 1 by stripe-uk/main"),
    (("approvals", "list"), "refunds.list", PAGE, "0/1"),
    (("accounts", "list"), "accounts.list", m.AccountsView(items=[ACCOUNT]), "stripe"),
    (("accounts", "show", "stripe-uk"), "accounts.show", ACCOUNT, "Europe/London"),
    (
        ("connections", "list"),
        "connections.list",
        m.ConnectionsView(items=[CONNECTION]),
        "down",
    ),
    (
        ("connections", "show", "stripe-uk/main"),
        "connections.show",
        CONNECTION,
        "3 in a row",
    ),
    (
        ("connections", "outages"),
        "outages.list",
        m.OutagesView(items=[OUTAGE]),
        "goes on",
    ),
    (
        ("connections", "show", "stripe-uk/main"),
        "connections.show",
        CONNECTION.model_copy(update={"uptimes": UPTIMES}),
        "uptime 30d     75.00% of",
    ),
    (
        ("connections", "outages"),
        "outages.list",
        m.OutagesView(items=[OUTAGE.model_copy(update={"sample": "probe HTTP 500"})]),
        "probe HTTP 500",
    ),
    *(
        (
            ("gateways", "versions"),
            "gateways.versions",
            m.VersionsView(items=[VERSION]),
            words,
        )
        for words in (
            "2.0% (4 of 200) before, 42.5% (17 of 40) since: more timeouts",
            "+40.5 points, 95 % interval +26.0 to +55.5",
            "no effect: the interval holds 0",
            "unseen status half",
        )
    ),
    (("alarms", "list"), "alarms.list", m.AlarmsView(items=[ALARM]), "seen"),
    (("alarms", "ack", "9"), "alarms.acknowledge", ALARM, ": seen by person:ann"),
    (
        ("alarms", "ack", "9"),
        "alarms.acknowledge",
        ALARM.model_copy(update={"closed_at": AT}),
        ": closed, seen by person:ann",
    ),
    (("metrics",), "metrics", METRICS, "75.00%"),
    (("tokens", "list"), "tokens.list", mt.TokensView(items=[TOKEN]), "person:ann"),
    (("tokens", "revoke", "tok1"), "tokens.revoke", TOKEN, "revoked"),
]


@pytest.mark.parametrize(("arguments", "route", "view", "words"), READS)
def test_json_is_the_apis_model(
    arguments: tuple[str, ...],
    route: str,
    view: BaseModel,
    words: str,
    run: Callable[..., Ran],
    hub: FakeHub,
) -> None:
    hub.answer(route, view)
    ran = run(*arguments, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == json.loads(view.model_dump_json())
    assert [call.token for call in hub.calls] == ["Bearer rw1.token"]


@pytest.mark.parametrize(("arguments", "route", "view", "words"), READS)
def test_text_says_it_and_steers_no_terminal(
    arguments: tuple[str, ...],
    route: str,
    view: BaseModel,
    words: str,
    run: Callable[..., Ran],
    hub: FakeHub,
) -> None:
    hub.answer(route, view)
    ran = run(*arguments)
    assert ran.code == 0, ran.err
    assert words in ran.out
    lines = ran.out.split("\n") + ran.err.split("\n")
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(401, "auth.required", 77), (404, "request.not_there", 1), (500, "internal", 1)],
)
@pytest.mark.parametrize(("arguments", "route", "view", "words"), READS)
def test_refused_read_prints_no_data(
    arguments: tuple[str, ...],
    route: str,
    view: BaseModel,
    words: str,
    status: int,
    code: str,
    expected: int,
    run: Callable[..., Ran],
    hub: FakeHub,
) -> None:
    hub.answer(route, problem(status, code, "No, because."))
    ran = run(*arguments)
    assert (ran.code, ran.out) == (expected, "")
    assert "No, because." in ran.err


def test_nobody_there_is_unreachable(run: Callable[..., Ran]) -> None:
    ran = run("refunds", "list")
    assert (ran.code, ran.out) == (3, "")
    assert "No daemon answers" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("refunds",),
        ("refunds", "lost"),
        ("refunds", "list", "--fil", "x"),
        ("refunds", "list", "--limit", "many"),
        ("connections", "show", "stripe-uk"),
        ("metrics", "--window", "1y"),
        ("metrics", "--window", "32d"),
        ("audit", "tail", "-n", "1001"),
        ("tokens", "create", "person:ann"),
        ("tokens", "create", "person:ann", "--role", "king"),
        ("tokens", "create", "ann", "--role", "viewer"),
    ],
)
def test_misuse_is_exit_code_2_before_anything_is_sent(
    arguments: tuple[str, ...], run: Callable[..., Ran], hub: FakeHub
) -> None:
    ran = run(*arguments)
    assert (ran.code, hub.calls) == (2, [])
    assert ran.err


def test_bad_server_is_a_configuration_error(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    ran = run("refunds", "list", "--server", "http://refunds.example")
    assert ran.code == 78
    assert "must be https" in ran.err


def test_list_passes_the_filter_and_all_reads_every_page(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    def page(call: Call) -> Answer:
        at = int(call.query.get("cursor", "0"))
        following = None if at == 2 else str(at + 1)
        items = [refund(id=f"rf_{at}{n}") for n in range(2)]
        return m.RefundPage(items=items, next_cursor=following, total=None)

    hub.handlers["refunds.list"] = page
    ran = run("refunds", "list", "--filter", "state:unknown !x", "--all", "--json")
    found = m.RefundPage.model_validate_json(ran.out)
    assert [it.id for it in found.items] == [f"rf_{a}{n}" for a in "012" for n in "01"]
    assert found.next_cursor is None
    assert {call.query["filter"] for call in hub.calls} == {"state:unknown !x"}
    text = run("refunds", "list", "--all")
    assert text.out.count("rf_") == 6
    one = run("refunds", "list", "--limit", "2", "--oldest-first")
    assert "--cursor 1" in one.err
    assert hub.calls[-1].query == {"limit": "2", "oldest_first": "true"}


def test_list_goes_on_where_the_daemon_searched_a_part(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    def page(call: Call) -> Answer:
        at = int(call.query.get("cursor", "0"))
        items = [refund(id=f"rf_{at}")] if at in {0, 3, 4} else []
        searched = datetime(2026, 11, 2, tzinfo=UTC) if at < 4 else None
        return m.RefundPage(
            items=items, next_cursor=str(at + 1), total=None, searched_to=searched
        )

    hub.handlers["refunds.list"] = page
    ran = run("refunds", "list", "--filter", "rare", "--limit", "2")
    assert [call.query["limit"] for call in hub.calls] == ["2", "1", "1", "1"]
    assert ran.out.count("rf_") == 2
    assert ran.err.count("Searched to 2026-11-02") == 1
    assert "--cursor 4" in ran.err


def test_approvals_list_asks_for_those_that_wait(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    hub.answer("refunds.list", m.RefundPage(items=[], next_cursor=None))
    ran = run("approvals", "list", "--filter", "amount>100")
    assert hub.calls[0].query["filter"] == "state:awaiting_approval amount>100"
    assert "Nothing waits" in ran.err


def test_metrics_window_and_currency_are_sent(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    hub.answer("metrics", METRICS)
    run("metrics", "--window", "7d", "--by-currency")
    assert hub.calls[0].query == {"window": "604800", "by_currency": "true"}


def test_metrics_never_round_up_to_whole_and_show_dashes_for_nothing(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    empty = numbers(success_rate=None, uptime=1.0, processing={}, declined_by={})
    view = METRICS.model_copy(update={"items": [numbers(), empty]})
    hub.answer("metrics", view)
    lines = run("metrics").out.splitlines()
    assert lines[0].startswith("the 24h until 2026-11-02")
    assert lines[2].split()[-2:] == ["75.00%", "99.99%"]
    assert lines[3].split()[-2:] == ["-", "100%"]
    assert "1.5s  90s  2h" in "  ".join(lines[-2].split())
    assert lines[-1] == "declined 1: lost_or_stolen_card at stripe-uk/main"


# --- tables ------------------------------------------------------------------------


def test_list_of_refunds_fits_80_columns() -> None:
    wide = refund(
        account="a-very-long-account-name-of-forty-letters",
        state_word="declined by gateway",
        amount=gbp(123_456_789),
    )
    lines = table_lines(LIST_COLUMNS, [list_row(wide), list_row(refund())], 80)
    assert max(len(line) for line in lines) <= 80
    assert all(ID in line for line in lines[1:])
    assert "GBP 1234567.89" in lines[1]


def test_table_shrinks_only_what_may_and_marks_it() -> None:
    columns = (Column("ID"), Column("WORDS", shrinks=True), Column("N", right=True))
    lines = table_lines(columns, [("rf_1234567890", "x" * 50, "7")], 30)
    assert lines == [
        "ID             WORDS         N",
        "rf_1234567890  xxxxxxxxxx..  7",
    ]


def test_printable_replaces_all_that_steers() -> None:
    assert printable(EVIL) == "a?]0;x?b?c?d?[red]e"


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h", 3600), ("24h", 86_400), ("30d", 2_592_000)]
)
def test_window_is_seconds(text: str, seconds: int) -> None:
    assert window_seconds(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (119.0, "119s"),
        (120.0, "2m"),
        (7199.0, "120m"),
        (7200.0, "2h"),
        (86_400.0, "24h"),
        (259_200.0, "3d"),
    ],
)
def test_duration_is_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_account_says_how_its_webhooks_come(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    hub.answer("accounts.show", ACCOUNT)
    told = run("accounts", "show", "stripe-uk").out
    assert "expected gap   5 min (learned), alarm after 7.5 min\n" in told
    assert "8.33 min so far, longer than usual\n" in told
    hub.answer("accounts.show", ACCOUNT.model_copy(update={"rhythm": None}))
    assert "not listened to yet" in run("accounts", "show", "stripe-uk").out
