"""Two people who look into the gateways' own books where look-ups could not decide.

Invariant: they say what the books say, and only of refunds that no look-up settled: a
wrong amount or an unseen status is for somebody with more than books in hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from refundwatch.api import models as m
from refundwatch.demo.deciding import two_deciders
from refundwatch.errors import ApiProblem, ApiUnreachable

if TYPE_CHECKING:
    from refundwatch.demo.deciding import Decider
    from refundwatch.demo.people import Crew
    from refundwatch.demo.sandbox_admin import Execution, SandboxAdmin
    from refundwatch.demo.traffic import Tally

PAUSE_SECONDS: Final = 1.0
_UNSETTLED: Final = frozenset(
    {
        "absent_and_frozen",
        "absent_outside_window",
        "no_lookup_outside_window",
        "refused_in_doubt",
    }
)
_RACED: Final = frozenset({"refund.state_conflict", "refund.stale_revision"})


class Reviewers:
    """Ann and Ben, with the books of every gateway open before them."""

    def __init__(
        self, server: str, crew: Crew, sandbox: SandboxAdmin, tally: Tally
    ) -> None:
        """Decide as two persons by what the sandbox's ledger says."""
        self._server = server
        self._crew = crew
        self._sandbox = sandbox
        self._tally = tally

    async def run(self) -> None:
        """Look and decide until cancelled."""
        async with two_deciders(self._server, self._crew) as (ann, ben):
            while True:
                try:
                    await self._round(ann, ben)
                except ApiUnreachable:
                    self._tally.unreachable += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def _round(self, ann: Decider, ben: Decider) -> None:
        page = await ann.client.call(
            "refunds.list", m.RefundPage, query={"filter": "state:review", "limit": 200}
        )
        unsettled = [it for it in page.items if it.review_reason in _UNSETTLED]
        if not unsettled or not await self._sandbox.is_quiet():
            return
        for person in (ann, ben):
            await person.look()
        books = await self._sandbox.executions()
        for refund in unsettled:
            found = [one for one in books if _is_of(one, refund)]
            for person in (ann, ben):
                await self._say(person, refund, found)

    async def _say(
        self, person: Decider, it: m.RefundView, found: list[Execution]
    ) -> None:
        body = m.ResolveBody.model_validate(
            {
                "revision": it.revision,
                "request_sha256": it.request_sha256,
                "reason_code": "gateway_books",
                **_verdict(it, found),
            }
        )
        try:
            await person.decide("resolve", it, body)
        except ApiProblem as problem:
            if problem.code not in _RACED:
                self._tally.wrong_answers.append(f"{it.id}: {problem.code}")


def _is_of(one: Execution, refund: m.RefundView) -> bool:
    return (
        one.account == refund.account
        and one.merchant_reference == refund.merchant_reference
        and one.ever_executed
    )


def _verdict(it: m.RefundView, found: list[Execution]) -> dict[str, object]:
    """Restate the books: paid, come back, or never made and so to be sent again."""
    standing = [one for one in found if one.executed]
    if standing:
        evidence = {"gateway_reference": standing[0].refund_id}
        return {"resolution": "succeeded", "evidence": evidence}
    if found:
        evidence = {"gateway_reference": found[0].refund_id}
        return {"resolution": "reversed", "evidence": evidence}
    known = it.gateway_reference
    evidence = {"gateway_reference": known} if known else {"books": "nothing"}
    return {"resolution": "resend", "evidence": evidence}
