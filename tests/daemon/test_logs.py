"""A log that cannot be written stops nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.logs import open_log

if TYPE_CHECKING:
    from io import TextIOWrapper


def full_disk() -> TextIOWrapper:
    return Path("/dev/full").open("w", encoding="utf-8", buffering=1)


def reader_gone() -> TextIOWrapper:
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", encoding="utf-8", buffering=1)


@pytest.mark.parametrize("opened", [full_disk, reader_gone])
def test_log_that_cannot_be_written_stops_nothing(
    opened: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(opened)
    stream = opened()
    with pytest.raises(OSError, match=r"No space|Broken pipe"):
        stream.write("a line\n")
    monkeypatch.setattr("sys.stderr", stream)
    log = open_log("info", "json")
    for number in range(2000):
        log.problem(f"event {number}", detail="x" * 100)
    with pytest.raises(OSError, match=r"No space|Broken pipe"):
        stream.close()
