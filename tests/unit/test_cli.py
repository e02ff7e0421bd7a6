from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from refundwatch import __version__, cli
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


class Refused(RefundwatchError):
    code = "test.refused"
    exit_code = 4


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., int]], None]:
    """Give a function that stands in for the front end named `alarms`."""

    def install(main: Callable[..., int]) -> None:
        module = ModuleType("refundwatch.commands.alarms")
        module.main = main  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "refundwatch.commands.alarms", module)

    monkeypatch.setitem(
        sys.modules, "refundwatch.commands", ModuleType("refundwatch.commands")
    )
    return install


def start(
    *arguments: str, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "refundwatch", *arguments],
        cwd=ROOT,
        text=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"refundwatch {__version__}\n"


def test_version_is_the_one_of_the_wheel() -> None:
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()


def test_help_gives_one_line_to_each_front_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name in cli.FRONT_ENDS:
        rows = [line for line in printed.splitlines() if line.split()[:1] == [name]]
        assert len(rows) == 1, name
        assert len(rows[0]) <= 88


def test_no_command_shows_help_and_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([]) == cli.EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "usage: refundwatch" in captured.err


def test_unknown_command_is_named_with_the_nearest_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["refund", "list"]) == cli.EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "'refund'" in captured.err
    assert "refunds" in captured.err


def test_front_end_gets_the_rest_and_gives_the_exit_code(
    front_end: Callable[[Callable[..., int]], None],
) -> None:
    seen: list[list[str]] = []

    def main(argv: list[str]) -> int:
        seen.append(argv)
        return 3

    front_end(main)
    assert cli.main(["alarms", "list", "--json"]) == 3
    assert seen == [["list", "--json"]]


def test_our_error_becomes_a_sentence_and_its_exit_code(
    front_end: Callable[[Callable[..., int]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main(argv: list[str]) -> int:
        raise Refused("Not today.")

    front_end(main)
    assert cli.main(["alarms"]) == 4
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "refundwatch: Not today.\n")


def test_control_characters_of_an_error_never_reach_the_terminal(
    front_end: Callable[[Callable[..., int]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main(argv: list[str]) -> int:
        raise Refused("\x1b]0;owned\x07 ref \x9b2J\r\nnext line")

    front_end(main)
    cli.main(["alarms"])
    printed = capsys.readouterr().err
    assert printed.endswith("next line\n")
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(printed)


def test_interrupt_exits_130(front_end: Callable[[Callable[..., int]], None]) -> None:
    def main(argv: list[str]) -> int:
        raise KeyboardInterrupt

    front_end(main)
    assert cli.main(["alarms"]) == 130


@pytest.mark.parametrize(
    ("library", "extra"),
    [("textual", "tui"), ("apscheduler.schedulers", "daemon"), ("structlog", "daemon")],
)
def test_missing_library_names_the_extra_to_install(
    front_end: Callable[[Callable[..., int]], None],
    capsys: pytest.CaptureFixture[str],
    library: str,
    extra: str,
) -> None:
    def main(argv: list[str]) -> int:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    front_end(main)
    assert cli.main(["alarms"]) == cli.EXIT_CONFIGURATION
    assert f"refundwatch[{extra}]" in capsys.readouterr().err


def test_missing_module_of_our_own_is_not_hidden(
    front_end: Callable[[Callable[..., int]], None],
) -> None:
    def main(argv: list[str]) -> int:
        raise ModuleNotFoundError("No module", name="refundwatch.nothing")

    front_end(main)
    with pytest.raises(ModuleNotFoundError):
        cli.main(["alarms"])


@pytest.mark.parametrize("package", ["daemon", "tui"])
def test_package_of_another_project_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: str,
) -> None:
    stranger = tmp_path / package
    stranger.mkdir()
    (stranger / "__init__.py").write_text("")
    (stranger / "main.py").write_text("def main(argv): return 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    assert cli.main([package]) == cli.EXIT_CONFIGURATION
    assert "not refundwatch's" in capsys.readouterr().err


def test_every_module_named_is_under_our_own_packages() -> None:
    roots = {module.partition(".")[0] for module, _ in cli.FRONT_ENDS.values()}
    assert roots == {"refundwatch", "daemon", "tui"}


def test_module_can_be_run_like_the_script() -> None:
    done = start("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"refundwatch {__version__}\n"


def test_reader_that_left_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = start("--help", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
