"""People decide by their keys: enrolment, login, and every way around them."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from refundwatch.api.paths import PREFIX, ROUTES
from refundwatch.domain.decision import Decision, Proof, Verdict
from refundwatch.domain.enrolment import FIRST_PREVIOUS, Act, Enrolment
from refundwatch.domain.login import Login
from refundwatch.domain.merkle import EMPTY_ROOT
from refundwatch.domain.policy import Role
from refundwatch.domain.proofs import verify_consistency
from refundwatch.errors import ConfigError
from refundwatch.security.sshsig import (
    namespace,
    parse_public_key,
    public_key_of,
    sign,
)
from tests.daemon.furnishing import config_text
from tests.daemon.living import Living, ShiftedClock, give_token, living, until
from tests.signing import nonce

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

INSTANCE = "hub.test"
KEYS = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
    for number, name in enumerate(
        ("root", "toor", "ann", "ann2", "ben", "ola", "pia", "max"), start=1
    )
}
ROLES = {
    "ann": {Role.APPROVER},
    "ben": {Role.APPROVER},
    "ola": {Role.OPERATOR},
    "pia": {Role.OPERATOR},
    "max": {Role.OPERATOR, Role.APPROVER},
}


def line(name: str) -> str:
    return public_key_of(KEYS[name]).line


def fingerprint(name: str) -> str:
    return public_key_of(KEYS[name]).fingerprint


def signature(name: str, message: bytes, purpose: str) -> str:
    return sign(KEYS[name], message, namespace(purpose, INSTANCE))


class Office:
    """A daemon whose people have keys."""

    def __init__(self, daemon: Living, clock: ShiftedClock) -> None:
        self.daemon = daemon
        self.clock = clock
        self.tokens: dict[str, str] = {}

    def now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)

    async def challenge(self, person: str, key: str) -> Any:
        body = {"actor": f"person:{person}", "key": key}
        return await self.daemon.call("POST", "/v1/login/challenge", body, by=None)

    async def answer(self, person: str, key: str, asked: Any, **more: Any) -> Any:
        said = Login(
            instance=asked["instance"],
            actor=f"person:{person}",
            key=fingerprint(key),
            server_spki_sha256=None,
            nonce=asked["nonce"],
            issued_at=moment(asked["issued_at"]),
            expires_at=moment(asked["expires_at"]),
        )
        message = replace(said, **more).statement()
        body = {
            "message": message.decode(),
            "signature": signature(key, message, "login"),
        }
        return await self.daemon.call("POST", "/v1/login/answer", body, by=None)

    async def log_in(self, person: str, key: str | None = None) -> str:
        asked = await self.challenge(person, fingerprint(key or person))
        answer = await self.answer(person, key or person, asked.body)
        assert answer.status == 200, answer
        self.tokens[person] = str(answer.body["token"])
        return self.tokens[person]

    async def say(self, act: Act, person: str, *by: str, **fields: Any) -> Any:
        """Let roots state something about a person; give the last answer."""
        listed = await self.get("operators", by="root")
        at = self.now()
        said = Enrolment(
            instance=INSTANCE,
            act=act,
            person=f"person:{person}",
            key=fields.pop("key", None),
            public_key=fields.pop("public_key", None),
            roles=fields.pop("roles", None),
            reason="staff",
            previous=listed["head"],
            nonce=nonce() + "x" * 10,
            issued_at=at,
            expires_at=at + timedelta(hours=1),
        )
        message = said.statement()
        first, *rest = by or ("root", "toor")
        answer = await self.post(
            "operators/statements",
            {
                "statement": message.decode(),
                "signature": signature(first, message, "enrol"),
            },
            by=first,
        )
        for root in rest:
            assert answer.status in {200, 201}, answer
            answer = await self.post(
                f"operators/statements/{said.digest}/sign",
                {"signature": signature(root, message, "enrol")},
                by=root,
            )
        return answer

    async def hire(self, person: str, key: str | None = None) -> None:
        known = key or person
        answer = await self.say(
            Act.ENROL,
            person,
            key=fingerprint(known),
            public_key=line(known),
            roles=frozenset(ROLES[person]),
        )
        assert answer.body["number"] is not None, answer

    async def get(self, path: str, *, by: str) -> Any:
        found = await self.daemon.call("GET", f"/v1/{path}", token=self.tokens[by])
        assert found.status == 200, found
        return found.body

    async def post(self, path: str, body: Any, *, by: str) -> Any:
        return await self.daemon.call(
            "POST", f"/v1/{path}", body, token=self.tokens[by]
        )

    async def refund(self, amount_minor: int = 10_000, *, by: str = "ola") -> Any:
        payment = await self.post(
            "payments",
            {
                "account": "stripe-uk",
                "gateway_reference": f"pi_{nonce()}",
                "captured_minor": 100_000,
                "currency": "GBP",
            },
            by="ola",
        )
        assert payment.status == 201, payment
        made = await self.post(
            "refunds",
            {
                "request_id": nonce(),
                "payment": payment.body["id"],
                "amount_minor": amount_minor,
                "currency": "GBP",
                "reason_code": "returned",
            },
            by=by,
        )
        assert made.status == 201, made
        return made.body["refund"]

    def statement(
        self, it: Any, verdict: str, person: str, key: str | None = None, **more: Any
    ) -> Decision:
        at = self.now()
        said = Decision(
            actor=f"person:{person}",
            decision=Verdict(verdict),
            instance=INSTANCE,
            gateway=it["gateway"],
            payment_id=it["payment_id"],
            refund_id=it["id"],
            revision=it["revision"],
            request_sha256=it["request_sha256"],
            amount_minor=it["amount"]["minor"],
            currency=it["amount"]["currency"],
            exponent=it["amount"]["exponent"],
            reason="seen",
            policy_version=self.daemon.hub.policy.version,
            issued_at=at,
            proof=Proof(
                key=fingerprint(key or person),
                log_size=0,
                log_root=EMPTY_ROOT.hex(),
                nonce=nonce(),
                expires_at=at + timedelta(minutes=5),
            ),
        )
        return replace(said, **more)

    async def decide(
        self,
        it: Any,
        verdict: str,
        person: str,
        *,
        key: str | None = None,
        said: Decision | None = None,
        signed: str | None = None,
        **fields: Any,
    ) -> Any:
        stated = said or self.statement(it, verdict, person, key)
        message = stated.statement()
        made = signed or signature(key or person, message, "decision")
        body = {
            "revision": it["revision"],
            "request_sha256": it["request_sha256"],
            "reason_code": "seen",
            "statement": message.decode(),
            "signature": made,
            **fields,
        }
        return await self.post(f"refunds/{it['id']}/{verdict}", body, by=person)

    async def shown(self, it: Any) -> Any:
        return (await self.get(f"refunds/{it['id']}", by="ola"))["refund"]

    async def refused(self, answer: Any, code: str, *, status: int = 403) -> None:
        """The answer is a refusal, and the log says why."""
        assert answer.status == status, answer
        denials = [
            row["data"]["reason"]
            for row in await self.daemon.audit()
            if row["kind"] in {"refund:decision:denied", "request:denied"}
        ]
        assert denials, "nothing is written down"
        assert denials[-1].partition(":")[0] == code


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@asynccontextmanager
async def office(folder: Path, **how: Any) -> AsyncIterator[Office]:
    clock = ShiftedClock()
    roots = folder / "roots"
    if not roots.exists():
        roots.touch(mode=0o600)
        roots.write_text(f"person:root {line('root')}\nperson:toor {line('toor')}\n")
    text = config_text(**how) + '\n[operators]\nroots = "roots"\n'
    async with living(folder, text=text, clock=clock, people=False) as daemon:
        found = Office(daemon, clock)
        for root in ("root", "toor"):
            await found.log_in(root)
        yield found


@pytest.fixture
async def staffed(tmp_path: Path) -> AsyncIterator[Office]:
    """A daemon whose roots have hired everybody."""
    async with office(tmp_path) as found:
        for person in ROLES:
            await found.hire(person)
            await found.log_in(person)
        yield found


async def test_people_are_told_that_they_sign_and_machines_that_they_do_not(
    staffed: Office,
) -> None:
    assert (await staffed.get("me", by="ann"))["signs"] is True
    roles = frozenset({Role.VIEWER})
    token = await give_token(staffed.daemon.hub, "machine:erp", roles)
    me = await staffed.daemon.call("GET", "/v1/me", token=token)
    assert (me.body["principal"], me.body["signs"]) == ("machine:erp", False)


# --- enrolment --------------------------------------------------------------------


async def test_two_roots_enrol_and_the_list_is_replayed(tmp_path: Path) -> None:
    async with office(tmp_path) as it:
        waiting = await it.say(
            Act.ENROL,
            "ann",
            "root",
            key=fingerprint("ann"),
            public_key=line("ann"),
            roles=frozenset({Role.APPROVER}),
        )
        assert (waiting.status, waiting.body["waiting_for"]) == (201, 1)
        asked = await it.challenge("ann", fingerprint("ann"))
        assert (await it.answer("ann", "ann", asked.body)).status == 401
        await it.hire("ben")
        await it.log_in("ben")
    async with office(tmp_path) as it:
        await it.log_in("ben")
        listed = await it.get("operators", by="ben")
        roles = {row["person"]: row["roles"] for row in listed["items"]}
        assert roles["person:ben"] == ["approver"]
        assert "person:ann" not in roles


async def test_enrolments_proposed_at_once_come_into_force_one_after_another(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as it:
        at = it.now()
        said = [
            Enrolment(
                instance=INSTANCE,
                act=Act.ENROL,
                person=f"person:{name}",
                key=fingerprint(name),
                public_key=line(name),
                roles=frozenset(ROLES[name]),
                reason="staff",
                previous=FIRST_PREVIOUS,
                nonce=nonce() + "x" * 10,
                issued_at=at,
                expires_at=at + timedelta(hours=1),
            )
            for name in ("ann", "ben")
        ]
        for one in said:
            text = one.statement()
            proposed = await it.post(
                "operators/statements",
                {
                    "statement": text.decode(),
                    "signature": signature("root", text, "enrol"),
                },
                by="root",
            )
            assert proposed.status == 201, proposed
        for number, one in enumerate(said, start=1):
            body = {"signature": signature("toor", one.statement(), "enrol")}
            path = f"operators/statements/{one.digest}/sign"
            signed = await it.post(path, body, by="toor")
            assert signed.body["number"] == number, signed
        head = (await it.get("operators", by="root"))["head"]
    async with office(tmp_path) as it:
        assert (await it.get("operators", by="root"))["head"] == head
        for name in ("ann", "ben"):
            await it.log_in(name)
        # What was in force once is no way to give roles back.
        gone = await it.say(Act.REVOKE, "ann")
        assert gone.body["number"] == 3, gone
        text = said[0].statement()
        again = await it.post(
            "operators/statements",
            {"statement": text.decode(), "signature": signature("root", text, "enrol")},
            by="root",
        )
        assert (again.status, again.code) == (422, "enrolment.refused")


async def test_one_root_twice_or_a_stranger_enrols_nobody(tmp_path: Path) -> None:
    async with office(tmp_path) as it:
        twice = await it.say(
            Act.ENROL,
            "ann",
            "root",
            "root",
            key=fingerprint("ann"),
            public_key=line("ann"),
            roles=frozenset({Role.APPROVER}),
        )
        assert (twice.status, twice.code) == (422, "enrolment.refused")
        await it.hire("max")
        await it.log_in("max")
        it.tokens["max"] = it.tokens["root"]
        own = await it.say(Act.ROLE, "max", "max", roles=frozenset(Role))
        await it.refused(own, "root_key_needed")


@pytest.mark.parametrize(
    "forgery",
    [
        (
            "UPDATE enrolment SET statement = CAST("
            "replace(CAST(statement AS TEXT), 'approver', 'operator') AS BLOB)"
        ),
        "DELETE FROM enrolment WHERE number = 1",
        "DELETE FROM enrolment_signature WHERE person = 'person:toor'",
        "UPDATE enrolment_signature SET signature = 'x'",
        "UPDATE enrolment_head SET number = 0",
    ],
)
async def test_enrolment_changed_by_sql_leaves_nobody_but_the_roots(
    tmp_path: Path, forgery: str
) -> None:
    async with office(tmp_path) as it:
        await it.hire("ann")
        await it.daemon.tamper("DROP TRIGGER enrolment_identity")
        await it.daemon.tamper("DROP TRIGGER enrolment_in_force_once")
        await it.daemon.tamper("DROP TRIGGER enrolment_no_delete")
        await it.daemon.tamper("DROP TRIGGER enrolment_signature_no_update")
        await it.daemon.tamper("DROP TRIGGER enrolment_signature_no_delete")
        await it.daemon.tamper(forgery)
        assert "person:ann" in it.daemon.hub.people.roster.operators
    async with office(tmp_path) as it:
        assert "person:ann" not in it.daemon.hub.people.roster.operators
        alarms = await it.get("alarms", by="root")
        assert "operators_unproven" in [row["kind"] for row in alarms["items"]]


async def test_live_mode_without_two_roots_does_not_start(tmp_path: Path) -> None:
    text = config_text().replace('mode = "sandbox"', 'mode = "live"')
    text = text.replace("http://127", "https://127")
    with pytest.raises(ConfigError, match="root operators"):
        async with living(tmp_path, text=text, people=False):
            pass


@pytest.mark.parametrize("mode", [0o664, 0o602])
async def test_root_file_that_others_may_write_does_not_start(
    tmp_path: Path, mode: int
) -> None:
    roots = tmp_path / "roots"
    roots.write_text(f"person:root {line('root')}\n")
    roots.chmod(mode)
    with pytest.raises(ConfigError, match="others may write"):
        async with office(tmp_path):
            pass


# --- login ------------------------------------------------------------------------


async def test_strangers_hear_what_operators_hear(tmp_path: Path) -> None:
    async with office(tmp_path) as it:
        known = await it.challenge("root", fingerprint("root"))
        stranger = await it.challenge("nobody", fingerprint("ann"))
        assert known.status == stranger.status == 200
        assert known.body.keys() == stranger.body.keys()
        answers = [
            await it.answer("nobody", "ann", stranger.body),
            await it.answer("root", "ann", known.body),
        ]
        assert {(one.status, one.content) for one in answers} == {
            (401, answers[0].content)
        }
        refused = [
            row for row in await it.daemon.audit() if row["kind"] == "login:refused"
        ]
        assert [row["data"]["reason"] for row in refused] == [
            "key_unknown",
            "answers_another_challenge",
        ]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"instance": "other.test"}, "other_instance"),
        ({"server_spki_sha256": "0" * 64}, "other_server_key"),
        ({"nonce": "n" * 43}, "challenge_unknown"),
    ],
)
async def test_answer_for_another_daemon_is_refused(
    tmp_path: Path, more: dict[str, Any], reason: str
) -> None:
    async with office(tmp_path) as it:
        asked = await it.challenge("root", fingerprint("root"))
        assert (await it.answer("root", "root", asked.body, **more)).status == 401
        last = [row for row in await it.daemon.audit() if "login" in row["kind"]][-1]
        assert last["data"]["reason"] == reason


async def test_nonce_is_used_up_by_fifty_answers_at_once(tmp_path: Path) -> None:
    async with office(tmp_path) as it:
        asked = await it.challenge("root", fingerprint("root"))
        found = await asyncio.gather(
            *(it.answer("root", "root", asked.body) for _ in range(50))
        )
        assert sorted(one.status for one in found) == [200] + [401] * 49


async def test_nonce_is_used_up_by_a_wrong_answer_and_by_time(tmp_path: Path) -> None:
    async with office(tmp_path) as it:
        asked = (await it.challenge("root", fingerprint("root"))).body
        assert (await it.answer("root", "root", asked, instance="x.y")).status == 401
        assert (await it.answer("root", "root", asked)).status == 401
        asked = (await it.challenge("root", fingerprint("root"))).body
        it.clock.ahead += 61
        assert (await it.answer("root", "root", asked)).status == 401


async def test_too_many_challenges_lock_nobody_out_for_long(tmp_path: Path) -> None:
    async with office(tmp_path) as it:
        for _ in range(4):
            await it.challenge("root", fingerprint("root"))
        limited = await it.challenge("root", fingerprint("root"))
        assert (limited.status, limited.code) == (429, "auth.throttled")
        assert (await it.challenge("toor", fingerprint("toor"))).status == 200
        it.clock.ahead += 60
        await it.log_in("root")


async def test_session_ends_by_idleness_by_age_and_by_word(tmp_path: Path) -> None:
    async with office(tmp_path) as it:

        async def status() -> int:
            found = await it.daemon.call("GET", "/v1/me", token=it.tokens["root"])
            return found.status

        for _ in range(3):
            it.clock.ahead += 14 * 60
            assert await status() == 200
        it.clock.ahead += 16 * 60
        assert await status() == 401
        await it.log_in("root")
        for _ in range(34):
            it.clock.ahead += 14 * 60
            await status()
        it.clock.ahead += 14 * 60
        assert await status() == 401
        await it.log_in("root")
        assert (await it.post("logout", None, by="root")).status == 200
        assert await status() == 401


async def test_forged_session_row_is_no_session(tmp_path: Path) -> None:
    async with office(tmp_path) as it:
        await it.daemon.tamper("UPDATE session SET person = 'person:toor'")
        found = await it.daemon.call("GET", "/v1/me", token=it.tokens["root"])
        assert found.status == 401


async def test_revoked_key_on_an_open_socket_is_closed_at_once(
    staffed: Office,
) -> None:
    it = staffed
    headers = {"Authorization": f"Bearer {it.tokens['ann']}"}
    url = it.daemon.tcp + "/v1/events"
    async with it.daemon.tcp_http.ws_connect(url, headers=headers) as socket:
        assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
        answer = await it.say(Act.REVOKE, "ann", key=fingerprint("ann"))
        assert answer.body["number"] is not None

        async def ended() -> Any:
            message = await socket.receive()
            return message.type is aiohttp.WSMsgType.CLOSE and message

        closing = await until(ended, 1.0)
        assert closing.data == aiohttp.WSCloseCode.POLICY_VIOLATION
    found = await it.daemon.call("GET", "/v1/me", token=it.tokens["ann"])
    assert found.status == 401
    # Its owner, and whoever has it, comes back by no new session either.
    asked = await it.challenge("ann", fingerprint("ann"))
    assert (await it.answer("ann", "ann", asked.body)).status == 401
    told = await it.daemon.audit()
    changed = [row for row in told if row["kind"] == "operators:changed"][-1]["data"]
    assert (changed["act"], changed["key"]) == ("revoke", fingerprint("ann"))
    assert (told[-1]["kind"], told[-1]["data"]["reason"]) == (
        "login:refused",
        "key_unknown",
    )


async def test_key_that_could_never_sign_is_not_enrolled(tmp_path: Path) -> None:
    wide = ec.generate_private_key(ec.SECP521R1())
    public = wide.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    key = parse_public_key(public.decode())
    async with office(tmp_path) as it:
        answer = await it.say(
            Act.ENROL,
            "ann",
            "root",
            key=key.fingerprint,
            public_key=key.line,
            roles=frozenset({Role.APPROVER}),
        )
        assert (answer.status, answer.body["field"]) == (422, "public_key"), answer
        assert "signs nothing here" in answer.body["detail"]
        assert it.daemon.rows("enrolment") == []


async def test_token_of_a_person_only_reads(staffed: Office) -> None:
    it = staffed
    token = await give_token(it.daemon.hub, "person:ola", frozenset({Role.OPERATOR}))
    assert (await it.daemon.call("GET", "/v1/refunds", token=token)).status == 200
    refused = await it.daemon.call("POST", "/v1/payments", {}, token=token)
    assert (refused.status, refused.code) == (403, "policy.login_needed")
    refund = await it.refund()
    decided = await it.daemon.call(
        "POST",
        f"/v1/refunds/{refund['id']}/cancel",
        {
            "revision": 1,
            "request_sha256": refund["request_sha256"],
            "reason_code": "seen",
        },
        token=token,
    )
    await it.refused(decided, "signature_missing")


@pytest.mark.parametrize("person", ["person:root", "person:max", "person:stranger"])
async def test_stolen_token_of_a_person_looks_and_changes_nothing(
    staffed: Office, person: str
) -> None:
    it = staffed
    await it.refund()
    token = await give_token(it.daemon.hub, person, frozenset(Role))
    before = it.daemon.state()
    for route in ROUTES:
        if route.public or route.method == "GET":
            continue
        path = PREFIX + re.sub(r"{\w+}", "nothing", route.path)
        body: Any = None if route.body is None else {}
        answer = await it.daemon.call(route.method, path, body, token=token)
        if route.signed:
            # Past the door, but no further without a signature of its own.
            assert 400 <= answer.status < 500, (route.name, answer)
        else:
            found = (answer.status, answer.code)
            assert found == (403, "policy.login_needed"), (route.name, answer)
    assert it.daemon.state() == before


# --- decisions, and every way around them -----------------------------------------


async def test_signed_approval_is_kept_as_it_was_signed(staffed: Office) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "approve", "ann")
    assert (await it.decide(refund, "approve", "ann", said=said)).status == 200
    (row,) = it.daemon.query(
        "SELECT key, nonce, signature_sha256, statement_sha256 FROM decision"
    )
    assert said.proof is not None
    assert row[:2] == (said.proof.key, said.proof.nonce)
    entry = [row for row in await it.daemon.audit() if row["refund_id"]][1]
    assert entry["data"]["signature_sha256"] == row[2]
    assert entry["data"]["statement_sha256"] == row[3]


async def test_self_approval_over_the_api(staffed: Office) -> None:
    it = staffed
    refund = await it.refund(by="max")
    answer = await it.decide(refund, "approve", "max")
    await it.refused(answer, "own_refund")


async def test_second_key_of_the_same_person(staffed: Office) -> None:
    it = staffed
    added = await it.say(
        Act.ENROL, "ann", key=fingerprint("ann2"), public_key=line("ann2")
    )
    assert added.body["number"] is not None
    refund = await it.refund(60_000)
    assert (await it.decide(refund, "approve", "ann")).body["waiting_for"] == 1
    again = await it.decide(refund, "approve", "ann", key="ann2")
    await it.refused(again, "already_approved")


async def test_edit_after_approval(staffed: Office) -> None:
    it = staffed
    refund = await it.refund(60_000)
    await it.decide(refund, "approve", "ann")
    said = it.statement(refund, "edit", "pia", amount_minor=70_000)
    edited = await it.decide(refund, "edit", "pia", said=said, amount_minor=70_000)
    assert edited.status == 200, edited
    late = await it.decide(refund, "approve", "ben")
    assert (late.status, late.code) == (409, "refund.stale_revision")
    assert (await it.shown(refund))["approvals"] == 0
    told = [row for row in await it.daemon.audit() if row["refund_id"] == refund["id"]]
    assert [row["kind"] for row in told] == [
        "refund:created",
        "refund:approval:given",
        "refund:edited",
        "refund:decision:denied",
    ]
    assert told[-1]["actor"] == "person:ben"
    assert told[-1]["data"]["reason"] == "stale_revision"


async def test_edit_and_approval_at_once_have_one_winner(staffed: Office) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "edit", "pia", amount_minor=20_000)
    both = await asyncio.gather(
        it.decide(refund, "edit", "pia", said=said, amount_minor=20_000),
        it.decide(refund, "approve", "ann"),
    )
    assert sorted(one.status for one in both) == [200, 409]


async def test_replayed_statement(staffed: Office) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "hold", "pia")
    assert (await it.decide(refund, "hold", "pia", said=said)).status == 200
    back = await it.decide(refund, "release", "pia")
    assert back.status == 200, back
    again = await it.decide(refund, "hold", "pia", said=said)
    await it.refused(again, "statement_replayed")


@pytest.mark.parametrize("purpose", ["login", "enrol"])
async def test_other_namespace(staffed: Office, purpose: str) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "approve", "ann")
    made = signature("ann", said.statement(), purpose)
    answer = await it.decide(refund, "approve", "ann", said=said, signed=made)
    await it.refused(answer, "signature_refused")


async def test_signature_of_somebody_else(staffed: Office) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "approve", "ann")
    made = signature("ben", said.statement(), "decision")
    answer = await it.decide(refund, "approve", "ann", said=said, signed=made)
    await it.refused(answer, "signature_refused")


async def test_stale_policy(staffed: Office) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "approve", "ann", policy_version="older")
    answer = await it.decide(refund, "approve", "ann", said=said)
    await it.refused(answer, "policy_stale")


@pytest.mark.parametrize("late", [-400, 400])
async def test_expired_statement(staffed: Office, late: int) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "approve", "ann")
    assert said.proof is not None
    issued = said.issued_at + timedelta(seconds=late)
    proof = replace(said.proof, expires_at=issued + timedelta(minutes=5))
    said = replace(said, issued_at=issued, proof=proof)
    answer = await it.decide(refund, "approve", "ann", said=said)
    await it.refused(answer, "statement_expired")


async def test_statement_of_another_amount_or_log(staffed: Office) -> None:
    it = staffed
    refund = await it.refund()
    said = it.statement(refund, "approve", "ann", amount_minor=1)
    answer = await it.decide(refund, "approve", "ann", said=said)
    await it.refused(answer, "statement_differs")
    said = it.statement(refund, "approve", "ann")
    assert said.proof is not None
    said = replace(said, proof=replace(said.proof, log_size=3, log_root="0" * 64))
    answer = await it.decide(refund, "approve", "ann", said=said)
    await it.refused(answer, "log_unknown")


async def test_head_of_the_log_can_be_signed(staffed: Office) -> None:
    it = staffed
    refund = await it.refund()
    head = await it.get("audit/head", by="ann")
    said = it.statement(refund, "approve", "ann")
    assert said.proof is not None
    proof = replace(said.proof, log_size=head["size"], log_root=head["root"])
    said = replace(said, proof=proof)
    assert (await it.decide(refund, "approve", "ann", said=said)).status == 200


async def test_who_signs_again_is_shown_that_the_log_only_grew(
    staffed: Office,
) -> None:
    """Also where the hub has no key to seal its log with."""
    it = staffed
    first = await it.get("audit/head", by="ann")
    await it.refund()
    second = await it.get("audit/head", by="ann")
    sizes = f"from={first['size']}&to={second['size']}"
    shown = await it.get(f"audit/proof/consistency?{sizes}", by="ann")
    assert verify_consistency(
        first["size"],
        second["size"],
        bytes.fromhex(first["root"]),
        bytes.fromhex(second["root"]),
        [bytes.fromhex(one) for one in shown["proof"]],
    )


async def test_lowered_amount_split_into_parts(staffed: Office) -> None:
    """Each part is below the band; the payment's sum is not."""
    it = staffed
    first = await it.refund(4_900)
    assert first["state"] != "awaiting_approval"
    second = await it.post(
        "refunds",
        {
            "request_id": nonce(),
            "payment": first["payment_id"],
            "amount_minor": 4_900,
            "currency": "GBP",
            "reason_code": "returned",
        },
        by="ola",
    )
    assert second.body["refund"]["state"] == "awaiting_approval"


async def test_machine_decides_nothing_and_edits_only_its_own(
    staffed: Office,
) -> None:
    it = staffed
    roles = frozenset({Role.REQUESTER, Role.OPERATOR})
    it.tokens["bot"] = await give_token(it.daemon.hub, "machine:bot", roles)
    foreign, own = await it.refund(), await it.refund(by="bot")

    async def word(refund: Any, verb: str) -> Any:
        body = {
            "revision": refund["revision"],
            "request_sha256": refund["request_sha256"],
            "reason_code": "seen",
        }
        return await it.post(f"refunds/{refund['id']}/{verb}", body, by="bot")

    await it.refused(await word(own, "hold"), "people_only")
    await it.refused(await word(foreign, "cancel"), "not_own")
    assert (await word(own, "cancel")).status == 200
