from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from refundwatch.errors import InvariantBroken
from refundwatch.gateways.contract import Credentials, HttpRequest
from refundwatch.gateways.cybersource import building, signing
from tests.unit.gateways.cybersource_making import (
    ACCOUNT,
    GATEWAY,
    KEY,
    REFUND,
    SIGNING_ACCOUNT,
)

AT = datetime(2026, 3, 2, 10, 15, 30, tzinfo=UTC)
BODY = (
    b'{"clientReferenceInformation":{"code":"rw-000123","transactionId":'
    b'"RW20260302000123"},"orderInformation":{"amountDetails":{"totalAmount":"5.95",'
    b'"currency":"USD"}}}'
)
TARGET = "/pts/v2/captures/7398201234567890123456/refunds"
SECRET = KEY.values["shared_secret"]
ORDER = HttpRequest(
    "refund",
    "POST",
    TARGET,
    headers=(
        ("Host", "apitest.cybersource.com"),
        ("v-c-merchant-id", "refundwatch_test"),
    ),
    body=BODY,
    moves_money=True,
)
TOKEN = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjA4Yzk0MzMwLWY2MTgtNDJhMy1iMDlkLWUxZTQzYmU1ZWZkYSIs"
    "InR5cCI6IkpXVCJ9.eyJkaWdlc3QiOiJlM1h4Z2M2UDJXZTFEWm5FTDFIeHF4K0szT2NDc2ovRmw3bnNB"
    "anI4c3VFPSIsImRpZ2VzdEFsZ29yaXRobSI6IlNIQS0yNTYiLCJleHAiOjE3NzI0NDY2NTAsImlhdCI6M"
    "Tc3MjQ0NjUzMCwiaXNzIjoicmVmdW5kd2F0Y2hfdGVzdCIsImp0aSI6IjZmMWMxYTUyLTNjNDQtNGY2YS"
    "05ZjBlLTdhMmIxYzlkMGUxMSIsInJlcXVlc3QtaG9zdCI6ImFwaXRlc3QuY3liZXJzb3VyY2UuY29tIiw"
    "icmVxdWVzdC1tZXRob2QiOiJQT1NUIiwicmVxdWVzdC1yZXNvdXJjZS1wYXRoIjoiL3B0cy92Mi9jYXB0"
    "dXJlcy83Mzk4MjAxMjM0NTY3ODkwMTIzNDU2L3JlZnVuZHMiLCJ2LWMtand0LXZlcnNpb24iOiIyIiwid"
    "i1jLW1lcmNoYW50LWlkIjoicmVmdW5kd2F0Y2hfdGVzdCJ9.uhbj_dgSOwWxF3dLbFXhJ8djtjCtsMX_e"
    "lmaiheFAZI"
)


def headers(request: HttpRequest, at: datetime = AT) -> dict[str, str]:
    return dict(GATEWAY.authorize(request, KEY, at).headers)


def token_of(request: HttpRequest, at: datetime = AT) -> str:
    return headers(request, at)["Authorization"].removeprefix("Bearer ")


def claims_of(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    claims: dict[str, object] = json.loads(
        urlsafe_b64decode(part + "=" * (-len(part) % 4))
    )
    return claims


# The vectors were computed with authenticationsdk of
# cybersource-rest-client-python 0.0.80.


def test_an_order_is_signed_as_the_sdk_signs_it() -> None:
    assert len(BODY) == 163
    sent = headers(ORDER)
    assert sent["Date"] == "Mon, 02 Mar 2026 10:15:30 GMT"
    assert sent["digest"] == "SHA-256=e3Xxgc6P2We1DZnEL1Hxqx+K3OcCsj/Fl7nsAjr8suE="
    assert sent["signature"] == (
        'keyid="08c94330-f618-42a3-b09d-e1e43be5efda", algorithm="HmacSHA256", '
        'headers="host date request-target digest v-c-merchant-id", '
        'signature="rTeEKS9C+52znTZzGBaqRCNn1JOmEr0iPMJIgH3VdG8="'
    )


def test_a_read_is_signed_as_the_sdk_signs_it() -> None:
    request = building.transaction_request(SIGNING_ACCOUNT, "read_refund", REFUND)
    sent = headers(request)
    assert "digest" not in sent
    assert sent["signature"] == (
        'keyid="08c94330-f618-42a3-b09d-e1e43be5efda", algorithm="HmacSHA256", '
        'headers="host date request-target v-c-merchant-id", '
        'signature="TjAfGC+gZfa5gwhIQC89/ATXaf8m8qDASWjAJsgYbDA="'
    )


def test_a_token_is_what_the_sdk_writes() -> None:
    key = signing.key_pair(KEY)
    written = signing.web_token(ORDER, key, AT, "6f1c1a52-3c44-4f6a-9f0e-7a2b1c9d0e11")
    assert written == TOKEN


@pytest.mark.parametrize("place", range(0, len(BODY), 9))
def test_another_byte_of_the_body_is_another_signature(place: int) -> None:
    twin = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
    good, other = headers(ORDER), headers(replace(ORDER, body=twin))
    assert good["digest"] != other["digest"]
    assert good["signature"] != other["signature"]


def test_the_moment_is_written_in_greenwich_time() -> None:
    there = AT.astimezone(timezone(timedelta(hours=9)))
    assert headers(ORDER, there) == headers(ORDER)


def test_the_query_is_part_of_what_is_signed() -> None:
    asked = replace(ORDER, target=f"{TARGET}?limit=1")
    assert headers(asked)["signature"] != headers(ORDER)["signature"]


def test_an_account_proves_itself_by_token_unless_it_says_otherwise() -> None:
    request = building.transaction_request(ACCOUNT, "read_refund", REFUND)
    sent = headers(request)
    assert {"signature", "Date", "digest"}.isdisjoint(sent)
    assert claims_of(token_of(request)) == {
        "exp": 1772446650,
        "iat": 1772446530,
        "iss": "refundwatch_test",
        "jti": claims_of(token_of(request))["jti"],
        "request-host": "apitest.cybersource.com",
        "request-method": "GET",
        "request-resource-path": f"/tss/v2/transactions/{REFUND}",
        "v-c-jwt-version": "2",
        "v-c-merchant-id": "refundwatch_test",
    }


def test_a_token_is_the_same_for_the_same_request_and_moment_only() -> None:
    request = building.probe_request(ACCOUNT)
    assert token_of(request) == token_of(request)
    later = AT + timedelta(microseconds=1)
    other = building.transaction_request(ACCOUNT, "probe", REFUND)
    ids = {
        claims_of(token)["jti"]
        for token in (token_of(request), token_of(request, later), token_of(other))
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"key_id": "k"},
        {"shared_secret": SECRET},
        {"key_id": "", "shared_secret": "x"},
    ],
)
def test_without_its_key_nothing_is_sent(values: dict[str, str]) -> None:
    with pytest.raises(InvariantBroken, match="credential"):
        GATEWAY.authorize(ORDER, Credentials(values), AT)


def test_a_secret_that_is_no_base64_is_not_repeated() -> None:
    credentials = Credentials({"key_id": "k", "shared_secret": "no*base64"})
    with pytest.raises(InvariantBroken) as caught:
        GATEWAY.authorize(ORDER, credentials, AT)
    assert "no*base64" not in str(caught.value)
    assert "hidden" not in repr(signing.KeyPair("k", b"hidden"))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "merchant_id"),
        ({"merchant_id": "m", "authentication": "basic"}, "authentication"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(InvariantBroken, match=named):
        building.probe_request(replace(ACCOUNT, settings=settings))
