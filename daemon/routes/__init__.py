"""Thin handlers: each turns a call into a store's unit of work and presents it.

Invariant: a handler decides nothing; permissions are checked before it runs, rules in
the store's transaction after it.
"""

from __future__ import annotations

from daemon.routes import (
    access,
    accounts,
    config,
    customers,
    deliveries,
    forecast,
    keys,
    operators,
    payments,
    proof,
    refunds,
    tokens,
)
from daemon.routes.call import Answer, Call, RouteHandler

HANDLERS: dict[str, RouteHandler] = {
    **payments.HANDLERS,
    **refunds.HANDLERS,
    **accounts.HANDLERS,
    **deliveries.HANDLERS,
    **access.HANDLERS,
    **operators.HANDLERS,
    **tokens.HANDLERS,
    **customers.HANDLERS,
    **keys.HANDLERS,
    **config.HANDLERS,
    **proof.HANDLERS,
    **forecast.HANDLERS,
}

__all__ = ["HANDLERS", "Answer", "Call", "RouteHandler"]
