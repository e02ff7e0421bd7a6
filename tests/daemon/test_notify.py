"""Datagrams to the service manager, and none without one."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from daemon.notify import notify, watchdog_seconds

if TYPE_CHECKING:
    from pathlib import Path


def test_notice_reaches_a_socket_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify("READY=1", "STATUS=fine")
        assert manager.recv(100) == b"READY=1\nSTATUS=fine"


def test_notice_reaches_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")
        name = manager.getsockname().decode()
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@", 1))
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_nobody_to_tell_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


def test_manager_that_does_not_read_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        for _ in range(2000):
            notify("WATCHDOG=1")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30000000", 15.0), ("", None), ("soon", None), ("-1", None), ("0", None)],
)
def test_watchdog_is_patted_at_half_its_time(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", text)
    assert watchdog_seconds() == seconds
