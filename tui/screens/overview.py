"""The overview: three numbers, every connection, the queue, the alarms.

Invariant: it costs the same whatever the number of refunds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.reactive import var

from refundwatch.errors import RefundwatchError
from tui import format as f
from tui.screens.base import HubScreen
from tui.widgets.alarms import Alarms
from tui.widgets.board import Board
from tui.widgets.numbers import WINDOWS, Numbers
from tui.widgets.queue import Queue, Recent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from refundwatch.api.models import MetricsView
    from tui.state import HubState

METRICS_SECONDS = 5.0


class OverviewScreen(HubScreen):
    """Mode 1."""

    TAB = "overview"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "w",
            "window",
            "Window",
            id="overview.window",
            tooltip="Count the three numbers over 1 h, 24 h or 7 d.",
        ),
        Binding(
            "a",
            "acknowledge",
            "Acknowledge alarm",
            id="overview.acknowledge",
            tooltip="Note that you have seen the chosen alarm.",
        ),
        Binding(
            "c",
            "circuit",
            "Circuit",
            id="overview.circuit",
            tooltip="Stop a connection by hand, or let it go on; you are asked again.",
        ),
    ]
    metrics: var[MetricsView | None] = var(None)
    seconds: var[int] = var(f.DAY, init=False)

    class Measured(Message):
        """Numbers of the chosen window arrived."""

        def __init__(self, metrics: MetricsView) -> None:
            """Keep them."""
            super().__init__()
            self.metrics = metrics

    def parts(self) -> Iterable[Widget]:
        """Lay out the panels."""
        yield Numbers().data_bind(metrics=OverviewScreen.metrics)
        board = Board().data_bind(HubScreen.hub, HubScreen.now, OverviewScreen.metrics)
        yield VerticalScroll(board, id="board", can_focus=False)
        queue = Queue().data_bind(HubScreen.hub, HubScreen.now)
        alarms = Alarms().data_bind(HubScreen.hub, HubScreen.now)
        yield Horizontal(queue, alarms, id="people")
        yield Recent().data_bind(HubScreen.hub, HubScreen.now)

    def on_mount(self) -> None:
        """Ask for other windows' numbers now and then."""
        self.set_interval(METRICS_SECONDS, self._measure)
        self.query_one(Alarms).focus()

    def watch_hub(self, before: HubState, after: HubState) -> None:
        """The feed brings the numbers of one day; other windows are asked for."""
        super().watch_hub(before, after)
        fed = after.metrics
        if fed is not None and fed.window_seconds == self.seconds:
            self.metrics = fed
        if before.alarms != after.alarms:
            self.refresh_bindings()

    def watch_seconds(self) -> None:
        """Show the new window at once."""
        fed = self.hub.metrics
        if fed is not None and fed.window_seconds == self.seconds:
            self.metrics = fed
        self._measure()

    def action_window(self) -> None:
        """Take the next window."""
        sizes = [seconds for seconds, _ in WINDOWS]
        self.seconds = sizes[(sizes.index(self.seconds) + 1) % len(sizes)]

    def action_acknowledge(self) -> None:
        """Note that the chosen alarm was seen."""
        alarm = self.query_one(Alarms).chosen
        if alarm is not None and alarm.acknowledged_at is None:
            self.dashboard.acknowledge(alarm.id)

    def action_circuit(self) -> None:
        """Stop a connection, or let it go on."""
        self.dashboard.order_circuit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what cannot be done now."""
        del parameters
        if action == "circuit":
            return self.hub.why_not("connection:control") is None or None
        if action != "acknowledge":
            return True
        alarms = self.query(Alarms)
        alarm = alarms.first().chosen if alarms else None
        if alarm is None or alarm.acknowledged_at is not None:
            return None
        return self.hub.why_not("alarm:acknowledge") is None or None

    def _measure(self) -> None:
        fed = self.hub.metrics
        fed_here = fed is not None and fed.window_seconds == self.seconds
        if fed_here or not self.is_current or not self.hub.live:
            return
        self.run_worker(
            self._ask(), group="metrics", exclusive=True, exit_on_error=False
        )

    async def _ask(self) -> None:
        try:
            metrics = await self.dashboard.desk.metrics(self.seconds)
        except RefundwatchError as error:
            self.dashboard.say(error.message, severity="warning")
        else:
            self.post_message(self.Measured(metrics))

    def on_overview_screen_measured(self, message: Measured) -> None:
        """Show them, if the window is still the chosen one."""
        if message.metrics.window_seconds == self.seconds:
            self.metrics = message.metrics
