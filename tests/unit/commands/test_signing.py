"""A person's decision is signed as it was shown, by agent, ssh-keygen or paste."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.api import models as m
from refundwatch.api.models_operators import ChallengeView, HeadView, SessionView
from refundwatch.api.models_proof import ConsistencyView
from refundwatch.domain.audit import salted_commitment
from refundwatch.domain.decision import parse_statement, request_sha256
from refundwatch.domain.merkle import (
    consistency_proof,
    head_at,
    leaf_hash,
    nodes_of,
)
from refundwatch.domain.order import parse_order
from refundwatch.security.sshsig import (
    namespace,
    parse_public_key,
    public_key_of,
    sign,
    verify,
)
from tests.ssh_agents import load_key, make_key, running_agent
from tests.unit.commands.views import AT, connection, detail, refund
from tests.unit.security.sshsig_making import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import Call, FakeHub

INSTANCE = "refundwatch.example"
DECISION = namespace("decision", INSTANCE)
NODES = nodes_of([leaf_hash(bytes([number])) for number in range(9)])
SHOWN = detail().refund
DIGEST = request_sha256(
    refund_id=SHOWN.id,
    revision=SHOWN.revision,
    account=SHOWN.account,
    payment_id=SHOWN.payment_id,
    amount_minor=SHOWN.amount.minor,
    currency=SHOWN.amount.currency,
    exponent=SHOWN.amount.exponent,
    reason_code=SHOWN.reason_code,
)
ID = SHOWN.id
REASON = ("--reason-code", "asked", "--reason", "The customer called.")


def head(size: int) -> HeadView:
    return HeadView(size=size, root=head_at(size, NODES).root().hex())


def proved(call: Call) -> ConsistencyView:
    old, new = int(call.query["from"]), int(call.query["to"])
    nodes = consistency_proof(old, new, NODES)
    return ConsistencyView(old=old, new=new, proof=[node.hex() for node in nodes])


def status(**changes: Any) -> m.StatusView:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "instance": INSTANCE,
        "mode": "sandbox",
        "version": "0",
        "policy_version": "p1",
        "started_at": now,
        "now": now,
        "draining": False,
        "last_seq": 5,
    }
    return m.StatusView(**(values | changes))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def socket(key: Path) -> Iterator[str]:
    with running_agent() as path:
        load_key(path, key)
        yield path


@pytest.fixture
def desk(hub: FakeHub) -> FakeHub:
    """A hub that shows one refund to a person."""
    hub.answer("refunds.show", detail(request_sha256=DIGEST))
    hub.answer("me", m.MeView(principal="person:ann", roles=[], permissions=[]))
    hub.answer("status", status())
    hub.answer("audit.head", head(5))
    hub.handlers["audit.consistency"] = proved
    view = m.DecidedView(refund=refund(state_word="not sent"), waiting_for=0)
    for action in ("approve", "refuse", "edit", "resolve"):
        hub.answer(f"refunds.{action}", view)
    return hub


@pytest.fixture
def agent(socket: str, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Ran]) -> str:
    monkeypatch.setenv("SSH_AUTH_SOCK", socket)
    return socket


def sent(hub: FakeHub, action: str, key: Path) -> tuple[Any, Any]:
    """The body that was sent, and its statement, once its signature was verified."""
    (call,) = hub.named(f"refunds.{action}")
    public = parse_public_key(key.with_suffix(".pub").read_text("utf-8"))
    statement = call.body["statement"].encode()
    verify(statement, call.body["signature"], namespace=DECISION, key=public)
    return call.body, parse_statement(statement)


def test_agent_signs_exactly_what_was_shown(
    run: Callable[..., Ran], desk: FakeHub, agent: str, key: Path
) -> None:
    ran = run("approvals", "approve", ID, typed="y\n")
    assert ran.code == 0, ran.err
    body, said = sent(desk, "approve", key)
    assert body["request_sha256"] == said.request_sha256 == DIGEST
    assert (said.actor, said.decision, said.refund_id) == ("person:ann", "approve", ID)
    assert (said.amount_minor, said.currency, said.exponent) == (1250, "GBP", 2)
    assert (said.instance, said.policy_version) == (INSTANCE, "p1")
    assert (said.proof.log_size, said.proof.log_root) == (5, head(5).root)
    assert body["reason_salt"] is None
    shown = json.loads(body["statement"])
    for name in set(shown) - {"issued_at", "expires_at", "nonce", "v", "type"}:
        assert f"    {name:<17} {shown[name]}\n" in ran.err
    assert "signed by agent with SHA256:" in ran.err
    assert ran.err.index("log_root") < ran.err.index("[y/N]")


def test_words_are_committed_to_by_the_salt_that_goes_along(
    run: Callable[..., Ran], desk: FakeHub, agent: str, key: Path
) -> None:
    assert run("approvals", "refuse", ID, *REASON, "--yes").code == 0
    body, said = sent(desk, "refuse", key)
    salt = bytes.fromhex(body["reason_salt"])
    assert said.reason_commitment == salted_commitment(salt, b"The customer called.")
    assert "customer called" not in body["statement"]


def test_edit_and_resolution_state_all_that_decides_them(
    run: Callable[..., Ran], desk: FakeHub, agent: str, key: Path
) -> None:
    amount = ("--amount", "10", "--refund-reason-code", "damaged")
    assert run("refunds", "edit", ID, *REASON, *amount, "--yes").code == 0
    _, said = sent(desk, "edit", key)
    assert (said.amount_minor, said.refund_reason_code) == (1000, "damaged")
    outcome = ("--outcome", "succeeded", "--evidence", "arn=123")
    assert run("refunds", "resolve", ID, *REASON, *outcome, "--yes").code == 0
    _, said = sent(desk, "resolve", key)
    assert said.evidence == {"arn": "123", "resolution": "succeeded"}


def test_no_signs_nothing(
    run: Callable[..., Ran], desk: FakeHub, agent: str, key: Path
) -> None:
    assert run("approvals", "approve", ID, typed="n\n").code == 1
    assert desk.named("refunds.approve") == []


def test_every_statement_has_a_nonce_of_its_own(
    run: Callable[..., Ran], desk: FakeHub, agent: str
) -> None:
    for _ in range(2):
        assert run("approvals", "approve", ID, "--yes").code == 0
    nonces = {
        json.loads(call.body["statement"])["nonce"]
        for call in desk.named("refunds.approve")
    }
    assert len(nonces) == 2
    assert {len(nonce) for nonce in nonces} == {22}


# --- orders about no refund ---------------------------------------------------------


def test_circuit_is_tripped_by_a_signed_order(
    run: Callable[..., Ran], desk: FakeHub, agent: str, key: Path
) -> None:
    desk.answer("connections.circuit", connection())
    flags = ("--for", "30m", *REASON)
    ran = run("connections", "trip", "stripe-uk/primary", *flags, typed="y\n")
    assert ran.code == 0, ran.err
    body, said = ordered(desk, "connections.circuit", key)
    assert (said.act, said.subject) == ("circuit.trip", "stripe-uk/primary")
    assert said.detail == {"part": "orders", "lasts": "1800 seconds"}
    assert body["seconds"] == 1800
    salt = bytes.fromhex(body["reason_salt"])
    assert said.reason_commitment == salted_commitment(salt, b"The customer called.")
    shown = ran.err[: ran.err.index("[y/N]")]
    for word in ("circuit.trip", "stripe-uk/primary", "1800 seconds"):
        assert word in shown
    ran = run("connections", "trip", "stripe-uk/primary", *flags, typed="n\n")
    assert (ran.code, len(desk.named("connections.circuit"))) == (1, 1)


def test_freeze_that_is_shown_is_lifted_by_a_signed_order(
    run: Callable[..., Ran], desk: FakeHub, agent: str, key: Path
) -> None:
    frozen = detail().payment.model_copy(update={"frozen": "dispute", "frozen_at": AT})
    desk.answer("payments.show", frozen)
    desk.answer("payments.unfreeze", frozen.model_copy(update={"frozen": None}))
    flags = ("--reason-code", "checked")
    ran = run("payments", "unfreeze", frozen.id, *flags, typed="y\n")
    assert ran.code == 0, ran.err
    _, said = ordered(desk, "payments.unfreeze", key)
    assert (said.act, said.subject, said.reason_commitment) == (
        "payment.unfreeze",
        frozen.id,
        None,
    )
    assert said.detail == {
        "was": "dispute",
        "since": AT.isoformat(timespec="microseconds"),
    }
    assert "frozen: dispute" in ran.err
    desk.answer("payments.show", frozen.model_copy(update={"frozen": None}))
    ran = run("payments", "unfreeze", frozen.id, *flags, "--yes")
    assert "is not frozen" in ran.err
    assert len(desk.named("payments.unfreeze")) == 1


def ordered(hub: FakeHub, route: str, key: Path) -> tuple[Any, Any]:
    """The body that was sent, and its order, once its signature was verified."""
    (call,) = hub.named(route)
    public = parse_public_key(key.with_suffix(".pub").read_text("utf-8"))
    statement = call.body["statement"].encode()
    verify(statement, call.body["signature"], namespace=DECISION, key=public)
    return call.body, parse_order(statement)


# --- what is not signed -----------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "sentence", "code"),
    [
        ({"amount": SHOWN.amount.model_copy(update={"minor": 1})}, "digest", 4),
        ({"request_sha256": "0" * 64}, "digest", 4),
    ],
)
def test_content_that_is_not_that_of_its_digest_is_not_signed(
    told: dict[str, Any],
    sentence: str,
    code: int,
    run: Callable[..., Ran],
    desk: FakeHub,
    agent: str,
) -> None:
    desk.answer("refunds.show", detail(**{"request_sha256": DIGEST, **told}))
    ran = run("approvals", "approve", ID, "--yes")
    assert (ran.code, sentence in ran.err) == (code, True), ran.err
    assert desk.named("refunds.approve") == []


def test_nothing_is_signed_after_a_log_that_was_rewritten(
    run: Callable[..., Ran], desk: FakeHub, agent: str, tmp_path: Path
) -> None:
    assert run("approvals", "approve", ID, "--yes").code == 0
    kept = tmp_path / "state" / "refundwatch" / f"{INSTANCE}.head.json"
    assert json.loads(kept.read_text()) == {"size": 5, "root": head(5).root}
    for size, root in ((4, head(4).root), (5, head(4).root), (9, head(8).root)):
        desk.answer("audit.head", HeadView(size=size, root=root))
        ran = run("approvals", "approve", ID, "--yes")
        assert ran.code == 4
        assert "does not continue the one of 5 entries" in ran.err
    assert json.loads(kept.read_text())["size"] == 5
    assert len(desk.named("refunds.approve")) == 1


def test_log_that_grew_is_followed_by_its_proof(
    run: Callable[..., Ran], desk: FakeHub, agent: str, tmp_path: Path
) -> None:
    for size in (5, 5, 8):
        desk.answer("audit.head", head(size))
        assert run("approvals", "approve", ID, "--yes").code == 0
    (asked,) = desk.named("audit.consistency")
    assert asked.query == {"from": "5", "to": "8"}
    kept = tmp_path / "state" / "refundwatch" / f"{INSTANCE}.head.json"
    assert json.loads(kept.read_text()) == {"size": 8, "root": head(8).root}


def test_login_warns_of_a_log_that_was_rolled_back(
    run: Callable[..., Ran], desk: FakeHub, agent: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    asked = ChallengeView(
        nonce="n" * 43,
        instance=INSTANCE,
        issued_at=now,
        expires_at=now + timedelta(minutes=1),
    )
    desk.answer("login.challenge", asked)
    opened = SessionView(token="rws_x", person="person:ann", expires_at=now)
    desk.answer("login.answer", opened)
    desk.answer("audit.head", head(8))
    ran = run("login", "--as", "person:ann")
    assert (ran.code, "WARNING" in ran.err) == (0, False), ran.err
    assert desk.named("audit.head")[0].token == "Bearer rws_x"
    desk.answer("audit.head", head(5))
    ran = run("login", "--as", "person:ann")
    assert ran.code == 4
    assert "WARNING: The audit log of refundwatch.example does not continue" in ran.err
    kept = tmp_path / "state" / "refundwatch" / f"{INSTANCE}.head.json"
    assert json.loads(kept.read_text())["size"] == 8


@pytest.mark.parametrize(("minutes", "word"), [(2, "behind"), (-2, "ahead of")])
def test_clock_that_is_wrong_is_told_before_anything_is_signed(
    minutes: int, word: str, run: Callable[..., Ran], desk: FakeHub, agent: str
) -> None:
    now = datetime.now(UTC) + timedelta(minutes=minutes)
    desk.answer("status", status(now=now))
    ran = run("approvals", "approve", ID, "--yes")
    assert ran.code == 3
    assert f"seconds {word} the daemon's" in ran.err


def test_machine_signs_nothing_and_needs_no_agent(
    run: Callable[..., Ran], desk: FakeHub
) -> None:
    desk.answer("me", m.MeView(principal="machine:shop", roles=[], permissions=[]))
    assert run("refunds", "edit", ID, *REASON, "--amount", "10", "--yes").code == 0
    assert desk.named("refunds.edit")[0].body["statement"] is None


def test_daemon_that_asks_no_signature_gets_none_and_that_is_shown(
    run: Callable[..., Ran], desk: FakeHub
) -> None:
    """A sandbox without root operators knows no key: nobody could sign there."""
    me = m.MeView(principal="person:ann", roles=[], permissions=[], signs=False)
    desk.answer("me", me)
    ran = run("approvals", "approve", ID, "--yes")
    assert ran.code == 0, ran.err
    assert "not signed: the daemon asks no signature of person:ann" in ran.err
    body = desk.named("refunds.approve")[0].body
    assert (body["statement"], body["signature"]) == (None, None)


def test_machine_signs_nothing_whatever_the_daemon_says(
    run: Callable[..., Ran], desk: FakeHub, agent: str
) -> None:
    me = m.MeView(principal="machine:shop", roles=[], permissions=[], signs=True)
    desk.answer("me", me)
    assert run("refunds", "edit", ID, *REASON, "--amount", "10", "--yes").code == 0
    assert desk.named("refunds.edit")[0].body["statement"] is None


def test_no_agent_is_told_with_what_to_do(
    run: Callable[..., Ran], desk: FakeHub
) -> None:
    ran = run("approvals", "approve", ID, "--yes")
    assert ran.code == 78
    assert "SSH_AUTH_SOCK is not set" in ran.err
    assert desk.named("refunds.approve") == []


# --- the other ways ---------------------------------------------------------------


def test_ssh_keygen_signs_when_it_is_asked(
    run: Callable[..., Ran], desk: FakeHub, key: Path
) -> None:
    ran = run(
        *("approvals", "approve", ID, "--yes", "--sign", "keygen", "--key", f"{key}")
    )
    assert ran.code == 0, ran.err
    sent(desk, "approve", key)


def test_settings_name_way_and_key(
    run: Callable[..., Ran], desk: FakeHub, key: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "xdg" / "refundwatch"
    folder.mkdir(parents=True)
    settings = f'[signing]\nway = "keygen"\nkey = "{key}.pub"\n'
    (folder / "client.toml").write_text(settings)
    assert run("approvals", "approve", ID, "--yes").code == 0
    sent(desk, "approve", key)


def test_signature_made_elsewhere_is_pasted(
    run: Callable[..., Ran], desk: FakeHub, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def paste(last: str) -> str:
        assert last == "-----END SSH SIGNATURE-----"
        return elsewhere(shown[-1])

    monkeypatch.setattr("refundwatch.commands.signing.read_through", paste)
    monkeypatch.setattr("refundwatch.commands.signing.say", shown.append)
    flags = ("--yes", "--sign", "paste", "--key", f"{key}.pub")
    assert run("approvals", "approve", ID, *flags).code == 0
    body, _ = sent(desk, "approve", key)
    assert any(body["statement"] in text for text in shown)


def elsewhere(text: str) -> str:
    """Run the command that was shown."""
    command = next(line for line in text.splitlines() if line.startswith("printf"))
    assert shlex.split(command)[2:5] == [shlex.split(command)[2], "|", "ssh-keygen"]
    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, check=True, timeout=20
    )
    return ended.stdout.decode()


def test_paste_is_read_up_to_its_last_line_and_checked(
    run: Callable[..., Ran], desk: FakeHub, tmp_path: Path
) -> None:
    public = tmp_path / "id.pub"
    public.write_text(public_key_of(PRIVATE).line)
    wrong = sign(PRIVATE, b"another message", DECISION)
    flags = ("--sign", "paste", "--key", str(public))
    ran = run("approvals", "approve", ID, *flags, typed=f"y\n{wrong}more\n")
    assert ran.code == 4
    assert "It belongs to another message." in ran.err
    assert desk.named("refunds.approve") == []
