"""What tests timed, shown at the end of the run: it hangs on the machine's mood and fails nothing."""

from typing import Final

import pytest

TIMED: Final = "timed"
"""The property (`record_property`) whose text is shown."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.getreports("passed")
    lines = [str(said) for report in reports for name, said in report.user_properties if name == TIMED]
    if lines:
        terminalreporter.section("timed, and failing nothing")
    for line in sorted(lines):
        terminalreporter.write_line(line)
