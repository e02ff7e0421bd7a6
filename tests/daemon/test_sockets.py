"""The Unix socket is open to whom the configuration says, and to nobody else."""

from __future__ import annotations

import grp
import os
import stat
from typing import TYPE_CHECKING

import pytest

from daemon.sockets import CannotListen, make_room, open_to
from tests.daemon.furnishing import config_text
from tests.daemon.living import living

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", ["0600", "0660"])
async def test_socket_has_the_configured_mode_and_group(
    tmp_path: Path, mode: str
) -> None:
    own = grp.getgrgid(os.getegid()).gr_name
    lines = f'socket = "run/api.sock"\nsocket_mode = "{mode}"\nsocket_group = "{own}"'
    text = config_text().replace('socket = "api.sock"', lines)
    async with living(tmp_path, text=text) as daemon:
        path = daemon.config.api.socket
        assert (mode_of(path), path.stat().st_gid) == (int(mode, 8), os.getegid())
        assert mode_of(path.parent) == 0o750


def test_folder_without_a_group_is_the_owners_alone(tmp_path: Path) -> None:
    make_room(tmp_path / "run" / "api.sock")
    assert mode_of(tmp_path / "run") == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_folder_in_which_others_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(CannotListen, match="others may write"):
        make_room(folder / "api.sock")
    folder.chmod(0o1777)
    make_room(folder / "api.sock")


def test_unknown_group_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match="no group nobody-here"):
        make_room(tmp_path / "run" / "api.sock", "nobody-here")
    assert not (tmp_path / "run").exists()


def test_what_is_no_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run" / "api.sock"
    path.parent.mkdir(0o700)
    path.write_text("precious", "ascii")
    with pytest.raises(CannotListen, match="no socket"):
        make_room(path)
    assert path.read_text("ascii") == "precious"


def test_socket_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match="api"):
        open_to(tmp_path / "api.sock", "0660", None)
