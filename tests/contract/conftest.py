"""The suite ends with a table: which gateway passes which check."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from refundwatch.gateways import registry

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_CHECK = re.compile(r"tests/contract/test_contract\.py::test_(\w+)\[([a-z]+)")
_RESULTS = pytest.StashKey[dict[str, dict[str, list[str]]]]()


class Noted:
    """Collects outcomes, wherever they were reached."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, list[str]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = _CHECK.search(report.nodeid)
        told = report.when == "call" or (report.when == "setup" and report.skipped)
        if found is not None and told:
            self.results[found[1]][found[2]].append(report.outcome)


def pytest_configure(config: pytest.Config) -> None:
    noted = Noted()
    config.stash[_RESULTS] = noted.results
    config.pluginmanager.register(noted)


def pytest_terminal_summary(
    terminalreporter: TerminalReporter, config: pytest.Config
) -> None:
    results = config.stash[_RESULTS]
    if not results:
        return
    terminalreporter.section("gateway contract: checks passed")
    width = max(map(len, results))
    examples = {name for row in results.values() for name in row} - {*registry.NAMES}
    names = (*registry.NAMES, *sorted(examples))
    titles = " ".join(f"{name[:9]:>9}" for name in names)
    terminalreporter.write_line(f"{'':{width}} {titles}")
    for check, by_gateway in results.items():
        cells = (_cell(by_gateway.get(name, [])) for name in names)
        terminalreporter.write_line(
            f"{check:{width}} " + " ".join(f"{cell:>9}" for cell in cells)
        )


def _cell(outcomes: list[str]) -> str:
    if not outcomes:
        return "-"
    passed = outcomes.count("passed")
    if passed == len(outcomes):
        return str(passed)
    skipped = outcomes.count("skipped")
    if passed == 0 and skipped == len(outcomes):
        return "n/a"
    return f"{passed}/{len(outcomes) - skipped}"
