"""Orders about no refund: the form that asks for one, and the dialog that signs it.

Invariant: as `tui.screens.sign`; an order names what it is about as it is displayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal, cast

from refundwatch.api.models_orders import CircuitBody, UnfreezeBody
from refundwatch.api.ordering import (
    AskedOrder,
    OrderAct,
    circuit_order,
    unfreeze_order,
)
from tui import format as f
from tui.screens.fields import CODE, CODE_WORDS, Fields, FieldsDialog, Wrong
from tui.screens.sign import SignScreen

if TYPE_CHECKING:
    from refundwatch.api.drafts import Draft, SignedDecision
    from refundwatch.api.models import PaymentView
    from tui.signing import Pen

WORDS: Final[dict[OrderAct, tuple[str, str, str]]] = {
    OrderAct.TRIP: (
        "Stop this connection",
        "Nothing of this part leaves over it until its circuit closes again.",
        "Yes, stop it",
    ),
    OrderAct.CLOSE: (
        "Let this connection go on",
        "What waits for this connection leaves at once.",
        "Yes, let it go on",
    ),
    OrderAct.UNFREEZE: (
        "Lift this payment's freeze",
        "Refunds of this payment may be requested and sent again.",
        "Yes, lift it",
    ),
}
CHOICES: Final = (
    "stop orders",
    "stop orders 30m",
    "stop reads",
    "close orders",
    "close reads",
)
LONGEST_MINUTES: Final = 7 * 24 * 60
_STANDING: Final = {"stop": "open", "close": "closed"}
_CIRCUIT_REASONS: Final = ("maintenance", "gateway_trouble", "over", "other")
_FREEZE_REASONS: Final = ("checked", "dispute_won", "other")


@dataclass(frozen=True, slots=True)
class ConfirmedOrder:
    """An order that was confirmed, with its signature where one is asked for."""

    asked: AskedOrder
    signed: SignedDecision | None


class OrderScreen(SignScreen[ConfirmedOrder]):
    """Shows an order, has it signed; gives both back, or None."""

    LOUD: ClassVar[frozenset[str]] = frozenset({"about", "part", "lasts", "was"})

    def __init__(self, asked: AskedOrder, pen: Pen) -> None:
        """Show the order that is signed."""
        super().__init__(pen)
        self._asked = asked

    def words(self) -> tuple[str, str, str]:
        """Give title, effect, and the words of Yes."""
        return WORDS[self._asked.act]

    def lines(self) -> list[tuple[str, str]]:
        """Give everything that decides the order's effect."""
        it = self._asked
        lines = [
            ("order", it.act.value),
            ("about", f.plain(it.subject)),
            *((name, f.plain(text)) for name, text in it.detail.items()),
            ("your reason", f.plain(it.body.reason_code)),
        ]
        if it.reason_text is not None:
            lines.append(("your words", f.plain(it.reason_text)))
        return lines

    async def prepared(self) -> Draft | None:
        """Find who signs, and what."""
        return await self._pen.draft_of(self._asked)

    def confirmed(self, signed: SignedDecision | None) -> ConfirmedOrder:
        """Give the order with its signature."""
        return ConfirmedOrder(self._asked, signed)


class CircuitForm(FieldsDialog[AskedOrder]):
    """Asks which connection is stopped or let go on, and why."""

    def __init__(self, connections: tuple[str, ...]) -> None:
        """Offer these connections."""
        fields: Fields = [
            ("connection", "connection: ACCOUNT/NAME", connections),
            ("what", f"what: {', '.join(CHOICES)}", CHOICES),
            *_reason(_CIRCUIT_REASONS),
        ]
        super().__init__("Stop a connection, or let it go on", "By hand.", fields)
        self._connections = connections

    def filled(self) -> AskedOrder | Wrong:
        """Give the order, or the field that is wrong and why."""
        connection = self.value("connection")
        if connection not in self._connections:
            return Wrong("connection", "There is no such connection.")
        match self.value("what").split():
            case [("stop" | "close") as word, ("orders" | "reads") as part]:
                seconds = None
            case ["stop" as word, ("orders" | "reads") as part, lasts]:
                minutes = _minutes(lasts)
                if minutes is None:
                    return Wrong("what", "A stop lasts minutes, up to 7 days: 30m.")
                seconds = minutes * 60
            case _:
                return Wrong("what", f"Write one of {', '.join(CHOICES)}.")
        code = self.value("reason")
        if not CODE.fullmatch(code):
            return Wrong("reason", CODE_WORDS)
        body = CircuitBody(
            part=part,
            standing=cast("Literal['open', 'closed']", _STANDING[word]),
            seconds=seconds,
            reason_code=code,
            reason_text=self.value("text") or None,
        )
        return circuit_order(connection, body)


class UnfreezeForm(FieldsDialog[AskedOrder]):
    """Asks why the freeze that is displayed is lifted."""

    def __init__(self, payment: PaymentView) -> None:
        """Ask about this payment as it is displayed."""
        about = f"{f.plain(payment.id)}  frozen: {f.plain(payment.frozen or '')}"
        title = WORDS[OrderAct.UNFREEZE][0]
        super().__init__(title, about, _reason(_FREEZE_REASONS))
        self._payment = payment

    def filled(self) -> AskedOrder | Wrong:
        """Give the order, or the field that is wrong and why."""
        code = self.value("reason")
        if not CODE.fullmatch(code):
            return Wrong("reason", CODE_WORDS)
        body = UnfreezeBody(reason_code=code, reason_text=self.value("text") or None)
        return unfreeze_order(self._payment, body)


def _reason(codes: tuple[str, ...]) -> Fields:
    return [
        ("reason", f"reason code: {', '.join(codes)}", codes),
        ("text", "in your words (may stay empty)", ()),
    ]


def _minutes(text: str) -> int | None:
    digits = text.removesuffix("m")
    if digits == text or not digits.isascii() or not digits.isdigit():
        return None
    minutes = int(digits[:9])
    return minutes if 0 < minutes <= LONGEST_MINUTES else None
