"""Tests that need what this machine lacks are skipped, and the run says so at its end; with `CI=true` they fail."""

import os
from collections import Counter
from typing import Final, NoReturn

import pytest

_NOT_RUN: Final = "NOT RUN: "


def not_run(tests: str, missing: str) -> NoReturn:
    """Skip the test that runs, or fail it in CI.

    *tests* is their kind, such as "tests of races"; *missing* says what they need and how to get it, on one line.
    """
    reason = f"{_NOT_RUN}{tests}: {missing}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in reasons.items():
        if reason.startswith(_NOT_RUN):
            terminalreporter.write_line(f"{_NOT_RUN}{count} {reason.removeprefix(_NOT_RUN)}", red=True, bold=True)
