"""What a process really imports when one front end is picked."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from refundwatch.cli import FRONT_ENDS
from refundwatch.commands import refunds
from refundwatch.commands.command_line import Noun
from tests.architecture.repository import ROOT

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from refundwatch.commands.command_line import Work

PROGRAM = """
import contextlib, io, json, sys
from refundwatch.cli import main
talk = io.StringIO()
with contextlib.redirect_stdout(talk), contextlib.redirect_stderr(talk):
    with contextlib.suppress(SystemExit):
        main(sys.argv[1:])
print(json.dumps(sorted(sys.modules)))
"""
HEADLESS = sorted(set(FRONT_ENDS) - {"tui", "demo"})


def stands(name: str) -> bool:
    try:
        return importlib.util.find_spec(FRONT_ENDS[name][0]) is not None
    except ModuleNotFoundError:
        return False


def standing(names: list[str]) -> list[str]:
    """Keep those with a module: `test_every_front_end_stands` names the others."""
    return [name for name in names if stands(name)]


def modules_after(*arguments: str) -> set[str]:
    """Run the script in a fresh interpreter and return what it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout)
    return set(names)


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("name", sorted(FRONT_ENDS))
def test_every_front_end_stands(name: str) -> None:
    assert stands(name), FRONT_ENDS[name][0]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["nonsense"]])
def test_picking_nothing_imports_nothing_heavy(arguments: list[str]) -> None:
    loaded = roots(modules_after(*arguments))
    heavy = {"aiohttp", "pydantic", "cryptography", "aiosqlite", "textual", "asyncio"}
    assert loaded & (heavy | {"daemon", "tui"}) == set()


@pytest.mark.parametrize("name", standing(HEADLESS))
def test_headless_front_end_does_not_import_textual(name: str) -> None:
    names = modules_after(name, "--help")
    assert FRONT_ENDS[name][0] in names
    # structlog looks by itself whether rich is there, and the daemon logs with it.
    looked_for = {"rich"} if name == "daemon" else set()
    assert roots(names) & {"textual", "rich", "tui"} <= looked_for


@pytest.mark.parametrize("name", standing(["refunds"]))
def test_listing_imports_neither_textual_nor_the_daemon(name: str) -> None:
    names = modules_after(name, "list")
    assert FRONT_ENDS[name][0] in names
    assert roots(names) & {"textual", "rich", "tui", "daemon", "aiosqlite"} == set()


@pytest.mark.parametrize("name", standing(["tui"]))
def test_dashboard_imports_nothing_of_the_daemon(name: str) -> None:
    names = modules_after(name, "--help")
    assert FRONT_ENDS[name][0] in names
    assert roots(names) & {"daemon", "aiosqlite", "apscheduler"} == set()
    # What speaks HTTP is loaded when something can be seen already.
    assert "aiohttp" not in names
    assert not any(name.startswith("refundwatch.store") for name in names)


def test_help_of_listing_imports_nothing_heavy() -> None:
    names = modules_after("refunds", "list", "--help")
    assert FRONT_ENDS["refunds"][0] in names
    heavy = {"aiohttp", "pydantic", "asyncio", "dataclasses", "inspect"}
    assert roots(names) & heavy == set()
    assert "refundwatch.api.models" not in names


def test_work_that_is_named_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    class Asking(Noun):
        def verb(
            self, name: str, work: Work | str, summary: str, **more: bool
        ) -> ArgumentParser:
            found.append(work)
            return super().verb(name, work, summary, **more)

    monkeypatch.setattr(refunds, "Noun", Asking)
    with pytest.raises(SystemExit):
        refunds.main(["--help"])
    assert len(found) > 5
    for work in found:
        module, _, function = str(work).partition(":")
        assert callable(getattr(importlib.import_module(module), function))
