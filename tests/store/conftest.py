from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.making import open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from refundwatch.store.sqlite.store import InlineStore


@pytest.fixture
async def store() -> AsyncIterator[InlineStore]:
    opened = await open_house()
    try:
        yield opened
    finally:
        await opened.close()
