"""The session that `refundwatch login` opened: one file of its owner's.

Invariant: a session is given to the server that it was opened at and to no other, and
nobody else can read it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from refundwatch.config.paths import state_folder
from refundwatch.config.secrets import Secret
from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MODE: Final = 0o600
SESSION_FILE: Final = "session.json"


def session_path() -> Path:
    """Name the file."""
    return state_folder() / SESSION_FILE


def keep_session(path: Path, server: str, token: str) -> None:
    """Write the session down for its owner alone.

    Raises:
        ConfigError: it cannot be written.
    """
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT, MODE), "w") as file:
            json.dump({"server": server, "token": token}, file)
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error


def drop_session(path: Path) -> None:
    """Forget the session; one that is not there is forgotten already."""
    path.unlink(missing_ok=True)


def session_token(path: Path, server: str) -> Secret | None:
    """Give the session's token if it was opened at this server."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["server"] != server:
            return None
        return Secret(str(found["token"]).encode("utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        return None
