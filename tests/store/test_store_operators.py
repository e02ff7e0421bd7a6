"""What was approved is looked at again before it is sent: by keys, not by rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.decision import Verdict
from refundwatch.domain.policy import Role
from refundwatch.domain.refund import RefundState
from refundwatch.errors import DecisionDenied
from refundwatch.store.contract import Claimed, ClaimLost, DecideRefund, ListAlarms
from tests.making import (
    ANN,
    BEN,
    INSTANCE,
    OLA,
    POLICY,
    START,
    after,
    decide,
    make_refund,
)
from tests.signing import PaperSignatures, introduce, paper_key
from tests.store.looking import entries, rows
from tests.store.sending import claim

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.store.sqlite.store import InlineStore


async def approved(store: InlineStore) -> Refund:
    refund = await make_refund(store, None, 60_000)
    await decide(store, refund, Verdict.APPROVE, ANN)
    return (await decide(store, refund, Verdict.APPROVE, BEN)).refund


async def refused(store: InlineStore, refund: Refund, why: str) -> None:
    assert await claim(store, refund, policy=POLICY) == ClaimLost(why)
    assert rows(store, "SELECT * FROM attempt") == []
    (alarm,) = await store.read(ListAlarms())
    assert alarm.subject == refund.id
    assert {"refund:approvals:void", "refund:held"} & {it.kind for it in entries(store)}


async def test_what_two_keys_approved_is_sent(store: InlineStore) -> None:
    refund = await approved(store)
    assert isinstance(await claim(store, refund, policy=POLICY), Claimed)


async def test_role_removed_between_approval_and_send(store: InlineStore) -> None:
    refund = await approved(store)
    introduce(store, (replace(BEN, roles=frozenset({Role.VIEWER})),), INSTANCE)
    await refused(store, refund, "approvals_invalid")


async def test_key_revoked_between_approval_and_send(store: InlineStore) -> None:
    refund = await approved(store)
    held = store._writer.people
    assert held.roster is not None
    ben = held.roster.operators[BEN.id]
    keys = {name: replace(key, revoked_at=after(1)) for name, key in ben.keys.items()}
    operators = {**held.roster.operators, BEN.id: replace(ben, keys=keys)}
    held.roster = replace(held.roster, operators=operators)
    await refused(store, refund, "approvals_invalid")


async def test_approval_inserted_by_sql(store: InlineStore) -> None:
    """A copied signature is another person's; a sealed statement is another row's."""
    refund = await make_refund(store, None, 60_000)
    first = (await decide(store, refund, Verdict.APPROVE, ANN)).refund
    store._connection.execute(
        "INSERT INTO decision SELECT refund_id, 2, kind, 'person:ben', at, revision, "
        "review_round, resolution, reason_code, reason_text, statement, "
        "statement_sha256, policy_version, key, 'other', signature, signature_sha256 "
        "FROM decision"
    )
    last = await make_refund(store, None, 6_000)
    assert last.state is RefundState.AWAITING_APPROVAL
    store._connection.execute(
        "UPDATE refund SET state = 'queued', due_at = 0 WHERE id = ?", (first.id,)
    )
    queued = replace(first, state=RefundState.QUEUED, due_at=START)
    await refused(store, queued, "row_unproven")


async def test_signature_that_is_another_keys_is_no_approval(
    store: InlineStore,
) -> None:
    refund = await approved(store)
    held = store._writer.people
    assert held.roster is not None
    other = paper_key("person:mallory")
    ben = held.roster.operators[BEN.id]
    (name,) = ben.keys
    keys = {name: replace(ben.keys[name], line=other.line)}
    operators = {**held.roster.operators, BEN.id: replace(ben, keys=keys)}
    held.roster = replace(held.roster, operators=operators)
    await refused(store, refund, "approvals_invalid")


async def test_unsigned_decision_of_a_person_is_refused(store: InlineStore) -> None:
    refund = await make_refund(store, None, 6_000)
    command = DecideRefund(
        at=START,
        principal=OLA,
        refund_id=refund.id,
        decision=Verdict.HOLD,
        revision=1,
        request_sha256=None,
        reason_code="seen",
        policy=POLICY,
    )
    with pytest.raises(DecisionDenied, match="signed"):
        await store.execute(command)
    assert entries(store)[-1].data["reason"] == "signature_missing"


async def test_roles_that_a_caller_claims_count_nothing(store: InlineStore) -> None:
    refund = await make_refund(store, None, 6_000)
    introduce(store, (replace(ANN, roles=frozenset({Role.VIEWER})),), INSTANCE)
    store.attach_signatures(PaperSignatures())
    command = DecideRefund(
        at=START,
        principal=ANN,
        refund_id=refund.id,
        decision=Verdict.APPROVE,
        revision=1,
        request_sha256="0" * 64,
        reason_code="seen",
        policy=POLICY,
    )
    with pytest.raises(DecisionDenied, match="roles"):
        await store.execute(command)
