"""What the rooms need beside the store: time, the wire, secrets, and a listener.

Invariant: every "now" and every wait goes through `Clock`, every byte to a gateway
through `Transport`, so that a simulation can stand in for the world.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Credentials,
        Gateway,
        HttpRequest,
        HttpResponse,
    )


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the wall clock in UTC; for records."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; for timeouts and leases."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class NeverSentError(Exception):
    """No byte of the request left; the argument is a reason code."""


class NoAnswerError(Exception):
    """Bytes left, but no whole answer came; the argument is a reason code."""


class Transport(Protocol):
    """One exchange with a gateway; never retries, never follows a redirect."""

    async def exchange(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        """Send an authorized request and return the whole answer.

        Raises:
            NeverSentError: it is certain that no byte of the request was written.
            NoAnswerError: timeout, reset, truncated or oversized answer after that.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConnectionPath:
    """One configured path to an account, with what is needed to use it.

    `id` is `account/name`; timeouts in seconds; `endpoint` has no trailing slash.
    `rate_per_second` is how many calls may begin, `burst` at once; None without limit.
    `fee_basis_points` is what a refund costs here beyond the cheapest way.
    """

    id: str
    account: AccountView
    gateway: Gateway
    endpoint: str
    timeout_seconds: float
    connect_timeout_seconds: float
    concurrency: int
    api_version: str | None = None
    rate_per_second: float | None = None
    burst: int = 1
    fee_basis_points: int = 0


class Paths(Protocol):
    """The configured accounts and connections."""

    def of_account(self, account: str) -> tuple[ConnectionPath, ...]:
        """Return the connections of an account in configured order; () if unknown."""
        ...

    def all(self) -> tuple[ConnectionPath, ...]:
        """Return every connection."""
        ...

    def credentials(self, connection_id: str) -> Credentials:
        """Return the resolved credentials, without a session."""
        ...

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        """Return every webhook secret that is valid now."""
        ...


class Log(Protocol):
    """Structured events: a name and fields; never secrets or personal data."""

    def event(self, name: str, **fields: str | float | None) -> None:
        """Write one event."""
        ...

    def problem(self, name: str, **fields: str | float | None) -> None:
        """Write one event that somebody should look at."""
        ...


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """How the rooms behave; seconds unless named otherwise.

    A jump of the wall clock moves due times, so a room looks again after
    `longest_sleep_seconds` at most. `delay_scale` and `longest_delay_seconds` shorten
    what gateways declare and ask for, beside look-alikes whose time runs faster; where
    there is real money they shorten nothing.
    """

    instance: str
    dispatch_concurrency: int
    lease_seconds: int
    backoff_seconds: tuple[int, ...]
    settle_delay_seconds: int
    in_flight_seconds: int
    poll_first_seconds: int
    poll_repeat_seconds: int
    doubt_alarm_seconds: tuple[int, ...]
    unmatched_keep_seconds: int
    probe_timeout_seconds: float
    hold_declared: Mapping[str, bool]
    lookup_concurrency: int = 32
    inbox_concurrency: int = 32
    longest_sleep_seconds: int = 300
    delay_scale: float = 1.0
    longest_delay_seconds: int = 2**31

    def scaled(self, seconds: int) -> int:
        """Give a gateway's declared delay as it is here; at least a second of any."""
        shorter = min(round(seconds * self.delay_scale), self.longest_delay_seconds)
        return max(shorter, min(seconds, 1))
