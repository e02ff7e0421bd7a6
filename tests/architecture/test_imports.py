"""The direction of imports, module by module, as an allow-list.

import-linter holds the layers; this holds who may know whom exactly, and it needs no
module to exist before it can be forbidden.
"""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.repository import ROOT, source_files

if TYPE_CHECKING:
    from pathlib import Path

STDLIB = frozenset(sys.stdlib_module_names)
OURS = ("refundwatch", "daemon", "tui")

# What each room may import beside itself: of ours, and of others.
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "refundwatch/errors.py": (set(), set()),
    "refundwatch/config": ({"refundwatch.errors"}, set()),
    "refundwatch/domain": ({"refundwatch.errors"}, set()),
    "refundwatch/security": (
        {"refundwatch.domain", "refundwatch.config", "refundwatch.errors"},
        {"cryptography"},
    ),
    "refundwatch/gateways": (
        {"refundwatch.domain", "refundwatch.config", "refundwatch.errors"},
        {"cryptography"},
    ),
    "refundwatch/store": (
        {"refundwatch.domain", "refundwatch.config", "refundwatch.errors"},
        {"aiosqlite"},
    ),
    "refundwatch/flow": (
        {
            "refundwatch.store.contract",
            "refundwatch.gateways.contract",
            "refundwatch.domain",
            "refundwatch.config",
            "refundwatch.errors",
        },
        set(),
    ),
    "refundwatch/forecast": (
        {"refundwatch.domain", "refundwatch.errors"},
        {"numpy", "holidays"},
    ),
    "refundwatch/api": (
        {
            "refundwatch.domain",
            "refundwatch.forecast",
            "refundwatch.security",
            "refundwatch.errors",
        },
        {"aiohttp", "pydantic"},
    ),
    "refundwatch/sandbox": (
        {"refundwatch.domain", "refundwatch.errors"},
        {"aiohttp", "cryptography"},
    ),
    "refundwatch/catalog": ({"refundwatch.gateways", "refundwatch.errors"}, set()),
    "refundwatch/commands": (
        {"refundwatch.api", "refundwatch.config", "refundwatch.errors"},
        {"pydantic"},
    ),
    "tui": (
        {"refundwatch.api", "refundwatch.config", "refundwatch.errors"},
        {"textual", "rich"},
    ),
    "refundwatch/cli.py": ({"refundwatch.errors"}, set()),
    "refundwatch/__main__.py": ({"refundwatch.cli"}, set()),
}

ADAPTERS = tuple(
    sorted(path.parent.name for path in ROOT.glob("refundwatch/gateways/*/__init__.py"))
)


def imports_of(path: Path) -> set[str]:
    """Return every module named in an import, with `a.b` for `from a import b`.

    Names are kept only as far as they are modules of ours.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if is_module(inner) else node.module)
    return found


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


def strangers(room: str) -> list[str]:
    """Return the imports that a room must not have, as `file: module`."""
    own = room.removesuffix(".py").replace("/", ".")
    ours, others = ALLOWED[room]
    allowed = {own, "refundwatch.__version__"} | ours
    paths = [ROOT / room] if room.endswith(".py") else source_files(room)
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in sorted(imports_of(path))
        if not is_allowed(name, allowed, others)
    ]


def is_allowed(name: str, ours: set[str], others: set[str]) -> bool:
    root = name.partition(".")[0]
    if root not in OURS:
        return root in STDLIB or root in others
    if name == "refundwatch":
        return True  # the version
    return any(within(name, parent) for parent in ours)


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_room_imports_only_what_it_may_know(room: str) -> None:
    assert strangers(room) == []


def test_domain_reads_neither_clock_nor_chance_nor_world() -> None:
    worldly = {"time", "random", "secrets", "os", "socket", "asyncio", "sqlite3"}
    worldly |= {"subprocess", "pathlib", "threading", "logging", "urllib.request"}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in source_files("refundwatch/domain")
        for name in imports_of(path) & worldly
    ]
    assert found == []


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapter_knows_no_other_adapter_and_no_client(adapter: str) -> None:
    others = {f"refundwatch.gateways.{name}" for name in ADAPTERS if name != adapter}
    base = f"refundwatch/gateways/{adapter}"
    paths = [*source_files(base), ROOT / f"{base}.py"]
    worldly = {"aiohttp", "time", "logging", "asyncio", "socket", "random"}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        if path.is_file()
        for name in imports_of(path)
        if name in worldly or any(within(name, other) for other in others)
    ]
    assert found == []


def test_only_the_stores_speak_sql() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in source_files(*OURS)
        if imports_of(path) & {"sqlite3", "aiosqlite", "asyncpg"}
        and not path.is_relative_to(ROOT / "refundwatch" / "store")
    ]
    assert found == []


def test_only_wiring_and_registry_name_an_adapter() -> None:
    adapters = [f"refundwatch.gateways.{name}" for name in ADAPTERS]
    allowed = (ROOT / "refundwatch/gateways", ROOT / "daemon/wiring.py")
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in source_files(*OURS)
        if not any(path.is_relative_to(place) for place in allowed)
        for name in imports_of(path)
        if any(within(name, adapter) for adapter in adapters)
    ]
    assert found == []


def test_packages_of_the_script_hold_a_docstring_only() -> None:
    for name in ("daemon", "tui"):
        tree = ast.parse((ROOT / name / "__init__.py").read_text("utf-8"))
        assert ast.get_docstring(tree)
        assert len(tree.body) == 1, name
