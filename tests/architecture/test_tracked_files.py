from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, tracked_files

LOCKS = sorted(ROOT.glob("requirements*.lock"))


def test_both_locks_stand() -> None:
    names = [path.name for path in LOCKS]
    assert names == ["requirements-dev.lock", "requirements.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_lock_holds_no_address_and_no_index(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert "://" not in text
    assert re.search(r"^\s*--(?!hash=)", text, re.MULTILINE) is None


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_release_is_exact_and_hashed(lock: Path) -> None:
    text = re.sub(r"^\s*#.*\n", "", lock.read_text("utf-8"), flags=re.MULTILINE)
    releases = text.replace("\\\n", " ").splitlines()
    assert releases
    for release in releases:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+", release), release
        assert "--hash=sha256:" in release, release


def test_no_lock_of_another_tool_is_tracked() -> None:
    names = {path.name for path in tracked_files()}
    assert names & {"uv.lock", "pylock.toml", "poetry.lock"} == set()


def test_no_tracked_file_names_a_place_on_this_machine() -> None:
    places = {str(ROOT), str(ROOT.parent) + "/", str(Path.home()) + "/"} - {"//", "/"}
    found = [
        f"{path.relative_to(ROOT)}: {place}"
        for path in tracked_files()
        for place in places
        if place.encode() in path.read_bytes()
    ]
    assert found == []
