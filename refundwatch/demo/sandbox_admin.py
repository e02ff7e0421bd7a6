"""The demo's hand on the sandbox: its admin API, as far as a run needs it.

Invariant: it reads what was truly executed from the sandbox's own ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

_TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class TakenPayment:
    """A payment for the gateway's books; amounts in ISO minor units."""

    account: str
    reference: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Execution:
    """One refund as the gateway carried it out; `executed` is net of bounces."""

    account: str
    payment: str
    refund_id: str
    merchant_reference: str
    amount_minor: int
    asked_minor: int
    currency: str
    executed: bool
    ever_executed: bool
    source: str


class SandboxAdmin:
    """A session with the sandbox's admin API."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is opened before `async with`."""
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def take(self, payments: Iterable[TakenPayment]) -> None:
        """Enter payments in the gateways' books."""
        rows = [
            {
                "account": one.account,
                "reference": one.reference,
                "amount_minor": one.amount_minor,
                "currency": one.currency,
            }
            for one in payments
        ]
        await self._call("POST", "/payments/bulk", {"payments": rows})

    async def executions(self) -> list[Execution]:
        """Return every refund that the gateways took."""
        answer = await self._call("GET", "/ledger")
        return [_execution(row) for row in answer["rows"]]

    async def is_quiet(self) -> bool:
        """Tell whether no effect and no webhook waits at any gateway."""
        status = await self._call("GET", "/status")
        return all(
            one["waiting_effects"] == 0 and one["waiting_webhooks"] == 0
            for one in status["accounts"].values()
        )

    async def faults_fired(self) -> dict[str, int]:
        """Return how often each fault struck, over all accounts."""
        status = await self._call("GET", "/status")
        totals: dict[str, int] = {}
        for counted in status["faults_fired"].values():
            for name, count in counted.items():
                totals[name] = totals.get(name, 0) + count
        return totals

    async def set_faults(
        self, profile: str, overrides: Mapping[str, float] | None = None
    ) -> None:
        """Change the profile of every account, with some of its fields replaced."""
        body = {"profile": profile, "overrides": dict(overrides or {})}
        await self._call("PUT", "/faults", body)

    async def outage(self, account: str, seconds: float) -> None:
        """Let an account's first port refuse connections for a while."""
        body = {"account": account, "seconds": seconds}
        await self._call("POST", "/outages", body)

    async def flush(self) -> None:
        """Let every waiting webhook and its retries leave at once."""
        await self._call("POST", "/webhooks/flush", {"hurry": True})

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        if self._session is None:
            raise RuntimeError("The session is not open.")
        async with self._session.request(
            method, self._url + path, json=body
        ) as response:
            response.raise_for_status()
            return await response.json()


def _execution(row: dict[str, Any]) -> Execution:
    return Execution(
        account=row["account"],
        payment=row["payment"],
        refund_id=row["refund_id"],
        merchant_reference=row["merchant_reference"],
        amount_minor=row["amount_minor"],
        asked_minor=row["asked_minor"],
        currency=row["currency"],
        executed=row["executed_at"] is not None and row["bounced_at"] is None,
        ever_executed=row["executed_at"] is not None,
        source=row["source"],
    )
