"""`refundwatch refunds watch`: what happens, a line each, as it happens.

Invariant: a lost line is said in words and taken up again where it was lost, so that
no change is left out; only a refusal or Ctrl-C ends it.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.api.amounts import amount_text
from refundwatch.api.models import ChangeFrame, ResetFrame, SnapshotFrame
from refundwatch.commands.output import emit, emit_json, say
from refundwatch.errors import ApiProblem, ApiUnreachable

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import Frame, RefundView

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 30.0
_COMES_BACK: Final = frozenset({429, 502, 503, 504})


async def watch(client: ApiClient, arguments: Namespace) -> int:
    """Print changes until Ctrl-C."""
    watcher = _Watcher(arguments)
    wait = FIRST_WAIT_SECONDS
    while True:
        seen = watcher.frames
        try:
            async for frame in client.events(watcher.since):
                watcher.take(frame)
            lost = "The daemon ended the feed."
        except (ApiUnreachable, ApiProblem) as error:
            if not watcher.goes_on(error):
                raise
            lost = error.message
        wait = FIRST_WAIT_SECONDS if watcher.frames > seen else wait * 2
        # Many watchers must not come back in the same moment.
        pause = min(wait, LONGEST_WAIT_SECONDS) * (0.5 + secrets.randbelow(500) / 1000)
        say(f"{lost} Reconnecting in {pause:.0f} s.")
        watcher.lost = True
        await asyncio.sleep(pause)


@dataclass(slots=True)
class _Watcher:
    arguments: Namespace
    since: int | None = None
    frames: int = 0
    lost: bool = False

    def __post_init__(self) -> None:
        self.since = self.arguments.since

    def goes_on(self, error: ApiUnreachable | ApiProblem) -> bool:
        """Tell whether to try again: the first try must have worked."""
        comes_back = isinstance(error, ApiUnreachable) or (
            error.http_status in _COMES_BACK
        )
        return comes_back and self.frames > 0

    def take(self, frame: Frame) -> None:
        """Print what the frame tells."""
        self.frames += 1
        if self.lost:
            self.lost = False
            say("Connected again.")
        match frame:
            case SnapshotFrame():
                self.since = frame.seq
                say(f"Watching {frame.status.instance} ({frame.status.mode}).")
            case ChangeFrame():
                self.since = frame.seq
                self._tell(frame)
            case ResetFrame():
                say("Too much happened meanwhile; what lies between is in the log.")
            case _:
                return

    def _tell(self, frame: ChangeFrame) -> None:
        view, only = frame.refund, self.arguments.refund
        if only and (view is None or view.id not in only):
            return
        if self.arguments.json:
            emit_json(frame)
        elif self.arguments.plain:
            emit(_sentence(frame, view))
        else:
            emit(_columns(frame, view))
        sys.stdout.flush()


def _sentence(frame: ChangeFrame, view: RefundView | None) -> str:
    at = frame.at.astimezone().strftime("%H:%M:%S")
    if view is None:
        return f"At {at}, {frame.kind} by {frame.actor}."
    return (
        f"At {at}, refund {view.id} of {amount_text(view.amount)} is "
        f"{view.state_word}: {frame.kind} by {frame.actor}."
    )


def _columns(frame: ChangeFrame, view: RefundView | None) -> str:
    at = frame.at.astimezone().strftime("%H:%M:%S")
    if view is None:
        return f"{at}  {'':<21}  {'':>14}  {frame.kind}  {frame.actor}"
    money = amount_text(view.amount)
    return f"{at}  {view.id}  {money:>14}  {view.state_word:<19}  {frame.kind}"
