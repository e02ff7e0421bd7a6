"""Having a proposal signed: by the agent from inside, by ssh-keygen from outside.

Invariant: what is signed is about the refund that the dialog shows; while ssh-keygen
speaks with its owner the dashboard has left the screen.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from refundwatch.api.drafts import World, asked_of, draft, signs
from refundwatch.api.models import MeView
from refundwatch.api.signing import open_signer
from refundwatch.config.paths import state_folder
from refundwatch.errors import SignerUnavailable
from tui import format as f
from tui.proposal import DIGEST_SHOWN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from refundwatch.api.client import ApiClient
    from refundwatch.api.drafts import Draft, SignedDecision, Statable
    from refundwatch.config import SigningConfig
    from tui.proposal import Proposal


class Pen:
    """Prepares what an operator signs, and has it signed."""

    def __init__(
        self,
        opened: Callable[[], Awaitable[ApiClient]],
        config: SigningConfig,
        suspend: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Sign as `config` says; `suspend` leaves the screen for a while."""
        self._opened = opened
        self._config = config
        self._suspend = suspend

    async def draft(self, proposal: Proposal) -> Draft | None:
        """Prepare a proposal; None where nothing is signed."""
        body = proposal.body()
        if body is None:
            return None
        return await self.draft_of(asked_of(proposal.action, proposal.refund, body))

    async def draft_of(self, asked: Statable) -> Draft | None:
        """Prepare whatever people sign; None where nothing is signed."""
        client = await self._opened()
        me = await client.call("me", MeView)
        if not signs(me):
            return None
        way, key = self._config.way, self._config.key
        signer = await open_signer(way, key, os.environ, _elsewhere)
        world = World(_now, secrets.token_bytes, state_folder())
        return await draft(client, me, asked, signer, world)

    async def sign(self, made: Draft) -> SignedDecision:
        """Have it signed."""
        if self._config.way != "keygen":
            return await made.sign()
        # In a loop of its own, so that ours draws nothing meanwhile.
        with self._suspend(), ThreadPoolExecutor(1) as beside:
            return beside.submit(asyncio.run, made.sign()).result()

    def lines(self, made: Draft) -> list[tuple[str, str]]:
        """Give what is signed beside the proposal, as label and text."""
        stated = dict(made.fields())
        who, where = f.plain(stated["actor"]), f.plain(stated["instance"])
        policy, root = stated["policy_version"], stated["log_root"]
        return [
            ("signed as", f"{who} at {where}, by {self._config.way}"),
            ("with key", stated["key"]),
            ("policy", f.plain(policy[:DIGEST_SHOWN]) + "..."),
            ("after log of", f"{stated['log_size']} entries, {root[:DIGEST_SHOWN]}..."),
        ]


async def _elsewhere(_: bytes, __: str) -> str:
    raise SignerUnavailable(
        "The dashboard signs by agent or keygen. To sign elsewhere, decide by command: "
        "refundwatch approvals approve ... --sign paste"
    )


def _now() -> datetime:
    return datetime.now(UTC)
