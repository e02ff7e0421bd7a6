from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.policy import Role
from refundwatch.domain.refund import RefundState, Word
from refundwatch.errors import (
    AlarmUnknown,
    DecisionDenied,
    RefundwatchError,
    StoreMismatch,
    TextInvalid,
    TokenConflict,
    TokenUnknown,
)
from refundwatch.store.contract import (
    AbandonAttempts,
    AccountSpec,
    AcknowledgeAlarm,
    AuditNote,
    CloseAlarm,
    CreateToken,
    GetToken,
    ListAlarms,
    ListTokens,
    LoadKeys,
    MarkAlarmsSent,
    RaiseAlarm,
    RaiseDoubtAlarms,
    RevokeToken,
    SaveKeys,
    StoredCheck,
    StoredKey,
    TakeDueJobs,
)
from tests.making import (
    HOUSE,
    OLA,
    START,
    VIC,
    after,
    make_refund,
)
from tests.store.driving import claimed, drive, unanswered, word
from tests.store.looking import dump, entries, kinds, rows, size, value

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.store.sqlite.store import InlineStore

ATTEMPT = """
    INSERT INTO attempt (refund_id, number, generation, fence, connection, body_sha256,
                         opened_at, lease_until)
    VALUES (?, 1, 0, 1, 'stripe-uk/main', 'x', 0, ?)
"""


# --- the house --------------------------------------------------------------------


async def test_each_load_of_the_configuration_is_in_the_log(store: InlineStore) -> None:
    assert kinds(store) == ["config:loaded"]

    await store.execute(replace(HOUSE, at=after(9), config_digest="e" * 64))

    (_, entry) = entries(store)
    assert entry.data["config_digest"] == "e" * 64
    (row,) = rows(store, "SELECT * FROM house")
    assert row["config_digest"] == "e" * 64
    assert row["opened_at"] - row["founded_at"] == 9_000_000


@pytest.mark.parametrize(
    "change",
    [
        {"instance": "other"},
        {"mode": "live"},
        {"accounts": (AccountSpec("stripe-uk", "adyen", "UTC"),)},
    ],
)
async def test_what_never_changes_is_compared(
    store: InlineStore, change: dict[str, Any]
) -> None:
    stored, length = dump(store), size(store)

    with pytest.raises(StoreMismatch):
        await store.execute(replace(HOUSE, **change))

    assert (dump(store), size(store)) == (stored, length)


async def test_what_left_the_configuration_stays_in_the_store(
    store: InlineStore,
) -> None:
    fewer = replace(
        HOUSE, accounts=HOUSE.accounts[:1], connections=HOUSE.connections[1:2]
    )

    await store.execute(fewer)

    accounts = "SELECT name FROM account WHERE configured"
    assert [row[0] for row in rows(store, accounts)] == ["stripe-uk"]
    paths = "SELECT id FROM connection WHERE configured"
    assert [row[0] for row in rows(store, paths)] == ["stripe-uk/second"]
    assert value(store, "SELECT count(*) FROM connection") == 4


async def test_an_account_with_open_refunds_is_not_forgotten(
    store: InlineStore,
) -> None:
    refund = await make_refund(store)
    fewer = replace(
        HOUSE, accounts=HOUSE.accounts[1:], connections=HOUSE.connections[2:]
    )
    stored = dump(store)

    with pytest.raises(StoreMismatch, match="1 open refunds of account stripe-uk"):
        await store.execute(fewer)

    assert dump(store) == stored
    await drive(store, refund, claimed(), word(Word.SUCCEEDED))
    await store.execute(fewer)


async def test_an_attempt_that_a_webhook_overtook_ends_at_the_start(
    store: InlineStore,
) -> None:
    refund = await drive(
        store, await make_refund(store), claimed(), word(Word.SUCCEEDED)
    )
    store._connection.execute(ATTEMPT, (refund.id, 10**18))

    moved = await store.execute(AbandonAttempts(after(9), after(14), all_open=True))

    assert moved == ()
    assert value(store, "SELECT reason FROM attempt") == "process_died"


async def test_open_attempts_of_a_dead_process_become_unknown(
    store: InlineStore,
) -> None:
    refund = await drive(store, await make_refund(store), claimed())
    store._connection.execute(ATTEMPT, (refund.id, 10**18))
    queued = await make_refund(store)
    length = size(store)

    moved = await store.execute(AbandonAttempts(after(9), after(14), all_open=True))

    assert moved == (refund.id,)
    states = dict(tuple(row) for row in rows(store, "SELECT id, state FROM refund"))
    assert states == {refund.id: "unknown", queued.id: "queued"}
    (attempt,) = rows(store, "SELECT * FROM attempt")
    assert (attempt["outcome"], attempt["reason"]) == ("unknown", "process_died")
    assert kinds(store, length) == ["refund:attempt:abandoned"]


async def test_only_leases_that_ran_out_are_abandoned(store: InlineStore) -> None:
    late = await drive(store, await make_refund(store), claimed())
    early = await drive(store, await make_refund(store), claimed())
    now = value(store, "SELECT created_at FROM refund LIMIT 1")
    store._connection.execute(ATTEMPT, (early.id, now + 5_000_000))
    store._connection.execute(ATTEMPT, (late.id, now + 60_000_000))

    moved = await store.execute(AbandonAttempts(after(9), after(14), all_open=False))

    assert moved == (early.id,)
    state = value(store, "SELECT state FROM refund WHERE id = ?", late.id)
    assert state == RefundState.SENDING


async def test_a_note_changes_no_row(store: InlineStore) -> None:
    refund = await make_refund(store)
    stored = dump(store)

    await store.execute(
        AuditNote(START, "request:denied", "person:eve", {"path": "/v1"}, refund.id)
    )

    assert dump(store) == stored
    assert entries(store)[-1].refund_id == refund.id


# --- the vault's keys -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wrapped:
    dek_id: int
    kek_id: str
    wrapped: bytes
    created_at: datetime
    uses: int
    state: str


async def test_wrapped_keys_are_kept_and_replaced(store: InlineStore) -> None:
    first = Wrapped(1, "k1", b"w1", START, 0, "current")
    index = Wrapped(2, "k1", b"w2", START, 0, "index")
    await store.execute(SaveKeys(START, (first, index), (StoredCheck("k1", b"c"),)))
    retired = replace(first, uses=9, state="decrypt_only")
    following = Wrapped(3, "k1", b"w3", after(9), 0, "current")

    # In this order the new current key would stand beside the old one for a moment.
    await store.execute(SaveKeys(after(9), (following, retired)))

    known = await store.read(LoadKeys())
    assert known.keys == (
        StoredKey(1, "k1", b"w1", START, 9, "decrypt_only"),
        StoredKey(2, "k1", b"w2", START, 0, "index"),
        StoredKey(3, "k1", b"w3", after(9), 0, "current"),
    )
    assert known.checks == (StoredCheck("k1", b"c"),)
    assert b"w3" not in value(store, "SELECT entry FROM audit_entry ORDER BY seq DESC")


async def test_uses_of_the_key_are_stored_with_what_it_sealed(
    store: InlineStore,
) -> None:
    key = Wrapped(1, "k1", b"w1", START, 0, "current")
    await store.execute(SaveKeys(START, (key,)))
    store.attach_sealer(store._writer.sealer, lambda: replace(key, uses=7))

    await store.execute(AuditNote(START, "a:b", "system", {}))

    assert value(store, "SELECT uses FROM data_key") == 7


# --- alarms -----------------------------------------------------------------------


async def test_an_alarm_of_a_kind_and_subject_stands_once(store: InlineStore) -> None:
    length = size(store)
    alarm = RaiseAlarm(START, "webhook_silence", "warning", "stripe-uk", {"seconds": 9})

    first = await store.execute(alarm)
    again = await store.execute(replace(alarm, at=after(9)))
    other = await store.execute(replace(alarm, subject="adyen-eu"))

    assert first == again != other
    assert kinds(store, length) == ["alarm:opened", "alarm:opened"]
    listed = await store.read(ListAlarms())
    assert [row.id for row in listed] == [other, first]
    assert listed[1].detail == {"seconds": 9}


async def test_an_alarm_closes_and_may_open_again(store: InlineStore) -> None:
    alarm = RaiseAlarm(START, "webhook_silence", "warning", "stripe-uk")
    first = await store.execute(alarm)
    length = size(store)

    close = CloseAlarm(after(9), "webhook_silence", "stripe-uk")
    await store.execute(close)
    await store.execute(close)
    second = await store.execute(replace(alarm, at=after(10)))

    assert kinds(store, length) == ["alarm:closed", "alarm:opened"]
    assert [row.id for row in await store.read(ListAlarms())] == [second]
    everything = await store.read(ListAlarms(include_closed=True))
    assert [row.id for row in everything] == [second, first]
    assert everything[1].closed_at == after(9)


async def test_an_alarm_is_acknowledged_once(store: InlineStore) -> None:
    alarm = await store.execute(RaiseAlarm(START, "k", "info", "s"))
    length = size(store)

    row = await store.execute(AcknowledgeAlarm(after(5), OLA, alarm))
    again = await store.execute(AcknowledgeAlarm(after(9), OLA, alarm))

    assert (row.acknowledged_by, row.acknowledged_at) == ("person:ola", after(5))
    assert again == row
    assert kinds(store, length) == ["alarm:acknowledged"]
    with pytest.raises(AlarmUnknown):
        await store.execute(AcknowledgeAlarm(after(9), OLA, 99))
    with pytest.raises(DecisionDenied):
        await store.execute(AcknowledgeAlarm(after(9), VIC, alarm))


async def test_next_event_of_a_seen_kind_is_told_anew(store: InlineStore) -> None:
    elsewhere = RaiseAlarm(START, "payment_refunded_elsewhere", "critical", "pay_1")
    first = await store.execute(elsewhere)
    length = size(store)

    row = await store.execute(AcknowledgeAlarm(after(5), OLA, first))
    again = await store.execute(AcknowledgeAlarm(after(7), OLA, first))
    second = await store.execute(replace(elsewhere, at=after(9)))

    assert (row.acknowledged_at, row.closed_at) == (after(5), after(5))
    assert again == row
    assert second != first
    told = ["alarm:acknowledged", "alarm:closed", "alarm:opened"]
    assert kinds(store, length) == told


async def test_seen_alarm_of_a_lasting_condition_stays_open(
    store: InlineStore,
) -> None:
    down = await store.execute(RaiseAlarm(START, "connection_down", "warning", "s/m"))
    row = await store.execute(AcknowledgeAlarm(after(5), OLA, down))
    assert row.closed_at is None


async def test_alarms_that_left_are_not_told_again(store: InlineStore) -> None:
    sent = await store.execute(RaiseAlarm(START, "k", "info", "a"))
    kept = await store.execute(RaiseAlarm(START, "k", "info", "b"))

    await store.execute(MarkAlarmsSent(after(5), (sent,)))

    unsent = await store.read(ListAlarms(unsent_only=True))
    assert [row.id for row in unsent] == [kept]


async def test_doubt_rings_once_for_each_age(store: InlineStore) -> None:
    refund = await drive(store, await make_refund(store), claimed(), unanswered())
    ages = (900, 86_400, 259_200)

    rung = [
        await store.execute(RaiseDoubtAlarms(after(seconds), ages))
        for seconds in (899, 900, 901, 86_400, 300_000, 400_000)
    ]

    assert rung == [0, 1, 0, 1, 1, 0]
    listed = await store.read(ListAlarms())
    assert [(row.kind, row.severity, row.subject) for row in listed] == [
        ("refund_unknown_3d", "critical", refund.id),
        ("refund_unknown_1d", "critical", refund.id),
        ("refund_unknown_15m", "warning", refund.id),
    ]


async def test_doubt_that_ended_is_quiet(store: InlineStore) -> None:
    refund = await drive(store, await make_refund(store), claimed(), unanswered())
    await store.execute(RaiseDoubtAlarms(after(900), (900,)))

    await drive(store, refund, word(Word.SUCCEEDED), at=after(999))

    assert await store.read(ListAlarms()) == ()


# --- tokens -----------------------------------------------------------------------


def token(**fields: Any) -> CreateToken:
    fields.setdefault("token_id", "abcdefgh")
    fields.setdefault("principal", "person:ola")
    fields.setdefault("roles", frozenset({Role.OPERATOR}))
    fields.setdefault("at", START)
    return CreateToken(actor="person:root", secret_sha256=b"s" * 32, **fields)


async def test_a_token_is_kept_as_its_hash(store: InlineStore) -> None:
    length = size(store)

    row = await store.execute(token(expires_at=after(3600)))

    found = await store.read(GetToken("abcdefgh"))
    assert found is not None
    assert (found.token, found.secret_sha256) == (row, b"s" * 32)
    assert (row.principal, row.roles) == ("person:ola", frozenset({Role.OPERATOR}))
    assert (row.created_by, row.expires_at) == ("person:root", after(3600))
    assert kinds(store, length) == ["token:created"]
    assert await store.read(GetToken("zzzzzzzz")) is None


async def test_a_token_is_revoked_once(store: InlineStore) -> None:
    await store.execute(token())
    length = size(store)

    row = await store.execute(RevokeToken(after(5), "person:root", "abcdefgh"))
    again = await store.execute(RevokeToken(after(9), "person:root", "abcdefgh"))

    assert row.revoked_at == after(5)
    assert again == row
    assert kinds(store, length) == ["token:revoked"]
    assert await store.read(ListTokens()) == (row,)
    with pytest.raises(TokenUnknown):
        await store.execute(RevokeToken(after(9), "person:root", "zzzzzzzz"))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"principal": "Ola"}, TextInvalid),
        ({"principal": "machine:x", "roles": {Role.APPROVER}}, DecisionDenied),
        ({}, TokenConflict),
        ({"token_id": "bcdefghi", "first_admin": True}, TokenConflict),
    ],
)
async def test_a_token_that_may_not_be_is_not_stored(
    store: InlineStore, fields: dict[str, Any], error: type[RefundwatchError]
) -> None:
    await store.execute(token(roles=frozenset({Role.ADMIN})))
    stored, length = dump(store), size(store)

    with pytest.raises(error):
        await store.execute(token(**fields))

    assert (dump(store), size(store)) == (stored, length)


@pytest.mark.parametrize("ended", ["revoked", "expired"])
async def test_a_first_admin_is_made_when_none_is_left(
    store: InlineStore, ended: str
) -> None:
    admin = frozenset({Role.ADMIN})
    await store.execute(token(roles=admin, first_admin=True, expires_at=after(9)))
    if ended == "revoked":
        await store.execute(RevokeToken(START, "person:root", "abcdefgh"))
    at = START if ended == "revoked" else after(9)

    row = await store.execute(
        token(token_id="bcdefghi", roles=admin, first_admin=True, at=at)
    )

    assert row.token_id == "bcdefghi"


# --- the calendar -----------------------------------------------------------------


async def test_a_job_is_due_at_once_and_then_by_its_interval(
    store: InlineStore,
) -> None:
    intervals = {"expire": 60, "probe": 10}

    taken = [
        await store.execute(TakeDueJobs(after(seconds), intervals))
        for seconds in (0, 5, 10, 59, 60, 600)
    ]

    assert taken == [
        ("expire", "probe"),
        (),
        ("probe",),
        ("probe",),
        ("expire",),
        ("expire", "probe"),
    ]


async def test_a_clock_that_jumped_back_does_not_stop_the_calendar(
    store: InlineStore,
) -> None:
    await store.execute(TakeDueJobs(after(10**8), {"expire": 60}))

    taken = await store.execute(TakeDueJobs(START, {"expire": 60}))

    assert taken == ("expire",)
