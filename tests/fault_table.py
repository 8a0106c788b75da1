"""The table of faults: what a test did to Laurel, and what it counted before and after, as docs/faults.md shows it.

`./run chaos` prints it at its end, measured in that very run, with the violations that `check_integrity` found.
"""

from collections.abc import Callable
from typing import Any

import pytest


class Fault:
    """What one test of a fault tells while it goes on, and counts."""

    def __init__(self, request: pytest.FixtureRequest, record: Callable[[str, object], None]) -> None:
        # There is none in a process of xdist, whose output nobody sees.
        self._terminal = request.config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = request.config.pluginmanager.get_plugin("capturemanager")
        self._record = record

    def say(self, text: str) -> None:
        """Show how far it is, at once."""
        if self._terminal is not None:
            with self._capture.global_and_fixture_disabled():
                self._terminal.write_line(f"    {text}")

    def counted(self, fault: str, *, before: str, after: str) -> None:
        """Put a row into the table."""
        self._record("fault", [fault, before, after])


@pytest.fixture
def fault(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Fault:
    return Fault(request, record_property)


def table(reports: list[pytest.TestReport]) -> list[str]:
    """Return the lines of a Markdown table, a row for each that a test counted."""
    lines = []
    for report in reports:
        told = report.user_properties
        violations = sum(value for name, value in told if name == "violations" and isinstance(value, int))
        for name, value in told:
            if name == "fault":
                fault, before, after = value
                lines.append(f"| {fault} | {before} | {after} | {violations} | `{_place(report.nodeid)}` |")
    return lines and ["| fault | before | after | violations | test (`tests/…`) |", "|---|---|---|---|---|", *lines]


def _place(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/").removesuffix(".py")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table of a session of long fault tests."""
    if config.option.markexpr != "chaos":
        return
    reports = [
        report
        for many in terminalreporter.stats.values()
        for report in many
        if getattr(report, "when", "") == "teardown"
    ]
    lines = table(reports)
    if lines:
        terminalreporter.section("Faults, and what was there afterwards")
        for line in lines:
            terminalreporter.write_line(line)
