"""The last step before anything is signed: what is signed, No before Yes.

Invariant: what is shown is what is signed and returned; it cannot be confirmed while
the line is stale, or before it is known what will be signed and with which key. What
hinders the key is said right here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from rich.text import Text
from textual import work
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Static

from refundwatch.errors import RefundwatchError
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from refundwatch.api.drafts import Draft, SignedDecision
    from tui.signing import Pen
    from tui.state import HubState

LABEL = 14
C = TypeVar("C")


class SignScreen(Dialog[C | None], Generic[C]):
    """Shows what is asked, has it signed; gives back what was confirmed, or None.

    Its methods without a body are its subclasses': no `abstractmethod`, since Textual's
    metaclass knows none.
    """

    LOUD: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, pen: Pen) -> None:
        """Sign with `pen`."""
        super().__init__()
        self._pen = pen
        self._draft: Draft | None = None
        # Until it is known what is signed, and while it is being signed.
        self._busy: str | None = "Looking for your key..."
        self._trouble: str | None = None

    # --- what subclasses say --------------------------------------------------------

    def words(self) -> tuple[str, str, str]:
        """Give title, effect, and the words of Yes."""
        raise NotImplementedError

    def lines(self) -> list[tuple[str, str]]:
        """Give everything that is asked, as label and text."""
        raise NotImplementedError

    async def prepared(self) -> Draft | None:
        """Find who signs, and what; None where nothing is signed."""
        raise NotImplementedError

    def confirmed(self, signed: SignedDecision | None) -> C:
        """Give what the dialog gives back after a yes."""
        raise NotImplementedError

    @property
    def has_statement(self) -> bool:
        """Tell whether this is something that people sign."""
        return True

    @property
    def typed_amount(self) -> str | None:
        """Give what must be typed before Yes."""
        return None

    def obstacle(self) -> str | None:
        """Say why it cannot be confirmed now."""
        return self.hub.why_not()

    def remark(self) -> str | None:
        """Say what should be noticed before a yes."""
        return None

    # --- life -----------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Lay out the facts, No and Yes."""
        title, effect, yes = self.words()
        with Vertical(id="dialog"):
            yield Static(Text(title + "?"), id="dialog-title")
            with VerticalScroll(id="dialog-facts", can_focus=False):
                yield Static(self._facts())
            yield Static(Text(effect), id="dialog-effect")
            yield Static(id="dialog-warning")
            yield Input(id="dialog-amount", compact=True, disabled=True)
            with Horizontal(id="dialog-buttons"):
                yield Button("No, go back", id="no", disabled=True, compact=True)
                yield Button(yes, id="yes", disabled=True, compact=True)

    def on_mount(self) -> None:
        """Show whether an amount must be typed; find out what is signed."""
        self.call_after_refresh(self._judge)
        self._prepare()

    @work(group="signing", exclusive=True, exit_on_error=False)
    async def _prepare(self) -> None:
        """Find who signs, and show what."""
        try:
            self._draft = await self.prepared()
        except RefundwatchError as error:
            self._trouble = error.message
        self._busy = None
        self.query_one("#dialog-facts Static", Static).update(self._facts())
        self._judge()

    @work(group="signing", exclusive=True, exit_on_error=False)
    async def _sign(self, draft: Draft) -> None:
        """Have it signed; stay open where that fails."""
        self._busy, self._trouble = "Waiting for your key: touch it if it asks.", None
        self._judge()
        try:
            signed = await self._pen.sign(draft)
        except RefundwatchError as error:
            self._trouble = error.message
            signed = None
        self._busy = None
        self._judge()
        if signed is not None and self.obstacle() is None:
            self.dismiss(self.confirmed(signed))

    def ready(self) -> None:
        """Put the focus on No."""
        field = self.query_one("#dialog-amount", Input)
        field.disabled = self.typed_amount is None
        no = self.query_one("#no", Button)
        no.disabled = False
        no.focus()
        self._judge()

    def watch_hub(self, hub: HubState) -> None:
        """Judge anew whenever something changed."""
        del hub
        if self.is_mounted:
            self._judge()

    @property
    def _unready(self) -> bool:
        """Tell whether there is nothing yet that a yes could sign or send."""
        return self._busy is not None or (
            self._trouble is not None and self._draft is None
        )

    def _judge(self) -> None:
        fields = self.query("#dialog-amount")
        if not fields:
            return
        field = fields.first(Input)
        wanted = self.typed_amount
        field.display = wanted is not None
        field.placeholder = f"type {wanted} to allow Yes" if wanted else ""
        obstacle = self.obstacle()
        said = obstacle or self._trouble or self._busy or self.remark() or ""
        warning = self.query_one("#dialog-warning", Static)
        warning.update(Text(said))
        warning.display = bool(said)
        typed = field.value.strip().replace(" ", "")
        ready = wanted is None or typed == wanted
        self.query_one("#yes", Button).disabled = not (
            self.armed and obstacle is None and ready and not self._unready
        )

    def _facts(self) -> Text:
        text = Text()
        for label, words in [*self.lines(), *self._signed_lines()]:
            text.append(f"{label:>{LABEL}}  ", "dim")
            text.append(words + "\n", "bold" if label in self.LOUD else "")
        text.rstrip()
        return text

    def _signed_lines(self) -> list[tuple[str, str]]:
        if self._draft is not None:
            return self._pen.lines(self._draft)
        if self._unready or not self.has_statement:
            return []
        return [("signature", "none: the daemon asks you for none")]

    # --- keys -----------------------------------------------------------------------

    def on_input_changed(self) -> None:
        """Judge what was typed."""
        self._judge()

    def on_input_submitted(self) -> None:
        """Go on to the buttons: enter in the field never sends."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        event.stop()
        if not self.armed:
            return
        if event.button.id == "yes":
            self._confirm()
        elif event.button.id == "no":
            self.dismiss(None)

    def _confirm(self) -> None:
        if self.obstacle() is not None or self._unready:
            return
        if self._draft is None:
            self.dismiss(self.confirmed(None))
        else:
            self._sign(self._draft)

    def on_key(self, event: object) -> None:
        """Move between the buttons and through the facts; y is no answer."""
        key = getattr(event, "key", "")
        facts = self.query_one("#dialog-facts", VerticalScroll)
        if key in ("up", "k"):
            facts.scroll_up(animate=False)
        elif key in ("down", "j"):
            facts.scroll_down(animate=False)
        if self.armed and key in ("left", "h"):
            self.query_one("#no", Button).focus()
        elif self.armed and key in ("right", "l"):
            yes = self.query_one("#yes", Button)
            if not yes.disabled:
                yes.focus()
