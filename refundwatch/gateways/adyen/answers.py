"""What Adyen's answers to an order mean.

Invariant: an order is never more than received here; a refusal counts only where the
answer is Adyen's own and does not say that it is passing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.adyen import facts
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    ProbeResult,
    RefusedByGateway,
    Unsure,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, HttpResponse, Outcome
    from refundwatch.gateways.reading import JsonObject

OK: Final = 200
CREATED: Final = 201
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
LIMIT_REACHED: Final = 429
RECEIVED: Final = "received"
KEY_NOT_ECHOED: Final = "key_not_echoed"
_CODE: Final = re.compile(r"[0-9A-Za-z_]{1,16}")


def refund_outcome(
    response: HttpResponse, account: AccountView, idempotency_key: str
) -> Outcome:
    """Give the meaning of the answer to an order sent with this key."""
    protected = _echoes(response, idempotency_key)
    if response.status == CREATED:
        try:
            received = _received(reading.parse_object(response.body), account)
        except MalformedResponse as error:
            return Unsure(error.message)
        return received if protected else _unprotected(received)
    error_object = reading.object_or_none(response.body) or {}
    return _error_outcome(response, error_object, protected=protected)


def _echoes(response: HttpResponse, idempotency_key: str) -> bool:
    """Tell whether the key was honoured: the answer repeats it then."""
    echoed = response.headers.get("idempotency-key", "")
    return echoed.casefold() == idempotency_key.casefold()


def _received(answer: JsonObject, account: AccountView) -> Heard:
    status = reading.at(answer, "status")
    word = Word.PENDING if status == RECEIVED else Word.UNSEEN
    raw_status = reading.shown(status)
    theirs = reading.text(answer, "merchantAccount")
    if theirs is not None and theirs != account.settings.get(facts.MERCHANT_ACCOUNT):
        word, raw_status = Word.UNSEEN, f"merchant_account:{reading.shown(theirs)}"
    evidence = Evidence(
        source="answer",
        raw_status=raw_status,
        gateway_reference=reading.required_text(answer, "pspReference"),
        merchant_reference=reading.text(answer, "reference"),
        payment_reference=reading.text(answer, "paymentPspReference"),
    )
    stated = stated_units(
        facts.CAPABILITIES,
        reading.at(answer, "amount", "value"),
        reading.at(answer, "amount", "currency"),
    )
    return heard(word, evidence, stated)


def _unprotected(received: Heard) -> Heard:
    """Note beside the status that another send would not have been recognised."""
    raw_status = f"{received.evidence.raw_status}:{KEY_NOT_ECHOED}"
    return replace(received, evidence=replace(received.evidence, raw_status=raw_status))


def _error_outcome(
    response: HttpResponse, error: JsonObject, *, protected: bool
) -> Outcome:
    code = _code(error)
    reason = f"http_{response.status}:{code}" if code else f"http_{response.status}"
    wait = reading.retry_after_seconds(response.headers)
    transient = response.headers.get("transient-error", "").strip().lower()
    # It stands beside an error; under another status it proves nothing.
    if transient == "true" and response.status >= BAD_REQUEST:
        return NotProcessed(f"transient:{reason}", wait)
    if response.status in {401, 403}:
        return reading.common_outcome(response, reason)
    if response.status == LIMIT_REACHED:
        return NotProcessed(reason, wait)
    if code is not None and _is_refusal(response, error, code):
        # Where the key was not honoured, the refusal speaks of this call alone, and
        # an earlier one may have brought it about.
        return RefusedByGateway(code, may_be_echo=not protected)
    if response.status == NOT_FOUND:
        # A path that Adyen does not serve: the endpoint is configured wrongly.
        return NotProcessed("wrong_path", wait)
    stuck = transient == "false" or code == facts.IN_PROGRESS
    return Unsure(reason, wait, replayed=stuck)


def _is_refusal(response: HttpResponse, error: JsonObject, code: str) -> bool:
    return (
        response.status in facts.REFUSAL_STATUSES
        and reading.text(error, "errorType") == "validation"
        and code not in {facts.IN_PROGRESS, facts.KEY_STORE_DOWN}
    )


def _code(error: JsonObject) -> str | None:
    code = reading.text(error, "errorCode")
    return code if code is not None and _CODE.fullmatch(code) else None


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer to a probe."""
    if response.status != OK:
        return reading.probe_failed(response)
    if reading.object_or_none(response.body) is None:
        return ProbeResult("not_an_object")
    return ProbeResult()
