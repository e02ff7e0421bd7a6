"""What Authorize.Net's answers mean: the envelope, and the answer to an order.

Invariant: the status of HTTP proves nothing here, because errors come with 200; an
order counts as taken only by a response code with a transaction, as refused only by a
documented code, and everything else proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.authorizenet import facts
from refundwatch.gateways.authorizenet.building import is_transaction_id
from refundwatch.gateways.contract import (
    Heard,
    HttpResponse,
    LookupFailed,
    Outcome,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import RefundInstruction
    from refundwatch.gateways.reading import JsonObject

OK: Final = 200
_BOM: Final = b"\xef\xbb\xbf"
_GOOD: Final = "Ok"
_BAD: Final = "Error"


# --- every answer -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a question was not answered; `missing` means that there is no such record."""

    reason: str
    unauthorized: bool = False
    missing: bool = False
    retry_after_seconds: int | None = None

    def outcome(self) -> Outcome:
        """Give what it means for an order that was not made yet."""
        if self.unauthorized:
            return Unauthorized(self.reason)
        if self.missing:
            return RefusedByGateway(self.reason)
        return Unsure(self.reason, self.retry_after_seconds)

    def lookup_failed(self) -> LookupFailed:
        """Give what it means for a look-up."""
        return LookupFailed(
            self.reason,
            self.retry_after_seconds,
            unauthorized=self.unauthorized,
            unknown_there=self.missing,
        )

    def unreadable(self) -> PaymentUnreadable:
        """Give what it means for the read of a payment."""
        return PaymentUnreadable(
            self.reason, missing=self.missing, unauthorized=self.unauthorized
        )


def read_body(body: bytes) -> JsonObject:
    """Read an answer without its byte order mark; amounts stay text.

    Raises:
        MalformedResponse: it is no JSON object.
    """
    value = reading.parse(body.removeprefix(_BOM), points_as_text=True)
    if not isinstance(value, dict):
        raise MalformedResponse("not_an_object")
    return value


def told(response: HttpResponse) -> JsonObject | Trouble:
    """Read the answer to a question, or say why it is none."""
    wait = reading.retry_after_seconds(response.headers)
    if response.status != OK:
        denied = response.status in {401, 403}
        return Trouble(f"http_{response.status}", denied, retry_after_seconds=wait)
    try:
        answer = read_body(response.body)
    except MalformedResponse as error:
        return Trouble(error.message, retry_after_seconds=wait)
    if reading.text(answer, "messages", "resultCode") == _GOOD:
        return answer
    code = code_of(answer)
    return Trouble(
        code or "no_result_code",
        unauthorized=code in facts.CREDENTIAL_CODES,
        missing=code == facts.NO_RECORD,
        retry_after_seconds=wait,
    )


def code_of(answer: JsonObject) -> str | None:
    """Give the code of the envelope's first message."""
    return _first(answer, "messages", "message", "code")


def _first(source: JsonObject, *path: str) -> str | None:
    """Give a member of the first object in a list."""
    *way, last = path
    found = reading.items(source, *way) or [None]
    code = reading.text(found[0], last, limit=reading.MAX_SHOWN)
    return None if code is None else reading.shown(code)


def probe_result(response: HttpResponse) -> ProbeResult:
    """Give the meaning of the answer to a probe."""
    answer = told(response)
    if isinstance(answer, Trouble):
        return ProbeResult(answer.reason, unauthorized=answer.unauthorized)
    return ProbeResult()


# --- the answer to an order -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Twin:
    """An equal transaction was executed before; its id is a hint, where it is told."""

    transaction_id: str | None


def order_outcome(
    response: HttpResponse, instruction: RefundInstruction, *, void: bool
) -> Outcome | Twin:
    """Give the meaning of the answer to a refund or to a void of its sale."""
    if response.status != OK:
        return reading.common_outcome(response)
    try:
        answer = read_body(response.body)
    except MalformedResponse as error:
        return Unsure(error.message)
    transaction = reading.member(answer, "transactionResponse") or {}
    code = reading.text(transaction, "responseCode")
    if code is None:
        return _without_transaction(answer, transaction, response)
    if code in {facts.DECLINED, facts.ERROR}:
        return _refused(transaction, declined=code == facts.DECLINED)
    agreed = reading.text(answer, "messages", "resultCode") == _GOOD
    if code not in {facts.APPROVED, facts.HELD} or not agreed:
        return Unsure(f"response_{reading.shown(code, 8)}")
    evidence = _evidence(answer, transaction, held=code == facts.HELD)
    if void:
        return _voided(evidence, transaction, instruction)
    if evidence.gateway_reference is None:
        return Unsure("no_transaction")
    return Heard(Word.PENDING, evidence)


def _evidence(answer: JsonObject, transaction: JsonObject, *, held: bool) -> Evidence:
    """Read what is echoed; the amount is not, and is compared when it is read."""
    own = reading.text(transaction, "transId")
    return Evidence(
        source="answer",
        raw_status="held" if held else "approved",
        gateway_reference=own if is_transaction_id(own) else None,
        merchant_reference=reading.text(answer, "refId"),
        payment_reference=reading.text(transaction, "refTransID"),
        requires_action=held,
    )


def _voided(
    evidence: Evidence, transaction: JsonObject, instruction: RefundInstruction
) -> Outcome:
    """Read the answer to a void, which has no id beside that of its sale."""
    said = _first(transaction, "messages", "code")
    sale = instruction.payment_reference
    if evidence.requires_action or said not in {None, "1", facts.ALREADY_VOIDED}:
        return Unsure(f"void_{said or 'held'}")
    if evidence.gateway_reference not in {None, sale}:
        return Unsure("another_transaction")
    return Heard(
        Word.SUCCEEDED,
        Evidence(
            source="answer",
            raw_status=facts.VOIDED,
            gateway_reference=sale,
            merchant_reference=evidence.merchant_reference,
            payment_reference=evidence.payment_reference or sale,
        ),
    )


def _refused(transaction: JsonObject, *, declined: bool) -> Outcome | Twin:
    reason = _first(transaction, "errors", "errorCode")
    if reason == facts.DUPLICATE:
        other = reading.text(transaction, "transId")
        return Twin(other if is_transaction_id(other) else None)
    if reason == facts.BAD_LOGIN:
        return Unauthorized(f"reason_{reason}")
    if reason in facts.REFUSALS:
        return RefusedByGateway(reason, may_be_echo=reason in facts.ECHOES)
    if declined:
        return RefusedByGateway(reason or "declined")
    return Unsure(f"reason_{reason or 'none'}")


def _without_transaction(
    answer: JsonObject, transaction: JsonObject, response: HttpResponse
) -> Outcome:
    """Read an answer that speaks of the request alone.

    An error beside a good result or a transaction contradicts itself: it is no proof.
    """
    code = code_of(answer)
    refused = reading.text(answer, "messages", "resultCode") == _BAD
    if not refused or is_transaction_id(reading.text(transaction, "transId")):
        return Unsure(code or "no_response_code")
    if code in facts.CREDENTIAL_CODES or code == facts.NO_RECORD:
        return Unauthorized(code)
    if code in facts.ENVELOPE_REFUSALS:
        return RefusedByGateway(code)
    wait = reading.retry_after_seconds(response.headers)
    return Unsure(code or "no_response_code", wait)
