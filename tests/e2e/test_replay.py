"""A slice of the real returns through the whole hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.replay import replay

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("heavy")


async def test_real_returns_end_with_the_gateways_sum_to_the_penny(
    tmp_path: Path,
) -> None:
    outcome = await replay(tmp_path, 150)

    assert outcome.problems == []
    assert outcome.states["succeeded"] > 130
