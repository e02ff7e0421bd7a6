"""The operator API keeps every promise of its own document, whatever is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fuzz.api_run import run, target

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("heavy")

EXAMPLES = 10
CASES = 1500


async def test_every_answer_is_one_that_the_document_promises(tmp_path: Path) -> None:
    """All checks of schemathesis, all its phases, with the cases always the same."""
    async with target(tmp_path) as staged:
        stranger = await run(staged, 3, None, known=False)
        assert stranger.well, stranger.text[-8000:]
        found = await run(staged, EXAMPLES, None)
    assert found.well, (found.crashes, found.text[-8000:])
    assert found.cases >= CASES, found.text
