"""From values of the wire to the text on the screen.

Invariant: an amount is written from its minor units and exponent, never through a
float; text from outside loses everything that could steer a terminal or turn round
what is read; a state is a word and a symbol, never a colour alone.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.api.models import AmountView, StateName

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
NOTHING: Final = "—"
_GROUP: Final = 3
_DIGITS_LIMIT: Final = 15

STATES: Final[dict[StateName, tuple[str, str, str]]] = {
    # state: word, symbol, symbol in ASCII
    "awaiting_approval": ("needs approval", "◆", "?"),
    "held": ("held", "‖", "="),
    "queued": ("not sent", "○", "."),
    "sending": ("sending", "◐", ">"),
    "unknown": ("sent, no answer", "▲", "!"),
    "pending": ("accepted", "◑", "~"),
    "succeeded": ("paid out", "✓", "+"),
    "settled": ("settled", "●", "*"),
    "declined": ("declined by gateway", "✗", "x"),
    "reversed": ("bounced", "↩", "<"),
    "review": ("needs review", "■", "#"),
    "refused": ("refused", "⊘", "-"),
    "expired": ("expired", "◌", "-"),
    "cancelled": ("cancelled", "⊝", "-"),
}
TONES: Final[dict[StateName, str]] = {
    "awaiting_approval": "ask",
    "held": "ask",
    "queued": "wait",
    "sending": "wait",
    "unknown": "warn",
    "pending": "wait",
    "succeeded": "good",
    "settled": "good",
    "declined": "bad",
    "reversed": "bad",
    "review": "warn",
    "refused": "dim",
    "expired": "dim",
    "cancelled": "dim",
}
HEALTH: Final[dict[str, tuple[str, str, str]]] = {
    # health: symbol, symbol in ASCII, tone
    "up": ("●", "+", "good"),
    "degraded": ("◐", "~", "ask"),
    "down": ("✗", "x", "bad"),
    "unknown": ("○", ".", "dim"),
}

ASCII: Final = str.maketrans({"…": "~", "—": "-"})
"""For terminals that draw ASCII only: what else we write of our own."""


def plain(text: str) -> str:
    """Strip what could steer the terminal or reorder the line; keep one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if character in "\t\n\r\v\f\u0085\u2028\u2029" else character
        for character in text
        if character in "\t\n\r\v\f\u0085\u2028\u2029"
        or unicodedata.category(character)[0] != "C"
    )


def digits(minor: int, exponent: int) -> str:
    """Write minor units as decimal text without grouping: what may be typed."""
    sign, number = ("-" if minor < 0 else ""), str(abs(minor))
    if exponent <= 0:
        return sign + number
    number = number.rjust(exponent + 1, "0")
    return f"{sign}{number[:-exponent]}.{number[-exponent:]}"


def money(amount: AmountView, *, code: bool = True) -> str:
    """Write an amount exactly, in groups of three parted by spaces."""
    whole, point, fraction = digits(amount.minor, amount.exponent).partition(".")
    sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    head = len(whole) % _GROUP
    groups = [whole[:head]] if head else []
    groups += [whole[at : at + _GROUP] for at in range(head, len(whole), _GROUP)]
    text = sign + " ".join(groups) + point + fraction
    return f"{text} {plain(amount.currency)}" if code else text


def parse_amount(text: str, exponent: int) -> int | str:
    """Read decimal text as minor units; a sentence where that is not exact."""
    number = text.strip().replace(" ", "")
    whole, point, fraction = number.partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit():
        return "Write digits and at most one point."
    if not whole or (point and not fraction):
        return "Write digits before and after the point."
    if len(fraction) > exponent:
        most = f"{exponent} decimals" if exponent else "no decimals"
        return f"This currency has {most}."
    if len(whole) + exponent > _DIGITS_LIMIT:
        return "That is too much."
    minor = int(whole + fraction.ljust(exponent, "0"))
    return minor if minor > 0 else "The amount must be more than nothing."


def duration(seconds: float | None) -> str:
    """Write how long something took, in at most two units."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    return age(int(seconds))


def age(seconds: int) -> str:
    """Write an age in whole units, the two largest."""
    seconds = max(seconds, 0)
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return (
            _two(seconds, MINUTE, "m", 1, "s")
            if seconds < 10 * MINUTE
            else (f"{seconds // MINUTE}m")
        )
    if seconds < DAY:
        return _two(seconds, HOUR, "h", MINUTE, "m")
    return _two(seconds, DAY, "d", HOUR, "h")


def _two(seconds: int, big: int, big_word: str, small: int, small_word: str) -> str:
    rest = seconds % big // small
    return f"{seconds // big}{big_word}" + (f"{rest:02}{small_word}" if rest else "")


def since(then: datetime | None, now: datetime) -> str:
    """Write how long ago `then` was; in the future, how long until."""
    if then is None:
        return NOTHING
    gone = int((now - then).total_seconds())
    return age(gone) if gone >= 0 else f"in {age(-gone)}"


def when(moment: datetime | None) -> str:
    """Write a moment with its date and zone, in the operator's own zone."""
    if moment is None:
        return NOTHING
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def clock(moment: datetime) -> str:
    """Write the time of day in the operator's own zone."""
    return moment.astimezone().strftime("%H:%M:%S")


def percent(part: float | None) -> str:
    """Write a share, cut and not rounded: only all of it is 100 %."""
    if part is None:
        return NOTHING
    if part >= 1:
        return "100%"
    tenths = int(max(part, 0.0) * 1000 + 1e-9)
    if tenths >= 990:  # noqa: PLR2004 - near the top a second decimal tells more
        hundredths = min(int(part * 10000 + 1e-9), 9999)
        return f"{hundredths // 100}.{hundredths % 100:02}%"
    return f"{tenths // 10}.{tenths % 10}%"


def count(number: int) -> str:
    """Write a count in groups of three parted by spaces."""
    return f"{number:,}".replace(",", " ")


def state(name: StateName, *, ascii_only: bool = False) -> str:
    """Write a refund's state as a symbol and the word that operators read."""
    word, symbol, plain_symbol = STATES[name]
    return f"{plain_symbol if ascii_only else symbol} {word}"


def health(name: str, *, ascii_only: bool = False) -> str:
    """Write a connection's health as a symbol and a word."""
    symbol, plain_symbol, _ = HEALTH[name]
    return f"{plain_symbol if ascii_only else symbol} {name}"
