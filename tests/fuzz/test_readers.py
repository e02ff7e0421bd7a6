"""Whatever comes from outside is read as promised, exactly, and in linear time."""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.readers import READERS, Reader
from tests.unit.gateways.mutations import VALUES, mutated

EVERY = pytest.mark.parametrize("reader", READERS, ids=[one.name for one in READERS])
FRAGMENTS = (
    b"[",
    b'{"a":',
    b'"\\ud800"',
    b"9",
    b"1e5,",
    b'"",',
    b"!",
    b"a:b,",
    b'a:"\\',
    b" ",
    b"1d",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"\r",
    b"\n",
    b'"\n',
    b"\x00",
    b"-:",
    b"(",
    b", ",
)


def anything(reader: Reader) -> st.SearchStrategy[bytes]:
    """Bytes, JSON, good input with values replaced, and good input cut and spliced."""
    good = st.sampled_from(reader.good)
    parts = st.sampled_from(FRAGMENTS) | st.binary(max_size=4)
    spliced = st.builds(splice, good, st.lists(st.tuples(st.floats(0, 1), parts)))
    drawn = (
        st.binary(max_size=200)
        | st.lists(parts, max_size=40).map(b"".join)
        | VALUES.map(lambda value: json.dumps(value).encode())
        | spliced
    )
    documents = [found for one in reader.good if (found := document(one)) is not None]
    if not documents:
        return drawn
    first = reader.good[0][:1] if reader.good[0][:1] not in b"{[" else b""
    return drawn | mutated(*documents).map(lambda body: first + body)


def document(content: bytes) -> Any:
    """The JSON of a good input, with or without a status before it."""
    for body in (content, content[1:]):
        try:
            found = json.loads(body)
        except ValueError:
            continue
        return found if isinstance(found, dict) else None
    return None


def splice(content: bytes, parts: list[tuple[float, bytes]]) -> bytes:
    for where, part in parts[:6]:
        at = int(where * len(content))
        content = content[:at] + part + content[at + (len(part) % 3) :]
    return content


@EVERY
@given(data=st.data())
def test_any_bytes_are_read_or_refused_as_promised(
    reader: Reader, data: st.DataObject
) -> None:
    reader.check(data.draw(anything(reader)))


# The models' own good bodies are in tests/unit/api.
WITH_GOOD = [one for one in READERS if not one.name.startswith("body.")]


@pytest.mark.parametrize("reader", WITH_GOOD, ids=[one.name for one in WITH_GOOD])
def test_good_bytes_are_read(reader: Reader) -> None:
    """A reader that refuses all is one that was never fuzzed."""
    assert any(reader.check(one) is not None for one in reader.good), reader.name


@EVERY
def test_time_grows_no_faster_than_the_input(reader: Reader) -> None:
    """Sixteen times the input may take 64 times as long; squared would be 256."""
    for fragment in FRAGMENTS:
        small, large = (taken(reader, fragment, size) for size in (2_000, 32_000))
        assert large < 64 * small + 0.05, (fragment, small, large)


def taken(reader: Reader, fragment: bytes, size: int) -> float:
    content = fragment * (size // len(fragment))
    content = reader.good[0][:1] + content
    return min(_once(reader, content) for _ in range(3))


def _once(reader: Reader, content: bytes) -> float:
    """Time one reading, without a collection of all that other tests left behind."""
    gc.collect(0)
    gc.disable()
    try:
        begun = time.process_time()
        reader.check(content)
        return time.process_time() - begun
    finally:
        gc.enable()
