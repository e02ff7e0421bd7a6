"""What Stripe's answers mean.

Invariant: a refund counts as accepted only by a refund object with an id; a refusal
only by a documented code; everything else proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import Stated, heard, stated_units
from refundwatch.gateways.contract import (
    HttpResponse,
    NotProcessed,
    Outcome,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.stripe import facts
from refundwatch.gateways.stripe.building import is_charge

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, Heard
    from refundwatch.gateways.reading import Json, JsonObject

OK: Final = 200
BAD_REQUEST: Final = 400
LIMIT_REACHED: Final = 429
SERVER_ERROR: Final = 500


# --- a refund object --------------------------------------------------------------


def read_refund_object(
    refund: Json, source: str, payment_reference: str | None
) -> Heard:
    """Read a refund object; `payment_reference` says which name of the payment counts.

    Raises:
        MalformedResponse: it is no refund object, or has no id.
    """
    if reading.text(refund, "object") != "refund":
        raise MalformedResponse("no_refund_object")
    word, raw_status = _status(refund)
    evidence = Evidence(
        source=source,
        raw_status=raw_status,
        gateway_reference=reading.required_text(refund, "id"),
        merchant_reference=reading.text(
            refund, "metadata", facts.REFERENCE_KEY, limit=facts.REFERENCE_LIMIT
        ),
        payment_reference=_payment_name(refund, payment_reference),
        requires_action=raw_status == "requires_action",
        failure_code=_failure(refund) if word is Word.FAILED else None,
    )
    return heard(word, evidence, _amount(refund))


def payment_names(source: Json) -> tuple[str, ...]:
    """Give every name a refund or dispute gives to its payment, the intent first."""
    names = (_id_of(source, "payment_intent"), _id_of(source, "charge"))
    return tuple(name for name in names if name is not None)


def _status(refund: Json) -> tuple[Word, str]:
    raw = reading.at(refund, "status")
    if not isinstance(raw, str):
        return Word.UNSEEN, reading.shown(raw)
    word = facts.WORDS.get(raw, Word.UNSEEN)
    waits_for = reading.text(refund, "pending_reason")
    if raw == "pending" and waits_for in facts.WAITS:
        return word, f"{raw}:{waits_for}"
    return word, reading.shown(raw)


def _failure(refund: Json) -> str:
    reason = reading.text(refund, "failure_reason")
    if reason in facts.FAILURES:
        return reason
    return reading.text(refund, "status") or "failed"


def _payment_name(refund: Json, ours: str | None) -> str | None:
    if ours is None:
        return None
    return _id_of(refund, "charge" if is_charge(ours) else "payment_intent")


def _id_of(source: Json, key: str) -> str | None:
    """Read an id that can also arrive as the whole object."""
    return reading.text(source, key) or reading.text(source, key, "id")


def _amount(source: Json, key: str = "amount") -> Stated:
    return stated_units(facts.CAPABILITIES, reading.at(source, key), _currency(source))


def _currency(source: Json) -> Json:
    """Give the currency in capitals; other letters than ASCII's can become ASCII's."""
    written = reading.at(source, "currency")
    return (
        written.upper() if isinstance(written, str) and written.isascii() else written
    )


# --- the answer to an order -------------------------------------------------------


def refund_outcome(response: HttpResponse, payment_reference: str) -> Outcome:
    """Give the meaning of the answer to `POST /v1/refunds`."""
    if response.status == OK:
        try:
            refund = reading.parse_object(response.body)
            return read_refund_object(refund, "answer", payment_reference)
        except MalformedResponse as error:
            return Unsure(error.message)
    error_object = reading.member(reading.object_or_none(response.body), "error")
    return _error_outcome(response, error_object or {})


def _error_outcome(response: HttpResponse, error: JsonObject) -> Outcome:
    code = reading.text(error, "code", limit=reading.MAX_SHOWN)
    kind = reading.text(error, "type")
    wait = reading.retry_after_seconds(response.headers)
    # A code that says "not executed" counts only where the status says so too.
    turned_away = BAD_REQUEST <= response.status < SERVER_ERROR
    expired = turned_away and code in facts.CREDENTIAL_CODES
    if expired or response.status in {401, 403}:
        return Unauthorized(_reason(response, code))
    limited = turned_away and code in facts.LIMITED
    if limited or response.status == LIMIT_REACHED:
        return NotProcessed(_limit_reason(response, code), wait)
    if kind == "idempotency_error":
        # The key was used for other parameters: our bug or a collision. Nobody may
        # conclude anything about the refund, and the key will never say more.
        return Unsure("idempotency_key_conflict", wait, replayed=True)
    if response.status in facts.REFUSAL_STATUSES and not _should_retry(
        response, "true"
    ):
        refusal = _refusal(error, code, kind)
        if refusal is not None:
            return refusal
    return Unsure(_reason(response, code), wait, replayed=_is_stuck(response))


def _refusal(
    error: JsonObject, code: str | None, kind: str | None
) -> RefusedByGateway | None:
    if code in facts.REFUSALS or code in facts.ECHOES:
        return RefusedByGateway(code, may_be_echo=code in facts.ECHOES)
    if code == facts.INSUFFICIENT_FUNDS:
        return RefusedByGateway(code, insufficient_funds=True)
    if code is None and kind == "invalid_request_error":
        return _refusal_without_code(reading.text(error, "param"))
    return None


def _refusal_without_code(param: str | None) -> RefusedByGateway | None:
    """More than the remainder comes without a code, as a fault of `amount`."""
    if param == "amount":
        return RefusedByGateway("amount_not_refundable", may_be_echo=True)
    if param in {"charge", "payment_intent"}:
        return RefusedByGateway(f"parameter_invalid:{param}")
    return None


def _should_retry(response: HttpResponse, value: str) -> bool:
    return response.headers.get("stripe-should-retry", "").lower() == value


def _is_stuck(response: HttpResponse) -> bool:
    """Tell whether the same key can only bring the same answer again."""
    if response.headers.get("idempotent-replayed", "").lower() == "true":
        return True
    return response.status >= SERVER_ERROR and _should_retry(response, "false")


def _reason(response: HttpResponse, code: str | None) -> str:
    base = f"http_{response.status}"
    return f"{base}:{reading.shown(code)}" if code else base


def _limit_reason(response: HttpResponse, code: str | None) -> str:
    why = response.headers.get("stripe-rate-limited-reason") or code
    return f"limited:{reading.shown(why)}" if why else "limited"


# --- payments and probes ----------------------------------------------------------


def payment_of_charge(
    charge: Json, account: AccountView
) -> PaymentRead | PaymentUnreadable:
    """Read captured and refunded amounts of a charge."""
    if reading.text(charge, "object") != "charge":
        return PaymentUnreadable("no_charge_object")
    if not fits_mode(charge, account):
        return PaymentUnreadable("livemode")
    captured = _amount(charge, "amount_captured")
    refunded = _amount(charge, "amount_refunded")
    doubt = captured.doubt or refunded.doubt
    if doubt is not None:
        return PaymentUnreadable(doubt)
    if captured.amount_minor is None or captured.currency is None:
        untold_in = refunded.currency if _is_untold(charge) else None
        return PaymentUnreadable("no_captured_amount", untold_in=untold_in)
    taken = reading.text(charge, "status") != "failed"
    return PaymentRead(
        captured_minor=captured.amount_minor if taken else 0,
        currency=captured.currency,
        refunded_minor=refunded.amount_minor,
        disputed=reading.flag(charge, "disputed") or False,
    )


def _is_untold(charge: Json) -> bool:
    """Tell whether a charge taken whole is described without that field at all.

    What was given back or is disputed must not be lost, so such a charge is no case
    for our own word.
    """
    return (
        isinstance(charge, dict)
        and "amount_captured" not in charge
        and reading.text(charge, "status") == "succeeded"
        and reading.flag(charge, "captured") is True
        and reading.whole(charge, "amount_refunded") == 0
        and not reading.flag(charge, "disputed")
    )


def payment_without_charge(
    intent: Json, account: AccountView
) -> PaymentRead | PaymentUnreadable:
    """Read a payment intent that nobody paid."""
    if not fits_mode(intent, account):
        return PaymentUnreadable("livemode")
    received = _amount(intent, "amount_received")
    if received.amount_minor == 0 and received.currency is not None:
        return PaymentRead(0, received.currency, refunded_minor=0)
    return PaymentUnreadable("no_charge")


def probe_result(response: HttpResponse, account: AccountView) -> ProbeResult:
    """Give the meaning of the answer to a probe."""
    if response.status != OK:
        return reading.probe_failed(response)
    balance = reading.object_or_none(response.body)
    if reading.flag(balance, "livemode") is None:
        # The answer proves the mode or it proves nothing.
        return ProbeResult("no_livemode")
    if not fits_mode(balance, account):
        return ProbeResult("livemode", unauthorized=True)
    return ProbeResult()


def fits_mode(source: Json, account: AccountView) -> bool:
    """Tell whether `livemode`, where it is stated, is the account's mode."""
    live = reading.at(source, "livemode")
    return live is None or live is (account.mode == "live")
