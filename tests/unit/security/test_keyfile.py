from __future__ import annotations

from base64 import b64encode

import pytest

from refundwatch.errors import KeyFileInvalid
from refundwatch.security.keyfile import KeyRing, parse_key_file

ONE, TWO = bytes(range(32)), bytes(range(32, 64))
ONE_LINE = f"k1 {b64encode(ONE).decode()}\n"
TWO_LINE = f"k2 {b64encode(TWO).decode()}\n"


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
