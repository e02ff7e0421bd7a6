"""Whatever is wrong is refused by name, and nothing has changed."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.api.paths import ROUTES
from tests.daemon.living import Living, refund_body
from tests.daemon.refusals import REFUNDS, refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

JSON = "application/json"


@pytest.fixture
async def payment(daemon: Living) -> str:
    return await daemon.payment(10_000)


def text_of(payment: str, **changes: str) -> bytes:
    """A request whose JSON text is changed, so that it may be no JSON at all."""
    text = json.dumps(refund_body(payment))
    for name, value in changes.items():
        old = json.dumps({name: refund_body(payment)[name]})[1:-1]
        assert old in text
        text = text.replace(old, f'"{name}": {value}')
    return text.encode()


# --- bytes and JSON ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b'{"request_id": "r-1",', "not JSON", id="malformed"),
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b'{"request_id": "r\xff"}', "not UTF-8", id="invalid_utf8"),
        pytest.param(b'{"amount_minor": NaN}', "NaN", id="nan"),
        pytest.param(b'{"amount_minor": -Infinity}', "-Infinity", id="infinity"),
        pytest.param(
            b'{"currency": "GBP", "currency": "EUR"}', "currency", id="duplicate_key"
        ),
        pytest.param(
            b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}", "deeply", id="nested_30"
        ),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "deeply", id="nested_100000"),
        pytest.param(b'{"amount_minor": ' + b"9" * 5000 + b"}", "number", id="digits"),
        pytest.param(
            b'{"request_id": "\\ud800"}', "half a character", id="lone_surrogate"
        ),
        pytest.param(b'{"request_id": "a\nb"}', "not JSON", id="control_character"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON", id="byte_order_mark"),
    ],
)
async def test_body_that_is_no_json_is_refused(
    daemon: Living, raw: bytes, words: str
) -> None:
    before = daemon.state()
    answer = await daemon.call("POST", REFUNDS, raw=raw)
    sentence = refused(answer, 400, "request.malformed")
    assert words in sentence
    assert daemon.state() == before


async def test_body_that_is_no_object_is_refused(daemon: Living) -> None:
    before = daemon.state()
    refused(await daemon.call("POST", REFUNDS, raw=b"[]"), 422, "request.invalid")
    assert daemon.state() == before


async def test_wrong_content_type_is_refused(daemon: Living, payment: str) -> None:
    before = daemon.state()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jso"):
        answer = await daemon.call(
            "POST", REFUNDS, refund_body(payment), headers={"Content-Type": kind}
        )
        refused(answer, 415, "request.media_type", "Content-Type")
    assert daemon.state() == before


async def test_body_where_none_belongs_is_refused(daemon: Living) -> None:
    refund = await daemon.refund()
    before = daemon.state()
    answer = await daemon.call("POST", f"{REFUNDS}/{refund['id']}/lookup", {"a": 1})
    refused(answer, 400, "request.malformed")
    assert daemon.state() == before


@pytest.mark.parametrize("path", ["/refunds", "/payments", "/refunds/bulk"])
async def test_oversized_body_is_refused(daemon: Living, path: str) -> None:
    before = daemon.state()
    size = 8 * 1024 * 1024 if path.endswith("bulk") else 1024 * 1024
    body = io.BytesIO(b" " * (size + 1))
    answer = await daemon.call("POST", "/v1" + path, raw=body)
    refused(answer, 413, "request.too_large")
    assert daemon.state() == before


async def test_oversized_chunked_body_is_refused(daemon: Living) -> None:
    before = daemon.state()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65_536

    async with daemon.http.post(
        "http://daemon" + REFUNDS,
        data=chunks(),
        headers={
            "Authorization": f"Bearer {daemon.secrets['operator']}",
            "Content-Type": JSON,
        },
    ) as response:
        assert response.status == 413
        assert (await response.json(content_type=None))["code"] == "request.too_large"
    assert daemon.state() == before


async def test_body_of_bulk_size_is_not_read_for_a_single_request(
    daemon: Living,
) -> None:
    """A single request is cut at its own limit, before the bulk limit is buffered."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 65_536
            yield b" " * 65_536
            await asyncio.sleep(0.002)

    status = 413
    try:
        async with daemon.http.post(
            "http://daemon" + REFUNDS,
            data=chunks(),
            headers={
                "Authorization": f"Bearer {daemon.secrets['operator']}",
                "Content-Type": JSON,
            },
        ) as response:
            status = response.status
    except ConnectionError:
        pass
    assert status == 413
    assert sent < 4 * 1024 * 1024


# --- fields -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["10.5", "10.0", "1e3", "true", '"1000"', "null", "[1]", "-1", "0", str(2**53)],
)
async def test_amount_that_is_no_positive_whole_number_is_refused(
    daemon: Living, payment: str, value: str
) -> None:
    before = daemon.state()
    answer = await daemon.call(
        "POST", REFUNDS, raw=text_of(payment, amount_minor=value)
    )
    refused(answer, 422, "request.invalid", "amount_minor")
    assert daemon.state() == before


@pytest.mark.parametrize("value", ["10.5", "10.0", "1e3", "true", '"1"', "-1"])
async def test_float_expectation_is_refused(
    daemon: Living, payment: str, value: str
) -> None:
    before = daemon.state()
    raw = text_of(payment)[:-1] + b', "expected_remaining_minor": %s}' % value.encode()
    answer = await daemon.call("POST", REFUNDS, raw=raw)
    refused(answer, 422, "request.invalid", "expected_remaining_minor")
    assert daemon.state() == before


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        pytest.param({"colour": 1}, 422, "request.invalid", "colour", id="unknown"),
        pytest.param(
            {"currency": "XXY"}, 422, "value.currency_unknown", "currency", id="XXY"
        ),
        pytest.param({"currency": "gbp"}, 422, "request.invalid", "currency", id="gbp"),
        pytest.param(
            {"currency": "EUR"}, 422, "refund.currency_mismatch", "currency", id="EUR"
        ),
        pytest.param(
            {"amount_minor": 10_001},
            422,
            "refund.amount_exceeds_refundable",
            "amount_minor",
            id="over_refundable",
        ),
        pytest.param(
            {"amount_minor": 2**53 - 1},
            422,
            "refund.amount_exceeds_refundable",
            "amount_minor",
            id="largest",
        ),
        pytest.param(
            {"expected_remaining_minor": 9_999},
            409,
            "refund.expected_remaining_mismatch",
            "expected_remaining_minor",
            id="expected_remaining",
        ),
        pytest.param(
            {"payment": "pay_nothing"}, 404, "payment.unknown", "payment", id="payment"
        ),
        pytest.param(
            {"account": "adyen-eu"},
            404,
            "payment.unknown",
            "payment",
            id="other_account",
        ),
        pytest.param(
            {"invoice": "INV-9"}, 404, "invoice.unknown", "invoice", id="invoice"
        ),
        pytest.param(
            {"request_id": ""}, 422, "request.invalid", "request_id", id="empty_id"
        ),
        pytest.param(
            {"request_id": "a b"}, 422, "request.invalid", "request_id", id="blank_id"
        ),
        pytest.param(
            {"reason_code": ...}, 422, "request.invalid", "reason_code", id="missing"
        ),
        pytest.param(
            {"reason_code": "Because!"},
            422,
            "request.invalid",
            "reason_code",
            id="reason_form",
        ),
        pytest.param(
            {"reason_text": "x" * 2001},
            422,
            "request.invalid",
            "reason_text",
            id="long_text",
        ),
    ],
)
async def test_field_that_is_wrong_is_named(
    daemon: Living,
    payment: str,
    changes: dict[str, Any],
    status: int,
    code: str,
    field: str,
) -> None:
    before = daemon.state()
    answer = await daemon.call("POST", REFUNDS, refund_body(payment, **changes))
    refused(answer, status, code, field)
    assert daemon.state() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"captured_minor": 10.0}, "captured_minor"),
        ({"captured_minor": True}, "captured_minor"),
        ({"captured_minor": 0}, "captured_minor"),
        ({"currency": "XXY"}, "currency"),
        ({"account": "nobody"}, "account"),
        ({"captured_at": 1}, "captured_at"),
        ({"captured_at": "2026-11-02T09:00:00"}, "captured_at"),
        ({"captured_at": "yesterday"}, "captured_at"),
        ({"customer": {"card": "4111"}}, "customer.card"),
        ({"customer": {"last_four": "41111"}}, "customer.last_four"),
        ({"invoices": [{"number": "1", "amount_minor": 1.5}]}, None),
    ],
)
async def test_payment_with_a_wrong_field_is_refused(
    daemon: Living, changes: dict[str, Any], field: str | None
) -> None:
    before = daemon.state()
    body = {
        "account": "stripe-uk",
        "gateway_reference": "pi_x",
        "captured_minor": 100,
        "currency": "GBP",
        **changes,
    }
    answer = await daemon.call("POST", "/v1/payments", body)
    assert answer.status == 422, answer
    assert answer.body["field"] == (field or "invoices.0.amount_minor")
    assert daemon.state() == before


async def test_payment_with_other_content_is_a_conflict(daemon: Living) -> None:
    await daemon.payment(100, gateway_reference="pi_same")
    before = daemon.state()
    body = {
        "account": "stripe-uk",
        "gateway_reference": "pi_same",
        "captured_minor": 101,
        "currency": "GBP",
    }
    answer = await daemon.call("POST", "/v1/payments", body)
    refused(answer, 409, "payment.conflict", answer.body.get("field"))
    assert daemon.state() == before


async def test_one_bad_row_stores_nothing_of_a_bulk(
    daemon: Living, payment: str
) -> None:
    before = daemon.state()
    rows = [
        refund_body(payment, 100),
        refund_body(payment, 100_000, request_id="r-2"),
    ]
    answer = await daemon.call("POST", "/v1/refunds/bulk", {"refunds": rows})
    assert answer.status == 422
    (problem,) = answer.body["problems"]
    assert problem["index"] == 1
    assert problem["code"] == "refund.amount_exceeds_refundable"
    assert daemon.state() == before


async def test_unknown_field_in_a_row_is_named_with_its_row(
    daemon: Living, payment: str
) -> None:
    before = daemon.state()
    rows = [refund_body(payment, 100), refund_body(payment, 100, colour=1)]
    answer = await daemon.call("POST", "/v1/refunds/bulk", {"refunds": rows})
    refused(answer, 422, "request.invalid", "refunds.1.colour")
    assert daemon.state() == before


# --- paths, methods, parameters ---------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=%D9%A1", "limit"),
        ("offset=-1", "offset"),
        ("offset=1.0", "offset"),
        ("oldest_first=yes", "oldest_first"),
    ],
)
async def test_query_parameter_that_is_wrong_is_named(
    daemon: Living, query: str, field: str
) -> None:
    answer = await daemon.call("GET", f"{REFUNDS}?{query}")
    refused(answer, 422, "request.invalid", field)


async def test_filter_that_means_nothing_is_refused(daemon: Living) -> None:
    answer = await daemon.call("GET", f"{REFUNDS}?filter=state:nonsense")
    refused(answer, 422, "value.filter_invalid", answer.body.get("field"))
    for query in ("cursor=nonsense", "cursor=nonsense&offset=0"):
        answer = await daemon.call("GET", f"{REFUNDS}?{query}")
        refused(answer, 422, "value.cursor_invalid", "cursor")


async def test_unknown_path_is_refused(daemon: Living) -> None:
    for path in ("/v1/nothing", "/", "/v1", "/v2/refunds", "/v1/refunds/", "/docs"):
        answer = await daemon.call("GET", path)
        refused(answer, 404, "request.no_such_path")


async def test_wrong_method_is_refused(daemon: Living) -> None:
    before = daemon.state()
    for method, path in (
        ("DELETE", REFUNDS),
        ("PUT", "/v1/payments"),
        ("POST", "/v1/status"),
        ("PATCH", "/v1/refunds/rf_1"),
    ):
        answer = await daemon.call(method, path)
        refused(answer, 405, "request.no_such_method")
        assert answer.headers["Allow"]
    assert daemon.state() == before


@pytest.mark.parametrize("path", ["/invoices/bulk", "/refunds/bulk", "/refunds/states"])
async def test_path_of_its_own_is_never_taken_for_a_name(
    daemon: Living, path: str
) -> None:
    """`/invoices/bulk` also fits `/invoices/{number}`, which answers to GET."""
    allowed = {one.method for one in ROUTES if one.path == path}
    for method in {"GET", "POST", "DELETE", "OPTIONS"} - allowed:
        answer = await daemon.call(method, "/v1" + path)
        refused(answer, 405, "request.no_such_method")
        assert answer.headers["Allow"] == ",".join(sorted(allowed))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/refunds/rf_nothing", "refund.unknown"),
        ("/v1/refunds/%00%ff", "refund.unknown"),
        ("/v1/payments/pay_nothing", "payment.unknown"),
        ("/v1/invoices/nothing", "invoice.unknown"),
        ("/v1/accounts/nobody", "request.not_there"),
        ("/v1/connections/stripe-uk/none", "request.not_there"),
    ],
)
async def test_unknown_thing_is_not_found(daemon: Living, path: str, code: str) -> None:
    answer = await daemon.call("GET", path)
    assert (answer.status, answer.code) == (404, code)


@pytest.mark.parametrize("alarm", ["1", "one", "9" * 16, "%D9%A1", "-1"])
async def test_unknown_alarm_is_not_found(daemon: Living, alarm: str) -> None:
    answer = await daemon.call("POST", f"/v1/alarms/{alarm}/acknowledge")
    assert (answer.status, answer.code) == (404, "alarm.unknown")


async def test_crash_tells_nothing_of_the_inside(
    daemon: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(states: object) -> None:
        raise ValueError("secret of jane@example.com")

    monkeypatch.setattr("daemon.present.counts", broken)
    answer = await daemon.call("GET", "/v1/refunds/states")
    refused(answer, 500, "internal")
    assert "jane" not in answer.content.decode() + str(daemon.log.lines)
    assert daemon.hub.counters["api_crashes"] == 1
    (line,) = daemon.log.of("api:crash")
    assert (line["error"], line["path"]) == ("ValueError", "/v1/refunds/states")
    assert str(line["place"]).startswith("test_bad_input.py:")
