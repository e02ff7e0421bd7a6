from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refundwatch.catalog.new import write_skeleton
from refundwatch.cli import main as script
from refundwatch.errors import SkeletonRefused
from tests.architecture.repository import ROOT

BINARIES = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for place in ("refundwatch", "tests/contract", "tests/unit/gateways"):
        shutil.copytree(
            ROOT / place,
            tmp_path / place,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for place in ("pyproject.toml", "README.md", "tests/__init__.py"):
        if (ROOT / place).is_file():
            shutil.copy(ROOT / place, tmp_path / place)
    for place in ("tests/gateways", "tests/vectors"):
        shutil.copytree(ROOT / place, tmp_path / place)
    return tmp_path


def files_of(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if "__pycache__" not in path.parts}


def ran(root: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BINARIES / program, *arguments],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_skeleton_is_clean_and_fails_only_where_it_says_what_to_write(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    before = files_of(checkout)
    assert script(["gateways", "new", "zzbank"]) == 0
    places = [line for line in capsys.readouterr().out.splitlines() if line]
    new = {path for path in files_of(checkout) - before if path.is_file()}
    assert {checkout / place for place in places} == new
    assert len(new) == 4

    for name in ("aa", "q" * 16):
        assert script(["gateways", "new", name]) == 0
    places += capsys.readouterr().out.splitlines()
    assert len(places) == 12
    for check in (["check"], ["format", "--check"]):
        done = ran(checkout, "ruff", *check, "--no-cache", *places)
        assert done.returncode == 0, done.stdout + done.stderr
    module = "refundwatch/gateways/zzbank/adapter.py"
    cache = ROOT / ".mypy_cache"
    done = ran(checkout, "mypy", "--cache-dir", str(cache / "skeleton"), module)
    assert done.returncode == 0, done.stdout + done.stderr

    chosen = ("-k", "zzbank", "-q", "-p", "no:cacheprovider", "--tb=line")
    done = ran(checkout, "python", "-m", "pytest", *chosen, "tests/contract")
    assert done.returncode == 1, done.stdout + done.stderr
    told = re.findall(r"^/\S+\.py:\d+: (.*)$", done.stdout, re.MULTILINE)
    assert len(told) > 10, done.stdout
    assert [line for line in told if "zzbank: " not in line] == []


@pytest.mark.parametrize(
    "name",
    ["", "a", "Stripe", "two words", "../up", "new-bank", "class", "bank1", "x" * 17],
)
def test_a_bad_name_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(SkeletonRefused):
        write_skeleton(tmp_path, name)
    assert files_of(tmp_path) == set()


def bare(root: Path) -> Path:
    for place in ("refundwatch/gateways/registry.py", "tests/contract/case.py"):
        (root / place).parent.mkdir(parents=True)
        (root / place).touch()
    for place in ("tests/contract/examples", "tests/unit/gateways"):
        (root / place).mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    "taken",
    [
        "refundwatch/gateways/zzbank/adapter.py",
        "refundwatch/gateways/zzbank.py",
        "tests/contract/cases/zzbank.py",
        "tests/contract/examples/zzbank.py",
        "tests/unit/gateways/test_zzbank_total.py",
    ],
)
def test_what_exists_is_never_touched(tmp_path: Path, taken: str) -> None:
    root = bare(tmp_path)
    (root / taken).parent.mkdir(parents=True, exist_ok=True)
    (root / taken).write_text("mine")
    before = files_of(root)
    with pytest.raises(SkeletonRefused, match="exists already"):
        write_skeleton(root, "zzbank")
    assert files_of(root) == before
    assert (root / taken).read_text() == "mine"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    root = bare(tmp_path)
    (root / "tests/unit/gateways").rmdir()
    before = files_of(root)
    with pytest.raises(SkeletonRefused, match="Nothing was written"):
        write_skeleton(root, "zzbank")
    assert files_of(root) == before


def test_outside_a_checkout_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SkeletonRefused, match="checkout"):
        write_skeleton(tmp_path, "zzbank")
    assert files_of(tmp_path) == set()
