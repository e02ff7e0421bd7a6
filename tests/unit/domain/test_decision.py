from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.canonical import canonical_bytes
from refundwatch.domain.decision import (
    Decision,
    Proof,
    Verdict,
    parse_statement,
    request_sha256,
)
from refundwatch.errors import StatementInvalid
from tests.shared import SHARED

AT = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
PROOF = Proof(
    key="SHA256:4fvAt77aIg+aVXEz8oY+0d3tbbCf+kk1c50g0wFOADs",
    log_size=5,
    log_root="2c448ddb72bae644daeb2daec26799c5f6eb07da50b45e715f082cee7f7897da",
    nonce="AAECAwQFBgcICQoLDA0ODw",
    expires_at=AT + timedelta(minutes=5),
)
DECISION = Decision(
    actor="person:ann",
    decision=Verdict.APPROVE,
    instance="refundwatch.example",
    gateway="stripe",
    payment_id="pay_42",
    refund_id="rf_1",
    revision=3,
    request_sha256="1f58b9145b24d108d7ac38887338b3ea3229833b9c1e418250343f907bfd1047",
    amount_minor=12345,
    currency="EUR",
    exponent=2,
    reason="damaged",
    policy_version="2026-01-01.1",
    issued_at=AT,
)
RESOLUTION = replace(
    DECISION,
    decision=Verdict.RESOLVE,
    evidence={"resolution": "succeeded", "gateway_reference": "re_1"},
    reason_commitment="ab" * 32,
)


def stated(decision: Decision) -> dict[str, object]:
    fields: dict[str, object] = json.loads(decision.statement())
    return fields


def spelled(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def test_published_statement_is_reproduced_byte_for_byte() -> None:
    vectors = json.loads((SHARED / "facts/operator-keys-vectors.json").read_text())
    published = vectors["decision"]["message"].encode()
    decision = parse_statement(published)
    assert decision.proof == PROOF
    assert decision.decision is Verdict.APPROVE
    assert decision.issued_at == AT
    assert decision.statement() == published


def test_unsigned_statement_has_every_proof_field_null() -> None:
    fields = stated(DECISION)
    proof = ("key", "log_size", "log_root", "nonce", "expires_at")
    assert [fields[name] for name in proof] == [None] * 5
    assert "evidence" not in fields
    assert "reason_commitment" not in fields


def test_signature_fills_proof_fields_and_changes_nothing_else() -> None:
    before, after = stated(DECISION), stated(replace(DECISION, proof=PROOF))
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"key", "log_size", "log_root", "nonce", "expires_at"}


@pytest.mark.parametrize(
    "decision", [DECISION, RESOLUTION, replace(RESOLUTION, proof=PROOF)]
)
def test_statement_reads_back_as_the_decision(decision: Decision) -> None:
    assert parse_statement(decision.statement()) == decision


@given(
    st.sampled_from(Verdict),
    st.integers(1, 2**53 - 1),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
)
def test_any_statement_reads_back(
    verdict: Verdict, amount_minor: int, reason: str, at: datetime
) -> None:
    decision = replace(
        DECISION,
        decision=verdict,
        amount_minor=amount_minor,
        reason=reason,
        issued_at=at.replace(microsecond=0, tzinfo=UTC),
    )
    assert parse_statement(decision.statement()) == decision


def test_time_of_another_zone_is_stated_in_utc() -> None:
    moved = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert replace(DECISION, issued_at=moved).statement() == DECISION.statement()


def test_time_without_zone_is_refused() -> None:
    naive = replace(DECISION, issued_at=AT.replace(tzinfo=None))
    with pytest.raises(StatementInvalid, match="issued_at"):
        naive.statement()


@pytest.mark.parametrize("name", sorted(stated(DECISION)))
def test_missing_field_is_refused_and_named(name: str) -> None:
    fields = stated(DECISION)
    del fields[name]
    with pytest.raises(StatementInvalid) as caught:
        parse_statement(spelled(fields))
    assert caught.value.field == name


COUNTS = {"amount_minor", "exponent", "log_size", "revision"}


@pytest.mark.parametrize("name", sorted(stated(replace(RESOLUTION, proof=PROOF))))
@pytest.mark.parametrize("value", [True, [], {"a": 1}, 2, None])
def test_field_of_another_type_is_refused(name: str, value: object) -> None:
    if name in COUNTS and type(value) is int:
        value = -2
    fields = stated(replace(RESOLUTION, proof=PROOF)) | {name: value}
    with pytest.raises(StatementInvalid):
        parse_statement(spelled(fields))


def test_unknown_field_is_refused_and_named() -> None:
    extra = canonical_bytes({**stated(DECISION), "note": "x"})  # type: ignore[dict-item]
    with pytest.raises(StatementInvalid) as caught:
        parse_statement(extra)
    assert caught.value.field == "note"


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b + b"\n",
        lambda b: b" " + b,
        lambda b: b.replace(b":", b": ", 1),
        lambda b: b.replace(b"12345", b"12345.0"),
        lambda b: b.replace(b"12345", b"1e4"),
        lambda b: b.replace(b"damaged", b"\\u0064amaged"),
        lambda b: b'{"actor":"person:bob",' + b[1:],
        lambda b: b[:-1],
        lambda b: b"[" + b + b"]",
        lambda b: b.replace(b"damaged", b"\xff"),
        lambda b: b[:0],
    ],
)
def test_other_spelling_of_a_statement_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(StatementInvalid):
        parse_statement(change(DECISION.statement()))


@pytest.mark.parametrize(
    "text",
    [
        "2026-1-01T00:10:00Z",
        "2026-01-01T00:10:00",
        "2026-01-01T00:10:00+00:00",
        "2026-01-01T00:10:00.5Z",
        "2026-02-30T00:10:00Z",
    ],
)
def test_time_in_another_form_is_refused(text: str) -> None:
    changed = DECISION.statement().replace(b"2026-01-01T00:10:00Z", text.encode())
    with pytest.raises(StatementInvalid, match="issued_at"):
        parse_statement(changed)


@pytest.mark.parametrize("word", ["", "Approve", "approved", "pay"])
def test_unseen_decision_is_refused(word: str) -> None:
    changed = DECISION.statement().replace(b'"approve"', f'"{word}"'.encode())
    with pytest.raises(StatementInvalid, match="decision"):
        parse_statement(changed)


def test_zero_is_a_whole_number() -> None:
    free = replace(DECISION, exponent=0)
    assert parse_statement(free.statement()) == free


def test_half_a_proof_is_refused() -> None:
    fields = stated(replace(DECISION, proof=PROOF)) | {"nonce": None}
    with pytest.raises(StatementInvalid) as caught:
        parse_statement(spelled(fields))
    assert caught.value.field == "nonce"


def test_evidence_stands_only_with_a_resolution() -> None:
    with pytest.raises(StatementInvalid):
        replace(DECISION, evidence={"a": "b"})


@pytest.mark.parametrize("digest", ["", "AB" * 32, "ab" * 31, "zz" * 32])
def test_digest_in_another_form_is_refused(digest: str) -> None:
    with pytest.raises(StatementInvalid):
        replace(DECISION, request_sha256=digest)
    with pytest.raises(StatementInvalid):
        replace(DECISION, reason_commitment=digest)
    with pytest.raises(StatementInvalid):
        replace(DECISION, proof=replace(PROOF, log_root=digest))


CONTENT = {
    "refund_id": "rf_1",
    "revision": 3,
    "account": "stripe-uk",
    "payment_id": "pay_42",
    "amount_minor": 12345,
    "currency": "EUR",
    "exponent": 2,
    "reason_code": "damaged",
}


def test_request_digest_is_over_the_canonical_content() -> None:
    text = json.dumps(CONTENT, sort_keys=True, separators=(",", ":"))
    assert (
        request_sha256(**CONTENT)  # type: ignore[arg-type]
        == hashlib.sha256(text.encode()).hexdigest()
    )


@pytest.mark.parametrize("name", sorted(CONTENT))
def test_any_changed_content_changes_the_digest(name: str) -> None:
    value = CONTENT[name]
    other = value + 1 if isinstance(value, int) else f"{value}x"
    assert request_sha256(**(CONTENT | {name: other})) != request_sha256(  # type: ignore[arg-type]
        **CONTENT  # type: ignore[arg-type]
    )
