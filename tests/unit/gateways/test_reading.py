from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import HttpResponse, Unauthorized, Unsure

DEEPEST = b"[" * reading.MAX_DEPTH + b"]" * reading.MAX_DEPTH

MALFORMED = {
    "too_large": b'"' + b"x" * reading.MAX_BYTES + b'"',
    "not_utf8": b'{"a":"\xff"}',
    "not_json": b'{"a":1',
    "repeated_key": b'{"amount":1050,"amount":5}',
    "not_a_number": b'{"amount":NaN}',
    "number_too_large": b'{"amount":1e400}',
    "too_deep": b"[" * 33 + b"]" * 33,
    "not_unicode": b'{"a":"\\ud800"}',
    "not_an_object": b"[1]",
}


@pytest.mark.parametrize(("code", "body"), MALFORMED.items(), ids=MALFORMED)
def test_a_body_two_readers_could_take_differently_is_refused(
    code: str, body: bytes
) -> None:
    with pytest.raises(MalformedResponse) as caught:
        reading.parse_object(body)
    assert caught.value.message == code


@pytest.mark.parametrize(
    "body",
    [
        b"Infinity",
        b"-Infinity",
        b"-1e400",
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"[" * 200_000,
        b"9" * 5000,
        b"{'a':1}",
        b'{"a":1}x',
        b'{"\\udfff":1}',
        b'{"a":{"b":1,"b":1}}',
    ],
)
def test_other_bodies_no_reader_should_take_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        reading.parse(body)


def test_the_deepest_allowed_nesting_and_the_largest_body_are_read() -> None:
    assert reading.parse(DEEPEST) is not None
    assert reading.parse(b'"' + b"x" * (reading.MAX_BYTES - 2) + b'"') is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = reading.parse(body)
    except MalformedResponse:
        return
    assert json.loads(body) == value


SOURCE: reading.JsonObject = {
    "text": "x",
    "empty": "",
    "long": "x" * 256,
    "whole": 1050,
    "float": 1050.0,
    "bool": True,
    "huge": 2**53,
    "null": None,
    "list": [1],
    "object": {"inner": {"text": "deep"}},
}


def test_a_getter_gives_its_own_type_and_none_for_every_other() -> None:
    names = list(SOURCE)
    assert [n for n in names if reading.text(SOURCE, n) is not None] == ["text"]
    assert [n for n in names if reading.whole(SOURCE, n) is not None] == ["whole"]
    assert [n for n in names if reading.flag(SOURCE, n) is not None] == ["bool"]
    assert [n for n in names if reading.member(SOURCE, n) is not None] == ["object"]
    assert [n for n in names if reading.items(SOURCE, n) is not None] == ["list"]


def test_a_path_is_followed_through_objects_only() -> None:
    assert reading.text(SOURCE, "object", "inner", "text") == "deep"
    assert reading.text(SOURCE, "list", "inner") is None
    assert reading.text(None, "anything") is None
    assert reading.at(SOURCE) == SOURCE


@pytest.mark.parametrize("name", ["missing", "empty", "long", "whole", "null"])
def test_a_required_text_that_is_not_there_is_malformed(name: str) -> None:
    with pytest.raises(MalformedResponse, match=f"missing_{name}"):
        reading.required_text(SOURCE, name)


def test_shown_text_is_bounded_and_has_no_control_characters() -> None:
    assert reading.shown("a\x1b[31m\nb") == "a?[31m?b"
    assert len(reading.shown("x" * 1000)) == reading.MAX_SHOWN
    assert reading.shown(None) == "null"


@pytest.mark.parametrize("reference", ["..", "a/b", "", "a?b", "a b", "-a", "é", "a\n"])
def test_a_text_that_would_change_a_path_is_no_id(reference: str) -> None:
    assert not reading.is_plain_id(reference)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-20T10:15:30+01:00", "2026-11-20T09:15:30Z"),
        ("2026-11-20T10:15:30Z", "2026-11-20T10:15:30Z"),
        ("2026-11-20T10:15:30", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_time_is_restated_in_utc_or_not_at_all(
    written: str | None, expected: str | None
) -> None:
    assert reading.utc_text(written) == expected


def test_unix_seconds_become_utc_text_where_a_calendar_holds_them() -> None:
    assert reading.utc_text_of_unix(1767225600) == "2026-01-01T00:00:00Z"
    assert reading.utc_text_of_unix(2**53 - 1) is None
    assert reading.utc_text_of_unix(-(2**53) + 1) is None
    assert reading.utc_text_of_unix(None) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "9" * 400}, reading.MAX_RETRY_AFTER_SECONDS),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
                "date": "Wed, 21 Oct 2026 07:27:00 GMT",
            },
            60,
        ),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:20:00 GMT",
                "date": "Wed, 21 Oct 2026 07:27:00 GMT",
            },
            0,
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date_against_the_answers_own(
    headers: dict[str, str], expected: int | None
) -> None:
    assert reading.retry_after_seconds(headers) == expected


def test_a_retry_date_counts_from_now_where_now_is_given() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}
    now = datetime(2026, 10, 21, 7, 26, tzinfo=UTC)
    assert reading.retry_after_seconds(headers, now) == 120


@given(st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text(max_size=60)))
def test_any_retry_after_gives_a_bounded_wait_or_none(headers: dict[str, str]) -> None:
    wait = reading.retry_after_seconds(headers)
    assert wait is None or 0 <= wait <= reading.MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize("status", [200, 301, 400, 404, 408, 409, 418, 429, 500, 503])
def test_an_answer_nobody_documents_proves_nothing(status: int) -> None:
    outcome = reading.common_outcome(HttpResponse(status, {"retry-after": "7"}))
    assert outcome == Unsure(f"http_{status}", 7)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_were_not_executed(status: int) -> None:
    response = HttpResponse(status)
    assert reading.common_outcome(response) == Unauthorized(f"http_{status}")
    assert reading.lookup_failed(response).unauthorized
    assert reading.payment_unreadable(response).unauthorized
    assert reading.probe_failed(response).unauthorized


def test_only_a_missing_payment_is_called_missing() -> None:
    assert reading.payment_unreadable(HttpResponse(404)).missing
    assert not reading.payment_unreadable(HttpResponse(500)).missing
