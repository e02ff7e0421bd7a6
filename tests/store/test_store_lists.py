from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.currencies import EXPONENTS
from refundwatch.domain.filter import parse_filter
from refundwatch.domain.filter_terms import (
    AgeTerm,
    AmountTerm,
    Column,
    Compare,
    Flag,
    FlagTerm,
    RefundFilter,
    Since,
    StateTerm,
    Term,
    TextTerm,
    ValueTerm,
    fold,
)
from refundwatch.domain.policy import Band
from refundwatch.domain.refund import RefundState, Word
from refundwatch.errors import CursorInvalid
from refundwatch.store.contract import (
    AccountSpec,
    ConnectionSpec,
    InvoiceShare,
    ListRefunds,
    Policy,
    RecordPaymentRead,
)
from refundwatch.store.sqlite import queries_list, queries_walk, queries_weeks
from tests.making import HOUSE, START, after, make_payment, make_refund, open_house
from tests.store.driving import drive
from tests.store.looking import rows
from tests.store.sending import heard, queued

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Page, RefundSummary
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState
NOW = after(100_000)
CURRENCIES = ["GBP", "EUR", "JPY", "KWD", "CLF"]
ACCOUNTS = {"stripe-uk": "stripe", "adyen-eu": "adyen", "stripe-us": "stripe"}
RICH = Policy("rich", tuple(Band(c, 9**15, 9**15) for c in CURRENCIES), 3600)


async def listed(
    store: InlineStore, text: str = "", **fields: Any
) -> Page[RefundSummary]:
    fields.setdefault("limit", 1000)
    return await store.read(ListRefunds(parse_filter(text), NOW, **fields))


async def ids(store: InlineStore, text: str = "", **fields: Any) -> list[str]:
    return [row.refund.id for row in (await listed(store, text, **fields)).items]


# --- random rows, random filters, a reference in Python ---------------------------


@pytest.fixture(scope="module")
def chance() -> random.Random:
    return random.Random(20261102)


@pytest.fixture
async def crowd(chance: random.Random) -> AsyncIterator[InlineStore]:
    """A store with refunds in every state, account and currency."""
    store = await open_house()
    await store.execute(
        replace(
            HOUSE,
            accounts=tuple(
                AccountSpec(name, gateway, "UTC") for name, gateway in ACCOUNTS.items()
            ),
            connections=tuple(
                ConnectionSpec(account, name, "http://127.0.0.1:1")
                for account in ACCOUNTS
                for name in ("main", "second")
            ),
        )
    )
    for number in range(90):
        await _one(store, chance, number)
    try:
        yield store
    finally:
        await store.close()


async def _one(store: InlineStore, chance: random.Random, number: int) -> None:
    account = chance.choice(list(ACCOUNTS))
    currency = chance.choice(CURRENCIES)
    born = after(chance.choice([0, 0, 10, 3_600, 90_000, 99_000]))
    invoice = f"INV-{number}"
    payment = await make_payment(
        store,
        10_000_000,
        account=account,
        currency=currency,
        reference=f"Ch_{number}",
        at=born,
        invoices=(InvoiceShare(invoice, 10_000_000),),
    )
    amount = chance.choice([1, 99, 100, 101, 1_234, 100_000, 9_999_999])
    refund = await make_refund(
        store,
        payment,
        amount,
        currency=currency,
        policy=RICH if chance.random() < 0.8 else replace(RICH, bands=()),
        at=born,
        request_id=f"Return-{number % 7}/{number}",
        reason_code=chance.choice(["returned", "damaged"]),
        invoice=chance.choice([invoice, None]),
    )
    await drive(store, refund, *_fate(chance, refund, number), at=_later(chance, born))
    if chance.random() < 0.15:
        frozen = RecordPaymentRead(born, payment, 10_000_000, 0, currency, True)
        await store.execute(frozen)


def _later(chance: random.Random, born: datetime) -> datetime:
    return born + timedelta(seconds=chance.choice([0, 5, 900, 1_000]))


def _fate(chance: random.Random, refund: Refund, number: int) -> list[ev.RefundEvent]:
    if refund.state is S.AWAITING_APPROVAL:
        return chance.choice([[], [ev.Held("person")], [ev.Refused("no")]])
    path = f"{refund.account}/{chance.choice(['main', 'second'])}"
    sent: list[ev.RefundEvent] = [ev.Claimed(path)]
    reference = f"Re_{number}"
    fates: list[list[ev.RefundEvent]] = [
        [],
        [ev.Held("dispute")],
        [ev.Cancelled()],
        sent,
        [*sent, ev.Unanswered(1, "timeout", START)],
        [*sent, heard(Word.PENDING, gateway_reference=reference)],
        [
            *sent,
            heard(Word.PENDING, gateway_reference=reference, requires_action=True),
        ],
        [*sent, heard(Word.SUCCEEDED, gateway_reference=reference)],
        [*sent, heard(Word.SETTLED)],
        [*sent, heard(Word.FAILED, failure_code="card_lost")],
        [*sent, heard(Word.REVERSED)],
        [*sent, heard(Word.UNSEEN, raw_status="Odd")],
    ]
    return chance.choice(fates)


WORDS = [
    "state:unknown",
    "state:queued,pending",
    'state:"paid out"',
    "!state:queued",
    "!state:held,review",
    "state:sending state:settled",
    "needs:approval",
    "gateway:stripe",
    "!gateway:adyen",
    "gateway:paypal",
    "account:stripe-uk",
    "account:adyen-eu account:stripe-us",
    "!account:stripe-uk",
    "connection:main",
    "connection:stripe-uk/second",
    "!connection:main",
    "currency:jpy,kwd",
    "!currency:GBP",
    "reason:damaged",
    "!reason:damaged",
    "frozen:yes",
    "frozen:no",
    "action:yes",
    "!action:yes",
    "amount>1",
    "amount>=1.01",
    "amount<0.101",
    "amount=100",
    "amount:99.99999",
    "!amount>1000",
    "minor>100",
    "minor<=100",
    "minor=1234",
    "age>1h",
    "age<=99990s",
    "!age<20m",
    "updated>15m",
    "updated<1h",
    "re_",
    "RETURN-3",
    "!return",
    "card_lost",
    "odd",
    "inv-1",
    "dispute",
    "ch_1",
    "!Ch_",
    "pay_",
    "payment:Ch_7",
    "!payment:Ch_7,Ch_8",
    "request:Return-3/3,Return-3/10",
    "invoice:INV-7,INV-8,INV-9,INV-10",
    "!invoice:INV-7",
]


async def test_filters_find_what_a_reference_finds(
    crowd: InlineStore, chance: random.Random
) -> None:
    everything = await listed(crowd)
    assert len(everything.items) == 90
    invoices = dict(tuple(r) for r in rows(crowd, "SELECT id, invoice FROM refund"))
    found_some = 0
    singles = [[word] for word in WORDS]
    groups = [chance.sample(WORDS, chance.choice([2, 2, 3])) for _ in range(250)]
    for words in [*singles, *groups]:
        text = " ".join(words)
        wanted = parse_filter(text)
        expected = [
            row.refund.id
            for row in everything.items
            if matches(wanted, row, invoices[row.refund.id])
        ]
        page = await listed(crowd, text, offset=0)
        assert [row.refund.id for row in page.items] == expected, text
        assert page.total == len(expected), text
        assert await ids(crowd, text, oldest_first=True) == expected[::-1], text
        found_some += 0 < len(expected) < 90
    assert found_some > 150


async def test_every_row_is_reached_once_from_cursors_and_offsets(
    crowd: InlineStore, chance: random.Random
) -> None:
    for text in ["", "state:queued,pending,succeeded", "account:stripe-uk", "amount>1"]:
        for oldest_first in (False, True):
            whole = await ids(crowd, text, oldest_first=oldest_first)
            size = chance.choice([1, 3, 7])
            assert await _by_cursor(crowd, text, size, oldest_first) == whole
            for offset in range(0, len(whole) + 3, 5):
                page = await listed(
                    crowd, text, offset=offset, limit=size, oldest_first=oldest_first
                )
                shown = [row.refund.id for row in page.items]
                assert shown == whole[offset : offset + size]
                assert page.total == len(whole)


async def _by_cursor(
    store: InlineStore, text: str, size: int, oldest_first: bool
) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await listed(
            store, text, limit=size, cursor=cursor, oldest_first=oldest_first
        )
        found += [row.refund.id for row in page.items]
        assert len(found) == len(set(found))
        assert page.total is None
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.items) == size


def matches(wanted: RefundFilter, row: RefundSummary, invoice: str | None) -> bool:
    """Decide as the words say, without SQL."""
    return all(_holds(term, row, invoice) for term in wanted.terms)


def _holds(term: Term, row: RefundSummary, invoice: str | None) -> bool:
    refund = row.refund
    match term:
        case StateTerm(states, negated):
            return (refund.state in states) is not negated
        case ValueTerm(column, values, negated):
            return bool(_names(column, row, invoice) & values) is not negated
        case FlagTerm(flag, wanted):
            frozen = row.frozen is not None
            return (frozen if flag is Flag.FROZEN else refund.requires_action) is wanted
        case AmountTerm():
            mine = Decimal(refund.amount_minor)
            number = Decimal(term.number).scaleb(-term.scale)
            if not term.minor:
                mine = mine.scaleb(-EXPONENTS[refund.currency])
            return _compare(term.compare, mine, number) is not term.negated
        case AgeTerm():
            since = refund.created_at
            if term.since is Since.UPDATED:
                since = row.updated_at
            age = Decimal((NOW - since) // timedelta(microseconds=1)).scaleb(-6)
            return (
                _compare(term.compare, age, Decimal(term.seconds)) is not term.negated
            )
        case TextTerm(text, negated):
            return any(text in fold(t) for t in _texts(row, invoice)) is not negated


def _names(column: Column, row: RefundSummary, invoice: str | None) -> set[str]:
    refund = row.refund
    connection = refund.connection or ""
    return {
        Column.GATEWAY: {row.gateway},
        Column.ACCOUNT: {refund.account},
        Column.CONNECTION: {connection, connection.rpartition("/")[2]},
        Column.CURRENCY: {refund.currency},
        Column.PAYMENT: {refund.payment_id, refund.payment_reference},
        Column.REQUEST: {refund.request_id},
        Column.REASON: {refund.reason_code},
        Column.INVOICE: {invoice or ""},
    }[column]


def _texts(row: RefundSummary, invoice: str | None) -> list[str]:
    refund = row.refund
    found = (
        refund.id,
        refund.request_id,
        refund.merchant_reference,
        refund.gateway_reference,
        refund.payment_id,
        refund.payment_reference,
        refund.reason_code,
        refund.refused_code,
        refund.hold_reason,
        refund.review_reason,
        refund.last_status,
        invoice,
    )
    return [text for text in found if text]


def _compare(compare: Compare, left: Decimal, right: Decimal) -> bool:
    match compare:
        case Compare.MORE:
            return left > right
        case Compare.AT_LEAST:
            return left >= right
        case Compare.LESS:
            return left < right
        case Compare.AT_MOST:
            return left <= right
        case Compare.EQUAL:
            return left == right


# --- lists ------------------------------------------------------------------------


async def test_a_list_shows_what_stands_beside_a_refund(store: InlineStore) -> None:
    refund = await make_refund(store, None, 6_000)
    (row,) = (await listed(store)).items
    assert row.refund == refund
    assert (row.gateway, row.created_by) == ("stripe", "machine:shop")
    assert (row.approvals, row.frozen) == (0, None)
    assert row.updated_at == START
    assert row.seq == rows(store, "SELECT max(seq) FROM audit_entry")[0][0]


async def test_a_cursor_stays_while_rows_are_added(store: InlineStore) -> None:
    made = [(await queued(store, at=after(n))).id for n in range(5)]
    page = await listed(store, limit=2)
    await queued(store, at=after(9))
    rest = await listed(store, cursor=page.next_cursor)
    seen = [row.refund.id for row in (*page.items, *rest.items)]
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!", "a" * 500, "MTIz\u00e9", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5Om4"],
)
async def test_a_cursor_of_another_make_is_refused(
    store: InlineStore, cursor: str
) -> None:
    with pytest.raises(CursorInvalid):
        await listed(store, cursor=cursor)


async def test_a_page_has_bounds(store: InlineStore) -> None:
    for _ in range(3):
        await queued(store)
    assert len(await ids(store, limit=-5)) == 1
    assert len(await ids(store, limit=10**9)) == 3
    page = await listed(store, offset=-4, limit=2)
    assert (len(page.items), page.total) == (2, 3)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("", "refund_newest"),
        ("amount>1", "refund_newest"),
        ("return", "refund_newest"),
        ("!reason:returned", "refund_newest"),
        ("updated>1h", "refund_newest"),
        ("age>1h", "refund_newest"),
        ("age<999d age>1h", "refund_newest"),
        ("frozen:no", "refund_newest"),
        ("state:queued,pending", "refund_in_state"),
        ("!state:settled", "refund_in_state"),
        ("needs:approval", "refund_in_state"),
        ("account:stripe-uk", "refund_of_account"),
        ("gateway:adyen", "refund_of_account"),
        ("!gateway:adyen", "refund_of_account"),
        ("connection:main", "refund_of_connection"),
        ("currency:JPY", "refund_of_currency"),
        ("reason:damaged", "refund_of_reason"),
        ("invoice:INV-7", "refund_of_invoice"),
        ("frozen:yes", "refund_frozen"),
        ("action:yes", "refund_action"),
        ("action:yes state:pending", "refund_action"),
        ("request:a", "refund_request"),
        ("payment:pi_1", "refund_of_payment"),
    ],
)
async def test_every_filter_is_read_in_order_from_an_index(
    crowd: InlineStore, text: str, index: str
) -> None:
    asked: list[str] = []
    crowd._connection.set_trace_callback(asked.append)
    for how in ({}, {"oldest_first": True}, {"offset": 0}):
        await listed(crowd, text, limit=10, **how)
    crowd._connection.set_trace_callback(None)
    lists = [sql for sql in asked if "r.created_at" in sql and "refund AS r" in sql]
    assert lists
    for sql in lists:
        plan = [r["detail"] for r in rows(crowd, f"EXPLAIN QUERY PLAN {sql}")]
        read = [step for step in plan if " r " in step]
        assert read, plan
        assert all(index in step for step in read), plan
        sorts = [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step]
        assert not sorts or text.startswith(("request", "payment")), plan


async def test_a_rare_amount_is_found_through_the_amounts_of_each_week(
    crowd: InlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries_walk, "_FIRST", 5)
    monkeypatch.setattr(queries_walk, "BUDGET", 10)
    asked: list[str] = []
    crowd._connection.set_trace_callback(asked.append)
    await listed(crowd, "amount>99999", limit=100)
    crowd._connection.set_trace_callback(None)
    (sql,) = {s for s in asked if "refund_of_week" in s}
    plan = [r["detail"] for r in rows(crowd, f"EXPLAIN QUERY PLAN {sql}")]
    found = "refund_of_week (<expr>=? AND currency=? AND amount_minor>? AND"
    assert any(found in step for step in plan), plan


async def test_small_portions_find_what_one_look_finds(
    crowd: InlineStore, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row once, in order, however little of the list a page may look at."""
    groups = [chance.sample(WORDS, chance.choice([1, 2, 2, 3])) for _ in range(120)]
    whole = {
        (text, oldest): await ids(crowd, text, oldest_first=oldest)
        for text in [" ".join(words) for words in groups]
        for oldest in (False, True)
    }
    monkeypatch.setattr(queries_walk, "_FIRST", 4)
    monkeypatch.setattr(queries_walk, "BUDGET", 11)
    monkeypatch.setattr(queries_walk, "SCATTERED", 2)
    monkeypatch.setattr(queries_weeks, "_BUDGET", 20)
    partial = 0
    for (text, oldest), expected in whole.items():
        found: list[str] = []
        cursor = None
        for _ in range(200):
            page = await listed(
                crowd, text, limit=7, cursor=cursor, oldest_first=oldest
            )
            found += [row.refund.id for row in page.items]
            assert len(page.items) == 7 or page.searched_to or not page.next_cursor
            partial += page.searched_to is not None
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == expected, (text, oldest)
    assert partial > 100, partial


async def test_a_window_says_how_far_it_searched(
    crowd: InlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries_walk, "_FIRST", 5)
    monkeypatch.setattr(queries_walk, "BUDGET", 20)
    everything = await listed(crowd)
    page = await listed(crowd, "nothing-like-it", offset=0, limit=10)
    assert (page.items, page.total) == ((), 0)
    assert page.searched_to == everything.items[19].refund.created_at
    rest = await listed(crowd, "nothing-like-it", cursor=page.next_cursor)
    assert rest.searched_to == everything.items[39].refund.created_at


async def test_the_middle_of_a_list_is_reached_by_the_counts_of_days(
    crowd: InlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries_list, "_FAR", 1)
    for text in ("", "account:stripe-uk", "!account:stripe-uk", "gateway:stripe"):
        for oldest in (False, True):
            whole = await ids(crowd, text, oldest_first=oldest)
            for offset in range(len(whole)):
                page = await listed(
                    crowd, text, offset=offset, limit=2, oldest_first=oldest
                )
                shown = [row.refund.id for row in page.items]
                assert shown == whole[offset : offset + 2]


async def test_a_payment_that_thaws_shows_beside_its_refunds(
    store: InlineStore,
) -> None:
    refund = await queued(store)
    read = RecordPaymentRead(START, refund.payment_id, 10_000, 0, "GBP", True)
    await store.execute(read)
    assert await ids(store, "frozen:yes") == [refund.id]
    thaw = "UPDATE payment SET frozen = NULL, frozen_at = NULL"
    store._connection.execute(thaw)
    assert await ids(store, "frozen:yes") == []
    assert await ids(store, "frozen:no") == [refund.id]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("age>3600s", False),
        ("age>=1h", True),
        ("age<60m", False),
        ("age<=1h", True),
        ("updated>30m", False),
        ("updated>=30m", True),
    ],
)
async def test_an_age_is_exact_to_the_second(
    store: InlineStore, text: str, found: bool
) -> None:
    refund = await queued(store, at=NOW - timedelta(hours=1))
    await drive(store, refund, ev.Held("person"), at=NOW - timedelta(minutes=30))
    assert bool(await ids(store, text)) is found


async def test_customers_are_never_searched(store: InlineStore) -> None:
    payment = await make_payment(
        store, customer={"name": "Ada Love", "email": "ada@example.org"}
    )
    await queued(store, payment=payment, reason_text="Ada was unhappy")
    for text in ("ada", "unhappy", "example.org"):
        assert await ids(store, text) == []


async def test_nothing_typed_becomes_sql(store: InlineStore) -> None:
    await queued(store)
    for text in (
        '"\' OR 1=1 --"',
        "account:\"' OR ''='\"",
        'request:"x\') OR (1=1"',
        '"%"',
        '"_"',
    ):
        assert len(await ids(store, text)) == (1 if text == '"_"' else 0), text
