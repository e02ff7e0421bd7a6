"""The Unix socket: who on this machine may knock.

Invariant: it is open to its owner and, where configured, to one group; it never
stands in a folder in which somebody else could put another socket in its place.
"""

from __future__ import annotations

import grp
import os
import stat
from typing import TYPE_CHECKING, Final

from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER_MODE: Final = 0o700
_SHARED_FOLDER_MODE: Final = 0o750
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class CannotListen(RefundwatchError):
    """An address is taken, or not ours to listen on."""

    code = "daemon.cannot_listen"


def make_room(path: Path, group: str | None = None) -> None:
    """Make the socket's folder, and remove the socket that a killed daemon left.

    Raises:
        CannotListen: the folder is open to others' writing, the group is unknown, or
            something else stands in the socket's place.
    """
    number = group_number(path, group)
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=_FOLDER_MODE)
        if number is not None:
            os.chown(path.parent, -1, number)
            path.parent.chmod(_SHARED_FOLDER_MODE)
    _check_folder(path)
    if not path.exists():
        return
    if not path.is_socket():
        raise CannotListen(f"Cannot listen on {path} (api): it is no socket.")
    path.unlink()


def open_to(path: Path, mode: str, group: str | None) -> None:
    """Give a socket that was just made its group and mode.

    Raises:
        CannotListen: the group is unknown, or not ours to give.
    """
    number = group_number(path, group)
    try:
        if number is not None:
            os.chown(path, -1, number)
        path.chmod(int(mode, 8))
    except OSError as error:
        why = error.strerror or str(error)
        raise CannotListen(f"Cannot open {path} (api) to {group}: {why}.") from error


def group_number(path: Path, group: str | None) -> int | None:
    """Look a group up; None for none.

    Raises:
        CannotListen: there is no such group.
    """
    if group is None:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        message = f"Cannot listen on {path} (api): there is no group {group}."
        raise CannotListen(message) from None


def _check_folder(path: Path) -> None:
    found = path.parent.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid not in {0, os.geteuid()}:
        raise CannotListen(
            f"Cannot listen on {path} (api): its folder belongs to somebody else."
        )
    # In a sticky folder nobody removes what is not theirs.
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        raise CannotListen(
            f"Cannot listen on {path} (api): others may write in its folder "
            f"(mode {mode:04o}); chmod go-w {path.parent}."
        )
