"""One call of one route, already read, checked and permitted.

Invariant: a handler sees models and plain values, never the HTTP request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from refundwatch.errors import InvariantBroken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from daemon.hub import Hub
    from daemon.reading import QueryValue
    from refundwatch.domain.policy import Principal

B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler works with; `parts` come from the path."""

    hub: Hub
    principal: Principal
    parts: Mapping[str, str]
    query: Mapping[str, QueryValue]
    body: BaseModel | None

    @property
    def now(self) -> datetime:
        """Return the clock's now."""
        return self.hub.clock.now()

    def model(self, kind: type[B]) -> B:
        """Return the body as the model that the route declares."""
        if not isinstance(self.body, kind):
            raise InvariantBroken(f"The route promised a {kind.__name__}.")
        return self.body

    def text(self, name: str) -> str | None:
        """Return a text parameter."""
        value = self.query.get(name)
        return value if isinstance(value, str) else None

    def integer(self, name: str, default: int) -> int:
        """Return a whole-number parameter."""
        value = self.query.get(name, default)
        return value if isinstance(value, int) else default

    def flag(self, name: str) -> bool:
        """Return a boolean parameter; absent is False."""
        return self.query.get(name) is True


@dataclass(frozen=True, slots=True)
class Answer:
    """A model to send; `status` None means the route's own."""

    model: BaseModel
    status: int | None = None


RouteHandler = Callable[[Call], Awaitable[Answer]]
