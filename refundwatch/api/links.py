"""Where an answer leads: the OpenAPI links from each operation to those that follow.

Invariant: a link names an operation that exists and fills it from the answer alone.

Source: OpenAPI Specification 3.1.0, "Link Object" and "Runtime Expressions",
https://spec.openapis.org/oas/v3.1.0 (read 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Link:
    """One way on: `target` is a route; `parts` and `body` are pointers to values."""

    target: str
    parts: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)

    def described(self) -> dict[str, object]:
        """Return the link as OpenAPI writes it."""
        found: dict[str, object] = {"operationId": self.target}
        if self.parts:
            found["parameters"] = _expressions(self.parts)
        if self.body:
            found["requestBody"] = _expressions(self.body)
        return found


def links_of(name: str) -> dict[str, object]:
    """Return the links of an operation by the name of what follows."""
    return {link.target: link.described() for link in _LINKS.get(name, ())}


def _expressions(pointers: Mapping[str, str]) -> dict[str, str]:
    return {key: f"$response.body#{pointer}" for key, pointer in pointers.items()}


_DECISIONS: Final = ("approve", "refuse", "edit", "cancel", "hold", "release")


def _of_refund(at: str) -> tuple[Link, ...]:
    """Lead from a shown refund to every decision about exactly what was shown."""
    parts = {"refund": f"{at}/id"}
    shown = {
        "revision": f"{at}/revision",
        "request_sha256": f"{at}/request_sha256",
    }
    amount = {"amount_minor": f"{at}/amount/minor"}
    return (
        Link("refunds.show", parts),
        Link("refunds.lookup", parts),
        Link("payments.show", {"payment": f"{at}/payment_id"}),
        *(
            Link(f"refunds.{word}", parts, shown | (amount if word == "edit" else {}))
            for word in _DECISIONS
        ),
    )


def _of_payment(at: str) -> tuple[Link, ...]:
    asked = {
        "payment": f"{at}/id",
        "amount_minor": f"{at}/refundable/minor",
        "currency": f"{at}/refundable/currency",
    }
    return (
        Link("payments.show", {"payment": f"{at}/id"}),
        Link("payments.unfreeze", {"payment": f"{at}/id"}),
        Link("refunds.create", body=asked),
    )


_LINKS: Final[Mapping[str, tuple[Link, ...]]] = {
    "payments.create": _of_payment(""),
    "payments.show": _of_payment(""),
    "payments.list": _of_payment("/items/0"),
    "invoices.create": (Link("invoices.show", {"number": "/number"}),),
    "refunds.create": _of_refund("/refund"),
    "refunds.show": _of_refund("/refund"),
    "refunds.list": _of_refund("/items/0"),
    "alarms.list": (Link("alarms.acknowledge", {"alarm": "/items/0/id"}),),
    "tokens.create": (Link("tokens.revoke", {"token": "/token/id"}),),
    "tokens.list": (Link("tokens.revoke", {"token": "/items/0/id"}),),
    **{f"refunds.{word}": _of_refund("/refund") for word in _DECISIONS},
}
