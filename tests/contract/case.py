"""What the shared suite must know of a gateway to check it; one case each.

All of it is data and small functions: the checks themselves are in test_contract.py
and are the same for every gateway.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Credentials,
        Gateway,
        HttpRequest,
        HttpResponse,
        RawDelivery,
        RefundInstruction,
    )


@dataclass(frozen=True)
class Answered:
    """A documented example: what the gateway answers, and what that means.

    `operation` names the adapter's method; `responses` are given to its requests in
    turn. `said` compares attributes by dotted name: {"evidence.amount_minor": 1050};
    of a look-up the first match is compared ("matches.0.word").
    """

    name: str
    operation: str
    responses: tuple[HttpResponse, ...]
    outcome: type
    said: Mapping[str, object] = field(default_factory=dict)
    instruction: RefundInstruction | None = None


@dataclass(frozen=True)
class Coded:
    """A documented error of an order, and the class it falls into.

    `more` answers what the adapter reads because of it.
    """

    code: str
    response: HttpResponse
    outcome: type
    said: Mapping[str, object] = field(default_factory=dict)
    more: tuple[HttpResponse, ...] = ()


@dataclass(frozen=True)
class Amount:
    """An amount in ISO minor units, and how the gateway writes it."""

    minor: int
    currency: str
    written: str


@dataclass(frozen=True)
class Delivered:
    """A webhook with a good signature; `responses` serve what it makes us read.

    `signed` names the headers that carry the signature, () where none does; with
    `signed_in_body` it is a part of the body.
    """

    name: str
    delivery: RawDelivery
    secrets: tuple[str, ...]
    at: datetime
    signed: tuple[str, ...]
    signed_in_body: bool = False
    responses: tuple[HttpResponse, ...] = ()
    account: AccountView | None = None
    words: tuple[str | None, ...] | None = None


@dataclass(frozen=True)
class GatewayCase:
    """One gateway.

    `valid` raises AssertionError where a request is not what the official schema
    asks for. `before_order` answers the reads that come before the order. `amount_in`
    and `currency_in` read an order's amount as the gateway would; a currency may be
    None where an order names none. `echo` is an answer that accepts an order of an
    amount and states it again (`written`), with the answers to what is read after it;
    None where no answer ever states one.
    `adapter` is given where no registry holds it: an example's, not the product's.
    `impossible` are amounts that the gateway cannot be told. `codes` names every
    documented error code, and `errors` shows the class of each.
    """

    name: str
    instruction: RefundInstruction
    credentials: Credentials
    valid: Callable[[HttpRequest], None]
    amount_in: Callable[[HttpRequest], str]
    currency_in: Callable[[HttpRequest], str | None]
    echo: Callable[[Amount], HttpResponse | tuple[HttpResponse, ...]] | None
    amounts: tuple[Amount, ...]
    impossible: tuple[tuple[int, str], ...]
    answers: tuple[Answered, ...]
    codes: frozenset[str]
    errors: tuple[Coded, ...]
    deliveries: tuple[Delivered, ...]
    before_order: Callable[[RefundInstruction], tuple[HttpResponse, ...]] = (
        lambda _instruction: ()
    )
    gateway_reference: str = "re_1"
    adapter: Gateway | None = None

    @property
    def known(self) -> RefundInstruction:
        """The same refund once the gateway has named it."""
        return replace(self.instruction, gateway_reference=self.gateway_reference)


def looked_at(result: Any, path: str) -> Any:
    """Follow a dotted name through attributes and positions."""
    for name in path.split("."):
        result = result[int(name)] if name.isdigit() else getattr(result, name)
    return result
