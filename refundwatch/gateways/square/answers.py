"""What Square's answers mean.

Invariant: a refund counts as accepted only by a refund object with id, status and
amount and without errors beside it; a refusal only by documented codes; everything
else proves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    Outcome,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.square import facts
from refundwatch.gateways.square.building import is_reference

if TYPE_CHECKING:
    from refundwatch.gateways.amounts import Stated
    from refundwatch.gateways.contract import HttpResponse
    from refundwatch.gateways.reading import Json, JsonObject

OK: Final = 200
LIMIT_REACHED: Final = 429
SERVER_ERROR: Final = 500
_SOMEBODYS_WORDS: Final = "words_of_somebody_else"


# --- a refund object --------------------------------------------------------------


def read_refund_object(refund: Json, source: str, ours: str | None) -> Heard:
    """Read a refund object; `ours` is the reference that it should carry, if known.

    Raises:
        MalformedResponse: it lacks what every refund has: id, status and amount.
    """
    if not isinstance(refund, dict):
        raise MalformedResponse("no_refund_object")
    status = reading.required_text(refund, "status")
    word = facts.WORDS.get(status, Word.UNSEEN)
    if reading.member(refund, "amount_money") is None:
        raise MalformedResponse("missing_amount_money")
    evidence = Evidence(
        source=source,
        raw_status=reading.shown(status),
        gateway_reference=reading.required_text(refund, "id"),
        merchant_reference=_reference(refund, ours),
        payment_reference=reading.text(refund, "payment_id"),
        failure_code=facts.FAILURES.get(status),
    )
    return heard(word, evidence, money(refund, "amount_money"))


def _reference(refund: Json, ours: str | None) -> str | None:
    """Read our reference from `reason`; what a person wrote there is never carried on.

    Beside a known reference such words are another one, not a missing one.
    """
    reason = reading.at(refund, "reason")
    if not isinstance(reason, str):
        return None
    if is_reference(reason):
        return reason
    return None if ours is None else _SOMEBODYS_WORDS


def money(source: Json, key: str) -> Stated:
    """Read an amount of Square's."""
    return stated_units(
        facts.CAPABILITIES,
        reading.at(source, key, "amount"),
        reading.at(source, key, "currency"),
    )


# --- the answer to an order -------------------------------------------------------


def refund_outcome(response: HttpResponse, ours: str) -> Outcome:
    """Give the meaning of the answer to `POST /v2/refunds`."""
    try:
        body = reading.parse_object(response.body)
    except MalformedResponse as error:
        if response.status == OK:
            return Unsure(error.message)
        body = {}
    codes = error_codes(body)
    refund = reading.member(body, "refund")
    if response.status == OK:
        return _accepted(refund, codes, ours)
    if response.status in facts.REFUSAL_STATUSES and refund is not None:
        return _failed_at_once(response, refund, codes, ours)
    return _error_outcome(response, codes)


def _accepted(refund: JsonObject | None, codes: tuple[str, ...], ours: str) -> Outcome:
    """Read a refund; errors beside it are its failure, or a contradiction."""
    try:
        said = read_refund_object(refund, "answer", ours)
    except MalformedResponse as error:
        return Unsure(error.message)
    if not codes:
        return said
    raw = reading.shown(f"{said.evidence.raw_status}:{codes[0]}")
    word = said.word if said.word is Word.FAILED else Word.UNSEEN
    return Heard(word, replace(said.evidence, raw_status=raw))


def _failed_at_once(
    response: HttpResponse, refund: JsonObject, codes: tuple[str, ...], ours: str
) -> Outcome:
    """Read a refund inside an error: it counts only where it says that it failed."""
    said = _accepted(refund, codes, ours)
    if isinstance(said, Heard) and said.word is Word.FAILED:
        return said
    return Unsure(f"{reason(response)}:with_refund")


def _error_outcome(response: HttpResponse, codes: tuple[str, ...]) -> Outcome:
    wait = reading.retry_after_seconds(response.headers)
    why = reason(response)
    if response.status in {401, 403}:
        return Unauthorized(why)
    if response.status == LIMIT_REACHED:
        return NotProcessed("limited", wait)
    if facts.KEY_REUSED in codes:
        # Another request has this key: our bug or a collision. Nobody may conclude
        # anything about the refund, and the key will never say more.
        return Unsure("idempotency_key_conflict", wait, replayed=True)
    if response.status in facts.REFUSAL_STATUSES:
        return _refusal(codes, why, wait)
    return Unsure(why, wait)


def _refusal(codes: tuple[str, ...], why: str, wait: int | None) -> Outcome:
    """Read the codes of a refusal; one that is not documented leaves all in doubt."""
    found = set(codes)
    if found and found <= facts.CREDENTIAL_CODES:
        return Unauthorized(why)
    if found == {facts.LIMITED}:
        return NotProcessed("limited", wait)
    if found == {facts.ALREADY_PENDING}:
        return NotProcessed("another_refund_pending", wait, alone=True)
    if found and found <= facts.REFUSALS:
        echo = bool(found & facts.ECHOES)
        return RefusedByGateway(codes[0], may_be_echo=echo)
    return Unsure(why, wait)


def error_codes(body: Json) -> tuple[str, ...]:
    """Give the code of every error; one without a code still stands."""
    errors = reading.items(body, "errors") or []
    limit = reading.MAX_SHOWN
    return tuple(
        reading.shown(reading.text(error, "code", limit=limit) or "unnamed")
        for error in errors
    )


def reason(response: HttpResponse) -> str:
    """Say the status of an answer, and Square's first code."""
    codes = error_codes(reading.object_or_none(response.body))
    base = f"http_{response.status}"
    return f"{base}:{codes[0]}" if codes else base


# --- payments and probes ----------------------------------------------------------


def read_payment_object(body: bytes, payment_id: str) -> JsonObject:
    """Give the payment of an answer.

    Raises:
        MalformedResponse: it holds none, or another one.
    """
    payment = reading.member(reading.parse_object(body), "payment")
    if payment is None:
        raise MalformedResponse("no_payment_object")
    if reading.text(payment, "id") != payment_id:
        raise MalformedResponse("another_payment")
    return payment


def refunded_minor(payment: Json) -> int:
    """Give what was given back of a payment, in ISO minor units.

    The field is not there before the first refund, and what is pending is not in it.

    Raises:
        MalformedResponse: it is there and cannot be read.
    """
    if reading.at(payment, "refunded_money") is None:
        return 0
    stated = money(payment, "refunded_money")
    if stated.amount_minor is None or stated.amount_minor < 0:
        raise MalformedResponse(stated.doubt or "refunded_money")
    return stated.amount_minor


def payment_read(body: bytes, payment_id: str) -> PaymentRead | PaymentUnreadable:
    """Read captured and refunded amounts; the limit of refunds is `total_money`."""
    try:
        payment = read_payment_object(body, payment_id)
        refunded = refunded_minor(payment)
    except MalformedResponse as error:
        return PaymentUnreadable(error.message)
    total = money(payment, "total_money")
    if total.amount_minor is None or total.currency is None:
        return PaymentUnreadable(total.doubt or "no_total_money")
    if reading.at(payment, "refunded_money", "currency") not in {None, total.currency}:
        return PaymentUnreadable("refunded_in_another_currency")
    status = reading.text(payment, "status")
    if status in facts.NOTHING_CAPTURED:
        return PaymentRead(0, total.currency, refunded)
    if status != facts.COMPLETED:
        return PaymentUnreadable(f"payment_status:{reading.shown(status, 32)}")
    return PaymentRead(total.amount_minor, total.currency, refunded)


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer to a probe; an account may have no refund yet."""
    body = reading.object_or_none(response.body)
    if response.status != OK:
        return reading.probe_failed(response, reason(response))
    if body is None or error_codes(body):
        return ProbeResult("no_list_object")
    return ProbeResult()
