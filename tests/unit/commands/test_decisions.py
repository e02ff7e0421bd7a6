from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.api import models as m
from tests.unit.commands.hub import problem
from tests.unit.commands.views import SHA, detail, refund

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

ID = "rf_zyu2ea5dtys6qgtmgc"
REASON = ("--reason-code", "asked", "--reason", "The customer called.")
DECISIONS: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("approve", ("approvals", "approve", ID), {"reason_code": "approved"}),
    ("refuse", ("approvals", "refuse", ID, *REASON), {}),
    ("cancel", ("refunds", "cancel", ID, *REASON), {}),
    ("hold", ("refunds", "hold", ID, *REASON), {}),
    ("release", ("refunds", "release", ID, *REASON), {}),
    (
        "edit",
        ("refunds", "edit", ID, *REASON, "--amount", "10"),
        {"amount_minor": 1000, "refund_reason_code": None},
    ),
    (
        "resolve",
        (
            *("refunds", "resolve", ID, *REASON, "--outcome", "succeeded"),
            *("--evidence", "statement=line 7 = paid", "--evidence", "arn=123"),
        ),
        {
            "resolution": "succeeded",
            "evidence": {"statement": "line 7 = paid", "arn": "123"},
        },
    ),
]


@pytest.fixture
def decided(hub: FakeHub) -> m.DecidedView:
    view = m.DecidedView(refund=refund(state_word="not sent"), waiting_for=1)
    hub.answer("refunds.show", detail())
    # Machines sign nothing; how people do is in test_signing.
    hub.answer("me", m.MeView(principal="machine:shop", roles=[], permissions=[]))
    for action, _, _ in DECISIONS:
        hub.answer(f"refunds.{action}", view)
    return view


@pytest.mark.parametrize(("action", "arguments", "more"), DECISIONS)
def test_decision_sends_the_revision_and_digest_that_were_shown(
    action: str,
    arguments: tuple[str, ...],
    more: dict[str, Any],
    run: Callable[..., Ran],
    hub: FakeHub,
    decided: m.DecidedView,
) -> None:
    ran = run(*arguments, "--json", typed="y\n")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == json.loads(decided.model_dump_json())
    (call,) = hub.named(f"refunds.{action}")
    assert call.parts == {"refund": ID}
    reason = {"reason_code": "asked", "reason_text": "The customer called."}
    if action == "approve":
        reason = {"reason_code": "approved", "reason_text": None}  # type: ignore[dict-item]
    unsigned = dict.fromkeys(("statement", "signature", "reason_salt"))
    shown = {"revision": 3, "request_sha256": SHA}
    assert call.body == {**shown, **unsigned, **reason, **more}
    for text in (ID, "GBP 12.50", "needs approval", "revision 3"):
        assert text in ran.err
    assert "1 more person must agree" in ran.err


@pytest.mark.parametrize(("action", "arguments", "more"), DECISIONS)
@pytest.mark.parametrize("typed", ["\n", "no\n", ""])
def test_no_is_the_default_and_sends_nothing(
    typed: str,
    action: str,
    arguments: tuple[str, ...],
    more: dict[str, Any],
    run: Callable[..., Ran],
    hub: FakeHub,
    decided: m.DecidedView,
) -> None:
    ran = run(*arguments, typed=typed)
    assert ran.code == 1
    assert [call.name for call in hub.calls] == ["refunds.show", "me"]
    assert "Nothing was sent." in ran.err


@pytest.mark.parametrize(("action", "arguments", "more"), DECISIONS)
def test_without_a_terminal_yes_is_required(
    action: str,
    arguments: tuple[str, ...],
    more: dict[str, Any],
    run: Callable[..., Ran],
    hub: FakeHub,
    decided: m.DecidedView,
) -> None:
    assert run(*arguments).code == 2
    assert hub.calls == []
    assert run(*arguments, "--yes").code == 0
    assert len(hub.named(f"refunds.{action}")) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("refunds", "cancel", ID),
        ("approvals", "refuse", ID),
        ("refunds", "resolve", ID, *REASON, "--outcome", "succeeded"),
        ("refunds", "resolve", ID, *REASON, "--outcome", "lost", "--evidence", "a=b"),
        ("refunds", "resolve", ID, *REASON, "--outcome", "resend", "--evidence", "a"),
        (
            *("refunds", "resolve", ID, *REASON, "--outcome", "resend"),
            *("--evidence", "a=b", "--evidence", "a=c"),
        ),
        ("refunds", "cancel", ID, "--reason-code", "Not A Code"),
        ("refunds", "cancel", ID, "--reason-code", "x", "--ye"),
    ],
)
def test_incomplete_decision_is_a_usage_error(
    arguments: tuple[str, ...],
    run: Callable[..., Ran],
    hub: FakeHub,
    decided: m.DecidedView,
) -> None:
    ran = run(*arguments, *(() if "--ye" in arguments else ("--yes",)))
    assert ran.code == 2
    assert {it.name for it in hub.calls} <= {"refunds.show"}


@pytest.mark.parametrize("amount", ["10.005", "-5", "1,0", "ten"])
def test_edit_to_a_bad_amount_sends_nothing(
    amount: str, run: Callable[..., Ran], hub: FakeHub, decided: m.DecidedView
) -> None:
    ran = run("refunds", "edit", ID, *REASON, f"--amount={amount}", "--yes")
    assert ran.code != 0
    assert hub.named("refunds.edit") == []


def test_edit_reads_the_amount_by_the_exponent_on_the_wire(
    run: Callable[..., Ran], hub: FakeHub, decided: m.DecidedView
) -> None:
    dinar = m.AmountView(minor=1500, currency="KWD", exponent=3)
    hub.answer("refunds.show", detail(amount=dinar))
    assert run("refunds", "edit", ID, *REASON, "--amount", "1.2", "--yes").code == 0
    assert hub.named("refunds.edit")[0].body["amount_minor"] == 1200


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (409, "refund.stale_revision", 4),
        (422, "request.invalid", 4),
        (403, "policy.denied", 4),
        (403, "policy.role_missing", 77),
        (401, "auth.required", 77),
        (404, "refund.unknown", 1),
        (429, "auth.throttled", 3),
        (503, "store.closed", 3),
        (500, "internal", 1),
    ],
)
def test_refusal_has_its_exit_code_and_sentence(
    status: int,
    code: str,
    expected: int,
    run: Callable[..., Ran],
    hub: FakeHub,
    decided: m.DecidedView,
) -> None:
    hub.answer("refunds.approve", problem(status, code, "It \x1b[2Jchanged."))
    ran = run("approvals", "approve", ID, "--yes")
    assert ran.code == expected
    assert "changed." in ran.err
    assert "\x1b" not in ran.err
    assert ran.out == ""


def test_lookup_asks_nothing(run: Callable[..., Ran], hub: FakeHub) -> None:
    hub.answer("refunds.lookup", refund(state_word="sent, no answer"))
    ran = run("refunds", "lookup", ID)
    assert (ran.code, ran.err) == (0, "")
    assert "sent, no answer" in ran.out


# --- one request -------------------------------------------------------------------

CREATE = (
    *("refunds", "create", "--request-id", "R1", "--payment", "536365"),
    *("--account", "stripe-uk", "--amount", "12.5", "--currency", "GBP"),
    *("--reason-code", "damaged", "--expected-remaining", "139.12"),
)


@pytest.fixture
def made(hub: FakeHub) -> m.CreatedRefundView:
    view = m.CreatedRefundView(created=True, refund=refund())
    hub.answer("refunds.create", (201, view))
    return view


def test_created_refund_is_sent_exactly(
    run: Callable[..., Ran], hub: FakeHub, made: m.CreatedRefundView
) -> None:
    ran = run(*CREATE, "--json", typed="yes\n")
    assert json.loads(ran.out) == json.loads(made.model_dump_json())
    assert "GBP 12.5 of payment 536365 at stripe-uk, as request R1?" in ran.err
    assert hub.calls[0].body == {
        "request_id": "R1",
        "payment": "536365",
        "account": "stripe-uk",
        "amount_minor": 1250,
        "currency": "GBP",
        "reason_code": "damaged",
        "reason_text": None,
        "expected_remaining_minor": 13912,
        "invoice": None,
    }


def test_creating_without_a_yes_sends_nothing(
    run: Callable[..., Ran], hub: FakeHub, made: m.CreatedRefundView
) -> None:
    assert run(*CREATE).code == 2
    assert run(*CREATE, typed="\n").code == 1
    assert hub.calls == []


def test_same_request_again_says_so(run: Callable[..., Ran], hub: FakeHub) -> None:
    hub.answer("refunds.create", m.CreatedRefundView(created=False, refund=refund()))
    assert "stood already" in run(*CREATE, "--yes").err
