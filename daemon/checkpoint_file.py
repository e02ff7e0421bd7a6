"""The last checkpoint in a file of its own, so that a database cannot forget it.

Invariant: the file holds one whole checkpoint, the old or the new one, whenever the
machine stops.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from refundwatch.domain.checkpoint import MAX_NOTE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

FILE_MODE = 0o644
"""A checkpoint is made to be seen."""


def write_checkpoint(path: Path, note: bytes) -> None:
    """Put a checkpoint in the place of the one before.

    Raises:
        OSError: it could not be made durable; the one before stands.
    """
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(note)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_checkpoint_file(path: Path) -> bytes | None:
    """Read a checkpoint's file; None where there is none.

    Raises:
        OSError: it stands there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1)
    except FileNotFoundError:
        return None
