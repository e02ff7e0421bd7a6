"""Answers about another refund, payment or currency; what was executed stays true."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.simulation.gateways import known_as

if TYPE_CHECKING:
    from random import Random

    from refundwatch.sandbox.gateway import GatewayModel
    from refundwatch.sandbox.model import Reply

_OTHER_CURRENCY = "CHF"


def lied(model: GatewayModel, reply: Reply, dice: Random) -> tuple[str, Reply] | None:
    """Falsify an accepted order's answer; None where the gateway states too little."""
    try:
        told: Any = json.loads(reply.body)
    except ValueError:
        return None  # garbled already, or no JSON
    kinds = {
        "wrong currency": _currency,
        "wrong payment": _payment,
        "another's refund": _another,
    }
    kind = dice.choice(sorted(kinds))
    falsified = kinds[kind](model, told) if isinstance(told, dict) else None
    if falsified is None or falsified == told:
        return None
    return kind, replace(reply, body=json.dumps(falsified).encode())


def _currency(model: GatewayModel, told: dict[str, Any]) -> Any:
    return _restated(told, known_as(model.account).answers.currency, _OTHER_CURRENCY)


def _payment(model: GatewayModel, told: dict[str, Any]) -> Any:
    answers = known_as(model.account).answers
    return _restated(told, answers.payment, answers.stranger)


def _restated(told: dict[str, Any], path: tuple[str, ...], value: str) -> Any:
    """Put another value where the path leads; None where it leads nowhere."""
    falsified = deepcopy(told)
    place: Any = falsified
    for name in path[:-1]:
        place = place.get(name) if isinstance(place, dict) else None
    if not path or not isinstance(place, dict) or path[-1] not in place:
        return None
    lower = str(place[path[-1]]).islower()
    place[path[-1]] = value.lower() if lower else value
    return falsified


def _another(model: GatewayModel, told: dict[str, Any]) -> Any:
    entity = known_as(model.account).answers.entity
    identity = told.get("pspReference") or told.get("id")
    # Of ours: which of a stranger's refunds is meant by an answer, nobody can tell.
    others = [
        one
        for one in model.books.refunds.values()
        if one.id != identity and one.source == "api"
    ]
    if entity is None or not others:
        return None
    return entity(told, others[0], model)
