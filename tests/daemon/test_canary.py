"""Secrets and customers, marked, through a whole refund: none is found anywhere."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from daemon.logs import open_log
from refundwatch.api.paths import PREFIX, ROUTES
from refundwatch.sandbox.stripe.signing import signature_header
from tests.daemon.furnishing import SECRETS
from tests.daemon.living import Living, living_with_gateways
from tests.daemon.test_feed import watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARK = "C4NARY"
KEY = base64.b64encode(MARK.encode() * 5 + b"xx").decode()
PRIVATE = {
    "vault.key": f"k1 {KEY}\n",
    "stripe.key": f"sk_test_{MARK}",
    "stripe.webhook": f"whsec_{MARK}",
    "adyen.key": f"AQE{MARK}",
    "adyen.hmac": MARK.encode().hex().upper() * 4,
    "paypal.id": f"client{MARK}",
    "paypal.secret": f"secret{MARK}",
}
CUSTOMER = {"name": f"Jane {MARK}", "email": f"{MARK}@example.com", "account": MARK}


@pytest.fixture
def _logging() -> Iterator[None]:
    """Undo what configuring the log does to this process."""
    names = ("aiohttp", "aiosqlite", "asyncio", "apscheduler")
    before = {
        name: (
            list(logging.getLogger(name).handlers),
            logging.getLogger(name).propagate,
        )
        for name in names
    }
    yield
    structlog.reset_defaults()
    for name, (handlers, propagate) in before.items():
        logging.getLogger(name).handlers = handlers
        logging.getLogger(name).propagate = propagate


async def misuse(daemon: Living) -> list[bytes]:
    """Everything that can go wrong around something secret; what is answered."""
    payment = await daemon.payment(customer=CUSTOMER, gateway_reference="pi_2")
    good = {
        "request_id": "r-9",
        "payment": payment,
        "amount_minor": 1,
        "currency": "GBP",
        "reason_code": "returned",
    }
    tries: list[tuple[str, Any]] = [
        ("/v1/refunds", {**good, "reason_text": MARK * 500}),
        ("/v1/refunds", {**good, "reason_text": [MARK]}),
        ("/v1/refunds", {**good, "reason_code": MARK}),
        ("/v1/refunds", {**good, "colour": MARK}),
        ("/v1/refunds", {**good, "amount_minor": MARK}),
        ("/v1/refunds", {**good, "amount_minor": 10**9, "reason_text": MARK}),
        ("/v1/refunds", {**good, "invoice": "INV", "reason_text": MARK}),
        ("/v1/payments", {"customer": {"card": MARK}}),
        ("/v1/payments", {"customer": {"name": [MARK]}}),
    ]
    answers = [await daemon.call("POST", path, body) for path, body in tries]
    answers.append(await daemon.call("GET", "/v1/status", token=f"rwk_{MARK}"))
    answers.append(
        await daemon.call("POST", "/v1/refunds", raw=b'{"a": "%s' % MARK.encode())
    )
    for answer in answers:
        assert answer.status >= 400
    contents = [answer.content for answer in answers]
    broken = [
        f"GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {MARK}\r\n\r\n",
        f"GET /v1/status HTTP/1.1\r\nAuthorization: Bearer {MARK}\r\n\r\n",
        f"{MARK} / HTTP/9\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {MARK}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nX: {MARK * 2000}\r\n\r\n",
    ]
    places = [daemon.service.addresses[name] for name in ("api_tcp", "webhooks")]
    contents += [await raw(place, text) for place in places for text in broken]
    return contents


async def raw(address: str, text: str) -> bytes:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(text.encode())
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def deliver_marked(daemon: Living) -> None:
    """A true webhook with something private in its body, and a forged one."""
    box = daemon.sandbox
    assert box is not None
    box.pause_webhooks()
    box.external_refund("stripe-uk", "pi_1", 100)
    box.flush_webhooks("stripe-uk", hurry=True)
    event = json.loads(box.world.models["stripe-uk"].outbox.dump()[-1].body)
    body = json.dumps({**event, "note": f"for {MARK}"}).encode()
    stamp = int(box.clock.now())
    header = signature_header((PRIVATE["stripe.webhook"],), stamp, body)
    url = daemon.webhooks + "/webhooks/stripe-uk"
    for signature, status in ((header, 200), (f"t={stamp},v1={MARK}", 401)):
        async with daemon.tcp_http.post(
            url, data=body, headers={"Stripe-Signature": signature}
        ) as response:
            assert response.status == status


async def everywhere(daemon: Living) -> bytes:
    """Put the mark into every parameter and field of every route; what is answered."""
    contents = []
    for route in ROUTES:
        if route.name == "events":
            continue
        path = PREFIX + re.sub(r"{\w+}", "nothing", route.path)
        query = "&".join(f"{it.name}={MARK}" for it in route.query)
        schema = route.body.model_json_schema() if route.body is not None else None
        names = schema["properties"] if schema is not None else ()
        for by in ("operator", "admin", "approver"):
            for body in (dict.fromkeys(names, MARK), {MARK: MARK}):
                answer = await daemon.call(
                    route.method,
                    f"{path}?{query}" if query else path,
                    body if schema is not None else None,
                    by=by,
                )
                assert answer.status >= 400 or not (query or names), route.name
                if not names or body.keys() == set(names):
                    contents.append(answer.content)
    return b"\n".join(contents)


def left_in(folder: Path) -> dict[str, bytes]:
    """Every file that the daemon wrote into its folder."""
    return {
        f"file {file.name}": file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name not in {*PRIVATE, "config.toml"}
    }


def needles(daemon: Living) -> list[bytes]:
    """The marks in every form in which they could be found."""
    marks = [MARK, KEY, MARK.encode().hex(), MARK.encode().hex().upper()]
    marks += [base64.b64encode(f"{MARK}:".encode()).decode()[:-4]]
    marks += [text.split("_", 2)[2][:43] for text in daemon.secrets.values()]
    return [mark.encode() for mark in marks]


@pytest.mark.usefixtures("_logging")
async def test_no_secret_and_no_customer_is_found_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(PRIVATE) == set(SECRETS)
    found: dict[str, bytes] = {}
    log = open_log("debug", "json")
    async with living_with_gateways(tmp_path, secrets=PRIVATE, log=log) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_1", 100_000, "GBP")
        async with watching(daemon, since=-1) as watcher:
            payment = await daemon.payment(customer=CUSTOMER, gateway_reference="pi_1")
            refund = await daemon.refund(payment=payment, reason_text=f"{MARK} said so")
            await daemon.decide(
                refund, "approve", by="approver", reason_text=f"{MARK} agrees"
            )
            await daemon.becomes(refund, "succeeded")
            await deliver_marked(daemon)
            found["problems"] = b"\n".join(await misuse(daemon))
            await daemon.hub.store.execute(_note(daemon))
            last = len(daemon.kinds()) - 1
            while (await watcher.next("change"))["seq"] < last:
                pass
            await watcher.next("health")
            found["frames"] = watcher.text.encode()
        shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
        assert shown.body["reason_text"] == f"{MARK} said so"
        by_email = f"/v1/payments?customer_email={MARK.lower()}@EXAMPLE.com"
        assert len((await daemon.call("GET", by_email)).body["items"]) == 2
        for path in ("/v1/refunds", "/v1/payments", "/v1/alarms", "/v1/accounts"):
            found[path] = (await daemon.call("GET", path)).content
        found["tokens"] = (await daemon.call("GET", "/v1/tokens", by="admin")).content
        audit = await daemon.call("GET", "/v1/audit?limit=1000", by="viewer")
        rows = [base64.b64decode(row["entry"]) for row in audit.body["items"]]
        found["audit"] = b"\n".join(rows)
        async with daemon.tcp_http.get(daemon.health + "/metrics") as response:
            found["metrics"] = await response.read()
        for ending in ("", "-wal"):
            found["hub.db" + ending] = (tmp_path / f"hub.db{ending}").read_bytes()
        found["repr"] = repr(daemon.parts).encode()
        found["routes"] = await everywhere(daemon)
        audit = await daemon.call("GET", "/v1/audit?limit=1000", by="viewer")
        rows = [base64.b64decode(row["entry"]) for row in audit.body["items"]]
        found["audit after"] = b"\n".join(rows)
        # The database, its log and index, and whatever else was left in the folder.
        found |= left_in(tmp_path)
        marks = needles(daemon)
    errors = capsys.readouterr().err
    found["log"] = errors.encode()
    assert "daemon:ready" in errors
    assert "auth:refused" in errors
    assert len(found["hub.db"] + found["hub.db-wal"]) > 50_000
    hits = [
        (place, mark.decode(), content[max(content.find(mark) - 80, 0) :][:200])
        for place, content in found.items()
        for mark in marks
        if mark in content
    ]
    assert hits == []


def _note(daemon: Living) -> Any:
    from refundwatch.store.contract import AuditNote

    return AuditNote(daemon.hub.clock.now(), "test:ended", "system", {})


@pytest.mark.usefixtures("_logging")
async def test_field_that_speaks_of_a_secret_is_never_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = open_log("info", "json")
    log.event("test:logged", api_key="a-key", TOKEN="a-token", subject="rf_1", size=3)
    line = json.loads(capsys.readouterr().err)
    assert line["api_key"] == line["TOKEN"] == "[redacted]"
    assert (line["event"], line["subject"], line["size"]) == ("test:logged", "rf_1", 3)
    assert line["timestamp"].endswith("Z")


@pytest.mark.usefixtures("_logging")
async def test_line_breaks_in_a_field_make_no_second_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = open_log("info", "json")
    log.problem("test:logged", path='/v1\n{"event": "daemon:ready"}')
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["test:logged"]


@pytest.mark.usefixtures("_logging")
async def test_level_that_was_chosen_holds(capsys: pytest.CaptureFixture[str]) -> None:
    log = open_log("warning", "text")
    log.event("test:quiet")
    log.problem("test:loud")
    errors = capsys.readouterr().err
    assert "test:quiet" not in errors
    assert "test:loud" in errors
