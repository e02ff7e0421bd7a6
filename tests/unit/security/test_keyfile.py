from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from refundwatch.errors import KeyFileInvalid
from refundwatch.security.keyfile import (
    KeyRing,
    new_key_line,
    parse_key_file,
    read_key_file,
)

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = bytes(range(32)), bytes(range(32, 64))
ONE_LINE = f"k1 {b64encode(ONE).decode()}\n"
TWO_LINE = f"k2 {b64encode(TWO).decode()}\n"


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(ONE_LINE)
    path.chmod(0o400)
    return path


def test_first_key_is_current() -> None:
    text = f"# made in January\n\n{TWO_LINE}  {ONE_LINE.strip()}\r\n"
    ring = parse_key_file(text.encode())
    assert ring.current == "k2"
    assert ring.keys == {"k2": TWO, "k1": ONE}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("k1\n", 1),
        (ONE_LINE + "k2 AAAA\n", 2),
        (ONE_LINE + "k2 " + b64encode(bytes(33)).decode(), 2),
        ("#\n\nk1 !" + ONE_LINE[4:], 3),
        (ONE_LINE.replace("k1", "-k1"), 1),
        (ONE_LINE.replace("k1", "k" * 65), 1),
        (ONE_LINE.replace("k1", "k1 k1"), 1),
        (ONE_LINE.replace("k1", "k\u00e9"), 1),
        (ONE_LINE + TWO_LINE.replace("k2", "k1"), 2),
        (ONE_LINE + ONE_LINE.replace("k1", "k2"), 2),
    ],
)
def test_wrong_line_is_named_and_never_quoted(text: str, line: int) -> None:
    with pytest.raises(KeyFileInvalid) as caught:
        parse_key_file(text.encode(), "keys")
    assert caught.value.field == f"line {line}"
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert b64encode(ONE).decode()[4:20] not in shown


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
def test_file_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(KeyFileInvalid, match="no key"):
        parse_key_file(text.encode())


def test_ring_shows_no_key() -> None:
    ring = parse_key_file((ONE_LINE + TWO_LINE).encode())
    assert repr(ring) == str(ring) == "KeyRing(current='k1')"


def test_impossible_ring_is_refused() -> None:
    with pytest.raises(KeyFileInvalid):
        KeyRing("k2", {"k1": ONE})
    with pytest.raises(KeyFileInvalid):
        KeyRing("k1", {"k1": ONE[:16]})


def test_new_key_line_is_a_key_file() -> None:
    line = new_key_line("2026-01")
    ring = parse_key_file(line.encode())
    assert ring.current == "2026-01"
    assert new_key_line("2026-01") != line
    assert new_key_line("k1", lambda n: ONE[:n]) == ONE_LINE
    with pytest.raises(KeyFileInvalid):
        new_key_line("two words")


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_file_of_its_owner_alone_is_read(key_path: Path, mode: int) -> None:
    key_path.chmod(mode)
    assert read_key_file(key_path).keys == {"k1": ONE}


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644, 0o620, 0o602, 0o700])
def test_file_that_others_may_use_is_refused(key_path: Path, mode: int) -> None:
    key_path.chmod(mode)
    with pytest.raises(KeyFileInvalid, match="0400"):
        read_key_file(key_path)
    assert read_key_file(key_path, guarded=True).current == "k1"


def test_file_of_another_user_is_refused(
    key_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(KeyFileInvalid, match="another user"):
        read_key_file(key_path)
    assert read_key_file(key_path, guarded=True).current == "k1"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o400)
    for path in (tmp_path / "absent", tmp_path, pipe):
        with pytest.raises(KeyFileInvalid, match=str(path)):
            read_key_file(path)


def test_oversized_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("#" * 70_000)
    path.chmod(0o400)
    with pytest.raises(KeyFileInvalid, match="at most"):
        read_key_file(path)
