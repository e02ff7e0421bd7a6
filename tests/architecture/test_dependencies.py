"""Every library that is imported is declared, where it is needed."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import Any

import pytest

from tests.architecture.repository import ROOT, source_files
from tests.architecture.test_imports import OURS, imports_of

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "project"
]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
INSTALLED = packages_distributions()


def declared(*extras: str) -> set[str]:
    requirements = list(PROJECT["dependencies"])
    for extra in extras:
        requirements += EXTRAS[extra]
    return {normal(re.split(r"[\[<>=!~; ]", text)[0]) for text in requirements}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: str) -> set[str]:
    """Return the distributions that the files of a folder import."""
    ours = {*OURS, "tests", "bench"}
    roots = {
        name.partition(".")[0]
        for path in source_files(folder)
        for name in imports_of(path)
    } - ours
    return {
        normal(INSTALLED.get(root, [root])[0])
        for root in roots
        if root not in sys.stdlib_module_names
    }


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        # That only one room has them is asked in test_imports.
        ("refundwatch", ("forecast",)),
        ("daemon", ("daemon", "uvloop")),
        ("tui", ("tui",)),
        ("tests", ("daemon", "tui", "forecast", "dev", "fuzz")),
    ],
)
def test_what_is_imported_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    # rich is Textual's own other half: it comes with it and is pinned by it.
    assert imported(folder) - declared(*extras) - {"rich"} == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_holds_what_is_declared(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==", text, re.MULTILINE))
    wanted = declared("daemon", "tui", *(["dev", "forecast"] if "dev" in lock else []))
    assert wanted - locked - {"refundwatch"} == set()
