"""Each table of the benchmarks runs to its end; its figures are for a quiet machine."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.__main__ import TABLES

pytestmark = pytest.mark.xdist_group("heavy")

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240
# Latency is the same stand and load as ingest, read in another way.
HERE = [table for table in TABLES if table != "latency"]


@pytest.mark.parametrize("table", HERE)
async def test_table_runs_to_its_end_and_prints_its_rows(table: str) -> None:
    """Run as people run it: what one table leaves behind must not help the next."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", table, "--short"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            printed, said = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, said.decode("utf-8", "replace")
    head, line, *rows = printed.decode("utf-8").strip().splitlines()
    assert head.startswith("| table | measured (median) |")
    assert set(line) == {"|", "-"}
    assert rows
    assert all(row.count("|") >= head.count("|") for row in rows), rows


def test_every_table_has_its_module() -> None:
    assert all(find_spec(f"bench.{table}") for table in TABLES)
