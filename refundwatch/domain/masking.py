"""What is shown of a customer to whoever does not need to know: enough to tell apart.

Invariant: a mask shows at most the first character of a word, and its length tells
nothing.
"""

from __future__ import annotations

from typing import Final

STARS: Final = "***"


def mask_words(text: str) -> str:
    """Show the first character of each word: `J*** D***`."""
    return " ".join(word[0] + STARS for word in text.split())


def mask_address(text: str) -> str:
    """Show the first character of both parts of an address: `j***@e***`."""
    return "@".join(part[:1] + STARS for part in text.strip().split("@"))


def mask_whole(text: str) -> str:
    """Show that there is something."""
    return STARS if text else ""
