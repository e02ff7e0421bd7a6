"""What goes into and comes out of a look-alike: plain values, no sockets, no clock.

Invariant: a gateway model is driven only by ``now`` values that never go back, so a
server in real time and a simulation in virtual time see the same behaviour.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Fate(StrEnum):
    """Say how a reply travels back, or what stopped it."""

    ANSWERED = "answered"
    REFUSED = "refused"
    DROPPED_BEFORE_EXECUTION = "dropped_before_execution"
    DROPPED_AFTER_EXECUTION = "dropped_after_execution"
    EXECUTED_LATE = "executed_late"
    RESET = "reset"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold one HTTP request; header names are lower case, the query is decoded."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Return a header's value, or the empty string."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), "")

    def query_value(self, name: str) -> str:
        """Return the first value of a query parameter, or the empty string."""
        return next((value for key, value in self.query if key == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Hold one HTTP answer and its fate.

    ``latency_seconds`` passes before the fate takes effect. ``REFUSED`` means that no
    byte of the request was taken: a simulated transport reports a failed connection.
    The dropped fates close the connection silently, ``RESET`` aborts it (the request
    was executed), ``TRUNCATED`` announces the whole body and sends its first half.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    latency_seconds: float = 0.0
    fate: Fate = Fate.ANSWERED

    def header(self, name: str) -> str:
        """Return a header's value, or the empty string."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPost:
    """Hold one delivery attempt; report its end with ``webhook_answered(post_id)``."""

    post_id: int
    account: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    event: str
    attempt: int
    forged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Effect:
    """Hold something the gateway does by itself at a later time.

    Effects are data, so that a snapshot can hold them; ``name`` is understood by the
    gateway that scheduled it, ``subject`` names what it acts on.
    """

    at: float
    number: int
    name: str = field(compare=False)
    subject: str = field(default="", compare=False)
    detail: str = field(default="", compare=False)
    request: Request | None = field(default=None, compare=False)
