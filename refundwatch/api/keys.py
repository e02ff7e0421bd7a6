"""Keys of the log for people: made here, so that no command touches cryptography.

Invariant: the secret is given to the caller and kept by nobody.
"""

from __future__ import annotations

from refundwatch.domain.checkpoint import origin_of
from refundwatch.security.notekey import mint


def new_log_key(instance: str) -> tuple[str, str]:
    """Make a key for the log of an instance: the key file's line, and the public half.

    Raises:
        CheckpointInvalid: no log can have that name.
    """
    key = mint(origin_of(instance, 1))
    return key.text(), key.verifier().text()
