"""Where the fact sheets and vectors stand; a test that needs them skips without."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

if not SHARED.is_dir():
    pytest.skip(
        "the shared facts are not beside this checkout", allow_module_level=True
    )
