"""Answers about another refund, payment or currency; what was executed stays true."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from refundwatch.sandbox.paypal.objects import refund_object as paypal_refund
from refundwatch.sandbox.stripe.objects import refund_object as stripe_refund

if TYPE_CHECKING:
    from random import Random

    from refundwatch.sandbox.gateway import GatewayModel
    from refundwatch.sandbox.model import Reply


def lied(model: GatewayModel, reply: Reply, dice: Random) -> tuple[str, Reply] | None:
    """Falsify an accepted order's answer; None where the gateway states too little."""
    try:
        told: dict[str, Any] = json.loads(reply.body)
    except ValueError:
        return None  # garbled already
    kinds = {
        "wrong currency": _currency,
        "wrong payment": _payment,
        "another's refund": _another,
    }
    kind = dice.choice(sorted(kinds))
    falsified = kinds[kind](model, told)
    if falsified is None or falsified == told:
        return None
    return kind, replace(reply, body=json.dumps(falsified).encode())


def _currency(model: GatewayModel, told: dict[str, Any]) -> dict[str, Any] | None:
    if model.gateway == "stripe":
        return {**told, "currency": "usd"}
    if "amount" not in told:
        return None
    name = "currency" if model.gateway == "adyen" else "currency_code"
    return {**told, "amount": {**told["amount"], name: "USD"}}


def _payment(model: GatewayModel, told: dict[str, Any]) -> dict[str, Any] | None:
    match model.gateway:
        case "stripe":
            return {**told, "payment_intent": "pi_of_somebody_else"}
        case "adyen":
            return {**told, "paymentPspReference": "PSPOFSOMEBODYELS"}
        case _:
            return None


def _another(model: GatewayModel, told: dict[str, Any]) -> dict[str, Any] | None:
    identity = told.get("pspReference") or told.get("id")
    # Of ours: which of a stranger's refunds is meant by an answer, nobody can tell.
    others = [
        one
        for one in model.books.refunds.values()
        if one.id != identity and one.source == "api"
    ]
    if not others:
        return None
    other = others[0]
    match model.gateway:
        case "stripe":
            return dict(stripe_refund(other))
        case "paypal":
            return dict(paypal_refund(other, model.books))
        case _:
            return {
                **told,
                "pspReference": other.id,
                "reference": other.merchant_reference,
            }
