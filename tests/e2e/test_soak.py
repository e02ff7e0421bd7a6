"""Half a minute of the soak: memory flat, queues bounded, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soak import soak

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("heavy")

SECONDS = 20.0
LEAST = 10


async def test_steady_load_leaves_memory_flat_and_queues_bounded(
    tmp_path: Path,
) -> None:
    found = await soak(tmp_path, SECONDS)

    assert found.problems == [], "\n".join(found.lines())
    # A machine that is busy brings less; nothing would prove nothing.
    assert found.answers[200] > LEAST * SECONDS
    assert found.requested > LEAST * SECONDS
    assert found.changes > 0
    names = {"writer", "reads", "inbox_jobs", "dispatch_jobs", "feed_buffered_bytes"}
    assert names <= found.queues.keys()
