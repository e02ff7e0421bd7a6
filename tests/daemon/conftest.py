from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.daemon.living import living

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.daemon.living import Living


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Living]:
    """A running daemon whose gateways nobody can reach."""
    async with living(tmp_path) as found:
        yield found
