"""What the list of a payment's actions says of refunds, the only place they are told.

Invariant: an action without an id or a type is no action, and a list that holds one
proves nothing; an action counts as done only by `approved`, never by being listed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.checkout import facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Heard, RefundInstruction
    from refundwatch.gateways.reading import Json, JsonObject

GIVES_BACK: Final = frozenset({facts.REFUND, facts.VOID})


def listed(body: bytes) -> list[JsonObject]:
    """Read a whole list of actions; a payment has one at least.

    Raises:
        MalformedResponse: it is no list, an empty one, or holds what is no action.
    """
    found = reading.parse(body)
    if not isinstance(found, list) or not found:
        raise MalformedResponse("no_action_list")
    return [_action(one) for one in found]


def _action(one: Json) -> JsonObject:
    if not isinstance(one, dict):
        raise MalformedResponse("no_action_object")
    reading.required_text(one, "id")
    reading.required_text(one, "type")
    return one


def carries(action: Json, ours: str) -> bool:
    """Tell whether an action gives money back under our reference."""
    return reading.text(action, "type") in GIVES_BACK and ours in _references(action)


def our_reference(source: Json, ours: str | None) -> str | None:
    """Give our reference if either field holds it, else what a field holds.

    We write both; the plain one may be cut where a scheme takes less.
    """
    references = _references(source)
    if ours in references:
        return ours
    return references[0] if references else None


def _references(source: Json) -> tuple[str, ...]:
    both = (
        reading.text(source, "metadata", facts.REFERENCE_KEY),
        reading.text(source, "reference"),
    )
    return tuple(one for one in both if one is not None)


def read_action(action: Json, source: str, instruction: RefundInstruction) -> Heard:
    """Read an action of the payment that was asked about.

    It names no currency: the payment's was compared before the order.

    Raises:
        MalformedResponse: it has no id.
    """
    word, raw_status = _status(action)
    evidence = Evidence(
        source=source,
        raw_status=raw_status,
        gateway_reference=reading.required_text(action, "id"),
        merchant_reference=our_reference(action, instruction.merchant_reference),
        failure_code=failure_of(action) if word is Word.FAILED else None,
    )
    units = reading.at(action, "amount")
    stated = stated_units(facts.CAPABILITIES, units, instruction.currency)
    return heard(word, evidence, replace(stated, currency=None))


def _status(action: Json) -> tuple[Word, str]:
    approved = reading.at(action, "approved")
    code = reading.text(action, "response_code")
    kind = reading.shown(reading.text(action, "type") or "none", 16)
    raw_status = f"{kind}:{reading.shown(approved, 16)}:{reading.shown(code, 16)}"
    if approved is None:
        return Word.PENDING, raw_status
    if not isinstance(approved, bool) or kind not in GIVES_BACK:
        return Word.UNSEEN, raw_status
    word = Word.SUCCEEDED if approved else Word.FAILED
    return word_that_fits(word, code), raw_status


def word_that_fits(word: Word, code: str | None) -> Word:
    """Give the word, or that it is unseen where the response code denies it."""
    approves = code == facts.APPROVED
    declines = code is not None and code.startswith(facts.DECLINING)
    if (word is Word.SUCCEEDED and declines) or (word is Word.FAILED and approves):
        return Word.UNSEEN
    return word


def failure_of(source: Json) -> str:
    """Give the response code of a failure, as far as it is one."""
    code = reading.text(source, "response_code", limit=16)
    return f"response_{reading.shown(code)}" if code else "declined"


def given_back(actions: list[JsonObject], *kinds: str) -> int:
    """Add up what these kinds of actions give back and is not declined; in its units.

    Raises:
        MalformedResponse: one of them states no amount.
    """
    total = 0
    for action in actions:
        if action["type"] not in kinds or action.get("approved") is False:
            continue
        units = reading.whole(action, "amount")
        if units is None or units < 0:
            raise MalformedResponse("no_action_amount")
        total += units
    return total
