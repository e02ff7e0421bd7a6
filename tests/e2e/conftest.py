"""Real processes report the faults they survived; the session ends with the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults import FaultTable

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_TABLE = pytest.StashKey[FaultTable]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = FaultTable()


@pytest.fixture(scope="session")
def faults(pytestconfig: pytest.Config) -> FaultTable:
    return pytestconfig.stash[_TABLE]


def pytest_terminal_summary(
    terminalreporter: TerminalReporter, config: pytest.Config
) -> None:
    table = config.stash[_TABLE]
    if table.rows:
        terminalreporter.section("faults injected into real processes")
        for line in table.lines():
            terminalreporter.write_line(line)
