"""A few thousand rows under a new key, `kill -9` half-way: `make rekeying`, short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rekeying import rekey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("heavy")


async def test_rotation_killed_half_way_ends_with_nothing_under_the_old_key(
    tmp_path: Path,
) -> None:
    found = await rekey(tmp_path, 2000, 5.0)
    assert found.problems == []
    assert 0 < found.resealed_at_kill < found.resealed
    assert found.refunds
