"""Two themes, so that live money never looks like play money.

Invariant: the theme repeats what a word on the screen already says.
"""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

SANDBOX: Final = Theme(
    name="refundwatch-sandbox",
    primary="#3aa6b9",
    secondary="#7fb2d9",
    accent="#f2c14e",
    foreground="#d7dde4",
    background="#10161c",
    surface="#161e26",
    panel="#1f2a35",
    success="#6cc070",
    warning="#f2a541",
    error="#ef6461",
    dark=True,
    variables={"footer-key-foreground": "#f2c14e"},
)
LIVE: Final = Theme(
    name="refundwatch-live",
    primary="#d1495b",
    secondary="#8fb4d0",
    accent="#f2c14e",
    foreground="#e6dfe0",
    background="#171113",
    surface="#20171a",
    panel="#2e2025",
    success="#7fbf7a",
    warning="#f2a541",
    error="#ff6f6a",
    dark=True,
    variables={"footer-key-foreground": "#f2c14e"},
)
