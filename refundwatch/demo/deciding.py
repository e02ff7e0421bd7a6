"""A person of a run who decides: signed where the run has keys.

Invariant: what is signed was built from the refund as it was read, after a head of the
log that continued the one before.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from refundwatch.api import models as m
from refundwatch.api.client import ApiClient
from refundwatch.api.deciding import Standing
from refundwatch.api.drafts import Draft, World, accepted_head, asked_of
from refundwatch.api.heads import HeadKeeper
from refundwatch.domain.audit import SALT_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from refundwatch.demo.people import Crew


@dataclass(slots=True)
class Decider:
    """One person with an open client; `standing` is None where nobody signs."""

    name: str
    client: ApiClient
    crew: Crew
    standing: Standing | None = None

    async def look(self) -> None:
        """See what stands now: the policy, and how far the log has grown.

        Raises:
            LogRewritten: the log does not continue the one that was seen before.
        """
        signer = self.crew.keys.get(self.name)
        if signer is None:
            return
        status = await self.client.call("status", m.StatusView)
        keeper = HeadKeeper(self.crew.state / self.name, status.instance)
        self.standing = Standing(
            actor=f"person:{self.name}",
            key=signer.fingerprint,
            instance=status.instance,
            policy_version=status.policy_version,
            head=await accepted_head(self.client, keeper),
        )

    async def decide(
        self, action: str, it: m.RefundView, body: m.DecisionBody
    ) -> m.DecidedView:
        """Send a decision about the refund as it was read.

        Raises:
            ApiProblem, ApiUnreachable: as `ApiClient.call`.
        """
        if self.standing is not None:
            asked = asked_of(action, it, body)
            words = body.reason_text
            made = Draft(
                asked,
                self.standing,
                self.crew.keys[self.name],
                World(_now, secrets.token_bytes, self.crew.state),
                None if words is None else secrets.token_bytes(SALT_BYTES),
            )
            body = (await made.sign()).put_into(body)
        return await self.client.call(
            f"refunds.{action}", m.DecidedView, parts={"refund": it.id}, body=body
        )


@asynccontextmanager
async def two_deciders(
    server: str, crew: Crew
) -> AsyncIterator[tuple[Decider, Decider]]:
    """Open Ann's and Ben's clients while the block runs."""
    async with ApiClient(server, crew.ann) as ann, ApiClient(server, crew.ben) as ben:
        yield Decider("ann", ann, crew), Decider("ben", ben, crew)


def _now() -> datetime:
    return datetime.now(UTC)
