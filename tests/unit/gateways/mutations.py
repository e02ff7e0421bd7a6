"""Bytes that resemble a good answer: what a broken or hostile gateway could send."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "date",
            "stripe-should-retry",
            "idempotent-replayed",
            "stripe-rate-limited-reason",
            "transient-error",
            "idempotency-key",
        ]
    ),
    st.sampled_from(["true", "false", "TRUE", "", "5", "x" * 300])
    | st.text(max_size=9),
    max_size=4,
)
STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 402, 403, 404, 408, 409]) | (
    st.sampled_from([418, 422, 424, 429, 500, 502, 503, 504]) | st.integers(100, 599)
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=12)
    | st.sampled_from(["", "x" * 300, "\ud800", "true", "EUR", "eur", 10**400])
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
    ),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of every value inside, containers too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from _places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index)
            yield from _places(inner, (*path, index))


@st.composite
def mutated(draw: st.DrawFn, *goods: Any) -> bytes:
    """Give a good document with up to three values replaced or bytes spliced."""
    document = copy.deepcopy(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(document))
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        target = document
        for step in way:
            target = target[step]
        if draw(st.booleans()) and isinstance(target, dict):
            del target[last]
        else:
            target[last] = draw(VALUES)
    written = json.dumps(document).encode()
    if draw(st.booleans()):
        return written
    at = draw(st.integers(0, len(written)))
    return written[:at] + draw(st.binary(max_size=3)) + written[at + 1 :]


def bodies(*goods: Any) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=120) | mutated(*goods)
