from __future__ import annotations

import pytest

from refundwatch.errors import NoteKeyInvalid
from refundwatch.security.notekey import check_signature, mint, parse_note_keys

ORIGIN = "shop.example/audit"
KEY = mint(ORIGIN, lambda count: bytes(range(count)))
LINE = KEY.text()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no key"),
        ("# only\n", "no key"),
        ("k1 AAAA", "line 1"),
        (f"{LINE}\n{LINE}", "line 2"),
        (LINE.replace(ORIGIN, "other.example/audit"), "line 1"),
        (mint("other.example/audit").text(), "not of shop.example/audit"),
        (LINE[:-4], "line 1"),
        ("é" + LINE, "line 1"),
    ],
    # Keys are made anew in every process, and names of tests are not.
    ids=(
        "nothing",
        "no line",
        "no key",
        "the same twice",
        "another origin's name",
        "another origin's key",
        "cut short",
        "no ascii",
    ),
)
def test_other_file_is_refused_and_tells_no_key(content: str, why: str) -> None:
    with pytest.raises(NoteKeyInvalid) as caught:
        parse_note_keys(content.encode(), "log.key", ORIGIN)
    assert why in caught.value.message
    assert LINE.rpartition("+")[2] not in str(caught.value.__context__ or "")
    assert LINE.rpartition("+")[2] not in caught.value.message


def test_signature_of_another_message_does_not_verify() -> None:
    public, signature = KEY.verifier().public, KEY.sign(b"one")
    assert check_signature(public, signature, b"one")
    assert not check_signature(public, signature, b"two")
    assert not check_signature(bytes(31), signature, b"one")
