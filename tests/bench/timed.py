"""Prints measured times at the end of the run. They depend on the machine, so no test fails because of them."""

from typing import Final

import pytest

TIMED: Final = "timed"
"""The property (`record_property`) whose text is printed."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.getreports("passed")
    lines = [str(text) for report in reports for name, text in report.user_properties if name == TIMED]
    if lines:
        terminalreporter.section("measured times (for information)")
    for line in sorted(lines):
        terminalreporter.write_line(line)
