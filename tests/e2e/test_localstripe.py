"""The Stripe adapter against a fake that we did not write, through the real hub.

localstripe 1.15.10 is no witness for the safety of refunds, and what it cannot show is
not asked of it here. Its known gaps:

- `Idempotency-Key` is ignored: the same order twice makes two refunds.
- More than the charge can be refunded; only the hub's reservation stops that here.
- `reason` is answered 400 without a code or a parameter, which proves nothing.
- `created[...]` filters are answered 500 and `/cancel` 404; the hub uses neither.
- A refund is always `succeeded` at once and sends no event. Of what the hub minds,
  only signatures and foreign events can be shown.
- Charges have no `amount_captured`, so a payment stays as we declared it.
- `balance.available` is an object; the probe reads `livemode` alone.
- It listens everywhere and pickles its store into one fixed file: `room` prevents both.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import aiohttp
import pytest

from tests.daemon.living import (
    SECRETS,
    Living,
    config_text,
    free_port,
    living,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.xdist_group("heavy")

ROOM = Path(__file__).parent / "room"
KEY = {"Authorization": f"Bearer {SECRETS['stripe.key']}"}
CARD = "pm_card_visa"
START_SECONDS = 15.0


@dataclass(slots=True)
class Fake:
    """localstripe's API, as a shop would use it."""

    url: str
    http: aiohttp.ClientSession

    async def post(self, path: str, **form: Any) -> Any:
        body = {key: str(value) for key, value in form.items()}
        async with self.http.post(self.url + path, data=body, headers=KEY) as answer:
            found = await answer.json()
            assert answer.status == 200, found
            return found

    async def get(self, path: str, **query: str) -> Any:
        async with self.http.get(self.url + path, params=query, headers=KEY) as answer:
            assert answer.status == 200
            return await answer.json()

    async def paid_intent(self, amount_minor: int) -> str:
        made = await self.post(
            "/v1/payment_intents",
            amount=amount_minor,
            currency="gbp",
            payment_method=CARD,
            confirm="true",
        )
        assert made["status"] == "succeeded"
        return str(made["id"])

    async def refunds(self, **payment: str) -> list[dict[str, Any]]:
        found = await self.get("/v1/refunds", limit="100", **payment)
        return list(found["data"])


@asynccontextmanager
async def localstripe(folder: Path) -> AsyncIterator[Fake]:
    """Run localstripe in a process and a folder of its own; end it in any case."""
    port = free_port()
    with _log(folder) as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "localstripe", "--port", str(port), "--from-scratch"),
            cwd=folder,
            env={"PYTHONPATH": str(ROOM), "HOME": str(folder), "TMPDIR": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as http:
            fake = Fake(f"http://127.0.0.1:{port}", http)
            await _answers(fake, process)
            yield fake
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _log(folder: Path) -> BinaryIO:
    folder.mkdir()
    return (folder / "log").open("wb")


async def _answers(fake: Fake, process: asyncio.subprocess.Process) -> None:
    async def reached() -> bool:
        assert process.returncode is None
        try:
            await fake.get("/v1/balance")
        except aiohttp.ClientConnectorError:
            return False
        return True

    await until(reached, START_SECONDS)


@dataclass(slots=True)
class Joined:
    """A hub whose Stripe is localstripe."""

    hub: Living
    fake: Fake

    async def payment(self, reference: str, captured_minor: int) -> str:
        return await self.hub.payment(captured_minor, gateway_reference=reference)

    async def shown_payment(self, payment: str) -> dict[str, Any]:
        answer = await self.hub.call("GET", f"/v1/payments/{payment}")
        found: dict[str, Any] = answer.body
        return found


@pytest.fixture
async def joined(tmp_path: Path) -> AsyncIterator[Joined]:
    port = free_port()
    async with localstripe(tmp_path / "fake") as fake:
        await fake.http.post(
            f"{fake.url}/_config/webhooks/hub",
            data={
                "url": f"http://127.0.0.1:{port}/webhooks/stripe-uk",
                "secret": SECRETS["stripe.webhook"],
            },
        )
        text = config_text(stripe=fake.url, webhook_port=port)
        folder = tmp_path / "hub"
        folder.mkdir()
        async with living(folder, text=text) as hub:
            yield Joined(hub, fake)


async def test_partial_refunds_reach_the_fake_with_amount_and_reference(
    joined: Joined,
) -> None:
    hub, fake = joined.hub, joined.fake
    intent = await fake.paid_intent(20_000)
    payment = await joined.payment(intent, 20_000)

    small = await hub.refund(4_000, payment=payment, request_id="r-1")
    paid = await hub.becomes(small, "succeeded")
    large = await hub.refund(6_000, payment=payment, request_id="r-2")
    assert large["state"] == "awaiting_approval"
    assert (await hub.decide(large, "approve", by="approver")).status == 200
    paid_later = await hub.becomes(large, "succeeded")

    theirs = {it["id"]: it for it in await fake.refunds(payment_intent=intent)}
    assert set(theirs) == {paid["gateway_reference"], paid_later["gateway_reference"]}
    for ours in (paid, paid_later):
        it = theirs[ours["gateway_reference"]]
        assert it["amount"] == ours["amount"]["minor"]
        assert it["currency"] == "gbp"
        assert it["metadata"] == {"rw_id": ours["merchant_reference"]}


async def test_payment_without_captured_amount_stays_as_declared(
    joined: Joined,
) -> None:
    hub, fake = joined.hub, joined.fake
    intent = await fake.paid_intent(20_000)
    payment = await joined.payment(intent, 20_000)
    assert (await joined.shown_payment(payment))["knowledge"] == "unread"

    await hub.becomes(await hub.refund(4_000, payment=payment), "succeeded")

    shown = await joined.shown_payment(payment)
    assert shown["knowledge"] == "declared"
    assert shown["captured"]["minor"] == 20_000
    assert shown["refunded"]["minor"] == 4_000
    assert shown["refundable"]["minor"] == 16_000


async def test_payment_named_by_its_charge_is_refunded_to_the_last_penny(
    joined: Joined,
) -> None:
    hub, fake = joined.hub, joined.fake
    charge = await fake.post("/v1/charges", amount=3_000, currency="gbp", source=CARD)
    payment = await joined.payment(charge["id"], 3_000)

    paid = await hub.becomes(await hub.refund(3_000, payment=payment), "succeeded")
    more = {
        "request_id": "r-2",
        "payment": payment,
        "amount_minor": 1,
        "currency": "GBP",
        "reason_code": "returned",
    }
    refused = await hub.call("POST", "/v1/refunds", more, by="requester")

    # The fake would have paid it.
    assert (refused.status, refused.code) == (422, "refund.amount_exceeds_refundable")
    (theirs,) = await fake.refunds(charge=charge["id"])
    assert theirs["id"] == paid["gateway_reference"]
    seen = await fake.get(f"/v1/charges/{charge['id']}")
    assert seen["amount_refunded"] == 3_000
    assert seen["refunded"] is True


async def test_unproven_refusal_is_looked_up_and_found_by_our_reference(
    joined: Joined,
) -> None:
    hub, fake = joined.hub, joined.fake
    intent = await fake.paid_intent(20_000)
    payment = await joined.payment(intent, 20_000)

    doubtful = await hub.refund(4_000, payment=payment, reason_code="duplicate")
    unknown = await hub.becomes(doubtful, "unknown")
    assert unknown["gateway_reference"] is None
    # One of another system, which must not be taken for ours.
    await fake.post("/v1/refunds", payment_intent=intent, amount=4_000)
    await fake.post(
        "/v1/refunds",
        payment_intent=intent,
        amount=4_000,
        **{"metadata[rw_id]": unknown["merchant_reference"]},
    )
    looked = await hub.call("POST", f"/v1/refunds/{doubtful['id']}/lookup")
    assert looked.status in {200, 202}
    paid = await hub.becomes(doubtful, "succeeded")

    theirs = await fake.refunds(payment_intent=intent)
    assert len(theirs) == 2
    ours = [it for it in theirs if it["metadata"]]
    assert [it["id"] for it in ours] == [paid["gateway_reference"]]
    assert paid["attempts"] == 1


async def test_webhook_of_the_fake_is_verified_stored_and_ignored(
    joined: Joined,
) -> None:
    hub, fake = joined.hub, joined.fake
    await fake.paid_intent(20_000)

    async def stored() -> list[tuple[Any, ...]]:
        return hub.query(
            "SELECT state FROM delivery WHERE type = 'payment_intent.succeeded'"
        )

    async def closed() -> bool:
        return await stored() == [("ignored",)]

    await until(closed)


async def test_webhook_signed_with_another_secret_leaves_nothing(
    joined: Joined,
) -> None:
    hub, fake = joined.hub, joined.fake
    await fake.http.post(
        f"{fake.url}/_config/webhooks/hub",
        data={
            "url": f"{hub.webhooks}/webhooks/stripe-uk",
            "secret": "whsec_of_somebody_else",
        },
    )
    await fake.paid_intent(20_000)

    async def refused() -> bool:
        async with hub.tcp_http.get(hub.health + "/metrics") as answer:
            text = await answer.text()
        return (
            'refundwatch_deliveries_total{account="stripe-uk",verdict="forged"}' in text
        )

    await until(refused)
    assert hub.rows("delivery") == []


async def test_probe_finds_the_fake_up(joined: Joined) -> None:
    async def up() -> bool:
        answer = await joined.hub.call("GET", "/v1/connections")
        rows = {row["id"]: row for row in answer.body["items"]}
        return bool(rows["stripe-uk/main"]["health"] == "up")

    await until(up)


async def test_fake_is_reached_by_loopback_alone_and_keeps_its_file_to_itself(
    tmp_path: Path,
) -> None:
    async with localstripe(tmp_path / "fake") as fake:
        await fake.paid_intent(20_000)
        # What listens everywhere answers here too.
        elsewhere = fake.url.replace("127.0.0.1", "127.0.0.2")
        with pytest.raises(aiohttp.ClientConnectorError):
            await fake.http.get(elsewhere + "/v1/balance")
    assert (tmp_path / "fake" / "store.pickle").is_file()
