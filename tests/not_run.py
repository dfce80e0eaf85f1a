"""Skip tests that need something this machine lacks, and report it at the end of the run. With `CI=true` they fail."""

import os
from collections import Counter
from typing import Final, NoReturn

import pytest

_NOT_RUN: Final = "NOT RUN: "


def not_run(tests: str, missing: str) -> NoReturn:
    """Skip the current test, or fail it in CI.

    *tests* names their kind, such as "tests of races". *missing* says what they need and how to get it, in one line.
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
