"""How requests meet faults, the same at every gateway.

Invariant: ``handle`` finishes what it begins, whatever happens to the client; a fault
that executes without an answer leaves the same books as an answered call.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from refundwatch.sandbox.account import ARRIVES, Account
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Fate, Reply, Request

# The request was carried out and the client does not learn how.
_AFTER: Mapping[Fault, Fate] = {
    Fault.DROPPED_AFTER: Fate.DROPPED_AFTER_EXECUTION,
    Fault.RESET_AFTER: Fate.RESET,
    Fault.TRUNCATED: Fate.TRUNCATED,
    Fault.GARBLED: Fate.ANSWERED,
    Fault.ERROR_AFTER: Fate.ANSWERED,
}
# The client gets no byte.
_SILENT = (
    Fault.REFUSED,
    Fault.DROPPED_BEFORE,
    Fault.EXECUTED_LATE,
    Fault.HELD_IN_FLIGHT,
)
_DISTORTIONS = (Fault.WRONG_AMOUNT, Fault.UNKNOWN_STATUS, Fault.SPARSE_ANSWER)
_READ_TROUBLES = (Fault.ERROR_BEFORE, Fault.RATE_LIMITED, Fault.UNAVAILABLE)
_GARBLED_BODIES = (
    b"<html><head><title>502 Bad Gateway</title></head><body></body></html>",
    b'{"id": "\xff\xfe", "status":',
    b'{"amount": 1e400, "amount": NaN}',
    b"",
)


class Kind(StrEnum):
    """Say what a request does, as far as faults are concerned."""

    MONEY = "money"
    READ = "read"
    QUIET = "quiet"


class GatewayModel(Account):
    """Serve one account of one gateway, without sockets and without a clock."""

    def handle(self, request: Request, now: float) -> Reply:
        """Serve one request at ``now`` (seconds since the epoch)."""
        self.advance(now)
        latency = self.dice.latency()
        match self.kind_of(request):
            case Kind.MONEY:
                return self._handle_money(request, now, latency)
            case Kind.READ if self.dice.rolls(Fault.READ_TROUBLE):
                return self._read_trouble(request, now, latency)
            case _:
                reply = self.serve(request, now, now + latency)
                return replace(reply, latency_seconds=latency)

    @abstractmethod
    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""

    @abstractmethod
    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before execution; None where it cannot happen."""

    @abstractmethod
    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer with an error although the request was carried out."""

    @abstractmethod
    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify an answer; the books stay right."""

    @abstractmethod
    def key_of(self, request: Request) -> str:
        """Return the idempotency key of a request, or the empty string."""

    @abstractmethod
    def fingerprint(self, request: Request) -> str:
        """Return what two calls under one key must share."""

    # Faults.

    def _handle_money(self, request: Request, now: float, latency: float) -> Reply:
        fault = self.dice.request_fault()
        if fault is None:
            return self._answered(request, now, latency)
        if fault in _AFTER:
            return self._after(fault, request, now, latency)
        if fault in _SILENT:
            return self._silent(fault, request, now)
        reply = self.trouble(fault, request, now)
        if reply is None:
            return self._answered(request, now, latency)
        self.dice.count(fault)
        return replace(reply, latency_seconds=latency)

    def _silent(self, fault: Fault, request: Request, now: float) -> Reply:
        self.dice.count(fault)
        hang = self._hang()
        match fault:
            case Fault.REFUSED:
                return Reply(fate=Fate.REFUSED)
            case Fault.DROPPED_BEFORE:
                return Reply(fate=Fate.DROPPED_BEFORE_EXECUTION, latency_seconds=hang)
            case _:
                self._run_late(fault, request, now)
                return Reply(fate=Fate.EXECUTED_LATE, latency_seconds=hang)

    def _hang(self) -> float:
        return self.dice.profile.hang_seconds * self.dice.time_scale

    def _run_late(self, fault: Fault, request: Request, now: float) -> None:
        at = now + self.dice.wait(self.dice.profile.late_seconds)
        key = self.key_of(request)
        holds = fault is Fault.HELD_IN_FLIGHT and key
        if holds and self.keys.find(key, now) is None:
            record = KeyRecord(
                key=key,
                fingerprint=self.fingerprint(request),
                first_at=now,
                busy_until=at,
            )
            self.keys.put(record)
        self.schedule(at, ARRIVES, request=request)

    def _after(
        self, fault: Fault, request: Request, now: float, latency: float
    ) -> Reply:
        before = len(self.books.refunds)
        reply = self.serve(request, now, now + latency)
        reply = replace(reply, latency_seconds=latency)
        if len(self.books.refunds) == before:
            return reply
        self.dice.count(fault)
        if fault is Fault.ERROR_AFTER:
            return replace(
                self.error_after(request, reply, now), latency_seconds=latency
            )
        if fault is Fault.GARBLED:
            return replace(reply, body=self.dice.rng.choice(_GARBLED_BODIES))
        if fault is Fault.DROPPED_AFTER:
            return Reply(fate=_AFTER[fault], latency_seconds=self._hang())
        return replace(reply, fate=_AFTER[fault])

    def _answered(self, request: Request, now: float, latency: float) -> Reply:
        before = len(self.books.refunds)
        reply = self.serve(request, now, now + latency)
        if len(self.books.refunds) > before:
            for fault in _DISTORTIONS:
                if self.dice.rolls(fault):
                    reply = self.distorted(fault, reply)
        return replace(reply, latency_seconds=latency)

    def _read_trouble(self, request: Request, now: float, latency: float) -> Reply:
        fault = self.dice.rng.choice((*_READ_TROUBLES, None))
        reply = None if fault is None else self.trouble(fault, request, now)
        if reply is not None:
            return replace(reply, latency_seconds=latency)
        return Reply(fate=Fate.DROPPED_BEFORE_EXECUTION, latency_seconds=self._hang())
