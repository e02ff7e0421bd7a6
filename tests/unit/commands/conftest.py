from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from refundwatch.cli import main
from tests.unit.commands.hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """Standard input of a person who types this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    served = FakeHub(tmp_path / "hub.sock")
    served.start()
    yield served
    served.stop()


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Give a function that runs a command against the hub and captures it."""
    for name in os.environ:
        if name.startswith("REFUNDWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("REFUNDWATCH_URL", f"unix:{tmp_path / 'hub.sock'}")
    monkeypatch.setenv("REFUNDWATCH_TOKEN", "rw1.token")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def command(*arguments: str, typed: str | None = None) -> Ran:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO())
            if typed is not None:
                patch.setattr("sys.stdin", Terminal(typed))
                patch.setattr("sys.stderr.isatty", lambda: True, raising=False)
            try:
                code = main(list(arguments))
            except SystemExit as stopped:
                code = int(str(stopped.code))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return command


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Give a function that writes a file and returns its path."""

    def file(text: str | bytes, name: str = "rows.csv") -> str:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return file
