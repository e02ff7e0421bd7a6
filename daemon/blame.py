"""Saying which file, line and key an error belongs to.

Invariant: whoever reads the message can open the file and find the key.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from refundwatch.config import blame
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from refundwatch.config import Config
    from refundwatch.errors import ConfigError


@contextmanager
def blaming(config: Config, key: str) -> Iterator[None]:
    """Turn what fails in the block into an error of this key.

    Raises:
        ConfigError: it names the file, the line, the key, and what was wrong.
    """
    try:
        yield
    except RefundwatchError as error:
        raise at_fault(config, key, error.message) from error


def at_fault(config: Config, key: str, message: str) -> ConfigError:
    """Word an error of a key that only the adapters and the secrets can show."""
    try:
        text = config.path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    return blame(config.path, text, key, message)
