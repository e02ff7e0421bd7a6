from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
)
from tests.unit.gateways.driving import NOW, delivery, result_of
from tests.unit.gateways.klarna import GATEWAY, KLARNA, SIGNED

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView

KEY = "kl_signing_å"


def signature(body: bytes, key: str = KEY) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def verdict(
    body: bytes,
    header: str | None = None,
    secrets: tuple[str, ...] = (KEY,),
    account: AccountView = KLARNA,
) -> Any:
    arrived = delivery(body, klarna_signature=header or signature(body))
    return result_of(GATEWAY.receive(account, arrived, secrets, NOW))


def event(**metadata: Any) -> bytes:
    told = {"event_id": "e-1", "event_type": "payment.request.x", "live": False}
    return json.dumps({"metadata": told | metadata, "payload": {}}).encode()


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: v["name"])
def test_a_vector_is_accepted_under_its_key_among_others(
    vector: dict[str, Any],
) -> None:
    body = vector["body_utf8"].encode()
    assert hashlib.sha256(body).hexdigest() == vector["body_sha256"]
    header = vector["header_Klarna-Signature"]
    found = verdict(body, header, ("another", vector["secret"]))
    assert isinstance(found, Received)
    assert verdict(body, header, ("another",)) == Forged("signature_mismatch")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("0" * 64, "signature_mismatch"),
        ("A" * 64, "signature_malformed"),
        ("0" * 63, "signature_malformed"),
        ("sha256=" + "0" * 64, "signature_malformed"),
        (f"{'0' * 64}\n", "signature_malformed"),
    ],
)
def test_a_wrong_signature_is_forged(header: str, reason: str) -> None:
    assert verdict(event(), header) == Forged(reason)


def test_without_signature_or_key_nothing_is_believed() -> None:
    bare = delivery(event())
    assert result_of(GATEWAY.receive(KLARNA, bare, (KEY,), NOW)) == Forged(
        "signature_missing"
    )
    assert verdict(event(), secrets=()) == Unverifiable("no_usable_secret")
    assert verdict(event(), secrets=("",)) == Unverifiable("no_usable_secret")


@pytest.mark.parametrize(
    ("live", "mode", "holds"),
    [
        (True, "live", True),
        (False, "sandbox", True),
        (True, "sandbox", False),
        (False, "live", False),
        ("false", "live", True),
        (None, "live", True),
    ],
)
def test_an_event_of_the_other_mode_is_forged(
    live: object, mode: str, holds: bool
) -> None:
    found = verdict(event(live=live), account=replace(KLARNA, mode=mode))
    assert isinstance(found, Received) is holds
    assert holds or found == Forged("live")


def test_no_event_is_a_word_about_a_refund() -> None:
    body = event(event_type="payment.request.state-change.completed")
    assert verdict(body) == Received(
        (
            GatewayEvent(
                EventKind.OTHER, "e-1", "payment.request.state-change.completed"
            ),
        )
    )


def test_a_dispute_names_its_payment_as_far_as_it_does() -> None:
    body = json.dumps(
        {
            "metadata": {
                "event_id": "e-2",
                "event_type": "payment.dispute.state-change.initiated",
                "occurred_at": "2026-03-02T11:15:30+01:00",
            },
            "payload": {"order_id": "o-1", "payment_request_id": "krn:1"},
        }
    ).encode()
    [found] = verdict(body).events
    assert found.kind is EventKind.DISPUTE_OPENED
    assert found.occurred_at == "2026-03-02T10:15:30Z"
    assert (found.payment_reference, found.payment_aliases) == ("o-1", ("krn:1",))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"metadata":7}'])
def test_a_signed_body_that_says_nothing_is_kept_by_its_digest(body: bytes) -> None:
    [found] = verdict(body).events
    assert found.kind is EventKind.OTHER
    assert found.type == "unreadable"
    assert found.dedupe_id == hashlib.sha256(body).hexdigest()
