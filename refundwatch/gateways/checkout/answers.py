"""What Checkout.com's answers to an order and a probe mean.

Invariant: an order is never more than accepted here, and only by an action's id; a
refusal only by a documented code; everything else proves nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.checkout import facts
from refundwatch.gateways.contract import (
    Heard,
    HttpResponse,
    NotProcessed,
    Outcome,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)

if TYPE_CHECKING:
    from refundwatch.gateways.reading import Json

OK: Final = 200
ACCEPTED: Final = 202
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
INVALID: Final = 422
LIMIT_REACHED: Final = 429

_MAX_LINK: Final = 2048
_PAYMENT_LINK: Final = re.compile(r"/payments/([A-Za-z0-9_-]{1,255})\Z")

# --- the answer to an order -------------------------------------------------------


def order_outcome(response: HttpResponse) -> Outcome:
    """Give the meaning of the answer to an order of a refund or a void.

    A 403 is `Unauthorized` here; whether it speaks of the payment, only the payment
    tells.
    """
    if response.status == ACCEPTED:
        try:
            return _accepted(reading.parse_object(response.body))
        except MalformedResponse as error:
            return Unsure(error.message)
    codes = frozenset(_codes(reading.object_or_none(response.body)))
    wait = reading.retry_after_seconds(response.headers)
    why = reason(response)
    if response.status == UNAUTHORIZED:
        # Its body is empty, so nobody can tell a dead token from a wrong key.
        return Unauthorized(why, session_expired=True)
    trouble = codes & facts.ACCOUNT_TROUBLE and response.status == INVALID
    if trouble or response.status == FORBIDDEN:
        return Unauthorized(why)
    if response.status == LIMIT_REACHED:
        return NotProcessed(why, wait)
    if response.status == NOT_FOUND:
        return RefusedByGateway("payment_not_found")
    if response.status == INVALID:
        return _refusal(codes) or Unsure(why, wait)
    return Unsure(why, wait)


def may_speak_of_payment(response: HttpResponse) -> bool:
    """Tell whether a 403 can mean the payment; one that names the account does not."""
    codes = frozenset(_codes(reading.object_or_none(response.body)))
    return response.status == FORBIDDEN and not codes & facts.ACCOUNT_TROUBLE


def _accepted(answer: Json) -> Heard:
    evidence = Evidence(
        source="answer",
        raw_status="accepted",
        gateway_reference=reading.required_text(answer, "action_id"),
        merchant_reference=reading.text(answer, "reference"),
        payment_reference=_payment_named(answer),
    )
    return Heard(Word.PENDING, evidence)


def _payment_named(answer: Json) -> str | None:
    link = reading.text(answer, "_links", "payment", "href", limit=_MAX_LINK)
    found = _PAYMENT_LINK.search(link or "")
    return found[1] if found is not None else None


def _refusal(codes: frozenset[str]) -> Outcome | None:
    """Give the meaning of a documented refusal; beside a doubt nothing is certain."""
    if codes & facts.UNCERTAIN:
        return None
    if limited := sorted(facts.LIMITED & codes):
        return NotProcessed(limited[0])
    if echoes := sorted(facts.ECHOES & codes):
        return RefusedByGateway(
            echoes[0],
            may_be_echo=True,
            insufficient_funds=facts.INSUFFICIENT_FUNDS in codes,
        )
    known = facts.REFUSALS & codes
    return RefusedByGateway(min(known)) if known else None


def _codes(error: Json) -> tuple[str, ...]:
    found = reading.items(error, "error_codes") or []
    return tuple(code for code in found if isinstance(code, str))


def reason(response: HttpResponse) -> str:
    """Say why an answer was not the one hoped for: status and its first code."""
    error = reading.object_or_none(response.body)
    codes = _codes(error)
    code = codes[0] if codes else reading.text(error, "error_type")
    base = f"http_{response.status}"
    return f"{base}:{reading.shown(code)}" if code else base


# --- the answer to a probe --------------------------------------------------------


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer about a payment that nobody has: 404 is good."""
    if response.status == NOT_FOUND:
        return ProbeResult()
    if response.status == OK:
        return ProbeResult("payment_of_nobody")
    return reading.probe_failed(response, reason(response))
