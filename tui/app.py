"""The app: holds the state, hands it to screens, carries decisions to the daemon.

Invariant: the state moves only by `reduce` in `on_hub_said`; at most ten times a
second screens are told; a decision is sent only after its confirmation, once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.worker import Worker, WorkerState

from refundwatch.config import SigningConfig
from refundwatch.errors import ApiUnreachable, RefundwatchError
from tui import format as f
from tui import look
from tui.desk import Desk
from tui.messages import HubSaid
from tui.ordering import ask_circuit, ask_unfreeze
from tui.proposal import of_detail, why_not
from tui.screens.approvals import ApprovalsScreen
from tui.screens.base import HubScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.detail import DetailScreen
from tui.screens.dialog import Dialog
from tui.screens.form import NEEDS, FormScreen
from tui.screens.keys import KeysScreen
from tui.screens.overview import OverviewScreen
from tui.screens.refunds import RefundsScreen
from tui.signing import Pen
from tui.state import AlarmAnswered, HubState, Ticked, reduce

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from textual import events
    from textual.screen import Screen
    from textual.widget import Widget

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import ActionName, RefundView
    from tui.proposal import Proposal
    from tui.screens.confirm import Confirmed

PAINT_SECONDS = 0.11
RESTART_SECONDS = 5.0
LEAVE_SECONDS = 5.0
CLIPBOARD_LIMIT_BYTES = 70_000
Severity = Literal["information", "warning", "error"]


class Dashboard(App[None]):
    """The operator's terminal."""

    TITLE = "refundwatch"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    MODES: ClassVar[dict[str, str | type[Screen[None]]]] = {  # type: ignore[assignment]
        "overview": OverviewScreen,
        "refunds": RefundsScreen,
        "approvals": ApprovalsScreen,
    }
    DEFAULT_MODE = "overview"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "1",
            "mode('overview')",
            "Overview",
            show=False,
            id="app.overview",
            tooltip="The three numbers, connections, queue, alarms.",
        ),
        Binding(
            "2",
            "mode('refunds')",
            "Refunds",
            show=False,
            id="app.refunds",
            tooltip="Every refund, live.",
        ),
        Binding(
            "3",
            "mode('approvals')",
            "Approvals",
            show=False,
            id="app.approvals",
            tooltip="What waits for somebody's yes.",
        ),
        Binding(
            "question_mark",
            "keys",
            "Keys",
            id="app.keys",
            key_display="?",
            tooltip="The keys that work here.",
        ),
        Binding(
            "q",
            "quit",
            "Leave",
            id="app.leave",
            tooltip="Leave the dashboard; the daemon goes on.",
        ),
    ]

    def __init__(
        self,
        server: str,
        token: str | None,
        *,
        ascii_only: bool = False,
        signing: SigningConfig | None = None,
    ) -> None:
        """Prepare; the daemon is asked once the app runs."""
        super().__init__()
        self.server = server
        self.state = HubState()
        self._token = token
        self._stack = AsyncExitStack()
        self._client: ApiClient | None = None
        self._opening = asyncio.Lock()
        self.desk = Desk(self._opened)
        self.pen = Pen(self._opened, signing or SigningConfig(), self.suspend)
        self._painted: HubState | None = None
        self._themed: str | None = None
        self._deciding = False
        self.set_class(ascii_only, "-ascii")
        self.register_theme(look.SANDBOX)
        self.register_theme(look.LIVE)
        self.theme = look.SANDBOX.name

        self.owns_process = False

    # --- life -----------------------------------------------------------------------

    async def on_mount(self) -> None:
        """Start the clocks, mind the signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ended, number)
        self.set_interval(PAINT_SECONDS, self._paint)
        self.set_interval(1.0, self._tick)

    def on_ready(self) -> None:
        """Open the line, now that the first frame is displayed."""
        self._follow()

    async def on_unmount(self) -> None:
        """Close the line."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
        await self._stack.aclose()

    def _ended(self, number: signal.Signals) -> None:
        """Leave; a terminal that is gone must not hold the process for ever."""
        code = 128 + number
        if self.owns_process:
            late = threading.Timer(LEAVE_SECONDS, os._exit, (code,))
            late.daemon = True
            late.start()
        self.exit(return_code=code)

    @work(exclusive=True, group="feed", exit_on_error=False)
    async def _follow(self) -> None:
        await self._opened()
        feed = import_module("tui.feed").Feed(
            self.server, self._token, lambda event: self.post_message(HubSaid(event))
        )
        await feed.follow()

    async def _opened(self) -> ApiClient:
        """Give the open client.

        What speaks HTTP takes as long to load as all the rest of the dashboard, so it
        is loaded when something can be seen already.
        """
        async with self._opening:
            if self._client is None:
                module = await asyncio.to_thread(
                    import_module, "refundwatch.api.client"
                )
                client: ApiClient = module.ApiClient(self.server, self._token)
                self._client = await self._stack.enter_async_context(client)
            return self._client

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Let no worker fail in silence; the feed begins anew."""
        worker = event.worker
        if event.state is not WorkerState.ERROR:
            return
        self.say(f"A bug in the dashboard: {worker.error!r}", severity="error")
        if worker.group == "feed":
            self.set_timer(RESTART_SECONDS, self._follow)

    # --- state ------------------------------------------------------------------------

    def on_hub_said(self, message: HubSaid) -> None:
        """Move the state; screens hear of it with the next paint."""
        self.state = reduce(self.state, message.event)
        status = self.state.status
        if status is not None and status.mode != self._themed:
            self._themed = status.mode
            live = status.mode == "live"
            self.theme = (look.LIVE if live else look.SANDBOX).name

    def _tick(self) -> None:
        self.state = reduce(self.state, Ticked(_now()))
        # Ages have grown; they are drawn with the next paint, not in one more.
        self._painted = None

    def _paint(self) -> None:
        if self.state is self._painted:
            return
        self._painted = self.state
        for screen in self.screen_stack:
            self.show_state(screen)

    def show_state(self, screen: Widget) -> None:
        """Hand the state and the time to a screen."""
        if isinstance(screen, HubScreen | Dialog):
            # Whole seconds: what shows no more than those is drawn once in each.
            screen.now = _now().replace(microsecond=0)
            screen.hub = self.state

    # --- keys ------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Drop keys that were typed before a dialog was seen."""
        if isinstance(event, Key) and self._too_early(event):
            return
        await super().on_event(event)

    def _too_early(self, event: Key) -> bool:
        stack = self.screen_stack
        top = stack[-1] if stack else None
        return isinstance(top, Dialog) and event.time < top.armed_at

    async def action_mode(self, mode: str) -> None:
        """Go to one of the three screens."""
        if mode == self.current_mode:
            while len(self.screen_stack) > 1:
                await self.pop_screen()
            return
        await self.switch_mode(mode)

    def action_keys(self) -> None:
        """Show the keys that work here."""
        self.push_screen(KeysScreen(self._keys()))

    def _keys(self) -> list[tuple[str, str, bool]]:
        """Give keys, words and whether they work, joined by what they do."""
        found: dict[tuple[str, str], tuple[list[str], str, bool]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.description or binding.system:
                continue
            words = binding.description
            if binding.tooltip:
                words += f": {binding.tooltip}"
            key = (binding.action, binding.description)
            keys, _, _ = found.setdefault(key, ([], words, active.enabled))
            keys.append(self.get_key_display(binding))
        return [(" ".join(keys), words, on) for keys, words, on in found.values()]

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer every action that works here, and the app's own."""
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.description and active.enabled and not binding.system:
                action, node = binding.action, active.node
                yield SystemCommand(
                    f"{binding.description} ({self.get_key_display(binding)})",
                    binding.tooltip or binding.description,
                    lambda action=action, node=node: self.run_worker(
                        self.run_action(action, node), exit_on_error=False
                    ),
                )
        for command in super().get_system_commands(screen):
            if command.title not in ("Keys", "Screenshot", "Maximize", "Minimize"):
                yield command

    # --- what screens ask for --------------------------------------------------

    def say(self, sentence: str, *, severity: Severity = "information") -> None:
        """Say something to the operator, as plain text."""
        seconds = 4 if severity == "information" else 12
        self.notify(f.plain(sentence), severity=severity, timeout=seconds, markup=False)

    def open_refund(self, refund_id: str) -> None:
        """Show a refund, whole."""
        self.push_screen(DetailScreen(refund_id, self.current_mode))

    def copy_text(self, text: str, what: str) -> None:
        """Copy through the terminal, which gives no answer; say what was copied."""
        if len(text.encode()) > CLIPBOARD_LIMIT_BYTES:
            self.say(f"{what} is too long for the clipboard.", severity="warning")
            return
        self.copy_to_clipboard(text)
        shown = text if len(text) <= 60 else f"{len(text)} characters"  # noqa: PLR2004
        self.say(f"{what} was given to the terminal's clipboard: {shown}")

    @work(group="alarm", exit_on_error=False)
    async def acknowledge(self, alarm_id: int) -> None:
        """Note that we have seen an alarm."""
        obstacle = self.state.why_not("alarm:acknowledge")
        if obstacle is not None:
            self.say(obstacle, severity="warning")
            return
        try:
            alarm = await self.desk.acknowledge(alarm_id)
        except RefundwatchError as error:
            self.say(error.message, severity="error")
            return
        self.post_message(HubSaid(AlarmAnswered(alarm)))
        self.say(f"Acknowledged: {alarm.kind} {alarm.subject}")

    @work(group="decision", exit_on_error=False)
    async def decide(self, action: ActionName, seen: RefundView) -> None:
        """Carry a decision from the key to the daemon's answer."""
        await self._alone(lambda _: self._decide(action, seen))

    async def _decide(self, action: ActionName, seen: RefundView) -> None:
        confirmed = await self._propose(action, seen)
        if confirmed is not None:
            await self._send(confirmed)

    async def _propose(self, action: ActionName, seen: RefundView) -> Confirmed | None:
        obstacle = self.state.why_not()
        if obstacle is not None:
            self.say(obstacle, severity="warning")
            return None
        detail = await self.desk.show(seen.id)
        refusal = why_not(detail, action)
        if refusal is not None:
            self.say(refusal, severity="warning")
            return None
        proposal: Proposal | None = of_detail(action, detail)
        if action in NEEDS and proposal is not None:
            proposal = await self.push_screen_wait(FormScreen(proposal))
        if proposal is None:
            return None
        return await self.push_screen_wait(ConfirmScreen(proposal, seen, self.pen))

    async def _send(self, confirmed: Confirmed) -> None:
        obstacle = self.state.why_not()
        if obstacle is not None:
            self.say(f"Not sent. {obstacle}", severity="warning")
            return
        try:
            self.say(await self.desk.send(confirmed.proposal, confirmed.signed))
        except ApiUnreachable as error:
            sentence = f"{error.message} Look at the refund before you try again."
            raise ApiUnreachable(sentence) from error

    # --- orders about no refund ------------------------------------------------

    @work(group="decision", exit_on_error=False)
    async def order_circuit(self) -> None:
        """Stop a connection by hand, or let it go on."""
        await self._alone(ask_circuit)

    @work(group="decision", exit_on_error=False)
    async def lift_freeze(self, payment_id: str) -> None:
        """Lift the freeze of a payment, as it is now."""
        await self._alone(lambda app: ask_unfreeze(app, payment_id))

    async def _alone(self, asking: Callable[[Dashboard], Awaitable[None]]) -> None:
        """Ask one thing at a time; tell what failed."""
        if self._deciding:
            return
        self._deciding = True
        try:
            await asking(self)
        except RefundwatchError as error:
            self.say(error.message, severity="error")
        finally:
            self._deciding = False


def _now() -> datetime:
    return datetime.now(UTC)
