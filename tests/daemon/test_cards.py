"""A card number is refused wherever one could be put; a webhook's is sealed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cards import refuse_cards
from daemon.logs import without_cards
from daemon.wiring import prepare
from refundwatch.config import load_config
from refundwatch.errors import CardNumberRefused, ConfigError
from refundwatch.sandbox.stripe.signing import signature_header
from tests.daemon.furnishing import SECRETS, config_text, furnish
from tests.daemon.living import living_with_gateways, refund_body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.living import Living

CARD = "4111 1111 1111 1111"
PLAIN = CARD.replace(" ", "")


def payment_body(**fields: Any) -> dict[str, Any]:
    return {
        "account": "stripe-uk",
        "gateway_reference": "pi_c",
        "captured_minor": 100,
        "currency": "GBP",
        **fields,
    }


async def test_card_number_is_refused_in_every_field_and_nothing_is_kept(
    daemon: Living,
) -> None:
    payment = await daemon.payment()
    refund = await daemon.refund(payment=payment)
    before = daemon.state()
    good = refund_body(payment, request_id="r-2")
    of_refund = f"/v1/refunds/{refund['id']}"
    decision = {"revision": 1, "request_sha256": "0" * 64, "reason_code": "seen"}
    tries: list[tuple[str, str, Any, str]] = [
        ("POST", "/v1/refunds", {**good, "reason_text": f"no {CARD}"}, "reason_text"),
        ("POST", "/v1/refunds", {**good, "request_id": PLAIN}, "request_id"),
        ("POST", "/v1/refunds", {**good, "amount_minor": int(PLAIN)}, "amount_minor"),
        ("POST", "/v1/refunds", {**good, PLAIN: 1}, "a name in the request"),
        ("POST", "/v1/refunds/bulk", {"refunds": [{**good, "invoice": PLAIN}]},
         "refunds.0.invoice"),
        ("POST", "/v1/payments", payment_body(order_reference=PLAIN),
         "order_reference"),
        ("POST", "/v1/payments", payment_body(customer={"account": CARD}),
         "customer.account"),
        ("POST", "/v1/invoices", {"number": PLAIN}, "number"),
        ("POST", f"{of_refund}/hold", {**decision, "reason_text": CARD},
         "reason_text"),
        ("POST", f"{of_refund}/resolve",
         {**decision, "resolution": "succeeded", "evidence": {"ref": CARD}},
         "evidence.ref"),
        ("GET", f"/v1/refunds?filter={PLAIN}", None, "filter"),
        ("GET", f"/v1/payments?customer_email={PLAIN}", None, "customer_email"),
        ("GET", f"/v1/refunds/{PLAIN}", None, "refund"),
        ("GET", f"/v1/payments/{PLAIN}", None, "payment"),
    ]  # fmt: skip
    for method, path, body, field in tries:
        answer = await daemon.call(method, path, body)
        assert (answer.status, answer.code) == (422, "value.card_number"), path
        assert answer.body["field"] == field
        assert PLAIN.encode() not in answer.content
        assert CARD.encode() not in answer.content
    twice = f'{{"{PLAIN}": 1, "{PLAIN}": 2}}'.encode()
    answer = await daemon.call("POST", "/v1/refunds", raw=twice)
    assert (answer.code, PLAIN.encode() in answer.content) == (
        "value.card_number",
        False,
    )
    assert daemon.state() == before
    assert PLAIN not in str(daemon.log.lines)


async def test_order_number_with_letters_is_taken(daemon: Living) -> None:
    payment = await daemon.payment(order_reference=f"ORD{PLAIN}")
    shown = await daemon.call("GET", f"/v1/payments/{payment}")
    assert shown.body["order_reference"] == f"ORD{PLAIN}"


async def test_card_number_in_a_webhook_is_news_is_sealed_and_shown_masked(
    tmp_path: Path,
) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_1", 100_000, "GBP")
        await daemon.payment(gateway_reference="pi_1")
        box.pause_webhooks()
        box.external_refund("stripe-uk", "pi_1", 100)
        box.flush_webhooks("stripe-uk", hurry=True)
        sent = [
            json.loads(it.body) for it in box.world.models["stripe-uk"].outbox.dump()
        ]
        event = next(it for it in sent if it["type"].startswith("refund."))
        event["data"]["object"]["status"] = f"paid to {CARD}"
        event["note"] = PLAIN
        body = json.dumps(event).encode()
        stamp = int(box.clock.now())
        header = signature_header((SECRETS["stripe.webhook"],), stamp, body)
        async with daemon.tcp_http.post(
            daemon.webhooks + "/webhooks/stripe-uk",
            data=body,
            headers={"Stripe-Signature": header},
        ) as response:
            assert response.status == 200
        listed = await daemon.call("GET", "/v1/deliveries")
        number = listed.body["items"][0]["id"]
        shown = await daemon.call("GET", f"/v1/deliveries/{number}")
        assert "[card ****1111]" in shown.content.decode()
        for ending in ("", "-wal"):
            content = (tmp_path / f"hub.db{ending}").read_bytes()
            assert PLAIN.encode() not in content
            assert CARD.encode() not in content


def test_card_number_in_the_configuration_names_the_key(tmp_path: Path) -> None:
    text = config_text().replace("SandboxECOM", CARD)
    config = load_config(furnish(tmp_path, text))
    with pytest.raises(ConfigError) as caught:
        prepare(config)
    assert "accounts.adyen-eu.settings.merchant_account" in caught.value.message
    assert CARD not in caught.value.message


def test_log_masks_what_it_is_given() -> None:
    line = without_cards(None, "info", {"event": "x", "path": f"/v1/{PLAIN}", "n": 3})
    assert line == {"event": "x", "path": "/v1/[card ****1111]", "n": 3}


def test_deep_places_are_named() -> None:
    with pytest.raises(CardNumberRefused) as caught:
        refuse_cards({"a": [{"b": "fine"}, {"c": CARD}]})
    assert caught.value.field == "a.1.c"
    refuse_cards({"a": [1.5, None, True, 12, "ORD4111111111111111"]})
