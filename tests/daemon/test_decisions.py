"""What people decide, over the API: who may, about what, and how often."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.policy import Role
from tests.daemon.living import (
    Answered,
    Living,
    ShiftedClock,
    give_token,
    living,
    living_with_gateways,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

ONE = 10_000
TWO = 60_000


def denied(answer: Answered, code: str, status: int = 403, says: str = "") -> None:
    assert (answer.status, answer.code) == (status, code), answer
    assert says in answer.body["detail"]


# --- approving --------------------------------------------------------------------


async def test_one_approval_queues_a_middling_amount(daemon: Living) -> None:
    refund = await daemon.refund(ONE)
    assert (refund["state"], refund["required_approvals"]) == ("awaiting_approval", 1)
    answer = await daemon.decide(refund, "approve", by="approver")
    assert answer.status == 200
    assert answer.body["waiting_for"] == 0
    assert answer.body["refund"]["state"] != "awaiting_approval"


async def test_two_different_persons_approve_a_large_amount(daemon: Living) -> None:
    refund = await daemon.refund(TWO)
    first = await daemon.decide(refund, "approve", by="approver")
    assert first.body["waiting_for"] == 1
    assert first.body["refund"]["state"] == "awaiting_approval"
    denied(
        await daemon.decide(refund, "approve", by="approver"),
        "policy.denied",
        says="already approved",
    )
    second = await daemon.decide(refund, "approve", by="approver2")
    assert second.body["waiting_for"] == 0


async def test_one_person_with_two_tokens_is_one_approver(daemon: Living) -> None:
    refund = await daemon.refund(TWO)
    other = await give_token(daemon.hub, "person:ann", frozenset({Role.APPROVER}))
    await daemon.decide(refund, "approve", by="approver")
    daemon.secrets["ann's other token"] = other
    answer = await daemon.decide(refund, "approve", by="ann's other token")
    denied(answer, "policy.denied", says="already approved")


async def test_currency_without_a_band_needs_two(daemon: Living) -> None:
    payment = await daemon.payment(currency="CHF")
    refund = await daemon.refund(1, payment=payment, currency="CHF")
    assert refund["required_approvals"] == 2


async def test_many_small_refunds_of_a_payment_need_what_a_large_one_does(
    daemon: Living,
) -> None:
    payment = await daemon.payment()
    small = [
        await daemon.refund(4_000, payment=payment, request_id=f"r-{n}")
        for n in range(2)
    ]
    assert [refund["required_approvals"] for refund in small] == [0, 1]


async def test_creator_cannot_approve(daemon: Living) -> None:
    refund = await daemon.refund(ONE, by="both")
    before = daemon.state()
    denied(
        await daemon.decide(refund, "approve", by="both"),
        "policy.denied",
        says="created or edited",
    )
    assert daemon.state() == before
    assert daemon.kinds()[-1] == "refund:decision:denied"


async def test_editor_of_any_revision_cannot_approve(daemon: Living) -> None:
    refund = await daemon.refund(ONE)
    edited = await daemon.decide(refund, "edit", by="both", amount_minor=11_000)
    again = await daemon.decide(
        edited.body["refund"], "edit", by="operator", amount_minor=12_000
    )
    answer = await daemon.decide(again.body["refund"], "approve", by="both")
    denied(answer, "policy.denied", says="created or edited")


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ("machine", "policy.people_only"),
        ("requester", "policy.people_only"),
        ("operator", "policy.role_missing"),
        ("admin", "policy.role_missing"),
        ("viewer", "policy.role_missing"),
    ],
)
async def test_others_cannot_approve(daemon: Living, by: str, code: str) -> None:
    refund = await daemon.refund(ONE)
    before = daemon.state()
    for word in ("approve", "refuse"):
        denied(await daemon.decide(refund, word, by=by), code)
    assert daemon.state() == before


async def test_machine_with_a_forced_role_cannot_approve(daemon: Living) -> None:
    """A token row that the daemon did not write opens no door at all."""
    refund = await daemon.refund(ONE)
    daemon.secrets["forged"] = await give_token(
        daemon.hub, "machine:evil", frozenset({Role.OPERATOR})
    )
    await daemon.tamper(
        "UPDATE token SET roles = 'approver' WHERE principal = 'machine:evil'"
    )
    answer = await daemon.decide(refund, "approve", by="forged")
    assert (answer.status, answer.body["code"]) == (401, "auth.required")
    alarms = await daemon.call("GET", "/v1/alarms", by="viewer")
    assert "token_row_unproven" in {it["kind"] for it in alarms.body["items"]}


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"revision": 2}, 409, "refund.stale_revision", "revision"),
        ({"request_sha256": "0" * 64}, 409, "refund.stale_revision", "revision"),
        ({"request_sha256": None}, 422, "request.invalid", "request_sha256"),
        ({"request_sha256": ...}, 422, "request.invalid", "request_sha256"),
        ({"request_sha256": "A" * 64}, 422, "request.invalid", "request_sha256"),
        ({"revision": 0}, 422, "request.invalid", "revision"),
        ({"revision": 1.0}, 422, "request.invalid", "revision"),
        ({"amount_minor": 1}, 422, "request.invalid", "amount_minor"),
    ],
)
async def test_approval_of_other_content_is_refused(
    daemon: Living, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    refund = await daemon.refund(ONE)
    before = daemon.state()
    answer = await daemon.decide(refund, "approve", by="approver", **changes)
    denied(answer, code, status)
    assert answer.body["field"] == field
    assert daemon.state() == before


async def test_approval_is_kept_as_the_bytes_of_its_statement(daemon: Living) -> None:
    refund = await daemon.refund(ONE)
    await daemon.decide(refund, "approve", by="approver")
    shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
    (decision,) = shown.body["decisions"]
    stated = json.loads(decision["statement"])
    assert stated["request_sha256"] == refund["request_sha256"]
    assert (stated["actor"], stated["decision"]) == ("person:ann", "approve")
    proof = ("key", "log_root", "log_size", "nonce", "expires_at")
    assert [stated[name] for name in proof] == [None] * 5


# --- editing ----------------------------------------------------------------------


async def test_edit_voids_approvals(daemon: Living) -> None:
    refund = await daemon.refund(TWO)
    await daemon.decide(refund, "approve", by="approver")
    edited = await daemon.decide(refund, "edit", by="operator", amount_minor=70_000)
    shown = edited.body["refund"]
    assert (shown["revision"], shown["approvals"]) == (2, 0)
    stale = await daemon.decide(refund, "approve", by="approver2")
    denied(stale, "refund.stale_revision", 409)
    await daemon.decide(shown, "approve", by="approver")
    done = await daemon.decide(shown, "approve", by="approver2")
    assert done.body["waiting_for"] == 0


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (100_001, "refund.amount_exceeds_refundable"),
        (0, "request.invalid"),
        (10.5, "request.invalid"),
    ],
)
async def test_edit_to_a_wrong_amount_is_refused(
    daemon: Living, amount: float, code: str
) -> None:
    refund = await daemon.refund(ONE)
    before = daemon.state()
    answer = await daemon.decide(refund, "edit", by="operator", amount_minor=amount)
    denied(answer, code, 422)
    assert answer.body["field"] == "amount_minor"
    assert daemon.state() == before


# --- refusing, expiring, withdrawing ----------------------------------------------


@pytest.mark.parametrize("word", ["refuse", "cancel", "hold", "edit"])
async def test_decision_needs_a_reason(daemon: Living, word: str) -> None:
    refund = await daemon.refund(ONE)
    before = daemon.state()
    more = {"amount_minor": 1} if word == "edit" else {}
    by = "approver" if word == "refuse" else "operator"
    for reason in (..., "", "Not A Code"):
        answer = await daemon.decide(refund, word, by=by, reason_code=reason, **more)
        denied(answer, "request.invalid", 422)
        assert answer.body["field"] == "reason_code"
    assert daemon.state() == before


async def test_refusal_frees_the_amount_and_is_final(daemon: Living) -> None:
    payment = await daemon.payment(10_000)
    refund = await daemon.refund(ONE, payment=payment)
    answer = await daemon.decide(
        refund, "refuse", by="approver", reason_code="not_returned", reason_text="No."
    )
    assert answer.body["refund"]["state"] == "refused"
    whole = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
    (decision,) = whole.body["decisions"]
    assert (decision["reason_code"], decision["reason_text"]) == ("not_returned", "No.")
    found = await daemon.call("GET", f"/v1/payments/{payment}")
    assert found.body["refundable"]["minor"] == 10_000
    again = await daemon.decide(answer.body["refund"], "approve", by="approver")
    denied(again, "refund.state_conflict", 409)


async def test_approvals_that_do_not_come_expire(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:
        refund = await daemon.refund(ONE)
        clock.ahead = 3601
        calendar = daemon.parts.house.calendar
        await calendar.run_due(clock.now())
        shown = await daemon.shown(refund)
        assert shown["state"] == "expired"
        late = await daemon.decide(shown, "approve", by="approver")
        denied(late, "refund.state_conflict", 409)
        found = await daemon.call("GET", f"/v1/payments/{refund['payment_id']}")
        assert found.body["reserved"]["minor"] == 0


async def test_hold_and_release_keep_what_was_asked(daemon: Living) -> None:
    refund = await daemon.refund(ONE)
    held = await daemon.decide(refund, "hold", by="operator", reason_code="fraud_check")
    assert held.body["refund"]["state"] == "held"
    assert held.body["refund"]["hold_reason"] == "fraud_check"
    released = await daemon.decide(held.body["refund"], "release", by="operator2")
    assert released.body["refund"]["state"] == "awaiting_approval"


async def test_cancel_before_sending_frees_the_amount(daemon: Living) -> None:
    payment = await daemon.payment(10_000)
    refund = await daemon.refund(100, payment=payment)
    current = await daemon.shown(refund)
    answer = await daemon.decide(current, "cancel", by="operator")
    assert answer.body["refund"]["state"] == "cancelled"
    found = await daemon.call("GET", f"/v1/payments/{payment}")
    assert found.body["refundable"]["minor"] == 10_000


async def test_cancel_while_claimed_is_refused(tmp_path: Path) -> None:
    async with living_with_gateways(tmp_path, shutdown_seconds=1) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_slow", 10_000, "GBP")
        box.set_faults("none", {"dropped_before": 1.0, "hang_seconds": 3000.0})
        payment = await daemon.payment(10_000, gateway_reference="pi_slow")
        refund = await daemon.refund(100, payment=payment)
        sending = await daemon.becomes(refund, "sending")
        answer = await daemon.decide(sending, "cancel", by="operator")
        denied(answer, "refund.state_conflict", 409)
        edit = await daemon.decide(sending, "edit", by="operator", amount_minor=1)
        denied(edit, "refund.state_conflict", 409)
        found = await daemon.call("GET", f"/v1/payments/{payment}")
        assert found.body["reserved"]["minor"] == 100


# --- resolving --------------------------------------------------------------------


async def in_review(daemon: Living) -> dict[str, Any]:
    box = daemon.sandbox
    assert box is not None
    box.add_payment("stripe-uk", "pi_review", 10_000, "GBP")
    box.pause_webhooks()
    box.set_faults("none", {"wrong_amount": 1.0})
    payment = await daemon.payment(10_000, gateway_reference="pi_review")
    refund = await daemon.refund(100, payment=payment)
    return await daemon.becomes(refund, "review")


async def test_review_ends_by_the_same_word_of_two_persons(tmp_path: Path) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        refund = await in_review(daemon)
        word = {
            "resolution": "succeeded",
            "evidence": {
                "bank_statement": "12 November, line 4",
                "executed_minor": "700",
            },
        }
        for wrong in ({**word, "evidence": {}}, {**word, "resolution": "fine"}):
            answer = await daemon.decide(refund, "resolve", by="operator", **wrong)
            denied(answer, "request.invalid", 422)
        denied(
            await daemon.decide(refund, "resolve", by="machine", **word),
            "policy.people_only",
        )
        first = await daemon.decide(refund, "resolve", by="operator", **word)
        assert (first.body["waiting_for"], first.body["refund"]["state"]) == (
            1,
            "review",
        )
        denied(
            await daemon.decide(refund, "resolve", by="operator", **word),
            "policy.denied",
            says="second person",
        )
        other = await daemon.decide(
            refund,
            "resolve",
            by="operator2",
            resolution="declined",
            evidence={"bank_statement": "nothing"},
        )
        assert other.body["waiting_for"] == 1
        second = await daemon.decide(refund, "resolve", by="approver", **word)
        assert second.body["waiting_for"] == 0
        assert second.body["refund"]["state"] == "succeeded"
        assert second.body["refund"]["executed"]["minor"] == 700


async def test_wrong_amount_freezes_the_payment_until_it_is_lifted(
    tmp_path: Path,
) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        refund = await in_review(daemon)
        payment = refund["payment_id"]
        frozen = await daemon.call("GET", f"/v1/payments/{payment}")
        assert frozen.body["frozen"]
        body = {
            "request_id": "r-2",
            "payment": payment,
            "amount_minor": 1,
            "currency": "GBP",
            "reason_code": "returned",
        }
        answer = await daemon.call("POST", "/v1/refunds", body)
        denied(answer, "payment.frozen", 409)
        lifted = await daemon.call(
            "POST", f"/v1/payments/{payment}/unfreeze", {"reason_code": "checked"}
        )
        assert lifted.body["frozen"] is None
        alarms = await daemon.call("GET", "/v1/alarms")
        assert alarms.body["items"]
        number = alarms.body["items"][0]["id"]
        seen = await daemon.call("POST", f"/v1/alarms/{number}/acknowledge")
        assert seen.body["acknowledged_by"] == "person:ola"


# --- what the caller may do -------------------------------------------------------


async def test_actions_say_what_the_daemon_would_do(daemon: Living) -> None:
    """The dashboard disables by these words; each must match the deed."""
    refund = await daemon.refund(ONE, by="both")
    fields: dict[str, dict[str, Any]] = {
        "edit": {"amount_minor": 11_000},
        "resolve": {"resolution": "succeeded", "evidence": {"a": "b"}},
    }
    for by in ("viewer", "requester", "operator", "approver", "admin", "both"):
        shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}", by=by)
        for action in shown.body["actions"]:
            if action["allowed"] or action["action"] == "lookup":
                continue
            name = action["action"]
            answer = await daemon.decide(refund, name, by=by, **fields.get(name, {}))
            assert answer.status in {403, 409}, (by, name, answer)
            assert action["reason"]
    shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}", by="approver")
    allowed = {it["action"] for it in shown.body["actions"] if it["allowed"]}
    assert allowed == {"approve", "refuse"}


async def test_look_up_now_asks_the_gateway(tmp_path: Path) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.pause_webhooks()
        box.add_payment("paypal-us", "2GG279541U471931P", 10_000, "USD")
        box.set_faults("none", {"pending_first": 1.0, "pending_seconds": 0.1})
        payment = await daemon.payment(
            account="paypal-us",
            gateway_reference="2GG279541U471931P",
            currency="USD",
            captured_minor=10_000,
        )
        refund = await daemon.refund(100, payment=payment, currency="USD")
        for by in ("approver", "approver2"):
            await daemon.decide(refund, "approve", by=by)
        pending = await daemon.becomes(refund, "pending")

        async def paid() -> bool:
            path = f"/v1/refunds/{pending['id']}/lookup"
            answer = await daemon.call("POST", path)
            return answer.status in {200, 409}

        await paid()
        await until(lambda: daemon.is_in(refund, "succeeded"))
