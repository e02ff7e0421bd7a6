"""Saying which file and key an error belongs to.

Invariant: whoever reads the message can open the file and find the key.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from refundwatch.errors import ConfigError, RefundwatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from refundwatch.config import Config


@contextmanager
def blaming(config: Config, key: str) -> Iterator[None]:
    """Turn what fails in the block into an error of this key.

    Raises:
        ConfigError: it names the file, the key, and what was wrong.
    """
    try:
        yield
    except RefundwatchError as error:
        message = f"{config.path}: {key}: {error.message}"
        raise ConfigError(message, field=key) from error
