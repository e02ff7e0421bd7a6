"""What Cybersource's answers to an order, a cancellation and a probe mean.

Invariant: 201 is no success by itself: only the status in it is; a refusal counts only
where it is documented, and everything else proves nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard
from refundwatch.gateways.contract import (
    NotProcessed,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.cybersource import facts
from refundwatch.gateways.cybersource.transactions import code_of, stated_amount

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpResponse,
        Outcome,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json, JsonObject

OK: Final = 200
CREATED: Final = 201
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
LIMIT_REACHED: Final = 429
_CODE: Final = re.compile(r"[A-Z0-9_]{1,64}")


def refund_outcome(response: HttpResponse) -> Outcome:
    """Give the meaning of the answer to an order."""
    if response.status != CREATED:
        return _error_outcome(response, facts.REFUSALS)
    try:
        answer = reading.parse_object(response.body)
        status = _status(answer)
        if status in facts.REFUSED:
            return _refused(answer, status)
        return _accepted(answer, status)
    except MalformedResponse as error:
        return Unsure(error.message)


def _status(answer: JsonObject) -> str:
    return (reading.text(answer, "status") or "").upper()


def _accepted(answer: JsonObject, status: str) -> Outcome:
    word = facts.ANSWERED.get(status, Word.UNSEEN)
    evidence = Evidence(
        source="answer",
        raw_status=reading.shown(status or answer.get("status")),
        gateway_reference=reading.required_text(answer, "id"),
        merchant_reference=code_of(answer),
    )
    details = reading.member(answer, "refundAmountDetails") or {}
    stated = stated_amount(details.get("refundAmount"), details.get("currency"))
    return heard(word, evidence, stated)


def _refused(answer: JsonObject, status: str) -> Outcome:
    """The processor or the risk rules said no, in an answer of 201."""
    why = _code(answer) or status
    if why == facts.DUPLICATE:
        return Unsure(why)
    if why == facts.MISCONFIGURED:
        return Unauthorized(why)
    return RefusedByGateway(
        why,
        may_be_echo=why in facts.ECHOES,
        insufficient_funds=why in facts.INSUFFICIENT_FUNDS,
    )


def _error_outcome(response: HttpResponse, refusals: frozenset[str]) -> Outcome:
    error = reading.object_or_none(response.body)
    wait = reading.retry_after_seconds(response.headers)
    why = reason(response)
    if response.status == LIMIT_REACHED:
        return NotProcessed(why, wait)
    if response.status == BAD_REQUEST:
        code = _code(error)
        if code == facts.MISCONFIGURED:
            return Unauthorized(code)
        if code in refusals:
            return RefusedByGateway(code, may_be_echo=code in facts.ECHOES)
    return reading.common_outcome(response, why)


def _code(answer: Json) -> str | None:
    """Give the reason, which stands inside or outside of the error's own object."""
    inner = reading.text(answer, "errorInformation", "reason")
    code = inner or reading.text(answer, "reason")
    return code if code is not None and _CODE.fullmatch(code) else None


def reason(response: HttpResponse) -> str:
    """Say why an answer was not the one hoped for: status and Cybersource's code.

    An answer about the credentials has a shape of its own, and one about a missing
    transaction may have none.
    """
    error = reading.object_or_none(response.body)
    code = _code(error) or reading.text(error, "response", "rmsg")
    base = f"http_{response.status}"
    return f"{base}:{reading.shown(code)}" if code else base


# --- cancellations ----------------------------------------------------------------


def cancel_outcome(response: HttpResponse, instruction: RefundInstruction) -> Outcome:
    """Give the meaning of the answer to a cancellation of this refund.

    The id in it is the cancellation's own. That an order could not be cancelled says
    nothing of whether it was executed.
    """
    if response.status != CREATED:
        return _error_outcome(response, facts.REFUSALS | {facts.NOT_VOIDABLE})
    answer = reading.object_or_none(response.body)
    if answer is None:
        return Unsure("not_an_object")
    status = _status(answer)
    if status in facts.NOT_CANCELLED | facts.REFUSED:
        return RefusedByGateway(_code(answer) or f"VOID_{status}")
    if status not in facts.CANCELLED:
        return Unsure(f"void_status:{reading.shown(status, 32)}")
    details = reading.member(answer, "voidAmountDetails") or {}
    evidence = Evidence(
        source="answer",
        raw_status=status,
        gateway_reference=instruction.gateway_reference,
        failure_code=facts.VOIDED,
    )
    stated = stated_amount(details.get("voidAmount"), details.get("currency"))
    return heard(Word.FAILED, evidence, stated)


# --- the answer to a probe --------------------------------------------------------


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer to a probe."""
    if response.status not in {OK, CREATED}:
        return reading.probe_failed(response, reason(response))
    answer = reading.object_or_none(response.body)
    found = reading.whole(answer, "totalCount")
    return ProbeResult() if found is not None else ProbeResult("no_search")
