"""The frame of every answer: data, or what went wrong, by class and code.

Invariant: the status of HTTP alone proves no success; an answer without data and
without an error that is documented proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.braintree import facts
from refundwatch.gateways.contract import LookupFailed, PaymentUnreadable, ProbeResult

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpResponse
    from refundwatch.gateways.reading import Json, JsonObject

OK: Final = 200
_MOST_FAULTS: Final = 32


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of `errors`: its class and, for VALIDATION, its code."""

    kind: str
    code: str = ""

    @property
    def reason(self) -> str:
        """Name the fault for people."""
        return f"{self.kind}:{self.code}" if self.code else self.kind


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer that is not what was asked for; `faults` may be empty."""

    reason: str
    faults: tuple[Fault, ...] = ()
    wait: int | None = None

    @property
    def denied(self) -> bool:
        """Tell whether credentials or rights were refused."""
        return any(fault.kind in facts.DENIED for fault in self.faults)

    @property
    def missing(self) -> bool:
        """Tell whether Braintree does not know what was asked for."""
        return {fault.kind for fault in self.faults} == {facts.NOT_FOUND}

    def lookup(self) -> LookupFailed:
        """Say that a look-up was not answered."""
        return LookupFailed(self.reason, self.wait, unauthorized=self.denied)

    def payment(self) -> PaymentUnreadable:
        """Say that the original payment was not read."""
        return PaymentUnreadable(
            self.reason, missing=self.missing, unauthorized=self.denied
        )

    def probe(self) -> ProbeResult:
        """Say that a probe was answered badly."""
        return ProbeResult(self.reason, unauthorized=self.denied)


def data_of(response: HttpResponse) -> JsonObject | Failed:
    """Give the data of an answer without errors, or say what failed."""
    wait = reading.retry_after_seconds(response.headers)
    if response.status != OK:
        kind = facts.BY_STATUS.get(response.status)
        why = f"http_{response.status}"
        return Failed(why, (Fault(kind),) if kind else (), wait)
    try:
        whole = reading.parse_object(response.body)
        faults = _faults(whole)
    except MalformedResponse as error:
        return Failed(error.message, wait=wait)
    if faults:
        return Failed(faults[0].reason, faults, wait)
    data = reading.member(whole, "data")
    return Failed("no_data", wait=wait) if data is None else data


def data_beside_errors(response: HttpResponse) -> JsonObject | None:
    """Give whatever data an answer has, also where it states errors too."""
    if response.status != OK:
        return None
    return reading.member(reading.object_or_none(response.body), "data")


def _faults(whole: JsonObject) -> tuple[Fault, ...]:
    errors = whole.get("errors")
    if errors is None:
        return ()
    if not isinstance(errors, list):
        raise MalformedResponse("errors_no_list")
    return tuple(_fault(error) for error in errors[:_MOST_FAULTS])


def _fault(error: Json) -> Fault:
    """An error of GraphQL's own syntax has no class: then it proves nothing."""
    kind = reading.text(error, "extensions", "errorClass") or "unclassified"
    code = reading.text(error, "extensions", "legacyCode") or ""
    return Fault(reading.shown(kind), reading.shown(code))
