"""Chromium, as people use it: the machine's own, driven by Playwright."""

import shutil
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.not_run import not_run

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without windows. Without one on this machine the test is skipped, in CI it fails.

    Of one module, since Playwright keeps an event loop running, in which tests of others could not run theirs.
    """
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        not_run("tests of pages", "there is no Chromium. Install it: apt-get install chromium, or Google Chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
