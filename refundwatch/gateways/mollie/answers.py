"""What Mollie's answers to an order, a cancellation and a probe mean.

Invariant: a refund counts as accepted only by a refund object with an id; a refusal
only by a documented status in Mollie's own form; everything else proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.mollie import facts
from refundwatch.gateways.mollie.objects import read_refund_object

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpResponse,
        Outcome,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json

OK: Final = 200
CREATED: Final = 201
NO_CONTENT: Final = 204
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422
LIMIT_REACHED: Final = 429
SERVER_ERROR: Final = 500
UNAVAILABLE: Final = 503

_REFUSALS: Final = frozenset({400, 404, 405, 410, 415, 422})
# Refusals that our own earlier success could bring about: nothing is left, or the key
# was used before.
_ECHOES: Final = frozenset({400, 422})

# --- the answer to an order -------------------------------------------------------


def refund_outcome(
    response: HttpResponse, merchant_reference: str, guard_seconds: int
) -> Outcome:
    """Give the meaning of the answer to an order of a refund."""
    if response.status in {OK, CREATED}:
        try:
            refund = reading.parse_object(response.body)
            return read_refund_object(refund, "answer", merchant_reference)
        except MalformedResponse as error:
            return Unsure(error.message)
    return _error_outcome(response, _own_error(response), guard_seconds)


def _own_error(response: HttpResponse) -> Json:
    """Give the error where it is Mollie's own: a proxy's page is none."""
    error = reading.object_or_none(response.body)
    return error if reading.whole(error, "status") == response.status else None


def _error_outcome(response: HttpResponse, error: Json, guard_seconds: int) -> Outcome:
    why = reason(response)
    wait = reading.retry_after_seconds(response.headers)
    if response.status in {401, 403}:
        return Unauthorized(why)
    if response.status == LIMIT_REACHED:
        return NotProcessed(why, wait)
    if error is None:
        return Unsure(why, wait)
    detail = (reading.text(error, "detail", limit=2048) or "").casefold()
    if response.status == UNAVAILABLE:
        # Mollie documents it as "refunds in parallel, not performed".
        return NotProcessed(why, wait)
    if response.status == CONFLICT and facts.GUARD_DETAIL in detail:
        guarded = with_margin(guard_seconds, guard_seconds)
        return NotProcessed("equal_amount_guard", max(guarded, wait or 0), alone=True)
    if response.status in _REFUSALS and "idempotency" not in detail:
        return _refusal(response.status, why, detail)
    return Unsure(why, wait, replayed=_is_stuck(response))


def with_margin(left_seconds: int, guard_seconds: int) -> int:
    """Give what is left of the guard, and a margin, because its end is not exact."""
    return left_seconds + max(guard_seconds // facts.GUARD_MARGIN, 1)


def _refusal(status: int, code: str, detail: str) -> RefusedByGateway:
    """Mollie names no codes; of the text only what it says of the balance counts."""
    short = status == UNPROCESSABLE and "balance" in detail
    return RefusedByGateway(
        code, may_be_echo=status in _ECHOES, insufficient_funds=short
    )


def _is_stuck(response: HttpResponse) -> bool:
    """Tell whether the same key only brings the same answer again."""
    return response.headers.get("idempotent-replayed", "").lower() == "true"


def reason(response: HttpResponse) -> str:
    """Say why an answer was not the one hoped for: its status, and the field."""
    base = f"http_{response.status}"
    field = reading.text(reading.object_or_none(response.body), "field")
    return f"{base}:{reading.shown(field, 40)}" if field else base


# --- the answer to a cancellation -------------------------------------------------


def cancelled(instruction: RefundInstruction, refund_id: str) -> Heard:
    """Give the word of an accepted cancellation: the answer itself is empty."""
    evidence = Evidence(
        source="answer",
        raw_status=facts.CANCELED,
        gateway_reference=refund_id,
        payment_reference=instruction.payment_reference,
        failure_code=facts.CANCELED,
    )
    return Heard(Word.FAILED, evidence)


def not_cancelled(response: HttpResponse) -> Outcome | None:
    """Give the meaning of another answer; None where the refund must be read."""
    outcome = _error_outcome(response, _own_error(response), 0)
    if isinstance(outcome, RefusedByGateway) or response.status == CONFLICT:
        return None
    return outcome


# --- the answer to a probe --------------------------------------------------------


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer to a probe."""
    if response.status != OK:
        return reading.probe_failed(response)
    who = reading.text(reading.object_or_none(response.body), "resource")
    known = who in {"profile", "organization"}
    return ProbeResult() if known else ProbeResult("no_profile_object")
