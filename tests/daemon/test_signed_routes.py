"""Which changing routes need a person's signed statement: a choice for each of them.

A new route that changes something and stands in neither table fails here.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.api.deciding import Standing
from refundwatch.api.drafts import SignedDecision
from refundwatch.api.heads import LogHead
from refundwatch.api.models import PaymentView, SignedBody
from refundwatch.api.models_operators import CosignBody, EnrolmentBody
from refundwatch.api.models_orders import CircuitBody, UnfreezeBody
from refundwatch.api.ordering import circuit_order, unfreeze_order
from refundwatch.api.paths import ROUTES, route
from refundwatch.domain.audit import salted_commitment
from refundwatch.domain.merkle import EMPTY_ROOT
from tests.daemon.test_operators import (
    INSTANCE,
    Office,
    fingerprint,
    office,
    signature,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from refundwatch.api.ordering import AskedOrder

DECISIONS = ("approve", "refuse", "edit", "cancel", "hold", "release", "resolve")
SIGNED = {
    "operators.propose": "enrolment, roles, revocation",
    "operators.sign": "the second root's word",
    "payments.unfreeze": "a lifted freeze lets money leave again",
    "connections.circuit": "a circuit stops money, or lets it leave",
    **{f"refunds.{verb}": "a decision about money" for verb in DECISIONS},
}
UNSIGNED = {
    "login.challenge": "nobody is logged in yet",
    "login.answer": "it is itself a signed answer",
    "logout": "it takes rights away from its caller alone",
    "payments.create": "machines tell payments; it moves nothing",
    "payments.bulk": "machines tell payments; it moves nothing",
    "invoices.create": "machines tell invoices; it moves nothing",
    "invoices.bulk": "machines tell invoices; it moves nothing",
    "customers.unmask": "it shows, and is audited",
    "customers.erase": "it moves no money",
    "refunds.create": "who asks may never approve",
    "refunds.bulk": "who asks may never approve",
    "refunds.lookup": "it reads at the gateway",
    "accounts.backfill": "it reads at the gateway",
    "deliveries.replay": "what was verified once is applied once more",
    "alarms.acknowledge": "it says who has seen it",
    "config.reload": "the file is the host's; roots stay as they were read",
    "audit.recover": "two people; nothing is sent before gateways were asked",
    "tokens.create": "a token of a person only reads",
    "tokens.rotate": "a token of a person only reads",
    "tokens.revoke": "it takes rights away",
    "keys.rotate": "it moves no money",
}


def test_every_changing_route_is_signed_or_says_why_not() -> None:
    changing = {it.name for it in ROUTES if it.method != "GET"}
    assert changing == set(SIGNED) | set(UNSIGNED)
    assert not set(SIGNED) & set(UNSIGNED)


def test_table_of_routes_says_the_same() -> None:
    assert {it.name for it in ROUTES if it.signed} == set(SIGNED)
    for name in SIGNED:
        body = route(name).body
        assert body is not None
        assert issubclass(body, SignedBody | EnrolmentBody | CosignBody), name
    for name in UNSIGNED:
        body = route(name).body
        assert body is None or not issubclass(body, SignedBody), name


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    """One daemon whose roots have hired two persons."""
    async with office(tmp_path) as found:
        for person in ("ola", "ann"):
            await found.hire(person)
            await found.log_in(person)
        yield found


async def test_unsigned_word_of_a_person_is_refused_and_written_down(
    desk: Office,
) -> None:
    """Every signed route, by somebody who may: a session alone does not suffice."""
    decided = await desk.refund()
    held = await desk.refund()
    assert (await desk.decide(held, "hold", "ola")).status == 200
    held = await desk.shown(held)
    disputed = await desk.refund()
    await desk.daemon.tamper(
        "UPDATE refund SET state = 'review', review_reason = 'contradiction' "
        f"WHERE id = '{disputed['id']}'"
    )
    await desk.daemon.tamper(
        f"UPDATE payment SET frozen = 'dispute' WHERE id = '{disputed['payment_id']}'"
    )
    about = {"release": held, "resolve": disputed}
    more = {
        "edit": {"amount_minor": 5},
        "resolve": {"resolution": "declined", "evidence": {"seen": "the books"}},
    }
    seen = set()

    async def tried(name: str, path: str, body: Any, by: str) -> None:
        seen.add(name)
        answer = await desk.post(path, body, by=by)
        await desk.refused(answer, "signature_missing")
        assert "signed with its own key" in answer.body["detail"]

    for verb in DECISIONS:
        it = about.get(verb, decided)
        body = {
            "revision": it["revision"],
            "request_sha256": it["request_sha256"],
            "reason_code": "seen",
            **more.get(verb, {}),
        }
        by = "ann" if verb in {"approve", "refuse"} else "ola"
        await tried(f"refunds.{verb}", f"refunds/{it['id']}/{verb}", body, by)
    trip = {"standing": "open", "reason_code": "seen"}
    path = "connections/stripe-uk/main/circuit"
    await tried("connections.circuit", path, trip, "ola")
    path = f"payments/{disputed['payment_id']}/unfreeze"
    await tried("payments.unfreeze", path, {"reason_code": "seen"}, "ola")
    # What roots say has no form without a signature.
    for name in ("operators.propose", "operators.sign"):
        path = route(name).path[1:].replace("{statement}", "0" * 64)
        body = {"statement": "{}"} if name == "operators.propose" else {}
        answer = await desk.post(path, body, by="root")
        assert (answer.status, answer.body["field"]) == (422, "signature"), answer
        seen.add(name)
    assert seen == set(SIGNED)


async def test_orders_that_clients_build_are_what_the_daemon_checks(
    desk: Office,
) -> None:
    it = desk
    frozen = await it.refund()
    payment = frozen["payment_id"]
    await it.daemon.tamper(
        f"UPDATE payment SET frozen = 'dispute' WHERE id = '{payment}'"
    )
    words = {"reason_code": "seen", "reason_text": "Ada called"}
    trip = CircuitBody.model_validate({"standing": "open", "seconds": 60, **words})
    shut = CircuitBody(standing="closed", part="reads", reason_code="seen")
    view = PaymentView.model_validate_json(
        json.dumps(await it.get(f"payments/{payment}", by="ola"))
    )
    circuit = "connections/stripe-uk/main/circuit"
    for asked, path in (
        (circuit_order("stripe-uk/main", trip), circuit),
        (circuit_order("stripe-uk/main", shut), circuit),
        (
            unfreeze_order(view, UnfreezeBody.model_validate(words)),
            f"payments/{payment}/unfreeze",
        ),
    ):
        answer = await it.post(path, signed_by(it, asked, "ola"), by="ola")
        assert answer.status == 200, answer
        # Once more is a replay, or no longer what stands there.
        again = await it.post(path, signed_by(it, asked, "ann"), by="ola")
        assert again.status in {403, 409}, again
    rows = it.daemon.query("SELECT act, actor, subject FROM signed_order ORDER BY at")
    assert rows == [
        ("circuit.trip", "person:ola", "stripe-uk/main"),
        ("circuit.close", "person:ola", "stripe-uk/main"),
        ("payment.unfreeze", "person:ola", payment),
    ]
    assert "Ada" not in str(it.daemon.rows("signed_order"))


def signed_by(it: Office, asked: AskedOrder, person: str) -> Any:
    """The request that a client of this person would send."""
    salt = None if asked.reason_text is None else bytes(range(16))
    text = asked.reason_text
    commitment = None
    if salt is not None and text is not None:
        commitment = salted_commitment(salt, text.encode())
    standing = Standing(
        actor=f"person:{person}",
        key=fingerprint(person),
        instance=INSTANCE,
        policy_version=it.daemon.hub.policy.version,
        head=LogHead(0, EMPTY_ROOT.hex()),
    )
    message = asked.message(standing, commitment, it.now(), secrets.token_bytes(16))
    made = SignedDecision(
        message.decode(),
        signature(person, message, "decision"),
        None if salt is None else salt.hex(),
    )
    return made.put_into(asked.body).model_dump(mode="json")
